//! Layers of settings, and what remains when they are laid over one another.
//!
//! Must not know: which settings exist, which layer wins.

use super::Error;
use config::{Config, ConfigError, File, FileFormat, Map, Source, Value, ValueKind};
use std::fmt;
use std::path::Path;

/// Settings by name.
pub(super) type Table = Map<String, Value>;

/// One layer: values that each know their origin, by dotted key until they are merged.
#[derive(Clone, Default)]
pub(super) struct Layer(Table);

impl Layer {
    /// Reads a TOML file.
    pub(super) fn file(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path)
            .map_err(|e| Error::unreadable(path, &e, "name a TOML file that this user may read"))?;
        let table = File::from_str(&text, FileFormat::Toml).collect().map_err(|e| Error::syntax(path, &e))?;
        let origin = path.display().to_string();
        Ok(Self(table.into_iter().map(|(key, value)| (key, located(value, &origin))).collect()))
    }

    /// A table within another layer; an empty one if there is none.
    pub(super) fn table(value: Option<&Value>) -> Self {
        match value.map(|value| &value.kind) {
            Some(ValueKind::Table(table)) => Self(table.clone()),
            _ => Self::default(),
        }
    }

    /// Sets the setting with the dotted key `key`.
    pub(super) fn set(&mut self, key: &str, value: Value) {
        self.0.insert(key.to_owned(), value);
    }

    /// The setting with the dotted key `key`, in a file or after merging.
    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        let mut names = key.split('.');
        let first = self.0.get(names.next()?)?;
        names.try_fold(first, |value, name| match &value.kind {
            ValueKind::Table(table) => table.get(name),
            _ => None,
        })
    }

    /// The whole layer as one table.
    pub(super) fn value(&self) -> Value {
        Value::new(None, self.0.clone())
    }
}

/// Lays `layers` over one another, key by key: the later wins.
pub(super) fn merge<const N: usize>(layers: [&Layer; N]) -> Result<Config, ConfigError> {
    layers.into_iter().fold(Config::builder(), |builder, layer| builder.add_source(layer.clone())).build()
}

impl TryFrom<Config> for Layer {
    type Error = ConfigError;

    fn try_from(merged: Config) -> Result<Self, ConfigError> {
        merged.collect().map(Self)
    }
}

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Table, ConfigError> {
        Ok(self.0.clone())
    }
}

/// Names only: among the values are secrets.
impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// `value` with its origin written into every part of it.
fn located(value: Value, origin: &String) -> Value {
    let kind = match value.kind {
        ValueKind::Table(table) => {
            ValueKind::Table(table.into_iter().map(|(key, value)| (key, located(value, origin))).collect())
        }
        ValueKind::Array(list) => ValueKind::Array(list.into_iter().map(|value| located(value, origin)).collect()),
        other => other,
    };
    Value::new(Some(origin), kind)
}
