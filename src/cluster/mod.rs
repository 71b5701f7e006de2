//! Several nodes as one: what they say to each other.
//!
//! Must not know: sockets, HTTP, or which driver the bus has.

pub mod home;
pub mod interests;
pub mod outgoing;
pub mod peers;
pub mod wire;
