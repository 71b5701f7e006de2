//! What this node has to say and the bus has not taken yet, in order and bounded; and what it repeats.
//!
//! Events and commands wait until the bus has them, through an outage too; past the bounds nothing more is accepted.
//! News of this node is worthless once it is old, and whoever misses it asks: it does not wait for a link.

use super::lately::Lately;
use super::message::{Keep, Kind, Message};
use crate::broker::Topic;
use crate::protocol::NodeId;
use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// What is handed to the bus at a time, at most.
const BATCH: usize = 256;
const BATCH_BYTES: usize = 1 << 20;
/// Between two repeats, however many ask.
const REPEAT_AGAIN: Duration = Duration::from_secs(1);
/// A command that waited so long says so.
const LATE: Duration = Duration::from_millis(250);

/// The queue.
#[derive(Debug)]
pub struct Outgoing {
    limits: Limits,
    state: Mutex<State>,
}

/// How much may wait, and how much is held to be repeated.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes that may wait for the bus.
    pub outage_bytes: usize,
    /// For how long something may wait for it, and be repeated after.
    pub outage: Duration,
    /// Bytes held to be repeated.
    pub repeat_bytes: usize,
}

#[derive(Debug)]
struct State {
    control: VecDeque<Message>,
    /// Said before, to be said again before anything new.
    repeats: VecDeque<Message>,
    events: VecDeque<Message>,
    bytes: usize,
    /// Of these, what is dropped when the link is lost.
    news_bytes: usize,
    /// How much of what waits newcomers are to find under each key.
    kept: HashMap<Topic, usize>,
    lately: Lately,
    /// Nodes that may have missed what was said since then, and the number of what each asked with.
    asked: Vec<Asked>,
    /// Those of them whose turn it is.
    due: Vec<Asked>,
    /// When it was last somebody's turn.
    repeated: Option<Instant>,
    repeating: Repeating,
    /// Whether it is being told that something has been repeated.
    telling: bool,
    /// The last number given.
    number: u64,
    /// Whether the farewell has been said.
    over: bool,
    waker: Option<Waker>,
}

/// A node, the number of what it asked with, and since when it may have missed things.
type Asked = (NodeId, u64, Instant);

/// For whom something is being repeated.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Repeating {
    /// The nodes that asked, and the number of what each asked with last.
    pub nodes: Vec<(NodeId, u64)>,
    /// Whether something of it was not held any more.
    pub incomplete: bool,
}

/// Messages on their way to the bus. They stay in the queue until it has taken them.
#[derive(Debug, Default)]
pub struct Batch {
    /// What to publish.
    pub messages: Vec<(Topic, Bytes)>,
    /// What to keep before, the last of each key.
    pub keeps: Vec<(Keep, Bytes)>,
    repeats: Vec<Message>,
    control: Option<u64>,
    event: Option<u64>,
}

impl Outgoing {
    /// An empty queue.
    pub fn new(limits: Limits) -> Self {
        let state = State {
            control: VecDeque::new(),
            repeats: VecDeque::new(),
            events: VecDeque::new(),
            bytes: 0,
            news_bytes: 0,
            kept: HashMap::new(),
            lately: Lately::new(limits.repeat_bytes, limits.outage),
            asked: Vec::new(),
            due: Vec::new(),
            repeated: None,
            repeating: Repeating::default(),
            telling: false,
            number: 0,
            over: false,
            waker: None,
        };
        Self { limits, state: Mutex::new(state) }
    }

    /// Whether an event may be said: if not, the bus has been away for too long, or much has been said meanwhile.
    pub fn accepts(&self, now: Instant) -> bool {
        let state = self.state.lock();
        let oldest = [state.control.front(), state.events.front()].into_iter().flatten().map(|message| message.since);
        let old = oldest.min().is_some_and(|since| now.saturating_duration_since(since) > self.limits.outage);
        !old && state.bytes - state.news_bytes <= self.limits.outage_bytes
    }

