//! What statements are made of: a target, raw clients, and the few things that they all say.

mod aim;
mod client;
#[path = "../../support/http.rs"]
mod http;
#[path = "../../support/nodes/mod.rs"]
mod nodes;
#[path = "../../support/receiver.rs"]
mod receiver;
#[cfg(any(feature = "nats", feature = "redis"))]
#[path = "../../support/servers/mod.rs"]
mod servers;
mod settings;
mod target;
#[path = "../../support/wire.rs"]
mod wire;

pub(crate) use aim::aim;
pub(crate) use client::{COUNT, presence};
pub(crate) use http::{Answer, Credentials, Http, now, sign, signed};
pub(crate) use receiver::{Receiver, Reply, Request};
pub(crate) use settings::{DEBOUNCE, RETRIES};
pub(crate) use target::{Target, credentials, eventually, is_foreign, key_path};
pub(crate) use wire::{Client, data};

use fanfare::protocol::signature::Secret;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// How long anything may take before a statement fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// What a statement is run against.
#[derive(Clone, Copy)]
pub(crate) enum Needs {
    /// Any server that speaks the protocol.
    Nothing,
    /// An app with settings of its own, in the words of our config file. `why` is told where it cannot be had.
    App { why: &'static str, config: &'static str },
    /// A server with settings of its own.
    Server { why: &'static str, config: &'static str },
    /// This crate's own code, or this crate's own process.
    Us { why: &'static str },
    /// An app with settings of its own on one node, wherever the others run on three.
    One { why: &'static str, config: &'static str },
    /// Three nodes that act as one.
    Nodes { why: &'static str },
    /// An app with an endpoint of webhooks, which has settings of its own in the words of our config file.
    Webhooks { endpoint: &'static str },
}

/// One statement of the protocol.
#[derive(Clone)]
pub(crate) struct Statement {
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    pub(crate) needs: Needs,
    pub(crate) run: fn(Target) -> Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Statement {
    /// The test's name.
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.id, self.title)
    }

    /// Why the statement cannot be judged of the server that the suite is pointed at.
    pub(crate) fn skipped(&self) -> Option<&'static str> {
        match self.needs {
            Needs::Nothing => None,
            Needs::App { why, .. }
            | Needs::Server { why, .. }
            | Needs::Us { why }
            | Needs::One { why, .. }
            | Needs::Nodes { why } => is_foreign().then_some(why),
            Needs::Webhooks { .. } => is_foreign().then_some("needs an app whose webhooks come here"),
        }
    }
}

/// Lists statements: id, title, what it needs, and what it does with its target.
macro_rules! statements {
    ($($id:literal $title:literal $needs:expr, |$target:ident| $run:block)*) => {
        pub(crate) const ALL: &[$crate::support::Statement] = &[$($crate::support::Statement {
            id: $id,
            title: $title,
            needs: $needs,
            run: |mut $target| Box::pin(async move { let _ = &mut $target; $run }),
        }),*];
    };
}
pub(crate) use statements;

/// `{key}:{signature}` over the concatenated parts.
pub(crate) fn auth(parts: &[&str]) -> String {
    format!("{}:{}", credentials().key, Secret::new(credentials().secret).sign(parts))
}

/// A name that nobody else uses, in this run or in another.
pub(crate) fn unique(prefix: &str) -> String {
    format!("{prefix}{:016x}", getrandom::u64().unwrap())
}
