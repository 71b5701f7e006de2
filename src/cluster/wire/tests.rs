//! What was said is read as it was said, and nothing that comes in does harm.

use super::*;
use crate::hub::{Fact, Share, Stats, Volume};
use crate::protocol::presence::Member;
use proptest::prelude::*;
use std::time::{Duration, SystemTime};

fn topic() -> Topic {
    Topic::new(&["test", "app", "x"])
}

fn name() -> impl Strategy<Value = ChannelName> {
    "(private-|presence-|#server-to-user-)?[A-Za-z0-9_=@,.;-]{1,20}"
        .prop_map(|name| ChannelName::parse(&name, 164).unwrap())
}

fn fact() -> impl Strategy<Value = Fact> {
    let count = 0..=u32::MAX as usize;
    let member = (".{1,8}", ".{0,8}")
        .prop_map(|(id, info)| Member::introduced(&id, &serde_json::Value::from(info).to_string()).unwrap());
    let since = (0..u64::from(u32::MAX)).prop_map(|ms| SystemTime::UNIX_EPOCH + Duration::from_millis(ms));
    prop_oneof![
        (name(), count.clone()).prop_map(|(channel, connections)| Fact::Connections { channel, connections }),
        ("presence-[a-z]{1,20}", member, count.clone()).prop_map(|(channel, member, connections)| Fact::Member {
            channel: ChannelName::parse(&channel, 164).unwrap(),
            member,
            connections
        }),
        (".{1,8}", count.clone(), since).prop_map(|(user, connections, since)| Fact::User {
            user: UserId::new(&user),
            connections,
            since
        }),
        (proptest::array::uniform5(count), proptest::array::uniform3((0..1u64 << 50, 0.0..1e9))).prop_map(
            |([counted, connections, peak_connections, users, channels], volumes)| {
                let [published, client_events, deliveries] =
                    volumes.map(|(total, per_second)| Volume { total, per_second });
                let stats =
                    Stats { connections, peak_connections, users, channels, published, client_events, deliveries };
                Fact::App(Share { counted, stats })
            }
        ),
    ]
}

fn told() -> impl Strategy<Value = Vec<Told>> {
    proptest::collection::vec((".{1,8}", fact()).prop_map(|(app, fact)| Told { app, fact }), 0..5)
}

fn about() -> impl Strategy<Value = About> {
    let started = (0..u64::from(u32::MAX)).prop_map(|ms| SystemTime::UNIX_EPOCH + Duration::from_millis(ms));
    ("[^\\p{Cc}]{0,8}", "[^\\p{Cc}]{0,8}", started, any::<u32>(), any::<u32>()).prop_map(
        |(name, version, started, lag, waiting)| {
            let health = Health { lag: Duration::from_micros(lag.into()), waiting_bytes: waiting as usize };
            About { name, version, started, health }
        },
    )
}

fn time() -> impl Strategy<Value = Duration> {
    any::<u64>().prop_map(Duration::from_millis)
}

