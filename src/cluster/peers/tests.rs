//! Two to three nodes' conversations, line by line.

use super::super::Health;
use super::*;
use crate::hub::{Fact, Share, Stats};
use std::time::SystemTime;

const ME: NodeId = NodeId(1);
const OTHER: NodeId = NodeId(2);

/// A conversation with one other node, whose envelopes are numbered by themselves.
struct Talk {
    peers: Peers,
    start: Instant,
    number: u64,
}

fn talk() -> Talk {
    let start = Instant::now();
    Talk { peers: Peers::new(ME, start), start, number: 0 }
}

impl Talk {
    fn hear(&mut self, secs: u64, said: Said) -> String {
        self.number += 1;
        let envelope = Envelope { origin: OTHER, number: self.number, said };
        words(&self.peers.hear(envelope, self.start + Duration::from_secs(secs)))
    }

    fn tick(&mut self, secs: u64) -> String {
        words(&self.peers.tick(self.start + Duration::from_secs(secs)))
    }

    /// Lets a second pass at a time.
    fn wait(&mut self, secs: std::ops::RangeInclusive<u64>) -> Vec<String> {
        secs.map(|secs| self.tick(secs)).filter(|words| !words.is_empty()).collect()
    }
}

fn words(to_do: &[Do]) -> String {
    let facts = |told: &[Told]| {
        let number = |told: &Told| match told.fact {
            Fact::App(share) => share.counted.to_string(),
            _ => "?".to_owned(),
        };
        told.iter().map(number).collect::<Vec<_>>().join(" ")
    };
    let word = |to_do: &Do| match to_do {
        Do::Apply(node, told) => format!("apply {} of {}", facts(told), node.0),
        Do::Replace(node, told) => format!("replace {} of {}", facts(told), node.0),
        Do::Forget(node) => format!("forget {}", node.0),
        Do::Ask(node) => format!("ask {}", node.0),
        Do::TellAll(_) => "tell all".to_owned(),
        Do::Note => "note".to_owned(),
        Do::End(..) => "end".to_owned(),
        Do::Repeat(node, _, away) => format!("repeat {} s for {}", away.as_secs(), node.0),
        Do::Repeated(node, _, complete) => format!("{} repeated, complete {complete}", node.0),
    };
    to_do.iter().map(word).collect::<Vec<_>>().join(", ")
}

fn alive(serial: u64) -> Said {
    let about =
        About { name: "a:1".into(), version: "1".into(), started: SystemTime::UNIX_EPOCH, health: Health::default() };
    Said::Alive { serial, about: about.into() }
}

fn told(number: usize) -> Vec<Told> {
    vec![Told { app: "1".into(), fact: Fact::App(Share { counted: number, stats: Stats::default() }) }]
}

fn changed(serial: u64) -> Said {
    Said::Changed { serial, told: told(serial as usize) }
}

fn all(serial: u64, part: u32, parts: u32) -> Said {
    Said::All { serial, part, parts, told: told(100 + part as usize) }
}

#[test]
fn changes_follow_on_everything() {
    let mut talk = talk();
    assert_eq!(talk.hear(0, alive(3)), "ask 2");
    assert_eq!(talk.hear(0, changed(4)), "");
    assert_eq!(talk.hear(0, all(4, 0, 2)), "");
    assert_eq!(talk.hear(0, all(4, 1, 2)), "replace 100 101 of 2");
    assert_eq!(talk.hear(1, changed(5)), "apply 5 of 2");
    assert_eq!(talk.hear(1, all(5, 0, 1)), "", "somebody else has asked for it");
    assert_eq!(talk.hear(2, alive(5)), "");
    assert_eq!(talk.peers.seen().map(|seen| seen.id).collect::<Vec<_>>(), [OTHER]);
}

#[test]
fn what_was_missed_is_asked_for() {
    for missed in [alive(2), changed(3)] {
        let mut talk = talk();
        talk.hear(0, alive(1));
        assert_eq!(talk.hear(0, all(1, 0, 1)), "replace 100 of 2");
        assert_eq!(talk.hear(1, missed), "ask 2");
        assert_eq!(talk.hear(1, changed(4)), "", "it will be among everything");
        assert_eq!(talk.hear(1, all(4, 0, 1)), "replace 100 of 2");
        assert_eq!(talk.hear(1, changed(5)), "apply 5 of 2");
    }
}

#[test]
fn an_answer_that_does_not_come_is_asked_for_again() {
    let mut talk = talk();
    assert_eq!(talk.hear(0, changed(1)), "ask 2");
    assert_eq!(talk.hear(0, all(1, 0, 3)), "");
    assert_eq!(talk.hear(0, all(1, 2, 3)), "", "a part is missing");
    assert_eq!(talk.wait(1..=2), ["ask 2"]);
    assert_eq!(talk.hear(2, all(7, 0, 1)), "replace 100 of 2");
    assert_eq!(talk.wait(3..=5), [""; 0]);
}

#[test]
fn a_silent_node_is_dead() {
    let mut talk = talk();
    talk.hear(0, alive(0));
    talk.hear(0, all(0, 0, 1));
    assert_eq!(talk.wait(1..=6), [""; 0]);
    assert_eq!(talk.tick(7), "forget 2");
    assert_eq!(talk.wait(8..=20), [""; 0]);
    assert_eq!(talk.hear(20, changed(1)), "ask 2", "it is back");
}

#[test]
fn one_that_stood_still_takes_nobody_for_dead() {
    let mut talk = talk();
    talk.hear(0, alive(0));
    talk.hear(0, all(0, 0, 1));
    assert_eq!(talk.wait(1..=1), [""; 0]);
    assert_eq!(talk.tick(31), "");
    assert_eq!(talk.wait(32..=37), [""; 0]);
    assert_eq!(talk.tick(38), "forget 2");
}

#[test]
fn a_lost_link_is_nobodys_death() {
    let mut talk = talk();
    talk.hear(0, alive(0));
    talk.hear(0, all(0, 0, 1));
    talk.peers.link_is_up(talk.start + Duration::from_secs(60));
    assert_eq!(talk.wait(60..=66), [""; 0]);
    assert_eq!(talk.tick(67), "forget 2");
}

#[test]
fn who_leaves_is_forgotten_at_once() {
    let mut talk = talk();
    assert_eq!(talk.hear(0, Said::Leaving), "");
    talk.hear(0, alive(0));
    talk.number -= 1;
    assert_eq!(talk.hear(0, Said::Leaving), "", "somebody repeats what was said before");
    assert_eq!(talk.hear(0, Said::Leaving), "forget 2");
    assert_eq!(talk.peers.seen().count(), 0);
}

#[test]
fn repeats_and_echoes_are_passed_over() {
    let mut talk = talk();
    talk.hear(0, alive(0));
    talk.hear(0, all(0, 0, 1));
    let end = || Said::EndUser { app: "1".into(), user: crate::protocol::UserId::new("u") };
    assert_eq!(talk.hear(0, end()), "end");
    talk.number -= 1;
    assert_eq!(talk.hear(0, end()), "");
    let echo = Envelope { origin: ME, number: 1, said: end() };
    assert!(talk.peers.hear(echo, talk.start).is_empty());
}

#[test]
fn only_who_is_asked_answers() {
    let mut talk = talk();
    assert_eq!(talk.hear(0, Said::Ask { node: ME }), "ask 2, tell all");
    assert_eq!(talk.hear(0, Said::Ask { node: NodeId(3) }), "");
}
