//! Connects a tab, does what people do, and reads what comes.

use super::api::{KEY, auth};
use super::channels::{self, BUSY, CACHE, RARE};
use super::dice::Dice;
use super::tab::{Event, Heard, Subscription};
use super::world::{NODES, Place, World};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::time::{sleep, sleep_until, timeout};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

type Socket = WebSocketStream<TcpStream>;

/// After which another node is tried.
const GREETED_WITHIN: Duration = Duration::from_secs(3);

/// Of a frame, in characters.
const MOST_SHOWN: usize = 300;

/// What somebody does next.
enum Doing {
    Nothing,
    /// Goes away, with or without a word.
    Go {
        politely: bool,
    },
}

pub(crate) struct Client {
    world: World,
    /// Which tab it is.
    at: usize,
    dice: Dice,
    /// Draws where to connect, which depends on what happens and must not change what is done.
    ways: Dice,
    /// Stays where it is, with every busy channel.
    is_steady: bool,
    /// What it does something with.
    repertoire: Vec<&'static str>,
    wanted: BTreeSet<&'static str>,
    port: [u16; NODES],
    next: Instant,
}

impl Client {
    pub(crate) fn new(world: &World, seed: u64, at: usize, is_steady: bool, port: [u16; NODES]) -> Self {
        let name = format!("tab-{at}");
        let mut repertoire = BUSY.to_vec();
        let wanted = if is_steady { BUSY.into() } else { BTreeSet::new() };
        repertoire.extend([RARE[at % RARE.len()], CACHE[at % CACHE.len()]]);
        let (dice, ways) = (Dice::of(seed, &name), Dice::of(seed, &format!("ways of {name}")));
        Self { world: world.clone(), at, dice, ways, is_steady, repertoire, wanted, port, next: Instant::now() }
    }

    pub(crate) async fn run(mut self) {
        loop {
            let wish = if self.is_steady { self.at } else { self.ways.below(NODES) };
            let Some((mut socket, place)) = self.connect(wish).await else {
                sleep(Duration::from_millis(100)).await;
                continue;
            };
            if let Ok(politely) = self.live(&mut socket).await
                && politely
            {
                let _ = timeout(GREETED_WITHIN, socket.close(None)).await;
            }
            let crashed = self.world.state().ended(place).is_some();
            let away = !self.is_steady && crashed && self.ways.one_in(3);
            {
                let tab = &mut self.world.state().tabs[self.at];
                tab.lost();
                tab.away = away;
            }
            drop(socket);
            self.pause(away).await;
        }
    }

    /// Waits before it connects again; for the next round, if it is `away` until then.
    async fn pause(&mut self, away: bool) {
        sleep(self.ways.millis(0, 700)).await;
        if away {
            let mut phase = self.world.phase();
            let round = phase.borrow().round;
            let _ = phase.wait_for(|phase| phase.round > round).await;
            self.world.state().tabs[self.at].away = false;
        }
    }