    /// Whether something waits that newcomers are to find under `key`.
    pub fn keeps(&self, key: &Topic) -> bool {
        self.state.lock().kept.contains_key(key)
    }

    /// Bytes that wait.
    pub fn bytes(&self) -> usize {
        self.state.lock().bytes
    }

    /// Queues the message that `make` makes of its number and topic; not news after the farewell. The number is above
    /// that of any before it.
    pub fn push(
        &self,
        kind: Kind,
        topic: Topic,
        keep: Option<Keep>,
        now: Instant,
        make: impl FnOnce(u64, &Topic) -> Bytes,
    ) -> u64 {
        let mut state = self.state.lock();
        state.number += 1;
        let number = state.number;
        if state.over && kind == Kind::News {
            return number;
        }
        state.over |= kind == Kind::Farewell;
        let bytes = make(number, &topic);
        let message = Message { number, since: now, topic, bytes, kind, keep };
        state.bytes += message.size();
        match (&message.keep, kind) {
            (Some(keep), _) => *state.kept.entry(keep.key.clone()).or_default() += 1,
            (None, Kind::News) => state.news_bytes += message.size(),
            _ => {}
        }
        let queue = if kind == Kind::Event { &mut state.events } else { &mut state.control };
        queue.push_back(message);
        wake(state);
        number
    }

    /// Says again what the bus has taken since then, for a node that may have missed it: with the next
    /// [`Outgoing::tick`], and after the batch that is on its way, which the bus may have handed out before the node
    /// could hear, and acknowledges later.
    pub fn repeat(&self, node: NodeId, number: u64, since: Instant) {
        let mut state = self.state.lock();
        match state.asked.iter_mut().find(|(asked, ..)| *asked == node) {
            Some((_, last, first)) => (*last, *first) = (number, since.min(*first)),
            None => state.asked.push((node, number, since)),
        }
    }

    /// For whom the bus has taken everything that was to be repeated, once it has. To be called between batches, and
    /// told before the next.
    pub fn repeated(&self) -> Option<Repeating> {
        let mut state = self.state.lock();
        state.take_up();
        state.telling = !state.repeating.nodes.is_empty() && state.repeats.is_empty();
        state.telling.then(|| std::mem::take(&mut state.repeating))
    }

    /// Repeats at once what others have asked for; whether anything of it is still to be said.
    pub fn owes(&self) -> bool {
        let mut state = self.state.lock();
        let State { asked, due, repeats, repeating, telling, .. } = &mut *state;
        due.append(asked);
        let owes = !due.is_empty() || !repeats.is_empty() || !repeating.nodes.is_empty() || *telling;
        wake(state);
        owes
    }

