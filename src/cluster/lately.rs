//! What was said lately, held for nodes that could not hear it.

use super::message::Message;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The last messages that the bus has taken, oldest first, bounded in bytes and by age.
#[derive(Debug)]
pub(super) struct Lately {
    max_bytes: usize,
    max_age: Duration,
    messages: VecDeque<(Instant, Message)>,
    bytes: usize,
    /// When the bus took the youngest that is not held any more.
    dropped: Option<Instant>,
}

impl Lately {
    pub(super) fn new(max_bytes: usize, max_age: Duration) -> Self {
        Self { max_bytes, max_age, messages: VecDeque::new(), bytes: 0, dropped: None }
    }

    /// Holds a message that the bus has taken at `now`.
    pub(super) fn push(&mut self, message: Message, now: Instant) {
        self.bytes += message.size();
        self.messages.push_back((now, message));
        self.shed(now);
    }

    /// Lets go of what is too old or too much.
    pub(super) fn shed(&mut self, now: Instant) {
        let Self { max_bytes, max_age, messages, bytes, dropped } = self;
        while let Some((taken, message)) =
            messages.pop_front_if(|(taken, _)| *bytes > *max_bytes || now.saturating_duration_since(*taken) > *max_age)
        {
            *bytes -= message.size();
            *dropped = Some(taken);
        }
    }

    /// Takes out what the bus has taken since then, oldest first, and says whether that is all there was.
    pub(super) fn take(&mut self, since: Instant) -> (Vec<Message>, bool) {
        let first = self.messages.partition_point(|(taken, _)| *taken < since);
        let taken: Vec<_> = self.messages.drain(first..).map(|(_, message)| message).collect();
        self.bytes -= taken.iter().map(Message::size).sum::<usize>();
        (taken, self.dropped.is_none_or(|dropped| dropped < since))
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::Kind;
    use super::*;
    use crate::broker::Topic;

    const MAX_AGE: Duration = Duration::from_secs(30);

    fn lately(start: Instant, each_second: std::ops::Range<u64>) -> Lately {
        let mut lately = Lately::new(10 * message(start, 0).size(), MAX_AGE);
        for number in each_second {
            lately.push(message(start, number), start + Duration::from_secs(number));
        }
        lately
    }

    fn message(since: Instant, number: u64) -> Message {
        let (topic, bytes) = (Topic::new(&["a"]), vec![0; 100].into());
        Message { number, since, topic, bytes, kind: Kind::Event, keep: None }
    }

    fn check(mut lately: Lately, since: Instant, expect: (std::ops::Range<u64>, bool)) {
        let (taken, complete) = lately.take(since);
        assert_eq!(
            (taken.iter().map(|message| message.number).collect(), complete),
            (expect.0.collect::<Vec<_>>(), expect.1)
        );
        assert_eq!(lately.bytes, lately.messages.iter().map(|(_, message)| message.size()).sum::<usize>());
    }

    #[test]
    fn the_last_messages_are_held() {
        let start = Instant::now();
        let at = |secs| start + Duration::from_secs(secs);
        check(lately(start, 0..5), at(2), (2..5, true));
        check(lately(start, 0..5), at(9), (5..5, true));
        check(lately(start, 0..15), at(8), (8..15, true));
        check(lately(start, 0..15), at(5), (5..15, true));
        check(lately(start, 0..15), at(3), (5..15, false));
        let mut old = lately(start, 0..5);
        old.shed(at(32));
        check(old, at(0), (2..5, false));
    }
}