    async fn connect(&mut self, wish: usize) -> Option<(Socket, Place)> {
        let place = self.world.state().up(wish)?;
        let connect = async {
            let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port[place.node])).await.ok()?;
            stream.set_nodelay(true).ok()?;
            let url = format!("ws://localhost/app/{KEY}?protocol=7&client=js&version=8.6.0&flash=false");
            let (mut socket, _) = client_async(url, stream).await.ok()?;
            let Message::Text(text) = socket.next().await?.ok()? else { return None };
            Some((socket, serde_json::from_str::<Value>(&text).ok()?))
        };
        let (socket, hello) = timeout(GREETED_WITHIN, connect).await.ok()??;
        let data: Value = serde_json::from_str(hello["data"].as_str()?).ok()?;
        self.world.count("connections");
        self.world.state().tabs[self.at].connected(place, data["socket_id"].as_str()?);
        Some((socket, place))
    }

    /// Until the connection is lost, or it goes away by itself: whether politely.
    async fn live(&mut self, socket: &mut Socket) -> Result<bool, Error> {
        for channel in self.wanted.clone() {
            self.subscribe(socket, channel).await?;
        }
        loop {
            tokio::select! {
                message = socket.next() => match message {
                    Some(Ok(Message::Text(text))) => self.hear(socket, &text).await?,
                    Some(Ok(Message::Close(frame))) => {
                        self.closed(frame.map_or(0, |frame| frame.code.into()));
                        return Ok(false);
                    }
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(error),
                    None => return Ok(false),
                },
                () = sleep_until(self.next.into()) => {
                    if let Doing::Go { politely } = self.act(socket).await? {
                        return Ok(politely);
                    }
                }
            }
        }
    }

    async fn act(&mut self, socket: &mut Socket) -> Result<Doing, Error> {
        if !self.world.phase().borrow().acting {
            self.next = Instant::now() + Duration::from_millis(100);
            return Ok(Doing::Nothing);
        }
        let (kind, channel) = (self.dice.below(20), self.repertoire[self.dice.below(self.repertoire.len())]);
        self.next = Instant::now() + self.dice.millis(200, 1500);
        match kind {
            0 if !self.is_steady => return Ok(Doing::Go { politely: channel < "presence" }),
            0..=5 => self.whisper(socket, channel).await?,
            _ if self.is_steady => {}
            _ if self.wanted.remove(channel) => self.unsubscribe(socket, channel).await?,
            _ => {
                self.wanted.insert(channel);
                self.subscribe(socket, channel).await?;
            }
        }
        Ok(Doing::Nothing)
    }

    async fn subscribe(&self, socket: &mut Socket, channel: &'static str) -> Result<(), Error> {
        let mut data = json!({ "channel": channel });
        {
            let tab = &mut self.world.state().tabs[self.at];
            if tab.subscriptions.contains_key(channel) {
                // It is leaving still: it subscribes once it has left.
                return Ok(());
            }
            let member = json!({ "user_id": tab.user, "user_info": { "name": tab.user } }).to_string();
            if channels::is_presence(channel) {
                data["auth"] = auth(&[&tab.socket_id, ":", channel, ":", &member]).into();
                data["channel_data"] = member.into();
            } else {
                data["auth"] = auth(&[&tab.socket_id, ":", channel]).into();
            }
            tab.subscriptions.insert(channel, Subscription::Asked);
        }
        self.world.count("joins");
        send(socket, &json!({ "event": "pusher:subscribe", "data": data })).await
    }

    async fn unsubscribe(&self, socket: &mut Socket, channel: &'static str) -> Result<(), Error> {
        {
            let tab = &mut self.world.state().tabs[self.at];
            if tab.since(channel).is_none() {
                return Ok(());
            }
            tab.leave(channel);
        }
        self.world.count("leaves");
        send(socket, &json!({ "event": "pusher:unsubscribe", "data": { "channel": channel } })).await?;
        send(socket, &json!({ "event": "pusher:ping", "data": {} })).await
    }

    /// Publishes an event of its own.
    async fn whisper(&self, socket: &mut Socket, channel: &'static str) -> Result<(), Error> {
        let event = {
            let tab = &self.world.state().tabs[self.at];
            if !channels::takes_client_events(channel) || tab.since(channel).is_none() {
                return Ok(());
            }
            Event { stream: tab.stream(), id: self.world.id(), except: None }
        };
        self.world.count("client events");
        send(socket, &json!({ "event": "client-whisper", "channel": channel, "data": event.data(0) })).await
    }

    async fn hear(&self, socket: &mut Socket, text: &str) -> Result<(), Error> {
        let frame: Value = serde_json::from_str(text).unwrap_or_default();
        let (heard, who) = {
            let tab = &mut self.world.state().tabs[self.at];
            let place = tab.place.expect("it is connected");
            (tab.hear(&frame, Instant::now()), format!("{} of {} on {place}", tab.name, tab.user))
        };
        match heard {
            Ok(Heard::Nothing) => {}
            Ok(Heard::Ping) => send(socket, &json!({ "event": "pusher:pong", "data": {} })).await?,
            Ok(Heard::Last) => self.world.count("newcomers with a last event"),
            Ok(Heard::Miss) => self.world.count("newcomers without a last event"),
            Ok(Heard::Event) => self.world.count("deliveries"),
            Ok(Heard::Joined) => self.world.count("members added"),
            Ok(Heard::Gone) => self.world.count("members removed"),
            Err(why) => {
                let text: String = text.chars().take(MOST_SHOWN).collect();
                self.world.blame(&format!("{who} must not get {text}: {why}"));
            }
        }
        self.catch_up(socket).await
    }

    /// Asks for what is wanted and could not be asked for, and gives up what is not wanted and could not be given up.
    async fn catch_up(&self, socket: &mut Socket) -> Result<(), Error> {
        let (mut join, mut leave) = (Vec::new(), Vec::new());
        {
            let tab = &self.world.state().tabs[self.at];
            for channel in &self.repertoire {
                match tab.subscriptions.get(channel) {
                    None if self.wanted.contains(channel) => join.push(*channel),
                    Some(Subscription::Confirmed { .. }) if !self.wanted.contains(channel) => leave.push(*channel),
                    _ => {}
                }
            }
        }
        for channel in join {
            self.subscribe(socket, channel).await?;
        }
        for channel in leave {
            self.unsubscribe(socket, channel).await?;
        }
        Ok(())
    }

    /// A server says goodbye only when it stops.
    fn closed(&self, code: u16) {
        let (place, ended) = {
            let state = self.world.state();
            let place = state.tabs[self.at].place.expect("it is connected");
            (place, state.ended(place).is_some())
        };
        if code != 4200 || !ended {
            self.world.blame(&format!("{place} closed tab-{} with {code}", self.at));
        }
    }
}

async fn send(socket: &mut Socket, frame: &Value) -> Result<(), Error> {
    socket.send(Message::text(frame.to_string())).await
}
