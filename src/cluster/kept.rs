//! What the bus keeps of a cache channel: until when, and the envelope that its last event went out in.

use super::wire::Envelope;
use crate::protocol::signature::Secret;
use bytes::{Buf, BufMut, Bytes};
use std::time::{Duration, SystemTime};

/// The value to keep for `ttl`.
pub(super) fn write(envelope: &Bytes, ttl: Duration) -> Bytes {
    let until = (SystemTime::now() + ttl).duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let mut value = Vec::with_capacity(8 + envelope.len());
    value.put_u64(u64::try_from(until.as_millis()).unwrap_or(u64::MAX));
    value.put_slice(envelope);
    value.into()
}

/// The envelope of a value, and for how long it still holds; `None` if it makes no sense or is past its time.
pub(super) fn read(value: &Bytes, key: Option<&Secret>) -> Option<(Duration, Envelope)> {
    let mut value = value.clone();
    let until = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(value.try_get_u64().ok()?))?;
    let left = until.duration_since(SystemTime::now()).ok()?;
    Some((left, Envelope::decode(&value, key)?))
}

#[cfg(test)]
mod tests {
    use super::super::wire::Said;
    use super::*;
    use crate::protocol::NodeId;

    #[test]
    fn what_is_kept_is_found_until_its_time() {
        let envelope = Envelope { origin: NodeId(1), number: 2, said: Said::Leaving }.encode(None);
        let value = write(&envelope, Duration::from_secs(60));
        let (left, found) = read(&value, None).unwrap();
        assert!(left > Duration::from_secs(50) && left <= Duration::from_secs(60), "{left:?}");
        assert_eq!((found.origin, found.number), (NodeId(1), 2));
        assert!(read(&write(&envelope, Duration::ZERO), None).is_none());
        for hostile in [&value[..7], &value[..12], &[0xff; 40]] {
            assert!(read(&Bytes::copy_from_slice(hostile), None).is_none());
        }
    }
}
