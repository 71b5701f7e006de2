//! What nodes say to each other, in bytes.
//!
//! An envelope is: version, kind, origin, number, body, and a seal where the cluster has a key, which holds on the
//! topic that it was said on. Numbers are big-endian, texts have their length in front. Whatever comes in may come from
//! anybody who can reach the bus: every length is checked against what is there, and what is malformed, or unknown
//! because it comes from a later version, is `None`. A later version may add kinds, kinds of facts, and members at the
//! end of any of them, and remain readable; it changes the version only where it would be misunderstood.

mod facts;
mod read;

use super::{About, Health, seal};
use crate::broker::Topic;
use crate::protocol::signature::Secret;
use crate::protocol::{ChannelName, Frame, NodeId, SocketId, UserId};
use bytes::{BufMut, Bytes};
pub use facts::Told;
use read::Reader;
use std::time::{Duration, SystemTime};

const VERSION: u8 = 1;
/// The version of what is sealed: members may be added at the end, so that without the key a seal would pass for one.
const SEALED_VERSION: u8 = 0x81;
/// Longer than any name an app allows.
const MOST_NAME: usize = 1024;

/// Something said by one node to the others.
#[derive(Clone, Debug)]
pub struct Envelope {
    /// Who says it.
    pub origin: NodeId,
    /// Grows with everything the node says, so that what is said again is told apart.
    pub number: u64,
    /// What is said.
    pub said: Said,
}

/// What nodes say.
#[derive(Clone, Debug)]
pub enum Said {
    /// On a channel's topic: an event for its subscribers.
    Event {
        /// The one connection that does not hear of it.
        except: Option<SocketId>,
        /// Whether a cache channel keeps it for newcomers.
        kept: bool,
        /// What they get, finished.
        frame: Frame,
    },
    /// The node is alive, and has told so many times what has changed.
    Alive {
        /// The number of the last [`Said::Changed`].
        serial: u64,
        /// What it says about itself.
        about: Box<About>,
    },
    /// Something has changed on the node.
    Changed {
        /// One more than the last time.
        serial: u64,
        /// What.
        told: Vec<Told>,
    },
    /// A part of all that is so on the node.
    All {
        /// The number of the last [`Said::Changed`] before it.
        serial: u64,
        /// Which part, from 0 on.
        part: u32,
        /// Of how many.
        parts: u32,
        /// What is so.
        told: Vec<Told>,
    },
    /// Another node is asked to tell all that is so on it.
    Ask {
        /// Which one.
        node: NodeId,
    },
    /// The node stops, and everybody on it is gone.
    Leaving,
    /// Every connection signed in as a user is to end.
    EndUser {
        /// The app.
        app: String,
        /// The user.
        user: UserId,
    },
    /// Every connection subscribed to a channel is to end.
    EndChannel {
        /// The app.
        app: String,
        /// The channel.
        channel: ChannelName,
    },
    /// On the topic it was said on first: something said before, for nodes that could not hear it.
    Again {
        /// How long ago it was said.
        age: Duration,
        /// The envelope it was said in.
        envelope: Bytes,
    },
    /// The node hears again, and asks the others to repeat what they said meanwhile.
    Back {
        /// For how long it may have missed things.
        away: Duration,
        /// Nodes of which that is longer, and how long.
        longer: Vec<(NodeId, Duration)>,
    },
    /// In the log: something that is not for nodes as such, but for what runs on them.
    Entry {
        /// What; only those who wrote it understand it.
        bytes: Bytes,
    },
    /// There is more in the log.
    Noted,
    /// The node has repeated what it said.
    Repeated {
        /// Who asked, and the number of what each asked with last.
        nodes: Vec<(NodeId, u64)>,
        /// Whether it had all of it still.
        complete: bool,
    },
}

/// Who says what is in `bytes`, as far as one can tell without looking whether it makes sense.
pub(super) fn origin(bytes: &[u8]) -> Option<NodeId> {
    let origin = bytes.get(2..10)?.try_into().ok()?;
    Some(NodeId(u64::from_be_bytes(origin)))
}

impl Envelope {
    /// The envelope in bytes, sealed for its topic where the cluster has a `key`.
    pub fn encode(&self, topic: &Topic, key: Option<&Secret>) -> Bytes {
        let mut out = Vec::with_capacity(64 + self.said.size());
        out.put_u8(version(key));
        out.put_u8(self.said.kind());
        out.put_u64(self.origin.0);
        out.put_u64(self.number);
        self.said.put(&mut out);
        seal::seal(out, topic, key)
    }

    /// Reads an envelope that was said on `topic`, which must be sealed for it where the cluster has a `key`.
    pub fn decode(bytes: &Bytes, topic: &Topic, key: Option<&Secret>) -> Option<Self> {
        let mut reader = Reader::new(seal::open(bytes, topic, key)?);
        if reader.u8()? != version(key) {
            return None;
        }
        let kind = reader.u8()?;
        let (origin, number) = (NodeId(reader.u64()?), reader.u64()?);
        Some(Self { origin, number, said: Said::read(kind, &mut reader)? })
    }
}

impl Said {
    fn kind(&self) -> u8 {
        match self {
            Self::Event { .. } => 1,
            Self::Alive { .. } => 2,
            Self::Changed { .. } => 3,
            Self::All { .. } => 4,
            Self::Ask { .. } => 5,
            Self::Leaving => 6,
            Self::EndUser { .. } => 7,
            Self::EndChannel { .. } => 8,
            Self::Again { .. } => 9,
            Self::Back { .. } => 10,
            Self::Repeated { .. } => 11,
            Self::Entry { .. } => 12,
            Self::Noted => 13,
        }
    }

