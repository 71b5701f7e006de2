//! The back end that nodes tell of channels and members, over HTTP. Now and then it fails, before or after it has taken note.

use super::dice::Dice;
use super::world::World;
use serde_json::Value;
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::time::Instant;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Of so many requests one fails before anything is taken note of, and one after.
const FAILS: usize = 30;

/// How it begins what it is told otherwise than is so.
pub(crate) const WEBHOOKS: &str = "webhooks";

/// Events that are remembered of each channel and member.
const LATELY: usize = 6;

/// What it has been told.
#[derive(Default)]
pub(crate) struct Told {
    /// Deliveries that were taken note of: what comes again is none of them.
    deliveries: HashSet<String>,
    /// Channels and members, and whether they are there.
    present: BTreeMap<String, bool>,
    /// The last that was told of each of them.
    lately: BTreeMap<String, VecDeque<String>>,
    /// Subscribers by channel.
    counts: BTreeMap<String, u64>,
}

impl Told {
    /// Where it is told otherwise than is so: of what is there, and of the number of subscribers.
    pub(crate) fn wrong(&self, there: &HashSet<String>, counts: &BTreeMap<String, u64>) -> Vec<String> {
        let told: HashSet<_> = self.present.iter().filter(|(_, is)| **is).map(|(what, _)| what.clone()).collect();
        let mut wrong = Vec::new();
        if told != *there {
            let (missing, extra): (Vec<_>, Vec<_>) =
                (there.difference(&told).collect(), told.difference(there).collect());
            let lately: Vec<_> = missing.iter().chain(&extra).filter_map(|what| self.lately.get(*what)).collect();
            wrong
                .push(format!("{WEBHOOKS} told of no end of {extra:?} and of no beginning of {missing:?}: {lately:?}"));
        }
        let told: BTreeMap<_, _> = self.counts.iter().filter(|(_, count)| **count > 0).collect();
        if !told.iter().map(|(channel, count)| (*channel, *count)).eq(counts.iter()) {
            wrong.push(format!("{WEBHOOKS} told of the numbers {told:?}, not {counts:?}"));
        }
        wrong
    }
}

/// Starts it; its port.
pub(crate) async fn start(world: &World, seed: u64) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let world = world.clone();
    tokio::spawn(async move {
        let mut connections = 0;
        while let Ok((stream, _)) = listener.accept().await {
            connections += 1;
            let dice = Dice::of(seed, &format!("webhooks-{connections}"));
            tokio::spawn(serve(world.clone(), dice, stream));
        }
    });
    port
}

async fn serve(world: World, mut dice: Dice, stream: TcpStream) {
    let mut stream = BufReader::new(stream);
    while let Some((delivery, body)) = request(&mut stream).await {
        let fate = dice.below(FAILS);
        world.count("webhook requests");
        if fate != 0 {
            take(&world, &delivery, &body);
        }
        let status = if fate <= 1 { "500 Not Now" } else { "204 No Content" };
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// The next request: its delivery, and its body.
async fn request(stream: &mut BufReader<TcpStream>) -> Option<(String, Value)> {
    let (mut delivery, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        match line.split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("x-fanfare-delivery") => value.clone_into(&mut delivery),
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.parse().ok()?,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some((delivery, serde_json::from_slice(&body).ok()?))
}

fn take(world: &World, delivery: &str, body: &Value) {
    let mut wrong = Vec::<String>::new();
    let mut is_new = false;
    {
        let told = &mut world.state().webhooks;
        if told.deliveries.insert(delivery.to_owned()) {
            is_new = true;
            for event in body["events"].as_array().into_iter().flatten() {
                wrong.extend(
                    told.take(event, &format!("{} {delivery:.6} {}", world.at(Instant::now()), body["time_ms"])),
                );
            }
        }
    }
    world.count(if is_new { "webhooks" } else { "webhooks that came again" });
    wrong.iter().for_each(|wrong| world.blame(wrong));
}

impl Told {
    /// What is wrong with an event, if anything is.
    fn take(&mut self, event: &Value, how: &str) -> Option<String> {
        let text = |key: &str| event[key].as_str().unwrap_or_default();
        let (name, channel) = (text("name"), text("channel"));
        let comes = match name {
            "channel_occupied" | "member_added" => true,
            "channel_vacated" | "member_removed" => false,
            _ => {
                let count = event["subscription_count"].as_u64()?;
                self.counts.insert(channel.to_owned(), count);
                return None;
            }
        };
        let what = format!("{channel} {}", text("user_id")).trim().to_owned();
        let before = self.present.insert(what.clone(), comes).unwrap_or_default();
        let lately = self.lately.entry(what).or_default();
        if lately.len() == LATELY {
            lately.pop_front();
        }
        lately.push_back(format!("{how} {name}"));
        (before == comes).then(|| format!("webhooks say twice in a row: {event} after {lately:?}"))
    }
}
