//! The attributes of a channel that a request may ask for with `info` (spec 5.3 to 5.6).

use super::ApiError;
use crate::app::App;
use crate::node::Counts;
use crate::protocol::{ChannelKind, ChannelName};
use serde::Serialize;
use utoipa::ToSchema;

/// The attributes that a route about several channels has.
pub(super) const COUNTS: [&str; 2] = ["user_count", "subscription_count"];
/// Those that a channel has by itself.
pub(super) const ALL: [&str; 3] = ["user_count", "subscription_count", "cache"];

/// Attributes that were asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Info {
    pub(super) user_count: bool,
    pub(super) subscription_count: bool,
    pub(super) cache: bool,
}

/// How many are in a channel, as far as it was asked for and makes sense there.
#[derive(Serialize, ToSchema)]
pub(super) struct Attributes {
    /// Connections subscribed, if `subscription_count` was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) subscription_count: Option<usize>,
    /// Distinct members, if `user_count` was asked for and the channel is a presence channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) user_count: Option<usize>,
}

impl Info {
    /// Reads comma separated lists. `known` are the attributes that the route has; 400 for any other (I6), and for
    /// `subscription_count` where the app has it switched off (O4).
    pub(super) fn parse<'a>(
        lists: impl IntoIterator<Item = &'a str>,
        known: &[&str],
        app: &App,
    ) -> Result<Self, ApiError> {
        let mut info = Self::default();
        let attributes = lists.into_iter().flat_map(|list| list.split(',')).map(str::trim);
        for attribute in attributes.filter(|attribute| !attribute.is_empty()) {
            match attribute {
                _ if !known.contains(&attribute) => return Err(Self::malformed(known)),
                "user_count" => info.user_count = true,
                "subscription_count" => info.subscription_count = true,
                _ => info.cache = true,
            }
        }
        if info.subscription_count && !app.features.subscription_counts {
            return Err(ApiError::bad_request(
                "subscription_count is switched off for this application: see the feature subscription_counts",
            ));
        }
        Ok(info)
    }

    /// 400: not a list of attributes that the route has.
    pub(super) fn malformed(known: &[&str]) -> ApiError {
        ApiError::bad_request(format!("info should be a comma separated list of attributes: {}", known.join(", ")))
    }

    /// Whether anything was asked for.
    pub(super) fn any(self) -> bool {
        self != Self::default()
    }

    /// The counts that were asked for and that a channel of this name has: users are counted on presence channels only
    /// (I5).
    pub(super) fn of(self, channel: &ChannelName, counts: Counts) -> Attributes {
        Attributes {
            subscription_count: self.subscription_count.then_some(counts.subscriptions),
            user_count: (self.user_count && channel.kind() == ChannelKind::Presence).then_some(counts.users),
        }
    }
}
