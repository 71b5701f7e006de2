//! What the bus keeps of a cache channel: until when, and the envelope that its last event went out in; and a seal where
//! the cluster has a key, so that nobody else keeps it for longer, or under another channel's key.

use super::message::Keep;
use super::seal;
use super::wire::Envelope;
use crate::broker::Topic;
use crate::protocol::signature::Secret;
use bytes::{Buf, BufMut, Bytes};
use std::time::{Duration, SystemTime};

/// The value to keep.
pub(super) fn write(keep: &Keep, envelope: &Bytes, secret: Option<&Secret>) -> Bytes {
    let until = (SystemTime::now() + keep.ttl).duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let mut value = Vec::with_capacity(24 + envelope.len());
    value.put_u64(u64::try_from(until.as_millis()).unwrap_or(u64::MAX));
    value.put_slice(envelope);
    seal::seal(value, &keep.key, secret)
}

/// The envelope, said on `topic`, of a value that was found under `key`, and for how long it still holds; `None` if it
/// makes no sense or is past its time.
pub(super) fn read(value: &Bytes, key: &Topic, topic: &Topic, secret: Option<&Secret>) -> Option<(Duration, Envelope)> {
    let mut value = seal::open(value, key, secret)?;
    let until = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(value.try_get_u64().ok()?))?;
    let left = until.duration_since(SystemTime::now()).ok()?;
    Some((left, Envelope::decode(&value, topic, secret)?))
}

#[cfg(test)]
mod tests {
    use super::super::wire::Said;
    use super::*;
    use crate::protocol::NodeId;

    /// What is kept of `topic` under its key.
    fn kept(topic: &str, ttl: u64, secret: Option<&Secret>) -> (Bytes, Topic, Topic) {
        let (key, topic) = (Topic::new(&["kept", topic]), Topic::new(&[topic]));
        let envelope = Envelope { origin: NodeId(1), number: 2, said: Said::Leaving }.encode(&topic, secret);
        let keep = Keep { key: key.clone(), ttl: Duration::from_secs(ttl) };
        (write(&keep, &envelope, secret), key, topic)
    }

    #[test]
    fn what_is_kept_is_found_until_its_time() {
        for secret in [None, Some(&Secret::new("key"))] {
            let (value, key, topic) = kept("a", 60, secret);
            let (left, found) = read(&value, &key, &topic, secret).unwrap();
            assert!(left > Duration::from_secs(50) && left <= Duration::from_secs(60), "{left:?}");
            assert_eq!((found.origin, found.number), (NodeId(1), 2));
            assert!(read(&kept("a", 0, secret).0, &key, &topic, secret).is_none());
            for hostile in [&value[..7], &value[..12], &[0xff; 40]] {
                assert!(read(&Bytes::copy_from_slice(hostile), &key, &topic, secret).is_none());
            }
        }
    }

    #[test]
    fn nobody_without_the_secret_keeps_it_for_longer_or_elsewhere() {
        let secret = Some(&Secret::new("key"));
        let (value, key, topic) = kept("a", 0, secret);
        let mut longer = value.to_vec();
        longer[2] = 0xff;
        assert!(read(&longer.into(), &key, &topic, secret).is_none());
        let (_, other_key, other) = kept("b", 60, secret);
        let (value, ..) = kept("a", 60, secret);
        assert!(read(&value, &key, &topic, secret).is_some());
        assert!(read(&value, &other_key, &topic, secret).is_none());
        assert!(read(&value, &key, &other, secret).is_none());
    }
}
