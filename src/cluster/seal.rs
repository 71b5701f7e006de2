//! What keeps strangers from saying anything where the cluster has a key. A seal holds only at the place it was made for,
//! a topic or what something is kept under: taken from there to another one it is worth nothing.

use crate::broker::Topic;
use crate::protocol::signature::Secret;
use bytes::{BufMut, Bytes};

const SEAL: usize = 16;

/// Puts a seal at the end of what is for `place`, where there is a `key`.
pub(super) fn seal(mut bytes: Vec<u8>, place: &Topic, key: Option<&Secret>) -> Bytes {
    if let Some(key) = key {
        let seal = key.seal(place.as_str(), &bytes);
        bytes.put_slice(&seal);
    }
    bytes.into()
}

/// What was sealed for `place`; everything, where there is no `key`.
pub(super) fn open(bytes: &Bytes, place: &Topic, key: Option<&Secret>) -> Option<Bytes> {
    let Some(key) = key else { return Some(bytes.clone()) };
    let end = bytes.len().checked_sub(SEAL)?;
    key.is_sealed(place.as_str(), &bytes[..end], &bytes[end..]).then(|| bytes.slice(..end))
}
