//! The channels there are. Some are busy, so that many hear what is published; others empty and fill again and again.

pub(crate) const BUSY: [&str; 6] = ["busy-0", "busy-1", "private-busy", "presence-busy-0", "presence-busy-1", "busy-2"];
pub(crate) const RARE: [&str; 6] =
    ["rare-0", "rare-1", "private-rare", "presence-rare-0", "presence-rare-1", "presence-rare-2"];

pub(crate) fn all() -> impl Iterator<Item = &'static str> {
    BUSY.into_iter().chain(RARE)
}

/// The channel of that name.
pub(crate) fn find(name: &str) -> Option<&'static str> {
    all().find(|known| *known == name)
}

pub(crate) fn is_presence(channel: &str) -> bool {
    channel.starts_with("presence-")
}

/// Whether subscribers may publish to it themselves.
pub(crate) fn takes_client_events(channel: &str) -> bool {
    is_presence(channel) || channel.starts_with("private-")
}
