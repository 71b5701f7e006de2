//! Logs: a stream for each, under the key that the topic names. An entry is a stream's entry with one field.

use super::super::{Error, LOG_ENTRIES, Position, Topic};
use super::session::Session;
use bytes::Bytes;
use redis::Value;

/// The field of each entry.
const FIELD: &[u8] = b"e";

impl Session {
    pub(super) async fn append(&self, log: &Topic, entry: &Bytes) -> Result<(), Error> {
        let mut add = redis::cmd("XADD");
        add.arg(log.as_str()).arg("MAXLEN").arg("~").arg(LOG_ENTRIES).arg("*").arg(FIELD).arg(&entry[..]);
        match self.ask(&self.servers[self.at(log)].keys, &add).await? {
            Value::BulkString(id) if position(&id).is_some() => Ok(()),
            _ => Err(foreign()),
        }
    }

    pub(super) async fn read(&self, log: &Topic, from: Position, most: usize) -> Result<Vec<(Position, Bytes)>, Error> {
        let mut range = redis::cmd("XRANGE");
        range.arg(log.as_str()).arg(format!("{}-{}", from.0, from.1)).arg("+").arg("COUNT").arg(most);
        let answer = self.ask(&self.servers[self.at(log)].keys, &range).await?;
        entries(answer).ok_or_else(foreign)
    }
}

fn foreign() -> Error {
    Error::Refused("what is kept there is not a log of ours".to_owned())
}

fn entries(answer: Value) -> Option<Vec<(Position, Bytes)>> {
    let Value::Array(entries) = answer else { return None };
    entries.into_iter().map(entry).collect()
}

fn entry(entry: Value) -> Option<(Position, Bytes)> {
    let [Value::BulkString(id), fields] = pair(entry)? else { return None };
    match pair(fields)? {
        [Value::BulkString(name), Value::BulkString(entry)] if name == FIELD => Some((position(&id)?, entry.into())),
        _ => None,
    }
}

fn pair(value: Value) -> Option<[Value; 2]> {
    let Value::Array(values) = value else { return None };
    values.try_into().ok()
}

/// The position that a stream's id says: a time and a number.
fn position(id: &[u8]) -> Option<Position> {
    let (time, number) = std::str::from_utf8(id).ok()?.split_once('-')?;
    Some(Position(time.parse().ok()?, number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::BulkString(text.into())
    }

    fn answer(id: &str, fields: &[&str]) -> Value {
        let fields = fields.iter().map(|field| text(field)).collect();
        Value::Array(vec![Value::Array(vec![text(id), Value::Array(fields)])])
    }

    #[test]
    fn entries_are_told_from_what_others_have_put_there() {
        let read = entries(answer("1700000000000-3", &["e", "x"]));
        assert_eq!(read, Some(vec![(Position(1_700_000_000_000, 3), "x".into())]));
        assert_eq!(entries(Value::Array(Vec::new())), Some(Vec::new()));
        for id in ["", "1", "1-", "-1", "1-2-3", "1-x", "18446744073709551616-0"] {
            assert_eq!(entries(answer(id, &["e", "x"])), None, "{id}");
        }
        for fields in [&[][..], &["e"], &["f", "x"], &["e", "x", "f", "y"]] {
            assert_eq!(entries(answer("1-2", fields)), None, "{fields:?}");
        }
        for odd in [Value::Nil, Value::Int(1), text("x"), Value::Array(vec![Value::Nil])] {
            assert_eq!(entries(odd), None);
        }
    }
}
