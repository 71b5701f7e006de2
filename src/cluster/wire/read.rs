//! Reading bytes that anybody may have sent.

use bytes::{Buf, Bytes};
use std::time::{Duration, SystemTime};

/// Milliseconds from the epoch to the year 10000: later times cannot be written as dates.
const MOST_TIME: u64 = 253_402_300_800_000;
/// Longer than any machine's name with a port.
const MOST_LABEL: usize = 255;

/// What is left to be read. Every method is `None` where less is left than it needs.
#[derive(Debug)]
pub(super) struct Reader(Bytes);

impl Reader {
    pub(super) fn new(bytes: Bytes) -> Self {
        Self(bytes)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.0.try_get_u8().ok()
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.0.try_get_u32().ok()
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.0.try_get_u64().ok()
    }

    /// Bytes with their length in front, shared and not copied.
    pub(super) fn bytes(&mut self) -> Option<Bytes> {
        let len = self.u32()? as usize;
        (len <= self.0.len()).then(|| self.0.split_to(len))
    }

    /// A text of at most `most` bytes, with its length in front.
    pub(super) fn text(&mut self, most: usize) -> Option<String> {
        let bytes = self.bytes().filter(|bytes| bytes.len() <= most)?;
        Some(std::str::from_utf8(&bytes).ok()?.to_owned())
    }

    /// A text of the node about itself, which people see on their terminals: what would control those is dropped.
    pub(super) fn label(&mut self) -> Option<String> {
        let mut text = self.text(MOST_LABEL)?;
        text.retain(|c| !c.is_control());
        Some(text)
    }

    /// A time that can be written as a date.
    pub(super) fn time(&mut self) -> Option<SystemTime> {
        let millis = self.u64().filter(|millis| *millis < MOST_TIME)?;
        SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(millis))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
