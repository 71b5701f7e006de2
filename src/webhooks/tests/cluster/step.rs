//! What can happen to three nodes that share a log, and to the bus.

/// A member of a channel, by a connection.
pub(super) type Client = (usize, usize);

#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// A client comes or goes.
    Toggle {
        node: usize,
        client: Client,
    },
    /// A client says something.
    Say {
        node: usize,
    },
    Pass(u64),
    /// The link of a node breaks: what it says, or what it hears.
    Break {
        node: usize,
        says: bool,
        hears: bool,
        millis: u64,
    },
    /// A node dies, and is started again, with its journal or without.
    Kill {
        node: usize,
        millis: u64,
        forgets: bool,
    },
    /// A node is stopped, and started again.
    Stop {
        node: usize,
    },
    /// All nodes die.
    KillAll {
        forgets: bool,
    },
    /// The bus starts anew, and has lost the log.
    Wipe,
    /// Somebody deletes the log, and no link breaks.
    Delete,
    /// All links break.
    Bus {
        millis: u64,
    },
    /// A node has no endpoints for a while.
    Unconfigure {
        node: usize,
        millis: u64,
    },
    /// A node stands still.
    Freeze {
        node: usize,
        millis: u64,
    },
}
