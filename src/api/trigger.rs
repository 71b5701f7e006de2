//! An event on its way in: checked as a whole, then published to its channels.

use super::signed::SignedRequest;
use super::{Api, ApiError};
use crate::app::Limits;
use crate::node::{Event, STALLS, relieve};
use crate::protocol::json::is_longer_than;
use crate::protocol::{ChannelName, SocketId};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// An event that may be published.
pub(super) struct Trigger<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) data: Cow<'a, RawValue>,
    except: Option<SocketId>,
    pub(super) channels: Vec<ChannelName>,
}

impl<'a> Trigger<'a> {
    /// Takes what a back end sent if it keeps to the rules; `data` is a JSON string.
    pub(super) fn check(
        limits: &Limits,
        name: Cow<'a, str>,
        data: Cow<'a, RawValue>,
        socket_id: Option<&str>,
        channels: Vec<ChannelName>,
    ) -> Result<Self, ApiError> {
        let max = limits.max_event_name_chars;
        if name.is_empty() {
            return Err(ApiError::missing("name"));
        }
        if name.chars().count() > max {
            return Err(ApiError::bad_request(format!("Event name too long: it may have at most {max} characters")));
        }
        if name.starts_with("pusher:") || name.starts_with("pusher_internal:") {
            return Err(ApiError::bad_request(format!(
                "Event name {name:?} is reserved: choose one without that prefix"
            )));
        }
        if is_longer_than(&data, limits.max_event_data_bytes) {
            return Err(ApiError::data_too_large(limits.max_event_data_bytes));
        }
        let except = match socket_id.map(SocketId::parse) {
            None => None,
            Some(Ok(id)) => id,
            Some(Err(_)) => return Err(Self::malformed_socket_id()),
        };
        Ok(Self { name, data, except, channels })
    }

    /// 400: not an id of a connection.
    pub(super) fn malformed_socket_id() -> ApiError {
        ApiError::bad_request("Invalid socket_id: it must be two integers joined by a dot")
    }
}

/// Publishes the events of one request in their order (B4), held back while subscribers' queues fill. None of them if
/// other nodes could not get them.
pub(super) async fn publish(api: &Api, request: &SignedRequest, triggers: &[Trigger<'_>]) -> Result<(), ApiError> {
    let SignedRequest { app, slot, .. } = request;
    if !api.node.accepts() {
        return Err(ApiError::bus_is_away());
    }
    slot.publish(&api.node, app, triggers.iter().map(|trigger| trigger.channels.len()).sum())?;
    let mut stalls = STALLS;
    for Trigger { name, data, except, channels } in triggers {
        for channel in channels {
            let reach = api.node.publish(app, Event { channel, name, data, except: *except, user_id: None });
            if let Some(crowded) = reach.crowded {
                relieve(&crowded, &mut stalls).await;
            }
        }
    }
    Ok(())
}