fn said() -> impl Strategy<Value = Said> {
    let except = proptest::option::of(any::<u64>().prop_map(SocketId::from_random));
    let frame = (name(), ".{0,300}").prop_map(|(channel, data)| {
        let data = serde_json::value::RawValue::from_string(serde_json::Value::from(data).to_string()).unwrap();
        Frame::event(&channel, "e", &data, None)
    });
    prop_oneof![
        (except, any::<bool>(), frame).prop_map(|(except, kept, frame)| Said::Event { except, kept, frame }),
        (any::<u64>(), about()).prop_map(|(serial, about)| Said::Alive { serial, about: about.into() }),
        (any::<u64>(), told()).prop_map(|(serial, told)| Said::Changed { serial, told }),
        (any::<u64>(), any::<u32>(), any::<u32>(), told()).prop_map(|(serial, part, parts, told)| Said::All {
            serial,
            part,
            parts,
            told
        }),
        any::<u64>().prop_map(|node| Said::Ask { node: NodeId(node) }),
        Just(Said::Leaving),
        proptest::collection::vec(any::<u8>(), 0..50).prop_map(|bytes| Said::Entry { bytes: bytes.into() }),
        (".{1,8}", ".{1,8}").prop_map(|(app, user)| Said::EndUser { app, user: UserId::new(&user) }),
        (".{1,8}", name()).prop_map(|(app, channel)| Said::EndChannel { app, channel }),
        (time(), proptest::collection::vec(any::<u8>(), 0..50))
            .prop_map(|(age, envelope)| Said::Again { age, envelope: envelope.into() }),
        (time(), proptest::collection::vec((any::<u64>().prop_map(NodeId), time()), 0..4))
            .prop_map(|(away, longer)| Said::Back { away, longer }),
        (proptest::collection::vec((any::<u64>().prop_map(NodeId), any::<u64>()), 0..4), any::<bool>())
            .prop_map(|(nodes, complete)| Said::Repeated { nodes, complete }),
    ]
}

fn envelope() -> impl Strategy<Value = Envelope> {
    (any::<u64>(), any::<u64>(), said()).prop_map(|(origin, number, said)| Envelope {
        origin: NodeId(origin),
        number,
        said,
    })
}

proptest! {
    #[test]
    fn what_was_said_is_read(envelope in envelope()) {
        for key in [None, Some(Secret::new("key"))] {
            let read = Envelope::decode(&envelope.encode(&topic(), key.as_ref()), &topic(), key.as_ref()).expect("it is well-formed");
            prop_assert_eq!(format!("{:?}", read), format!("{:?}", envelope));
        }
    }

    /// What is told in parts that the bus takes is no larger than was thought.
    #[test]
    fn facts_take_no_more_than_their_size(told in told()) {
        let most = told.iter().map(Told::size).sum::<usize>() + crate::cluster::room::ENVELOPE;
        for said in [Said::Changed { serial: 1, told: told.clone() }, Said::All { serial: 1, part: 0, parts: 1, told }] {
            let envelope = Envelope { origin: NodeId(1), number: 1, said };
            prop_assert!(envelope.encode(&topic(), Some(&Secret::new("key"))).len() <= most);
        }
    }

    /// A part of it, or one changed byte, is refused where there is a key, and harmless where there is none. Who has no
    /// key takes nothing from those who have one.
    #[test]
    fn what_was_tampered_with_is_refused(envelope in envelope(), at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let key = Secret::new("key");
        let bytes = envelope.encode(&topic(), Some(&key));
        prop_assert!(Envelope::decode(&bytes, &topic(), Some(&Secret::new("other"))).is_none());
        prop_assert!(Envelope::decode(&bytes, &Topic::new(&["other"]), Some(&key)).is_none());
        prop_assert!(Envelope::decode(&bytes, &topic(), None).is_none());
        let plain = envelope.encode(&topic(), None);
        prop_assert!(Envelope::decode(&plain, &topic(), Some(&key)).is_none());
        let at = at.index(plain.len());
        prop_assert!(Envelope::decode(&bytes.slice(..at), &topic(), Some(&key)).is_none());
        let change = |bytes: &Bytes| {
            let mut changed = bytes.to_vec();
            changed[at] ^= 1 << bit;
            Bytes::from(changed)
        };
        prop_assert!(Envelope::decode(&change(&bytes), &topic(), Some(&key)).is_none());
        let _ = Envelope::decode(&change(&plain), &topic(), None);
        let _ = Envelope::decode(&plain.slice(..at), &topic(), None);
    }

    #[test]
    fn anything_may_come(bytes in proptest::collection::vec(any::<u8>(), 0..200), kind in 0..10_u8) {
        let _ = Envelope::decode(&bytes.clone().into(), &topic(), None);
        let mut envelope = vec![VERSION, kind];
        envelope.extend([0; 16]);
        envelope.extend(bytes);
        let _ = Envelope::decode(&envelope.into(), &topic(), None);
    }
}

