//! What back ends may ask about an app, and the connections they may end.

use super::{Cached, Counts, Filter, Node, Online, Page, Pinned};
use crate::app::App;
use crate::protocol::presence::Member;
use crate::protocol::{ChannelName, UserId};
use std::time::Instant;

impl Node {
    /// Connections and members of a channel.
    pub fn counts(&self, app: &App, channel: &ChannelName) -> Counts {
        self.hub(app).counts(channel)
    }

    /// Channels with a subscriber whose names start with `prefix`, in no promised order; never a user's own channel
    /// (D5).
    pub fn occupied(&self, app: &App, prefix: &str) -> Vec<(ChannelName, Counts)> {
        self.hub(app).occupied(prefix)
    }

    /// The members of a presence channel, in no promised order.
    pub fn members(&self, app: &App, channel: &ChannelName) -> Vec<Member> {
        self.hub(app).members(channel)
    }

    /// What has to be ready, and held, before [`Node::cached`] tells of events that were published on other nodes.
    pub fn pin(&self, app: &App, channel: &ChannelName) -> Option<Pinned> {
        self.cluster.as_ref().map(|cluster| cluster.pin(&app.id, channel))
    }

    /// The last event of a cache channel, while it is kept (O5).
    pub fn cached(&self, app: &App, channel: &ChannelName) -> Option<Cached> {
        self.hub(app).cached(channel, Instant::now())
    }

    /// A user who is signed in; `None` for one who is not.
    pub fn user(&self, app: &App, id: &UserId) -> Option<Online> {
        self.hub(app).user(id)
    }

    /// The app's connections, on all nodes.
    pub fn connections_of(&self, app: &App) -> usize {
        self.hub(app).connections_everywhere()
    }

    /// Connections of this node, a page at a time.
    pub fn list_connections(&self, app: &App, filter: Filter<'_>) -> Page {
        self.hub(app).list(filter)
    }

    /// Ends every connection signed in as the user with 4009 (4.4). How many there were on this node.
    pub fn terminate_user(&self, app: &App, id: &UserId) -> usize {
        if let Some(cluster) = &self.cluster {
            cluster.end_user(&app.id, id);
        }
        self.hub(app).terminate_user(id, Instant::now())
    }

    /// Ends every connection subscribed to the channel with 4009. How many there were on this node.
    pub fn terminate_channel(&self, app: &App, channel: &ChannelName) -> usize {
        if let Some(cluster) = &self.cluster {
            cluster.end_channel(&app.id, channel);
        }
        self.hub(app).terminate_channel(channel, Instant::now())
    }
}