    /// Ready once something waits, or has been repeated.
    pub fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state.lock();
        let empty = state.control.is_empty() && state.repeats.is_empty() && state.events.is_empty();
        if !empty || !state.due.is_empty() || !state.repeating.nodes.is_empty() {
            return Poll::Ready(());
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// The oldest of what waits: what concerns the nodes, and then what is repeated, before anything new. `again` makes a
    /// payload of how long ago something was said and how. It ends in [`Outgoing::sent`] or [`Outgoing::unsent`].
    pub fn batch(&self, now: Instant, again: impl Fn(Duration, &Message) -> Bytes) -> Batch {
        let mut state = self.state.lock();
        state.take_up();
        state.telling = false;
        let State { control, repeats, events, .. } = &mut *state;
        let (mut batch, mut bytes) = (Batch::default(), 0);
        for message in control.iter() {
            if !batch.takes(message, &mut bytes) {
                return batch;
            }
            // Whoever came after a command was given is not meant.
            let is_late = message.kind == Kind::Command && message.age(now) > LATE;
            let said = if is_late { again(message.age(now), message) } else { message.bytes.clone() };
            batch.messages.push((message.topic.clone(), said));
            batch.control = Some(message.number);
        }
        while let Some(message) = repeats.pop_front_if(|message| batch.takes(message, &mut bytes)) {
            batch.messages.push((message.topic.clone(), again(message.age(now), &message)));
            batch.repeats.push(message);
        }
        if !batch.repeats.is_empty() || !repeats.is_empty() {
            return batch;
        }
        for message in events.iter() {
            if !batch.takes(message, &mut bytes) {
                break;
            }
            batch.messages.push((message.topic.clone(), message.bytes.clone()));
            if let Some(keep) = &message.keep {
                batch.keeps.retain(|(earlier, _)| earlier.key != keep.key);
                batch.keeps.push((keep.clone(), message.bytes.clone()));
            }
            batch.event = Some(message.number);
        }
        batch
    }

    /// Lets go of a batch that the bus has taken, but for what may have to be repeated.
    pub fn sent(&self, batch: Batch, now: Instant) {
        let State { control, events, bytes, news_bytes, kept, lately, .. } = &mut *self.state.lock();
        for (queue, last) in [(control, batch.control), (events, batch.event)] {
            while let Some(message) = queue.pop_front_if(|message| Some(message.number) <= last) {
                *bytes -= message.size();
                if message.kind == Kind::News {
                    *news_bytes -= message.size();
                }
                if let Some(Keep { key, .. }) = &message.keep
                    && let Entry::Occupied(mut count) = kept.entry(key.clone())
                {
                    *count.get_mut() -= 1;
                    if *count.get() == 0 {
                        count.remove();
                    }
                }
                if matches!(message.kind, Kind::Event | Kind::Command) {
                    lately.push(message, now);
                }
            }
        }
        batch.repeats.into_iter().for_each(|message| lately.push(message, now));
    }

    /// Takes back a batch that the bus has not taken.
    pub fn unsent(&self, batch: Batch) {
        let mut state = self.state.lock();
        batch.repeats.into_iter().rev().for_each(|message| state.repeats.push_front(message));
    }

    /// Lets go of what was said too long ago to be repeated, and begins to repeat for those who have asked, unless that
    /// was done just before: to be called now and then.
    pub fn tick(&self, now: Instant) {
        let mut state = self.state.lock();
        state.lately.shed(now);
        let just_now = |repeated| now.saturating_duration_since(repeated) < REPEAT_AGAIN;
        if !state.asked.is_empty() && !state.repeated.is_some_and(just_now) {
            state.repeated = Some(now);
            let State { asked, due, .. } = &mut *state;
            due.append(asked);
            wake(state);
        }
    }

    /// Drops what is not worth waiting for: the link is lost.
    pub fn link_is_down(&self) {
        let State { control, bytes, news_bytes, .. } = &mut *self.state.lock();
        control.retain(|message| message.kind != Kind::News);
        *bytes -= std::mem::take(news_bytes);
    }
}

impl Batch {
    /// Whether there is room for a message besides so many `bytes`, which grow by it.
    fn takes(&self, message: &Message, bytes: &mut usize) -> bool {
        let takes =
            self.messages.len() < BATCH && (self.messages.is_empty() || *bytes + message.bytes.len() <= BATCH_BYTES);
        if takes {
            *bytes += message.bytes.len();
        }
        takes
    }
}

impl State {
    /// Begins to repeat what was asked for.
    fn take_up(&mut self) {
        for (node, number, since) in std::mem::take(&mut self.due) {
            let (messages, complete) = self.lately.take(since);
            // What is being repeated already is younger.
            messages.into_iter().rev().for_each(|message| self.repeats.push_front(message));
            match self.repeating.nodes.iter_mut().find(|(asked, _)| *asked == node) {
                Some((_, last)) => *last = number,
                None => self.repeating.nodes.push((node, number)),
            }
            self.repeating.incomplete |= !complete;
        }
    }
}

fn wake(mut state: MutexGuard<'_, State>) {
    let waker = state.waker.take();
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
}

#[cfg(test)]
mod tests;
