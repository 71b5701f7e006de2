//! What back ends may ask about an app: its channels, members, connections and users.

use super::channel::Counts;
use super::users::Online;
use super::{Hub, Volume};
use crate::protocol::presence::Member;
use crate::protocol::{ChannelName, NodeId, SocketId, UserId};
use std::collections::{BinaryHeap, HashSet};
use std::sync::atomic::Ordering;
use std::time::Instant;

/// Which connections to list.
#[derive(Clone, Copy, Debug)]
pub struct Filter<'a> {
    /// Only those subscribed to this channel.
    pub channel: Option<&'a ChannelName>,
    /// Only those signed in as this user.
    pub user: Option<&'a UserId>,
    /// Only those whose id comes after this one.
    pub after: Option<SocketId>,
    /// At most so many.
    pub limit: usize,
}

/// A connection in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its id.
    pub socket: SocketId,
    /// Who is signed in on it.
    pub user: Option<UserId>,
}

/// A part of a list of connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// All connections of the filter's channel and user, on this page and on others.
    pub total: usize,
    /// Those on this page, in the order of their ids.
    pub connections: Vec<Listed>,
    /// Whether more come after them.
    pub more: bool,
}

/// What an app adds up to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stats {
    /// Connections now.
    pub connections: usize,
    /// The most connections there were at one time since the start.
    pub peak_connections: usize,
    /// Distinct users signed in.
    pub users: usize,
    /// Channels with a subscriber, users' own channels left out.
    pub channels: usize,
    /// Events published through the HTTP API, once for each of their channels.
    pub published: Volume,
    /// Client events relayed.
    pub client_events: Volume,
    /// Frames queued for connections by either.
    pub deliveries: Volume,
}

impl Hub {
    /// Every channel that somebody is subscribed to, wherever, with the number of subscribers and the members; users' own
    /// channels, which are nobody else's business (U13), left out.
    pub fn standing(&self) -> Vec<(ChannelName, usize, Vec<UserId>)> {
        let channels: Vec<_> = self.channels.iter().map(|entry| entry.value().clone()).collect();
        let others = channels.iter().filter(|channel| !channel.name.is_user());
        others.filter_map(|channel| channel.standing()).collect()
    }

    /// Connections and members of a channel, zeros where nobody is.
    pub fn counts(&self, name: &ChannelName) -> Counts {
        self.channel(name).map(|channel| channel.counts()).unwrap_or_default()
    }

    /// The members of a presence channel, in no promised order.
    pub fn members(&self, name: &ChannelName) -> Vec<Member> {
        self.channel(name).map(|channel| channel.members()).unwrap_or_default()
    }

    /// Channels with a subscriber whose names start with `prefix`. Users' own channels are hidden (U13).
    pub fn occupied(&self, prefix: &str) -> Vec<(ChannelName, Counts)> {
        let listed = |name: &ChannelName| !name.is_user() && name.as_str().starts_with(prefix);
        let found = self.channels.iter().filter(|entry| listed(entry.key())).map(|entry| entry.value().clone());
        // Collected first: a channel's lock is not taken under that of the map.
        let found: Vec<_> = found.collect();
        found.iter().map(|channel| (channel.name.clone(), channel.counts())).collect()
    }

    /// A user who is signed in.
    pub fn user(&self, id: &UserId) -> Option<Online> {
        self.users.online(id)
    }

    /// Connections, a page at a time.
    pub fn list(&self, filter: Filter<'_>) -> Page {
        let sockets: Vec<SocketId> = match (filter.channel, filter.user) {
            (None, None) => self.sockets.iter().map(|entry| *entry.key()).collect(),
            (Some(channel), None) => self.subscribers(channel),
            (None, Some(user)) => self.signed_in(user),
            (Some(channel), Some(user)) => {
                let subscribers: HashSet<_> = self.subscribers(channel).into_iter().collect();
                self.signed_in(user).into_iter().filter(|socket| subscribers.contains(socket)).collect()
            }
        };
        let total = sockets.len();
        let (first, more) = smallest(sockets.into_iter().filter(|id| Some(*id) > filter.after), filter.limit);
        let listed = |socket| Listed { socket, user: self.users.user_of(socket) };
        Page { total, connections: first.into_iter().map(listed).collect(), more }
    }

    /// What the app adds up to on this node at `now`.
    pub fn stats(&self, now: Instant) -> Stats {
        let [published, client_events, deliveries] = self.activity.volumes(now, self.event_totals());
        Stats {
            connections: self.connections(),
            peak_connections: self.totals.peak(),
            users: self.users.count_here(),
            channels: self.totals.here.channels.load(Ordering::Relaxed),
            published,
            client_events,
            deliveries,
        }
    }

    /// What the app adds up to on all nodes at `now`.
    pub fn stats_everywhere(&self, now: Instant) -> Stats {
        let mut stats = self.stats(now);
        self.totals.elsewhere().iter().for_each(|(_, share)| stats.add_events(&share.stats));
        Stats {
            connections: self.totals.connections_everywhere(),
            peak_connections: self.totals.peak_everywhere(),
            users: self.users.count(),
            channels: self.channels.iter().filter(|entry| !entry.key().is_user()).count(),
            ..stats
        }
    }

    /// What the app adds up to on each other node, as it was told.
    pub fn stats_elsewhere(&self) -> Vec<(NodeId, Stats)> {
        self.totals.elsewhere().into_iter().map(|(node, share)| (node, share.stats)).collect()
    }

    /// Connections on all nodes.
    pub fn connections_everywhere(&self) -> usize {
        self.totals.connections_everywhere()
    }

    fn subscribers(&self, channel: &ChannelName) -> Vec<SocketId> {
        let sockets = self.channel(channel).map(|channel| channel.sockets()).unwrap_or_default();
        sockets.into_iter().map(|(socket, _)| socket).collect()
    }

    fn signed_in(&self, user: &UserId) -> Vec<SocketId> {
        self.users.sessions(user).into_iter().map(|(socket, _)| socket).collect()
    }
}

/// The `limit` smallest in order, and whether there are more.
fn smallest(all: impl Iterator<Item = SocketId>, limit: usize) -> (Vec<SocketId>, bool) {
    let mut heap = BinaryHeap::new();
    let mut more = false;
    for id in all {
        heap.push(id);
        if heap.len() > limit {
            heap.pop();
            more = true;
        }
    }
    (heap.into_sorted_vec(), more)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_hold_the_smallest_in_order() {
        let ids: Vec<_> = (0..10).map(|n| SocketId::from_random(n << 32)).collect();
        let shuffled = || [7, 3, 9, 0, 5, 1, 8, 2, 6, 4].map(|n| ids[n]).into_iter();
        assert_eq!(smallest(shuffled(), 4), (ids[..4].to_vec(), true));
        assert_eq!(smallest(shuffled(), 10), (ids.clone(), false));
        assert_eq!(smallest(std::iter::empty(), 4), (Vec::new(), false));
    }
}
