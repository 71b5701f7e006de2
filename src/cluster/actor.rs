//! The node's part in the conversation: hears what others say, tells what is so here, notices who is gone. One task,
//! with these inputs: the bus, changes in the hubs, and three clocks.

use super::Cluster;
use super::catching::{Catching, Event, Heard, Held};
use super::complaint::Complaint;
use super::echo::Echo;
use super::lanes::{Lanes, Next};
use super::peers::{BEAT, Do, Peers};
use super::telling::Telling;
use super::wire::{self, Envelope, Said, Told};
use crate::broker::{Inbox, Incoming, Link, Topic};
use crate::hub::{Fact, Hub, Reach};
use crate::pace::{STALLS, relieve};
use crate::protocol::NodeId;
use bytes::Bytes;
use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::task::yield_now;
use tokio::time::{MissedTickBehavior, interval};

/// Between two tellings of numbers.
const NUMBERS: Duration = Duration::from_millis(250);
/// Between two looks at who is still there.
const LOOK: Duration = Duration::from_secs(1);
/// What is taken in before anything is handed out, and what is handed out before anything is taken in, at most.
const TAKEN: usize = 1024;
const SERVED: usize = 64;
/// For how long events are handed out before anything else is looked at.
const LONG: Duration = Duration::from_millis(1);
/// The pauses that subscribers are given when much that was held back is handed out at once.
const RELEASE_STALLS: usize = 5000;
/// Longer than anything of this node that it is to hear when it comes back.
const MOST_ECHO: usize = 4096;
/// A bus of several servers may have stopped handing out what is said on one of them so long before the others.
const MARGIN: Duration = Duration::from_secs(5);

/// The task.
#[derive(Debug)]
pub struct Actor {
    cluster: Cluster,
    inbox: Inbox,
    peers: Peers,
    telling: Telling,
    echo: Echo,
    catching: Catching,
    lanes: Lanes,
    /// That events were dropped.
    overload: Complaint,
    /// Since when something may have been missed that is being repeated.
    missed: Instant,
    /// Whether cache channels' last events are to be recalled once all is made good.
    recalls: bool,
    /// The number of what the others were asked with last to repeat it.
    asked: u64,
    /// That messages make no sense.
    nonsense: Complaint,
    /// The pauses that are left until numbers are told again.
    stalls: usize,
}

impl Actor {
    /// The task of `cluster`, which hears what comes into `inbox`.
    pub fn new(cluster: &Cluster, inbox: Inbox) -> Self {
        let now = super::now();
        let peers = Peers::new(cluster.0.me.id, now);
        let mut catching = Catching::default();
        catching.link_is_down();
        let lanes = Lanes::new(inbox.max_bytes());
        Self {
            cluster: cluster.clone(),
            inbox,
            lanes,
            overload: Complaint::default(),
            peers,
            telling: Telling::new(cluster),
            echo: Echo::new(now),
            catching,
            missed: now,
            recalls: false,
            asked: 0,
            nonsense: Complaint::default(),
            stalls: STALLS,
        }
    }

    /// Takes part until the bus's driver is gone.
    pub async fn run(mut self) {
        let control = self.cluster.0.control.clone();
        // If the link is down, it will be subscribed with the others when it comes up.
        let _ = self.cluster.0.broker.subscribe(&control).await;
        let clock = |period| {
            let mut clock = interval(period);
            clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
            clock
        };
        let (mut numbers, mut look, mut beat) = (clock(NUMBERS), clock(LOOK), clock(BEAT));
        let cluster = self.cluster.clone();
        loop {
            tokio::select! {
                biased;
                _ = numbers.tick() => {
                    self.telling.numbers(false);
                    self.stalls = if self.lanes.is_released() { STALLS } else { self.stalls.max(STALLS) };
                    self.make_good();
                }
                _ = look.tick() => self.look().await,
                _ = beat.tick() => {
                    self.telling.numbers(true);
                    self.tell_alive();
                }
                () = poll_fn(|cx| poll_changes(&cluster, cx)) => self.telling.changes(),
                incoming = self.inbox.next() => {
                    let Some(incoming) = incoming else { return };
                    self.take(incoming).await;
                    for _ in 1..TAKEN {
                        let Some(incoming) = self.inbox.try_next() else { break };
                        self.take(incoming).await;
                    }
                }
                () = yield_now(), if !self.lanes.is_empty() => {}
            }
            self.serve().await;
        }
    }

