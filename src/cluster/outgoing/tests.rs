//! What is handed over, held and repeated.

use super::*;

fn queue(outage_bytes: usize) -> Outgoing {
    Outgoing::new(Limits { outage_bytes, outage: Duration::from_secs(30), repeat_bytes: 100_000 })
}

fn take(queue: &Outgoing) -> Batch {
    queue.batch(Instant::now(), |_, message| [b"again ", &message.bytes[..]].concat().into())
}

fn topic(name: &str) -> Topic {
    Topic::new(&[name])
}

impl Outgoing {
    fn due(&self) -> Vec<Asked> {
        self.state.lock().due.clone()
    }
}

fn names(batch: &Batch) -> Vec<&str> {
    batch.messages.iter().map(|(topic, _)| topic.as_str()).collect()
}

#[test]
fn what_the_bus_has_not_taken_is_handed_over_again() {
    let (queue, now) = (queue(10_000), Instant::now());
    let push = |kind, name| queue.push(kind, topic(name), None, now, |_, _| Bytes::from_static(b"x"));
    push(Kind::Event, "a");
    push(Kind::News, "news");
    push(Kind::Command, "end");
    push(Kind::Event, "b");
    let batch = take(&queue);
    assert_eq!(names(&batch), ["news", "end", "a", "b"]);
    push(Kind::Event, "c");
    queue.link_is_down();
    assert_eq!(names(&take(&queue)), ["end", "a", "b", "c"]);
    queue.sent(batch, now);
    assert_eq!(names(&take(&queue)), ["c"]);
    queue.sent(take(&queue), Instant::now());
    assert_eq!(queue.bytes(), 0);
    assert!(queue.poll_ready(&mut Context::from_waker(Waker::noop())).is_pending());
}

#[test]
fn nothing_is_accepted_once_it_is_full_or_too_old() {
    let (queue, start) = (queue(1000), Instant::now());
    let after = |secs| start + Duration::from_secs(secs);
    assert!(queue.accepts(start));
    let push = || queue.push(Kind::Event, topic("a"), None, start, |_, _| Bytes::from(vec![0; 500]));
    push();
    assert!(queue.accepts(after(30)));
    assert!(!queue.accepts(after(31)));
    push();
    assert!(!queue.accepts(start));
    queue.sent(take(&queue), Instant::now());
    assert!(queue.accepts(after(31)));
}

#[test]
fn what_was_said_is_repeated_before_what_is_new() {
    let (queue, now) = (queue(10_000), Instant::now());
    let push = |kind, name| queue.push(kind, topic(name), None, now, |_, _| Bytes::from_static(b"x"));
    push(Kind::News, "news");
    push(Kind::Event, "a");
    push(Kind::Command, "end");
    queue.sent(take(&queue), now);
    push(Kind::Event, "b");
    queue.sent(take(&queue), now + Duration::from_secs(1));
    push(Kind::Event, "c");
    queue.repeat(NodeId(1), 7, now + Duration::from_secs(1));
    queue.tick(now + Duration::from_secs(1));
    let first = take(&queue);
    assert_eq!(first.messages, [(topic("b"), Bytes::from_static(b"again x"))]);
    (0..3).for_each(|number| queue.repeat(NodeId(2), number, now));
    queue.tick(now + Duration::from_millis(1500));
    assert_eq!(queue.due().len(), 0, "it has only just been somebody's turn");
    queue.tick(now + Duration::from_secs(2));
    assert_eq!(queue.repeated().map(|repeating| repeating.nodes), None);
    queue.unsent(first);
    let again = take(&queue);
    assert_eq!(names(&again), ["b", "end", "a"]);
    queue.sent(again, now);
    assert_eq!(queue.repeated(), Some(Repeating { nodes: vec![(NodeId(1), 7), (NodeId(2), 2)], incomplete: false }));
    assert_eq!(queue.repeated(), None);
    assert_eq!(names(&take(&queue)), ["c"]);
    queue.repeat(NodeId(1), 7, now);
    queue.tick(now + Duration::from_secs(60));
    assert_eq!(queue.repeated(), Some(Repeating { nodes: vec![(NodeId(1), 7)], incomplete: true }));
}

