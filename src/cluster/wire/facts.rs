//! Facts in bytes: for each its length, so that unknown ones can be passed over, its kind, its app, and the rest.

use super::read::Reader;
use super::{MOST_NAME, put_bytes};
use crate::hub::{Fact, Share, Stats, Volume};
use crate::protocol::presence::Member;
use crate::protocol::{ChannelKind, ChannelName, UserId};
use bytes::BufMut;
use std::time::SystemTime;

/// The largest `user_info` an app may allow.
const MOST_INFO: usize = 1 << 20;

/// A fact and the app that it is about.
#[derive(Clone, Debug)]
pub struct Told {
    /// The app's id.
    pub app: String,
    /// What is so.
    pub fact: Fact,
}

impl Told {
    /// At most how many bytes it takes.
    pub fn size(&self) -> usize {
        let text = match &self.fact {
            Fact::Connections { channel, .. } => channel.as_str().len(),
            Fact::Member { channel, member, .. } => {
                channel.as_str().len() + member.id.as_str().len() + member.info.get().len()
            }
            Fact::User { user, .. } => user.as_str().len(),
            Fact::App(_) => 96,
        };
        self.app.len() + text + 32
    }
}

pub(super) fn put(out: &mut Vec<u8>, told: &[Told]) {
    for told in told {
        let start = out.len();
        out.put_u32(0);
        put_fact(out, told);
        let len = u32::try_from(out.len() - start - 4).expect("no fact is 4 GiB long");
        out[start..start + 4].copy_from_slice(&len.to_be_bytes());
    }
}

fn put_fact(out: &mut Vec<u8>, Told { app, fact }: &Told) {
    let kind = match fact {
        Fact::Connections { .. } => 1,
        Fact::Member { .. } => 2,
        Fact::User { .. } => 3,
        Fact::App(_) => 4,
    };
    out.put_u8(kind);
    put_bytes(out, app.as_bytes());
    match fact {
        Fact::Connections { channel, connections } => {
            put_bytes(out, channel.as_str().as_bytes());
            out.put_u64(*connections as u64);
        }
        Fact::Member { channel, member, connections } => {
            put_bytes(out, channel.as_str().as_bytes());
            put_bytes(out, member.id.as_str().as_bytes());
            put_bytes(out, member.info.get().as_bytes());
            out.put_u64(*connections as u64);
        }
        Fact::User { user, connections, since } => {
            put_bytes(out, user.as_str().as_bytes());
            out.put_u64(*connections as u64);
            let since = since.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            out.put_u64(u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
        }
        Fact::App(Share { counted, stats }) => {
            let counts = [*counted, stats.connections, stats.peak_connections, stats.users, stats.channels];
            counts.into_iter().for_each(|count| out.put_u64(count as u64));
            for volume in [stats.published, stats.client_events, stats.deliveries] {
                out.put_u64(volume.total);
                out.put_f64(volume.per_second);
            }
        }
    }
}

/// Reads all facts that are left; those of unknown kinds are passed over.
pub(super) fn read(reader: &mut Reader) -> Option<Vec<Told>> {
    let mut told = Vec::new();
    while !reader.is_empty() {
        let mut one = Reader::new(reader.bytes()?);
        let kind = one.u8()?;
        if (1..=4).contains(&kind) {
            told.push(Told { app: one.text(MOST_NAME)?, fact: read_fact(kind, &mut one)? });
        }
    }
    Some(told)
}

/// Numbers whose sums over all nodes do not overflow either.
fn volume(one: &mut Reader) -> Option<Volume> {
    let (total, per_second) = (one.u64()?, f64::from_bits(one.u64()?));
    let sane = total <= u64::MAX / 1024 && (0.0..1e15).contains(&per_second);
    sane.then_some(Volume { total, per_second })
}

fn read_fact(kind: u8, one: &mut Reader) -> Option<Fact> {
    let channel = |one: &mut Reader| ChannelName::parse(&one.text(MOST_NAME)?, MOST_NAME).ok();
    // No node has more connections, so sums over all nodes never overflow.
    let number = |one: &mut Reader| one.u64()?.try_into().ok().map(|count: u32| count as usize);
    Some(match kind {
        1 => Fact::Connections { channel: channel(one)?, connections: number(one)? },
        2 => {
            let channel = channel(one)?;
            if channel.kind() != ChannelKind::Presence {
                return None;
            }
            let member = Member::introduced(&one.text(MOST_NAME)?, &one.text(MOST_INFO)?)?;
            Fact::Member { channel, member, connections: number(one)? }
        }
        3 => Fact::User { user: UserId::new(&one.text(MOST_NAME)?), connections: number(one)?, since: one.time()? },
        _ => {
            let (counted, connections, peak_connections) = (number(one)?, number(one)?, number(one)?);
            let (users, channels) = (number(one)?, number(one)?);
            let (published, client_events, deliveries) = (volume(one)?, volume(one)?, volume(one)?);
            let stats = Stats { connections, peak_connections, users, channels, published, client_events, deliveries };
            Fact::App(Share { counted, stats })
        }
    })
}
