//! The Pusher Channels wire: what clients may send, what the server sends back, and the signatures between them.
//!
//! Pure: values in, values out. Must not know: tokio, the clock, locks, logs, or any other module of the crate.
//!
//! The rules come from the Channels protocol, versions 4 to 7; ids such as `PRE-06` or `F5` in the comments name its
//! statements. `data` of a server's frame is a JSON *string*, save in `pusher:error` and `pusher:signin_success`, where it
//! is an object.

pub mod channel;
pub mod close;
pub mod command;
pub mod frame;
pub mod ids;
pub mod json;
pub mod presence;
pub mod refusal;
pub mod request;
pub mod signature;
#[cfg(test)]
pub(crate) mod tests;
pub mod user;

pub use channel::{ChannelKind, ChannelName};
pub use close::CloseCode;
pub use command::Command;
pub use frame::{Frame, Stamp};
pub use ids::{NodeId, SocketId, UserId};
pub use refusal::{Refusal, Rejection};
pub use user::User;