    /// Takes in what has come: events wait in their lanes, and what concerns the nodes overtakes them.
    async fn take(&mut self, incoming: Incoming) {
        let shared = &self.cluster.0;
        match incoming {
            Incoming::Link(Link::Up) => self.link_is_up(),
            Incoming::Link(Link::Down) => self.link_is_down(),
            Incoming::Message { topic, payload } => {
                let (is_mine, is_news) = (wire::origin(&payload) == Some(shared.me.id), topic == shared.control);
                match (is_mine, is_news) {
                    (true, true) if payload.len() > MOST_ECHO => {}
                    (_, true) => self.hear(&topic, &payload).await,
                    (true, false) => {}
                    (false, false) => self.lanes.push(topic, payload),
                }
            }
        }
    }

    /// Hands out some of the events that wait.
    async fn serve(&mut self) {
        let start = super::now();
        for _ in 0..SERVED {
            match self.lanes.pop() {
                None => return,
                Some(Next::Payload(topic, payload)) => self.hear(&topic, &payload).await,
                Some(Next::Released(origin, topic, number, event)) => {
                    self.hand_out(origin, &topic, number, &event, start).await;
                }
            }
            if super::now() - start > LONG {
                return;
            }
        }
    }

    async fn hear(&mut self, topic: &Topic, payload: &Bytes) {
        let shared = &self.cluster.0;
        let Some(envelope) = Envelope::decode(payload, topic, shared.settings.key.as_ref()) else {
            shared.metrics.bus_malformed_total.add(1);
            if self.nonsense.is_due() {
                tracing::warn!(
                    topic = topic.as_str(),
                    bytes = payload.len(),
                    "messages on the bus make no sense (told once a minute): they come from a server with another \
                     cluster.key or another version, or from a stranger"
                );
            }
            return;
        };
        let (now, origin, number) = (super::now(), envelope.origin, envelope.number);
        if origin == shared.me.id {
            if *topic == shared.control {
                if number >= self.asked {
                    self.catching.have_been_asked(now);
                }
                if let Some(lag) = self.echo.hear(number, now) {
                    shared.lag.set(lag);
                }
            }
            return;
        }
        let Heard { is_held: held, is_late } = self.catching.hears(origin, self.peers.knows(origin), now);
        if is_late && self.catching.asks_again(origin) {
            self.tell_back(now);
        }
        let shared = &self.cluster.0;
        match envelope.said {
            Said::Again { age, envelope } if held || *topic == shared.control => {
                self.hear_again(origin, topic, age, &envelope, now).await;
            }
            Said::Again { .. } => {}
            Said::Event { except, kept, frame } => {
                let event = Event { except, kept, frame, born: None };
                if held {
                    self.catching.hold(origin, topic, number, event, now);
                } else {
                    self.hand_out(origin, topic, number, &event, now).await;
                }
            }
            said if *topic == shared.control => {
                let is_news = !matches!(said, Said::Changed { .. });
                let to_do = self.peers.hear(Envelope { said, ..envelope }, now);
                let is_news = is_news || !to_do.is_empty();
                self.act(to_do).await;
                if is_news {
                    self.note_others();
                }
            }
            _ => {}
        }
    }

    /// Something that a node said when this one may not have heard it.
    async fn hear_again(&mut self, origin: NodeId, topic: &Topic, age: Duration, envelope: &Bytes, now: Instant) {
        let shared = &self.cluster.0;
        let Some(envelope) = Envelope::decode(envelope, topic, shared.settings.key.as_ref()) else { return };
        if envelope.origin != origin {
            return;
        }
        match envelope.said {
            Said::Event { except, kept, frame } => {
                let event = Event { except, kept, frame, born: now.checked_sub(age) };
                self.catching.hold(origin, topic, envelope.number, event, now);
            }
            _ if *topic == shared.control => {
                let to_do = self.peers.hear_again(envelope, age, now);
                self.act(to_do).await;
            }
            _ => {}
        }
    }

