//! Layers of settings, and what remains when they are laid over one another.
//!
//! Must not know: which settings exist, which layer wins.

use super::json;
use config::{Config, ConfigError, File, FileFormat, Map, Source, Value, ValueKind};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;

/// Settings by name.
pub(super) type Table = Map<String, Value>;

/// One layer: values that each know their origin, by dotted key until they are merged.
#[derive(Clone, Default)]
pub(super) struct Layer(Table);

impl Layer {
    /// The text of a TOML file, which `origin` names.
    pub(super) fn toml(text: &str, origin: &String) -> Result<Self, ConfigError> {
        let table = File::from_str(text, FileFormat::Toml).collect()?;
        Ok(Self(table.into_iter().map(|(key, value)| (key, located(value, origin))).collect()))
    }

    /// Settings as a struct holds them, which come from `origin`.
    pub(super) fn of(settings: &impl Serialize, origin: &str) -> Self {
        let written = serde_json::to_value(settings).expect("settings are numbers, texts, lists and tables");
        Self::table(Some(&json::value(written, &origin.to_owned())))
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

    /// Every entry.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.0.iter()
    }

    /// The settings as a struct.
    pub(super) fn typed<T: DeserializeOwned>(&self) -> Result<T, ConfigError> {
        Config::builder().add_source(self.clone()).build()?.try_deserialize()
    }

    /// Whether nothing is set.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The layer as the table that `key` names within another.
    pub(super) fn within(&self, key: &str) -> Self {
        let mut layer = Self::default();
        layer.set(key, self.value());
        layer
    }

    /// The whole layer as one table.
    pub(super) fn value(&self) -> Value {
        Value::new(None, self.0.clone())
    }
}

/// Lays `layers` over one another, key by key: the later wins.
pub(super) fn merge(layers: &[&Layer]) -> Layer {
    let builder = layers.iter().fold(Config::builder(), |builder, layer| builder.add_source((*layer).clone()));
    let merged = builder.build().and_then(|merged| merged.collect());
    Layer(merged.expect("layers are in memory already, so nothing can fail"))
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
