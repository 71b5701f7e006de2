//! Settings as JSON: read with their origin, and written for people and programs.
//!
//! Must not know: which settings exist.

use super::error::concealed;
use config::{Value, ValueKind};
use serde_json::Value as Json;

/// The value that `text` stands for, with `origin` in every part of it.
pub(super) fn read(text: &str, origin: &String) -> Result<Value, serde_json::Error> {
    serde_json::from_str(text).map(|json| value(json, origin))
}

/// A value with `origin` in every part of it.
pub(super) fn value(json: Json, origin: &String) -> Value {
    let kind = match json {
        Json::Null => ValueKind::Nil,
        Json::Bool(switch) => ValueKind::Boolean(switch),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => ValueKind::I64(whole),
            None => ValueKind::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => ValueKind::String(text),
        Json::Array(list) => ValueKind::Array(list.into_iter().map(|json| value(json, origin)).collect()),
        Json::Object(map) => ValueKind::Table(map.into_iter().map(|(key, json)| (key, value(json, origin))).collect()),
    };
    Value::new(Some(origin), kind)
}

/// The value of the setting `key` as JSON, with what is secret in it masked.
pub(super) fn write(key: &str, value: &Value) -> Json {
    if value.kind == ValueKind::Nil {
        return Json::Null;
    }
    if let Some(secret) = concealed(key, &value.kind) {
        return Json::String(secret);
    }
    match &value.kind {
        ValueKind::Table(table) => {
            let full = |name: &str| if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") };
            Json::Object(table.iter().map(|(name, value)| (name.clone(), write(&full(name), value))).collect())
        }
        ValueKind::Array(list) => {
            Json::Array(list.iter().enumerate().map(|(at, value)| write(&format!("{key}[{at}]"), value)).collect())
        }
        ValueKind::Boolean(switch) => (*switch).into(),
        ValueKind::I64(number) => (*number).into(),
        ValueKind::U64(number) => (*number).into(),
        ValueKind::Float(number) => (*number).into(),
        other => Json::String(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_was_read_without_secrets() {
        let text = r#"{"apps":[{"id":1,"secret":"hunter2","on":true,"rate":0.5,"none":null}],"redis":{"urls":["redis://me:hunter2@a.test"]}}"#;
        let written = write("", &read(text, &"here".to_owned()).unwrap());
        let expect = r#"{"apps":[{"id":1,"none":null,"on":true,"rate":0.5,"secret":"***"}],"redis":{"urls":["redis://***@a.test"]}}"#;
        assert_eq!(written.to_string(), expect);
    }
}
