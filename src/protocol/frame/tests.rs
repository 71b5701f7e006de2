use super::*;
use crate::protocol::json::quote;

fn channel(name: &str) -> ChannelName {
    ChannelName::parse(name, 164).unwrap()
}

fn member(json: &str) -> Member {
    Member::parse(json, 128, 1024).unwrap()
}

/// Compares the payload, and the header with it.
fn check(frame: &Frame, expect: &str) {
    let bytes = frame.bytes();
    let start = match bytes[1] {
        126 => {
            assert_eq!(usize::from(u16::from_be_bytes([bytes[2], bytes[3]])), expect.len());
            4
        }
        len => {
            assert_eq!(usize::from(len), expect.len());
            2
        }
    };
    assert_eq!(bytes[0], 0x81);
    assert_eq!(std::str::from_utf8(&bytes[start..]).unwrap(), expect);
}

#[test]
fn connection_established_has_string_data() {
    let id = SocketId::parse("3363.1846347").unwrap().unwrap();
    check(
        &Frame::connection_established(id, 120),
        r#"{"event":"pusher:connection_established","data":"{\"socket_id\":\"3363.1846347\",\"activity_timeout\":120}"}"#,
    );
}

#[test]
fn errors_have_object_data() {
    check(
        &Frame::rejection(&Rejection::rate("Client event rejected due to rate limit")),
        r#"{"event":"pusher:error","data":{"code":4301,"message":"Client event rejected due to rate limit"}}"#,
    );
    check(
        &Frame::rejection(&Rejection::new("Existing subscription to channel my-channel")),
        r#"{"event":"pusher:error","data":{"code":null,"message":"Existing subscription to channel my-channel"}}"#,
    );
    check(
        &Frame::subscription_error("private-x", &Refusal::unauthorized("no \"way\"".to_owned())),
        r#"{"event":"pusher:subscription_error","channel":"private-x","data":"{\"error\":\"no \\\"way\\\"\",\"status\":401,\"type\":\"AuthError\"}"}"#,
    );
}

#[test]
fn subscriptions_and_members() {
    check(
        &Frame::subscribed(&channel("my-channel")),
        r#"{"event":"pusher_internal:subscription_succeeded","channel":"my-channel","data":"{}"}"#,
    );
    let room = channel("presence-room");
    let members = [member(r#"{"user_id":0,"user_info":{"name":"Ann"}}"#), member(r#"{"user_id":"2"}"#)];
    check(
        &Frame::roster(&room, members.iter()),
        r#"{"event":"pusher_internal:subscription_succeeded","channel":"presence-room","data":"{\"presence\":{\"count\":2,\"ids\":[\"0\",\"2\"],\"hash\":{\"0\":{\"name\":\"Ann\"},\"2\":{}}}}"}"#,
    );
    check(
        &Frame::member_added(&room, &members[1]),
        r#"{"event":"pusher_internal:member_added","channel":"presence-room","data":"{\"user_id\":\"2\",\"user_info\":{}}"}"#,
    );
    check(
        &Frame::member_removed(&room, &members[1].id),
        r#"{"event":"pusher_internal:member_removed","channel":"presence-room","data":"{\"user_id\":\"2\"}"}"#,
    );
}

#[test]
fn event_data_is_spliced_as_written() {
    let data: &RawValue = serde_json::from_str(r#""{\"hello\":\"w\u00f6rld\/\"}""#).unwrap();
    check(
        &Frame::event(&channel("my-channel"), r"App\Events\Shipped", data, None),
        r#"{"event":"App\\Events\\Shipped","channel":"my-channel","data":"{\"hello\":\"w\u00f6rld\/\"}"}"#,
    );
    check(
        &Frame::event(&channel("presence-room"), "client-typing", &quote("null"), Some(&UserId::new("2"))),
        r#"{"event":"client-typing","channel":"presence-room","data":"null","user_id":"2"}"#,
    );
}

#[test]
fn control_frames() {
    assert_eq!(Frame::ping().bytes()[..], [0x89, 0]);
    let close = Frame::close(CloseCode::Reconnect);
    assert_eq!(close.bytes()[..4], [0x88, 31, 0x10, 0x68]);
    assert_eq!(&close.bytes()[4..], b"Generic reconnect immediately");
}

#[test]
fn headers_carry_every_length() {
    for (len, header) in [
        (125, vec![0x81, 125]),
        (126, vec![0x81, 126, 0, 126]),
        (65_535, vec![0x81, 126, 255, 255]),
        (65_536, vec![0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
    ] {
        let frame = finish(TEXT, vec![b'x'; HEADER + len]);
        assert_eq!(frame.bytes()[..header.len()], header[..]);
        assert_eq!(frame.size(), header.len() + len);
        assert!(frame.bytes()[header.len()..].iter().all(|b| *b == b'x'));
        assert_eq!(frame.stamp(), None);
        let stamped = frame.stamped(Stamp(len as u64));
        assert_eq!(
            (stamped.stamp(), stamped.clone(), stamped.size()),
            (Some(Stamp(len as u64)), frame, header.len() + len)
        );
        assert_eq!(stamped.stamped(Stamp(1)).stamp(), Some(Stamp(1)));
        assert_eq!((stamped.unstamped().stamp(), stamped.payload()), (None, &stamped.bytes()[header.len()..]));
    }
}