    /// Gives an event to the subscribers here.
    async fn hand_out(&mut self, origin: NodeId, topic: &Topic, number: u64, event: &Event, now: Instant) {
        let shared = &self.cluster.0;
        if let Some((app, channel)) = shared.interests.hear(topic, origin, number, event.kept, event.born)
            && let Some(hub) = shared.hubs.get(&app)
        {
            let reach = hub.arrive(&channel, event.except, event.kept, &event.frame, now);
            self.relieve(reach).await;
        }
    }

    /// Waits for subscribers whose queues are filling, as whoever says something here does.
    async fn relieve(&mut self, reach: Reach) {
        if let Some(crowded) = reach.crowded {
            relieve(&crowded, &mut self.stalls).await;
        }
    }

    /// Has events handed out that were held back.
    fn release(&mut self, origin: NodeId, held: Held) {
        if !held.is_empty() {
            self.stalls = self.stalls.max(RELEASE_STALLS);
            self.lanes.release(origin, held);
        }
    }

    /// Hands out what was held back long enough, and repeats what others have missed.
    fn make_good(&mut self) {
        let now = super::now();
        for (origin, held, complete) in self.catching.done(now, |count| self.lanes.have_served(count)) {
            self.release(origin, held);
            if !complete {
                self.warn_of_loss(origin);
            }
        }
        let is_over = self.catching.is_over(now) && self.lanes.is_released();
        self.cluster.0.settled.store(is_over, Ordering::Relaxed);
        if self.recalls && is_over {
            self.recalls = false;
            // Nobody waits for it: newcomers get what is known until then.
            tokio::spawn(self.cluster.clone().recall_all());
        }
        self.cluster.0.outgoing.tick(now);
        self.count_dropped();
    }

    /// Counts events that were dropped because too many wait.
    fn count_dropped(&mut self) {
        let dropped = self.lanes.dropped();
        self.cluster.0.metrics.bus_dropped_total.add(dropped);
        if dropped > 0 && self.overload.is_due() {
            tracing::error!(
                dropped,
                "events of other nodes were dropped, as more came than this node hands out (told once a minute): it is \
                 overloaded, or cluster.inbox_bytes is too small for what comes at once"
            );
        }
    }

    /// Counts that events of a node may be lost.
    fn warn_of_loss(&self, node: NodeId) {
        self.cluster.0.metrics.bus_lost_total.add(1);
        tracing::warn!(
            node.id = %node,
            node.name = self.name(node),
            "some of what a node published while the link was down may be lost: if there was more of it than \
             cluster.repeat_bytes, raise that"
        );
    }

    /// What people know a node by, if it has said so.
    fn name(&self, node: NodeId) -> Option<String> {
        let others = self.cluster.0.others.read();
        others.iter().find(|seen| seen.id == node)?.about.as_ref().map(|about| about.name.clone())
    }

    /// Shares who is there with those who ask the handle.
    fn note_others(&self) {
        *self.cluster.0.others.write() = self.peers.seen().collect();
    }

    async fn act(&mut self, to_do: Vec<Do>) {
        let now = super::now();
        for to_do in to_do {
            let shared = &self.cluster.0;
            match to_do {
                Do::Apply(node, told) => {
                    for Told { app, fact } in told {
                        let reach = self.cluster.0.hubs.get(&app).map(|hub| hub.apply(node, &fact, now));
                        self.relieve(reach.unwrap_or_default()).await;
                    }
                }
                Do::Replace(node, told) => self.replace(node, told, now),
                Do::Forget(node) => {
                    tracing::info!(node.id = %node, node.name = self.name(node), "node is gone");
                    shared.hubs.all().values().for_each(|hub| hub.forget_node(node, now));
                    let held = self.catching.gone(node);
                    self.release(node, held);
                }
                Do::Ask(node) => {
                    shared.metrics.bus_gaps_total.add(1);
                    self.cluster.tell(Said::Ask { node });
                }
                Do::TellAll(asker) => {
                    let others = self.peers.seen().map(|seen| seen.id).collect();
                    self.telling.all(asker, others, now);
                }
                Do::Repeat(node, number, away) => {
                    shared.outgoing.repeat(node, number, now.checked_sub(away).unwrap_or(now));
                    self.telling.was_away(node);
                    if self.catching.asks_again(node) {
                        // It could not hear either when this node said so.
                        self.tell_back(now);
                    }
                }
                // What was asked before has been asked again since, for more.
                Do::Repeated(_, number, _) if number < self.asked => {}
                Do::Repeated(node, _, complete) => {
                    if !complete {
                        self.warn_of_loss(node);
                    }
                    self.catching.caught_up(node, self.lanes.count(), now);
                }
                Do::Note => shared.log.note(),
                Do::End(said, age) => self.end(&said, now.checked_sub(age).unwrap_or(now)),
            }
        }
    }

