//! The channels there are. Some are busy, so that many hear what is published; others empty and fill again and again.

pub(crate) const BUSY: [&str; 6] = ["busy-0", "busy-1", "private-busy", "presence-busy-0", "presence-busy-1", "busy-2"];
pub(crate) const RARE: [&str; 6] =
    ["rare-0", "rare-1", "private-rare", "presence-rare-0", "presence-rare-1", "presence-rare-2"];

/// Each publisher is alone on one of them, and all are on the last.
pub(crate) const CACHE: [&str; 5] = ["cache-0", "private-cache-1", "cache-2", "private-cache-3", "cache-all"];

pub(crate) fn all() -> impl Iterator<Item = &'static str> {
    BUSY.into_iter().chain(RARE).chain(CACHE)
}

/// The channel of that name.
pub(crate) fn find(name: &str) -> Option<&'static str> {
    all().find(|known| *known == name)
}

pub(crate) fn is_cache(channel: &str) -> bool {
    CACHE.contains(&channel)
}

pub(crate) fn is_presence(channel: &str) -> bool {
    channel.starts_with("presence-")
}

/// Whether subscribers may publish to it themselves.
pub(crate) fn takes_client_events(channel: &str) -> bool {
    is_presence(channel) || channel.starts_with("private-")
}
