//! Whatever comes in, reading it ends in a value or a refusal.

use super::presence::Member;
use super::{ChannelName, Command, SocketId, User, json};
use proptest::prelude::*;
use serde_json::value::RawValue;

/// JSON values with the names, the numbers and the escapes that readers look for, deep enough to surprise them.
pub(crate) fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        any::<i64>().prop_map(|n| n.to_string()),
        Just("1e400".to_owned()),
        Just(r#""\ud800""#.to_owned()),
        Just(r#""\u0000""#.to_owned()),
        "[a-z#=@.;:é -]{0,12}".prop_map(|text| serde_json::to_string(&text).unwrap()),
        ".{0,12}".prop_map(|text| serde_json::to_string(&text).unwrap()),
    ];
    let key = prop_oneof![
        Just("user_id"),
        Just("user_info"),
        Just("id"),
        Just("watchlist"),
        Just("channel"),
        Just("auth"),
        Just("channel_data"),
        Just("user_data"),
        Just("data"),
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(|list| format!("[{}]", list.join(","))),
            proptest::collection::vec((key.clone(), inner.clone()), 0..4).prop_map(|members| {
                let members: Vec<_> = members.iter().map(|(key, value)| format!(r#""{key}": {value}"#)).collect();
                format!("{{{}}}", members.join(", "))
            }),
            inner.prop_map(|inner| serde_json::to_string(&inner).unwrap()),
        ]
    })
}

/// Messages that look like commands.
pub(crate) fn message() -> impl Strategy<Value = String> {
    let event = prop_oneof![
        Just("pusher:subscribe"),
        Just("pusher:unsubscribe"),
        Just("pusher:signin"),
        Just("pusher:ping"),
        Just("client-x"),
        Just("pusher_internal:member_added"),
    ];
    let whole = (event, value(), value())
        .prop_map(|(event, channel, data)| format!(r#"{{"event":"{event}","channel":{channel},"data":{data}}}"#));
    prop_oneof![4 => (whole, 1..400_usize).prop_map(|(text, cut)| {
        // Most are longer than 80 characters and stay whole.
        if cut < 80 { text.chars().take(cut).collect() } else { text }
    }), 1 => value(), 1 => ".{0,80}"]
}

proptest! {
    #[test]
    fn reading_never_panics(text in ".{0,60}", value in value(), message in message()) {
        for text in [&text, &value, &message] {
            let _ = Command::parse(text);
            let _ = Member::parse(text, 8, 20);
            let _ = User::parse(text, 8, true);
            let _ = ChannelName::parse(text, 20).map(|name| (name.kind(), name.is_cache(), name.user().map(str::len)));
            let _ = SocketId::parse(text);
            let _ = json::one_line(text);
            if let Ok(raw) = serde_json::from_str::<&RawValue>(text) {
                let _ = (json::text(raw), json::integer(raw));
                if let Some(data) = json::data(raw) {
                    prop_assert!(json::text(&data).is_some(), "event data is always a readable string");
                    let _ = json::is_longer_than(&data, 3);
                }
            }
        }
    }
}
