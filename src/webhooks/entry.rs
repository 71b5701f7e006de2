//! Entries of the log that nodes share, in JSON: later versions may add members and steps, which earlier ones pass over.

use super::op::{At, Op};
use crate::protocol::NodeId;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

/// An entry of the log.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Where it lies; later ones are greater.
    pub at: (u64, u64),
    /// Who has appended it.
    pub from: NodeId,
    /// What it says.
    pub bytes: Bytes,
}

/// What is asked of the log. Of each there is one at a time.
#[derive(Clone, Debug)]
pub enum Wish {
    /// To append this.
    Append(Bytes),
    /// To read what there is from there on.
    Read((u64, u64)),
}

/// Up to where the log is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    /// The last entry, and what tells it from another one that lies there.
    pub(super) at: At,
    pub(super) check: u64,
    /// How many there were.
    pub(super) entries: u64,
    /// When that was, in milliseconds since 1970.
    pub(super) ms: u64,
}

impl Known {
    /// So much is known still, and it is not what the log says.
    pub(super) fn outdated(self) -> Self {
        Self { check: !self.check, ..self }
    }
}

/// What an entry says.
#[derive(Serialize)]
struct Words<'a> {
    /// The last entry that its author knew: who has not seen it has missed something.
    seen: At,
    ops: &'a [Op],
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Read<'a> {
    seen: At,
    #[serde(borrow)]
    ops: Vec<&'a RawValue>,
}

/// What an entry is to say: steps, and the last entry that their author knew.
pub(super) fn write(seen: At, ops: &[Op]) -> Bytes {
    serde_json::to_vec(&Words { seen, ops }).expect("steps make JSON").into()
}

/// What its author had seen, and the steps of an entry. What makes no sense comes from a later version, and is passed over.
pub(super) fn read(bytes: &[u8]) -> (At, Vec<Op>) {
    let Read { seen, ops } = serde_json::from_slice(bytes).unwrap_or_default();
    (seen, ops.into_iter().filter_map(|op| serde_json::from_str(op.get()).ok()).collect())
}

/// What tells entries apart.
pub(super) fn check(bytes: &[u8]) -> u64 {
    let hash = Sha256::digest(bytes);
    hash.iter().take(8).fold(0, |check, byte| check << 8 | u64::from(*byte))
}
