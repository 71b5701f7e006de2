//! Names of connections and of people.

use std::fmt;
use std::sync::Arc;

/// The largest number in either half of an id this server gives out.
const HALF: u64 = 1_000_000_000;

/// A connection's id: two integers joined by a dot, unguessable, unique within its app (C9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId(u32, u32);

/// The text is not `digits.digits`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedSocketId;

impl SocketId {
    /// The id made of 64 random bits; each half is 1 to 10^9.
    pub fn from_random(bits: u64) -> Self {
        let half = |n: u64| u32::try_from(n % HALF + 1).expect("10^9 fits in 32 bits");
        Self(half(bits >> 32), half(bits & 0xffff_ffff))
    }

    /// The two halves, for nodes to tell each other.
    pub fn halves(self) -> (u32, u32) {
        (self.0, self.1)
    }

    /// The id of these halves; `None` if this server never gives it out.
    pub fn from_halves(high: u32, low: u32) -> Option<Self> {
        let given = |half| (1..=HALF).contains(&u64::from(half));
        (given(high) && given(low)).then_some(Self(high, low))
    }

    /// Reads `digits.digits`. `None` is a well-formed id that this server never gives out, so nobody has it.
    pub fn parse(text: &str) -> Result<Option<Self>, MalformedSocketId> {
        let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        let (high, low) =
            text.split_once('.').filter(|(high, low)| digits(high) && digits(low)).ok_or(MalformedSocketId)?;
        let half = |s: &str| s.parse().ok().filter(|_| !s.starts_with('0'));
        Ok(half(high).zip(half(low)).map(|(high, low)| Self(high, low)))
    }
}

impl fmt::Display for SocketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// A person's identity, in presence channels and signed in: always text, also where the client sent an integer (M1).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UserId(Arc<str>);

impl UserId {
    /// Takes an id that has been found to be acceptable.
    pub fn new(id: &str) -> Self {
        Self(id.into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A process as one of several that act as one server. Drawn anew at each start, so that what an earlier life said is
/// never taken for this one's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u64);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_bits_make_two_bounded_halves() {
        assert_eq!(SocketId::from_random(0).to_string(), "1.1");
        assert_eq!(SocketId::from_random(u64::MAX).to_string(), "294967296.294967296");
        let id = SocketId::from_random(0x1234_5678_9abc_def0);
        assert_eq!(SocketId::parse(&id.to_string()), Ok(Some(id)));
    }

    #[test]
    fn only_digits_dot_digits_is_an_id() {
        for text in ["", ".", "1", "1.", ".1", "a.1", "1.1.1", "1.-1", "1.1 ", "+1.1", "١.١"] {
            assert_eq!(SocketId::parse(text), Err(MalformedSocketId), "{text:?}");
        }
        assert_eq!(SocketId::parse("1234.5678"), Ok(Some(SocketId(1234, 5678))));
    }

    #[test]
    fn a_foreign_id_is_well_formed_and_nobodys() {
        for text in ["0.1", "01.1", "1.99999999999", "123456789012345678901234567890.1"] {
            assert_eq!(SocketId::parse(text), Ok(None), "{text:?}");
        }
    }
}
