//! Three nodes, each with a link of its own to one bus, and what can be done to them.

use super::bus::{Bus, Kind};
use super::faults::{Due, Fault};
use super::link;
use super::mourning::Mourning;
use super::node::{self, Node};
use super::proxy::{Mode, Proxy};
use super::webhooks;
use super::world::{NODES, World, name};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use tokio::time::sleep;

pub(crate) struct Cluster {
    world: World,
    pub(crate) nodes: Vec<Node>,
    links: Vec<Proxy>,
    bus: Mutex<Bus>,
}

impl Cluster {
    pub(crate) async fn start(world: &World, kind: Kind, seed: u64) -> Self {
        let folder =
            |name: String| Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("chaos-{}-{name}", std::process::id()));
        let bus = Bus::start(kind).await;
        let hook = webhooks::start(world, seed).await;
        let (mut nodes, mut links) = (Vec::new(), Vec::new());
        for index in 0..NODES {
            let link = Proxy::start(bus.port()).await;
            let (env, config) = kind.settings(link.port);
            let config = config + &node::webhooks(hook);
            nodes.push(Node::start(world, index, folder(format!("node-{index}")), (env, config)));
            links.push(link);
        }
        Self { world: world.clone(), nodes, links, bus: Mutex::new(bus) }
    }

    pub(crate) fn ports(&self) -> [u16; NODES] {
        std::array::from_fn(|node| self.nodes[node].port)
    }

    /// Lets something go wrong in its time, and mends it.
    pub(crate) async fn suffer(&self, Due { after, lasting, fault }: Due) {
        sleep(after).await;
        self.world.count(fault.kind());
        self.world.tell(&format!("{fault} for {lasting:?}"));
        fault.troubled().into_iter().for_each(|node| self.world.state().trouble(node));
        self.harm(fault, lasting).await;
        self.world.tell(&format!("over: {fault}"));
        for node in fault.troubled() {
            self.world.state().no_trouble(node);
            if !matches!(fault, Fault::Pause { .. }) {
                tokio::spawn(link::up_again(self.world.clone(), node));
            }
        }
    }

    async fn harm(&self, fault: Fault, lasting: Duration) {
        match fault {
            Fault::Kill { node } => {
                let dead = Mourning::of(&self.world, node);
                let at = self.nodes[node].kill();
                tokio::spawn(dead.killed(at));
                sleep(lasting).await;
                self.nodes[node].again();
            }
            Fault::Stop { node } => {
                let dead = Mourning::of(&self.world, node);
                let at = self.nodes[node].stop();
                tokio::spawn(dead.stopped(at));
                self.nodes[node].stopped().await;
                self.world.tell(&format!("node {} has stopped", name(node)));
                sleep(lasting).await;
                self.nodes[node].again();
            }
            Fault::Pause { node } => {
                self.nodes[node].signal("STOP");
                sleep(lasting).await;
                self.world.state().nodes[node].paused = Some(Instant::now());
                self.nodes[node].signal("CONT");
            }
            Fault::Link { node, mode } => {
                let watch = link::noticed(&self.world, node, mode, lasting);
                self.links[node].set(mode);
                tokio::join!(watch, sleep(lasting));
                self.links[node].set(Mode::Pass);
            }
            Fault::Bus => {
                {
                    let mut bus = self.bus.lock().await;
                    bus.kill();
                    if bus.kind == Kind::Redis {
                        self.world.state().store_lost = Some(Instant::now());
                    }
                }
                sleep(lasting).await;
                self.bus.lock().await.again().await;
            }
            Fault::Sever { kind } => {
                let killed = self.bus.lock().await.kill_clients(kind);
                self.world.tell(&format!("{killed:?} connections closed"));
            }
        }
    }
}
