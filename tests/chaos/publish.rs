//! Back ends, which publish one event after the other.

use super::api::Api;
use super::channels::{self, BUSY, CACHE, RARE};
use super::dice::Dice;
use super::tab::Event;
use super::world::{NODES, Place, World};
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::time::sleep;

pub(crate) const PUBLISHERS: usize = 4;
const MOST_PADDING: usize = 4000;
/// Events after which another node is chosen, so that new ones get some.
const AT_ONE: usize = 40;

/// An event that was accepted.
#[derive(Clone, Debug)]
pub(crate) struct Published {
    pub(crate) id: u64,
    pub(crate) channels: Vec<&'static str>,
    pub(crate) except: Option<String>,
    /// By which process.
    pub(crate) place: Place,
    pub(crate) begun: Instant,
    pub(crate) accepted: Instant,
    /// If not, nobody knows whether it was.
    pub(crate) is_answered: bool,
}

pub(crate) struct Publisher {
    world: World,
    n: usize,
    name: String,
    dice: Dice,
    ways: Dice,
    port: [u16; NODES],
    /// How often it has begun anew, at another node or after a request whose end it does not know.
    streams: u32,
}

impl Publisher {
    pub(crate) fn new(world: &World, seed: u64, n: usize, port: [u16; NODES]) -> Self {
        let name = format!("publisher-{n}");
        let (dice, ways) = (Dice::of(seed, &name), Dice::of(seed, &format!("ways of {name}")));
        Self { world: world.clone(), n, name, dice, ways, port, streams: 0 }
    }

    pub(crate) async fn run(mut self) {
        loop {
            let place = self.world.state().up(self.ways.below(NODES));
            if let Some(place) = place
                && let Ok(api) = Api::connect(self.port[place.node]).await
            {
                self.streams += 1;
                self.publish_at(place, api).await;
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Publishes through one process until it no longer answers, or for a while.
    async fn publish_at(&mut self, place: Place, mut api: Api) {
        let mut phase = self.world.phase();
        for _ in 0..AT_ONE {
            let _ = phase.wait_for(|phase| phase.acting).await;
            let (event, channels) = self.draw();
            let data = event.data(self.dice.below(MOST_PADDING));
            let mut body = json!({ "name": "news", "channels": channels, "data": data });
            if let Some(except) = &event.except {
                body["socket_id"] = except.as_str().into();
            }
            let begun = Instant::now();
            let answer = api.post("/events", &body).await;
            let accepted = Instant::now();
            let Event { id, except, .. } = event;
            let published = Published { id, channels, except, place, begun, accepted, is_answered: answer.is_ok() };
            if !matches!(answer, Ok((503, _))) {
                let state = &mut *self.world.state();
                for channel in published.channels.iter().filter(|channel| channels::is_cache(channel)) {
                    state.kept.entry(channel).or_default().push(published.clone());
                }
            }
            match answer {
                Ok((200, _)) => {
                    self.world.count("published");
                    self.world.state().published.push(published);
                }
                Ok((503, _)) => {
                    self.world.count("refused");
                    self.world.state().refused.insert(id);
                }
                Ok((status, body)) => self.world.blame(&format!("{place} answered a publish with {status} {body}")),
                Err(_) => {
                    self.world.count("unanswered");
                    return;
                }
            }
            sleep(self.dice.millis(30, 180)).await;
        }
    }

    fn draw(&mut self) -> (Event, Vec<&'static str>) {
        let mut channels = vec![match self.dice.below(12) {
            0 => CACHE[self.n],
            1 => CACHE[PUBLISHERS],
            2..5 => RARE[self.dice.below(RARE.len())],
            _ => BUSY[self.dice.below(BUSY.len())],
        }];
        if self.dice.one_in(4) {
            channels.push(RARE[self.dice.below(RARE.len())]);
            channels.dedup();
        }
        let not_to = self.dice.one_in(5).then(|| self.dice.below(self.world.state().tabs.len()));
        let except = not_to.map(|tab| self.world.state().tabs[tab].socket_id.clone()).filter(|id| !id.is_empty());
        let stream = format!("{}/{}", self.name, self.streams);
        (Event { stream, id: self.world.id(), except }, channels)
    }
}
