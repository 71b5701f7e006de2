//! Which server of a cluster serves what.

use redis::Value;

/// Slots of a cluster.
const SLOTS: u16 = 16384;

/// The last slot of each range, ascending, and the number of the server that serves it. The ranges hold all slots.
pub(super) struct Slots(Vec<(u16, usize)>);

impl Slots {
    /// Reads the answer to `CLUSTER SLOTS`: the slots, and where their servers are. `asked` is the host that answered,
    /// which a server that does not know its own name stands for.
    pub(super) fn read(answer: &Value, asked: &str) -> Result<(Self, Vec<(String, u16)>), String> {
        let mut ranges = entries(answer).iter().map(|range| entry(range, asked)).collect::<Option<Vec<_>>>();
        let ranges = ranges.as_mut().ok_or("the answer to CLUSTER SLOTS cannot be understood")?;
        ranges.sort_unstable();
        let mut servers = Vec::new();
        let mut slots = Vec::new();
        let mut next = 0;
        for (first, last, server) in ranges.drain(..) {
            if first != next || last < first {
                return Err(format!("no server of the cluster serves slot {next}"));
            }
            next = last + 1;
            let number = servers.iter().position(|known| *known == server).unwrap_or_else(|| {
                servers.push(server);
                servers.len() - 1
            });
            slots.push((last, number));
        }
        if next != SLOTS {
            return Err(format!("no server of the cluster serves slot {next}"));
        }
        Ok((Self(slots), servers))
    }

    /// The number of the server that serves `name`.
    pub(super) fn server(&self, name: &[u8]) -> usize {
        let slot = slot(name);
        self.0[self.0.partition_point(|(last, _)| *last < slot)].1
    }
}

fn entries(value: &Value) -> &[Value] {
    if let Value::Array(values) = value { values } else { &[] }
}

/// First slot, last slot and master of a range.
fn entry(range: &Value, asked: &str) -> Option<(u16, u16, (String, u16))> {
    let [Value::Int(first), Value::Int(last), master, ..] = entries(range) else { return None };
    let [host, Value::Int(port), ..] = entries(master) else { return None };
    let host = match host {
        Value::BulkString(host) if !host.is_empty() && host != b"?" => String::from_utf8(host.clone()).ok()?,
        Value::BulkString(_) | Value::Nil => asked.to_owned(),
        _ => return None,
    };
    let slot = |slot: &i64| u16::try_from(*slot).ok().filter(|slot| *slot < SLOTS);
    Some((slot(first)?, slot(last)?, (host, u16::try_from(*port).ok()?)))
}

/// The slot of a channel or key: of its hash tag, if it has one.
fn slot(name: &[u8]) -> u16 {
    let tag = || {
        let rest = &name[name.iter().position(|byte| *byte == b'{')? + 1..];
        Some(&rest[..rest.iter().position(|byte| *byte == b'}')?]).filter(|tag| !tag.is_empty())
    };
    // CRC-16/XMODEM, bit by bit: names are short.
    let step = |crc: u16, _| if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 };
    let crc = tag().unwrap_or(name).iter().fold(0, |crc, byte| (0..8).fold(crc ^ u16::from(*byte) << 8, step));
    crc % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first: i64, last: i64, host: Value, port: i64) -> Value {
        Value::Array(vec![Value::Int(first), Value::Int(last), Value::Array(vec![host, Value::Int(port)])])
    }

    fn host(name: &str) -> Value {
        Value::BulkString(name.into())
    }

    #[test]
    fn slots_are_those_of_redis() {
        // What `CLUSTER KEYSLOT` says.
        for (name, expect) in [("123456789", 12739), ("foo", 12182), ("{foo}.bar", 12182), ("a{}b", 13694), ("", 0)] {
            assert_eq!(slot(name.as_bytes()), expect, "{name}");
        }
    }

    #[test]
    fn servers_are_found_by_slot() {
        let answer = Value::Array(vec![
            range(12182, 16383, Value::Nil, 3),
            range(0, 5000, host("a"), 1),
            range(5001, 12181, host("a"), 2),
        ]);
        let (slots, servers) = Slots::read(&answer, "asked").map_err(|_| ()).unwrap();
        assert_eq!(servers, [("a".to_owned(), 1), ("a".to_owned(), 2), ("asked".to_owned(), 3)]);
        assert_eq!((slots.server(b""), slots.server(b"bar"), slots.server(b"foo")), (0, 1, 2));
    }

    #[test]
    fn whatever_is_answered_is_survived() {
        let check = |answer: Value, expect: &str| {
            assert_eq!(Slots::read(&answer, "asked").err().unwrap(), expect, "{answer:?}");
        };
        let unclear = "the answer to CLUSTER SLOTS cannot be understood";
        check(Value::Nil, "no server of the cluster serves slot 0");
        check(Value::Array(vec![Value::Nil]), unclear);
        check(Value::Array(vec![range(0, 16384, host("a"), 1)]), unclear);
        check(Value::Array(vec![range(-1, 1, host("a"), 1)]), unclear);
        check(Value::Array(vec![range(0, 1, Value::Int(1), 1)]), unclear);
        check(Value::Array(vec![range(0, 1, host("a"), 65536)]), unclear);
        check(Value::Array(vec![range(0, 1, host("a"), 1)]), "no server of the cluster serves slot 2");
        check(Value::Array(vec![range(1, 0, host("a"), 1)]), "no server of the cluster serves slot 0");
        let twice = vec![range(0, 9, host("a"), 1), range(9, 16383, host("a"), 1)];
        check(Value::Array(twice), "no server of the cluster serves slot 10");
    }
}