/// On a slow link there is always news when the next batch is due.
#[test]
fn news_does_not_keep_what_is_repeated_waiting() {
    let (queue, now) = (queue(10_000), Instant::now());
    let push = |kind, name| queue.push(kind, topic(name), None, now, |_, _| Bytes::from_static(b"x"));
    push(Kind::Event, "a");
    queue.sent(take(&queue), now);
    queue.repeat(NodeId(1), 7, now);
    queue.tick(now);
    push(Kind::News, "news");
    push(Kind::Event, "b");
    let batch = take(&queue);
    assert_eq!(names(&batch), ["news", "a"]);
    queue.unsent(batch);
    let batch = take(&queue);
    assert_eq!(names(&batch), ["news", "a"]);
    queue.sent(batch, now);
    assert_eq!(names(&take(&queue)), ["b"]);
}

#[test]
fn what_is_on_its_way_is_repeated_too() {
    let (queue, now) = (queue(10_000), Instant::now());
    queue.push(Kind::Event, topic("a"), None, now, |_, _| Bytes::from_static(b"x"));
    let on_its_way = take(&queue);
    queue.repeat(NodeId(1), 7, now);
    assert!(queue.owes());
    assert!(queue.poll_ready(&mut Context::from_waker(Waker::noop())).is_ready());
    queue.sent(on_its_way, now);
    assert_eq!(queue.repeated(), None);
    let again = take(&queue);
    assert_eq!(again.messages, [(topic("a"), Bytes::from_static(b"again x"))]);
    queue.sent(again, now);
    assert_eq!(queue.repeated(), Some(Repeating { nodes: vec![(NodeId(1), 7)], incomplete: false }));
    assert!(queue.owes(), "it is not told yet");
    take(&queue);
    assert!(!queue.owes());
}

#[test]
fn news_is_not_what_fills_it_and_late_commands_say_so() {
    let (queue, now) = (queue(1000), Instant::now());
    let push = |kind| queue.push(kind, topic("nodes"), None, now, |_, _| Bytes::from(vec![0; 5000]));
    push(Kind::News);
    assert!(queue.accepts(now));
    push(Kind::Command);
    assert!(!queue.accepts(now));
    queue.link_is_down();
    let late = queue.batch(now + LATE * 2, |age, _| age.as_millis().to_string().into());
    assert_eq!(late.messages, [(topic("nodes"), Bytes::from_static(b"500"))]);
    queue.sent(late, now);
    assert_eq!(queue.bytes(), 0);
}

#[test]
fn of_what_is_kept_only_the_last_counts() {
    let (queue, now) = (queue(10_000), Instant::now());
    for (key, bytes) in [("a", "1"), ("b", "2"), ("a", "3")] {
        let keep = Keep { key: topic(key), ttl: Duration::from_secs(1) };
        queue.push(Kind::Event, topic("t"), Some(keep), now, |_, _| Bytes::from_static(bytes.as_bytes()));
    }
    let batch = take(&queue);
    let keeps: Vec<_> = batch.keeps.iter().map(|(keep, bytes)| (keep.key.as_str(), &bytes[..])).collect();
    assert_eq!((keeps, batch.messages.len()), (vec![("b", &b"2"[..]), ("a", &b"3"[..])], 3));
    assert!(["a", "b"].iter().all(|key| queue.keeps(&topic(key))));
    queue.sent(batch, now);
    assert!(!["a", "b"].iter().any(|key| queue.keeps(&topic(key))));
}

#[test]
fn batches_are_bounded_and_never_empty() {
    let (queue, now) = (queue(1 << 30), Instant::now());
    for _ in 0..300 {
        queue.push(Kind::Event, topic("a"), None, now, |_, _| Bytes::from_static(b"x"));
    }
    queue.push(Kind::Event, topic("b"), None, now, |_, _| Bytes::from(vec![0; 3 << 20]));
    let mut sizes = Vec::new();
    while let batch @ Batch { event: Some(_), .. } = take(&queue) {
        sizes.push(batch.messages.len());
        queue.sent(batch, now);
    }
    assert_eq!(sizes, [256, 44, 1]);
}