#[test]
fn what_a_later_version_adds_is_passed_over() {
    let fact = |connections| {
        let channel = ChannelName::parse("x", 164).unwrap();
        Told { app: "1".into(), fact: Fact::Connections { channel, connections } }
    };
    let said = Said::Changed { serial: 7, told: vec![fact(1)] };
    let mut bytes = Envelope { origin: NodeId(1), number: 2, said }.encode(&topic(), None).to_vec();
    // A fact of an unknown kind, then one with a member more.
    bytes.extend([0, 0, 0, 3, 99, 1, 2]);
    bytes.extend([0, 0, 0, 21, 1, 0, 0, 0, 1, b'1', 0, 0, 0, 1, b'x', 0, 0, 0, 0, 0, 0, 0, 2, 42, 42]);
    let read = Envelope::decode(&bytes.clone().into(), &topic(), None).unwrap();
    let Said::Changed { serial: 7, told } = read.said else { panic!("{read:?}") };
    assert_eq!(format!("{told:?}"), format!("{:?}", [fact(1), fact(2)]));
    for (at, unknown) in [(0, VERSION + 1), (1, 99)] {
        let mut later = bytes.clone();
        later[at] = unknown;
        assert!(Envelope::decode(&later.into(), &topic(), None).is_none());
    }
}

#[test]
fn a_frame_that_is_none_is_refused() {
    let frame = Frame::pong().bytes().to_vec();
    assert_eq!(Frame::received(frame.clone().into()), Some(Frame::pong()));
    let long = Frame::error(None, &"x".repeat(70_000));
    assert_eq!(Frame::received(long.bytes().to_vec().into()), Some(long));
    let mut binary = frame.clone();
    binary[0] = 0x82;
    let mut no_text = frame.clone();
    no_text[5] = 0xff;
    for bytes in [vec![], vec![0x81], frame[..frame.len() - 1].to_vec(), [&frame[..], b"x"].concat(), binary, no_text] {
        assert_eq!(Frame::received(bytes.clone().into()), None, "{bytes:?}");
    }
}

/// What is read of what is said, as from a stranger.
fn heard(said: Said) -> Option<Said> {
    let bytes = Envelope { origin: NodeId(1), number: 2, said }.encode(&topic(), None);
    Envelope::decode(&bytes, &topic(), None).map(|envelope| envelope.said)
}

#[test]
fn times_that_are_no_dates_are_refused() {
    let last = SystemTime::UNIX_EPOCH + Duration::from_millis(253_402_300_799_999);
    for (time, is_read) in [(last, true), (last + Duration::from_millis(1), false)] {
        let fact = Fact::User { user: UserId::new("1"), connections: 1, since: time };
        let told = vec![Told { app: "1".into(), fact }];
        assert_eq!(heard(Said::Changed { serial: 1, told }).is_some(), is_read);
        let about = About { name: "a".into(), version: "1".into(), started: time, health: Health::default() };
        assert_eq!(heard(Said::Alive { serial: 1, about: about.into() }).is_some(), is_read);
    }
}

#[test]
fn what_a_node_says_about_itself_does_nothing_to_a_terminal() {
    let heard = |name: &str, version: &str| {
        let (name, version) = (name.to_owned(), version.to_owned());
        let about = About { name, version, started: SystemTime::UNIX_EPOCH, health: Health::default() };
        match heard(Said::Alive { serial: 1, about: about.into() }) {
            Some(Said::Alive { about, .. }) => Some((about.name, about.version)),
            _ => None,
        }
    };
    assert_eq!(heard("a\x1b[2J\nb\u{9b}é", "\r1\x7f"), Some(("a[2Jbé".to_owned(), "1".to_owned())));
    let (most, more) = ("x".repeat(255), "x".repeat(256));
    assert!(heard(&most, &most).is_some());
    assert!(heard(&more, "1").is_none() && heard("a", &more).is_none());
}
