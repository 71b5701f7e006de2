//! What is refused without ending the connection (spec 1.6, 2.5).

use super::channel::{ChannelName, InvalidName};
use super::presence::InvalidMember;
use std::borrow::Cow;

/// What a client asked for and does not get; the connection stays open (E7, E8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// A protocol code, or none for an ordinary mistake.
    pub code: Option<u16>,
    /// For the person reading the client's log.
    pub message: Cow<'static, str>,
}

impl Rejection {
    /// A rejection without a code, as for every mistake in a command.
    pub fn new(message: impl Into<Cow<'static, str>>) -> Self {
        Self { code: None, message: message.into() }
    }

    /// A rejection for sending too much too fast.
    pub fn rate(message: &'static str) -> Self {
        Self { code: Some(4301), message: message.into() }
    }

    /// The watchlist was longer than the app allows; its first users are watched (W4).
    pub fn watchlist(max: usize) -> Self {
        let message = format!("Watchlist limit exceeded. Only the first {max} user IDs are accepted.");
        Self { code: Some(4302), message: message.into() }
    }
}

/// A subscription that is refused; the connection stays open (2.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The category, as Echo's `error` callback reads it (F1).
    pub kind: &'static str,
    /// The category again, in the manner of HTTP (F1).
    pub status: u16,
    /// For the person reading the client's log.
    pub message: String,
}

impl Refusal {
    /// The signature is missing or wrong.
    pub fn unauthorized(message: String) -> Self {
        Self { kind: "AuthError", status: 401, message }
    }

    /// The name is no channel name (2.8).
    pub fn invalid_channel(invalid: &InvalidName) -> Self {
        Self { kind: "InvalidChannel", status: 400, message: format!("Invalid channel name: {invalid}") }
    }

    /// A presence channel needs to know who comes (M10).
    pub fn no_channel_data(channel: &ChannelName) -> Self {
        let message = format!("{channel} is a presence channel and subscription must include channel_data");
        Self { kind: "InvalidChannelData", status: 400, message }
    }

    /// A user's own channel is for connections that signed in as that user (U10).
    pub fn not_that_user(channel: &ChannelName) -> Self {
        Self::unauthorized(format!("{channel} is only for connections signed in as that user"))
    }

    /// `channel_data` is signed but names no member that may come (M1, M4, M11).
    pub fn invalid_member(invalid: &InvalidMember) -> Self {
        match invalid {
            InvalidMember::Shape => {
                Self { kind: "InvalidChannelData", status: 400, message: format!("Invalid channel_data: {invalid}") }
            }
            InvalidMember::IdTooLong(_) | InvalidMember::InfoTooBig(_) => {
                Self { kind: "LimitReached", status: 403, message: invalid.to_string() }
            }
        }
    }

    /// The channel has all the members it may have (M4).
    pub fn full(channel: &ChannelName, max: usize) -> Self {
        Self { kind: "LimitReached", status: 403, message: format!("{channel} already has {max} members, its limit") }
    }

    /// The connection has all the subscriptions it may have (F9).
    pub fn too_many_channels(max: usize) -> Self {
        let message = format!("This connection is already subscribed to {max} channels, its limit");
        Self { kind: "LimitReached", status: 403, message }
    }
}
