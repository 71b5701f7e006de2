//! Reading bytes that anybody may have sent.

use bytes::{Buf, Bytes};

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

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
