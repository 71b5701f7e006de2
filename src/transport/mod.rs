//! What carries sessions.
//!
//! Must not know: what messages mean, or anything of channels.

pub mod deadline;
pub mod peer;
pub mod stream;
pub mod ws;