    /// Ends connections that were made before that was asked for.
    fn end(&self, said: &Said, until: Instant) {
        let hub = |app| self.cluster.0.hubs.get(app);
        match said {
            Said::EndUser { app, user } => hub(app).map(|hub| hub.terminate_user(user, until)),
            Said::EndChannel { app, channel } => hub(app).map(|hub| hub.terminate_channel(channel, until)),
            _ => None,
        };
    }

    fn replace(&self, node: NodeId, told: Vec<Told>, now: Instant) {
        let mut by_app = HashMap::<String, Vec<Fact>>::new();
        for Told { app, fact } in told {
            by_app.entry(app).or_default().push(fact);
        }
        for (app, hub) in self.cluster.0.hubs.all().iter() {
            hub.replace(node, by_app.get(app).map_or(&[], Vec::as_slice), now);
        }
        tracing::info!(node.id = %node, node.name = self.name(node), "node is known");
    }

    fn link_is_up(&mut self) {
        let now = super::now();
        tracing::info!("link to the bus is up");
        *self.cluster.0.link.write() = (true, now);
        self.cluster.0.metrics.bus_links_total.add(1);
        self.cluster.warn_of_limits();
        self.peers.link_is_up(now);
        self.echo.link_is_up(now);
        // Who is subscribed to nothing may be signed in, and is to hear that the user was ended.
        let serves = |hub: &Arc<Hub>| hub.connections() > 0;
        if !self.cluster.0.interests.is_empty() || self.cluster.0.hubs.all().values().any(serves) {
            self.recalls = true;
            self.catching.start(self.peers.seen().map(|seen| seen.id), self.missed, now);
            self.tell_back(now);
        } else {
            self.catching.clear();
            // Who asked before this node could hear it asks again.
            self.asked = self.cluster.tell(Said::Back { away: Duration::ZERO, longer: Vec::new() });
        }
        // What has changed meanwhile was not told: the gap lets the others ask.
        self.telling.skip();
        self.tell_alive();
    }

    fn link_is_down(&mut self) {
        tracing::warn!("link to the bus is down: events for other nodes wait, news of them does not come");
        *self.cluster.0.link.write() = (false, super::now());
        self.cluster.0.outgoing.link_is_down();
        self.missed = self.echo.sure();
        self.catching.link_is_down();
        self.cluster.0.settled.store(false, Ordering::Relaxed);
    }

    fn tell_alive(&mut self) {
        if self.cluster.is_up() {
            self.echo.say(self.telling.alive(), super::now());
        }
    }

    /// Asks the others to repeat what this node may have missed. They may be asked again later, when signs of life have
    /// come back already.
    fn tell_back(&mut self, now: Instant) {
        let away = |missed| now.saturating_duration_since(missed) + MARGIN;
        // What was to be repeated and was not, because the link was lost again, is missed still.
        let longer = self.catching.missed_before(self.missed).map(|(node, missed)| (node, away(missed))).collect();
        self.asked = self.cluster.tell(Said::Back { away: away(self.missed), longer });
    }

    async fn look(&mut self) {
        if !self.cluster.is_up() {
            return;
        }
        let now = super::now();
        if self.cluster.0.relearn.swap(false, Ordering::Relaxed) {
            let to_do = self.peers.relearn(now);
            self.act(to_do).await;
        }
        if self.echo.is_dead(now) {
            tracing::warn!("the link to the bus looks alive and is not: connecting anew");
            self.cluster.0.broker.reset();
        }
        let to_do = self.peers.tick(now);
        self.act(to_do).await;
        self.note_others();
    }
}

/// Ready once a hub has something to tell at once.
fn poll_changes(cluster: &Cluster, cx: &mut Context<'_>) -> Poll<()> {
    let mut ready = Poll::Pending;
    for hub in cluster.0.hubs.all().values() {
        if hub.poll_changes(cx).is_ready() {
            ready = Poll::Ready(());
        }
    }
    ready
}
