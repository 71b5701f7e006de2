use super::*;
use std::time::Duration;

fn happening(n: usize) -> Happening {
    Happening::Occupied { channel: n.to_string() }
}

fn channel(next: &Next) -> String {
    let Next::Record(record) = next else { panic!("{next:?}") };
    record.json(0)["channel"].as_str().unwrap().to_owned()
}

#[test]
fn nothing_is_made_while_nobody_watches() {
    let feed = Arc::new(Feed::default());
    feed.tell(|| panic!("nobody watches"));
    let watch = feed.watch().unwrap();
    assert!(feed.is_watched());
    drop(watch);
    feed.tell(|| panic!("nobody watches any more"));
    assert!(feed.state.lock().ring.is_none());
}

#[tokio::test]
async fn everybody_is_told_everything_from_then_on() {
    let feed = Arc::new(Feed::default());
    let mut first = feed.watch().unwrap();
    feed.tell(|| happening(1));
    let mut second = feed.watch().unwrap();
    feed.tell(|| happening(2));
    assert_eq!([channel(&first.next().await), channel(&first.next().await)], ["1", "2"]);
    assert!(first.ready().is_none());
    assert_eq!(channel(&second.ready().unwrap()), "2");
    drop(first);
    feed.tell(|| happening(3));
    assert_eq!(channel(&second.next().await), "3");
}

#[tokio::test]
async fn who_falls_behind_is_told_how_much_it_missed() {
    let feed = Arc::new(Feed::default());
    let mut watch = feed.watch().unwrap();
    (0..RECORDS + 5).for_each(|n| feed.tell(|| happening(n)));
    assert!(matches!(watch.next().await, Next::Missed(5)));
    assert_eq!(channel(&watch.next().await), "5");
}

#[tokio::test]
async fn the_end_comes_after_what_is_left_and_nobody_comes_after_it() {
    let feed = Arc::new(Feed::default());
    let mut watch = feed.watch().unwrap();
    feed.tell(|| happening(1));
    feed.end();
    feed.tell(|| panic!("it has ended"));
    assert_eq!(channel(&watch.next().await), "1");
    assert!(matches!(watch.next().await, Next::Ended));
    assert_eq!(feed.watch().unwrap_err(), NoPlace);
}

#[test]
fn there_is_an_end_to_watches() {
    let feed = Arc::new(Feed::default());
    let mut watches: Vec<_> = (0..MOST_WATCHES).map(|_| feed.watch().unwrap()).collect();
    assert_eq!(feed.watch().unwrap_err(), NoPlace);
    watches.pop();
    assert!(feed.watch().is_ok());
}

#[test]
fn payloads_are_cut_in_whole_characters() {
    let said = |data: &str| Happening::Published {
        channel: "a".to_owned(),
        event: "e".to_owned(),
        except: None,
        connections: 1,
        payload: Payload::of(data),
    };
    let at = SystemTime::UNIX_EPOCH + Duration::from_millis(1);
    let expect = serde_json::json!({
        "type": "published", "time": "1970-01-01T00:00:00.001Z", "channel": "a", "event": "e", "except": null,
        "connections": 1, "data": "é", "bytes": 4
    });
    assert_eq!(Record::new(at, said("éé")).json(3), expect);
    let long = "x".repeat(100_000);
    let json = Record::new(at, said(&long)).json(usize::MAX);
    assert_eq!((json["data"].as_str().unwrap().len(), json["bytes"].as_u64()), (16 * 1024, Some(100_000)));
}

/// The list of kinds is the one of the enum: each name is that of a happening which is written so.
#[test]
fn every_kind_has_its_name() {
    let source = include_str!("record.rs");
    let (_, body) = source.split_once("pub enum Happening {").unwrap();
    let (body, _) = body.split_once("\n}\n").unwrap();
    let names = body.lines().filter_map(|line| line.strip_prefix("    ")).filter_map(|line| line.split_once(" {"));
    let names = names.map(|(name, _)| name).filter(|name| name.chars().all(char::is_alphabetic));
    let snake = |name: &str| {
        let words = name.char_indices().flat_map(|(at, c)| {
            let under = (at > 0 && c.is_uppercase()).then_some('_');
            under.into_iter().chain(c.to_lowercase())
        });
        words.collect::<String>()
    };
    assert_eq!(names.map(snake).collect::<Vec<_>>(), KINDS);
}