    /// About how many bytes it takes.
    fn size(&self) -> usize {
        match self {
            Self::Event { frame, .. } => frame.size(),
            Self::Again { envelope, .. } => envelope.len(),
            Self::Entry { bytes } => bytes.len(),
            Self::Changed { told, .. } | Self::All { told, .. } => told.iter().map(Told::size).sum(),
            _ => 0,
        }
    }

    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Event { except, kept, frame } => {
                let (high, low) = except.map_or((0, 0), SocketId::halves);
                out.put_u32(high);
                out.put_u32(low);
                out.put_u8((*kept).into());
                put_bytes(out, frame.bytes());
            }
            Self::Alive { serial, about } => {
                out.put_u64(*serial);
                put_bytes(out, about.name.as_bytes());
                put_bytes(out, about.version.as_bytes());
                put_time(out, about.started.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default());
                out.put_u64(u64::try_from(about.health.lag.as_micros()).unwrap_or(u64::MAX));
                out.put_u64(about.health.waiting_bytes as u64);
            }
            Self::Changed { serial, told } => {
                out.put_u64(*serial);
                facts::put(out, told);
            }
            Self::All { serial, part, parts, told } => {
                out.put_u64(*serial);
                out.put_u32(*part);
                out.put_u32(*parts);
                facts::put(out, told);
            }
            Self::Ask { node } => out.put_u64(node.0),
            Self::Entry { bytes } => put_bytes(out, bytes),
            Self::Leaving | Self::Noted => {}
            Self::EndUser { app, user } => {
                put_bytes(out, app.as_bytes());
                put_bytes(out, user.as_str().as_bytes());
            }
            Self::EndChannel { app, channel } => {
                put_bytes(out, app.as_bytes());
                put_bytes(out, channel.as_str().as_bytes());
            }
            Self::Again { age, envelope } => {
                put_time(out, *age);
                put_bytes(out, envelope);
            }
            Self::Back { away, longer } => {
                put_time(out, *away);
                out.put_u32(u32::try_from(longer.len()).expect("nodes are few"));
                for (node, away) in longer {
                    out.put_u64(node.0);
                    put_time(out, *away);
                }
            }
            Self::Repeated { nodes, complete } => {
                out.put_u8((*complete).into());
                out.put_u32(u32::try_from(nodes.len()).expect("nodes are few"));
                for (node, number) in nodes {
                    out.put_u64(node.0);
                    out.put_u64(*number);
                }
            }
        }
    }

    fn read(kind: u8, reader: &mut Reader) -> Option<Self> {
        Some(match kind {
            1 => Self::Event {
                except: match (reader.u32()?, reader.u32()?) {
                    (0, 0) => None,
                    (high, low) => Some(SocketId::from_halves(high, low)?),
                },
                kept: reader.u8()? != 0,
                frame: Frame::received(reader.bytes()?)?,
            },
            2 => {
                let serial = reader.u64()?;
                let (name, version, started) = (reader.label()?, reader.label()?, reader.time()?);
                let lag = Duration::from_micros(reader.u64()?);
                let health = Health { lag, waiting_bytes: usize::try_from(reader.u64()?).ok()? };
                Self::Alive { serial, about: About { name, version, started, health }.into() }
            }
            3 => Self::Changed { serial: reader.u64()?, told: facts::read(reader)? },
            4 => Self::All {
                serial: reader.u64()?,
                part: reader.u32()?,
                parts: reader.u32()?,
                told: facts::read(reader)?,
            },
            5 => Self::Ask { node: NodeId(reader.u64()?) },
            6 => Self::Leaving,
            7 => Self::EndUser { app: reader.text(MOST_NAME)?, user: UserId::new(&reader.text(MOST_NAME)?) },
            8 => Self::EndChannel {
                app: reader.text(MOST_NAME)?,
                channel: ChannelName::parse(&reader.text(MOST_NAME)?, MOST_NAME).ok()?,
            },
            9 => Self::Again { age: Duration::from_millis(reader.u64()?), envelope: reader.bytes()? },
            10 => {
                let (away, count) = (Duration::from_millis(reader.u64()?), reader.u32()?);
                let mut node = || Some((NodeId(reader.u64()?), Duration::from_millis(reader.u64()?)));
                Self::Back { away, longer: (0..count).map(|_| node()).collect::<Option<_>>()? }
            }
            11 => {
                let (complete, count) = (reader.u8()? != 0, reader.u32()?);
                let mut node = || Some((NodeId(reader.u64()?), reader.u64()?));
                let nodes = (0..count).map(|_| node()).collect::<Option<_>>()?;
                Self::Repeated { nodes, complete }
            }
            12 => Self::Entry { bytes: reader.bytes()? },
            13 => Self::Noted,
            _ => return None,
        })
    }
}

fn version(key: Option<&Secret>) -> u8 {
    if key.is_some() { SEALED_VERSION } else { VERSION }
}

fn put_time(out: &mut Vec<u8>, time: Duration) {
    out.put_u64(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.put_u32(u32::try_from(bytes.len()).expect("nothing said is 4 GiB long"));
    out.put_slice(bytes);
}

#[cfg(test)]
mod tests;
