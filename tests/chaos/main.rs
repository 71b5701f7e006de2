//! Real processes under random faults: three nodes, each with a link of its own to the bus, clients that come and go, back
//! ends that publish. Whatever is killed, paused, cut or delayed, nobody may be told what is not so, and once it is
//! quiet everybody must have been told all that is.
//!
//! `CHAOS_BUS` (`redis` or `nats`; both, one after the other), `CHAOS_SECONDS` (60 over Redis, 30 over NATS),
//! `CHAOS_SEED` (drawn) and `CHAOS_REPORT` (a file) steer it; `make chaos MINUTES=30` runs it for longer. The seed repeats what is done and when; what the network makes of it differs from run to run.

mod api;
mod bus;
mod cached;
mod channels;
mod client;
mod cluster;
mod dice;
mod faults;
mod link;
mod log;
mod loss;
mod mourning;
mod node;
mod proxy;
mod publish;
mod quiet;
mod report;
#[path = "../support/servers/mod.rs"]
mod servers;
mod tab;
mod tab_tests;
mod webhooks;
mod world;

use bus::Kind;
use client::Client;
use cluster::Cluster;
use faults::Schedule;
use futures_util::future::join_all;
use libtest_mimic::{Arguments, Failed, Trial};
use parking_lot::Mutex;
use publish::{PUBLISHERS, Publisher};
use std::iter;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tab::Tab;
use tokio::time::sleep;
use world::World;

/// What carries the news, and for how many seconds that is tried.
const BUSES: [(Kind, u64); 2] = [(Kind::Redis, 60), (Kind::Nats, 30)];
/// Clients who stay, each with a user of its own.
const STEADY: usize = 6;
/// Clients who come and go, the first of them two to a user.
const ROAMING: usize = 18;
/// A run that is longer than that has longer pauses.
const LONG: Duration = Duration::from_secs(300);

/// A node that says nothing is given up before that.
const GIVEN_UP: Duration = Duration::from_secs(9);

/// A round begins only if there is that much time for it; most take longer.
const LAST_ROUND: Duration = Duration::from_secs(5);

fn variable<T: std::str::FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text}")))
}

fn main() -> ExitCode {
    let chosen = variable::<String>("CHAOS_BUS");
    let known = chosen.as_ref().is_none_or(|chosen| BUSES.iter().any(|(bus, _)| bus.to_string() == *chosen));
    assert!(known, "CHAOS_BUS must be redis or nats");
    let of_clients = Trial::test("a_client_notices_what_it_must_not_be_told", || {
        tab_tests::run();
        Ok(())
    });
    let buses = BUSES.into_iter().filter(|(bus, _)| chosen.as_ref().is_none_or(|chosen| bus.to_string() == *chosen));
    let over_buses = buses.map(|(bus, seconds)| {
        Trial::test(format!("every_invariant_holds_under_random_faults_over_{bus}"), move || trial(bus, seconds))
    });
    libtest_mimic::run(&Arguments::from_args(), iter::once(of_clients).chain(over_buses).collect()).exit_code()
}

fn trial(bus: Kind, seconds: u64) -> Result<(), Failed> {
    // What it measures it measures alone.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock();
    let seed = variable("CHAOS_SEED").unwrap_or_else(|| u64::from(getrandom::u32().unwrap()));
    let length = Duration::from_secs(variable("CHAOS_SECONDS").unwrap_or(seconds));
    println!("chaos: seed {seed} over {bus}");
    let runtime = tokio::runtime::Runtime::new().map_err(Failed::from)?;
    let (report, held) = runtime.block_on(run(bus, seed, length));
    print!("{report}");
    if let Some(file) = variable::<String>("CHAOS_REPORT") {
        std::fs::write(file, &report).map_err(Failed::from)?;
    }
    println!("chaos: seed {seed} over {bus}");
    if held { Ok(()) } else { Err("an invariant was violated".into()) }
}

/// The report, and whether every invariant held.
async fn run(bus: Kind, seed: u64, length: Duration) -> (String, bool) {
    let (world, start) = (World::new(), Instant::now());
    let cluster = Cluster::start(&world, bus, seed).await;
    for at in 0..STEADY + ROAMING {
        let user = match at {
            ..STEADY => format!("steady-{at}"),
            _ => format!("user-{}", (at - STEADY) % (ROAMING * 2 / 3)),
        };
        world.state().tabs.push(Tab::new(format!("tab-{at}"), user));
    }
    let ports = cluster.ports();
    for at in 0..STEADY + ROAMING {
        tokio::spawn(Client::new(&world, seed, at, at < STEADY, ports).run());
    }
    for n in 0..PUBLISHERS {
        tokio::spawn(Publisher::new(&world, seed, n, ports).run());
    }
    let mut schedule = Schedule::new(bus, seed, length > LONG);
    let mut held = true;
    while held && start.elapsed() + LAST_ROUND + GIVEN_UP < length {
        let round = schedule.round();
        world.act(true);
        join_all(round.faults.into_iter().map(|due| cluster.suffer(due))).await;
        sleep(round.after).await;
        world.act(false);
        held = quiet::settle(&world, &cluster, "settled").await;
        sleep(round.quiet).await;
        held = held && quiet::settle(&world, &cluster, "still settled").await;
        quiet::close_accounts(&world);
        held = held && world.state().violations.is_empty();
        world.count("rounds");
    }
    if held {
        // What would be wrong only once a node takes another for dead.
        sleep(GIVEN_UP).await;
        quiet::settle(&world, &cluster, "settled for good").await;
        held = world.state().violations.is_empty();
    }
    (report::write(&world, bus, seed, STEADY + ROAMING, start.elapsed()), held)
}
