//! Fanfare: a broadcast server that speaks the Pusher Channels protocol.
//!
//! Clients (pusher-js, Laravel Echo) hold WebSockets; back ends post events to an HTTP API on the same port; every
//! subscriber of the event's channel gets it. The tenets, in order: correct on the wire; never silently lossy; small;
//! fast; configurable.
//!
//! # The modules, lowest first
//!
//! | layer | module | holds |
//! |---|---|---|
//! | 0 | [`protocol`] | the wire: ids, channel names, commands in, frames out, close codes, signatures. Pure. |
//! | 1 | [`app`] | tenants and their limits |
//! | 1 | [`config`] | files, `.env`, the environment and flags, read into one checked [`config::Config`], or into all that is wrong |
//! | 1 | [`metrics`] | counters, of the process and of each app |
//! | 1 | [`feed`] | what happens in an app, told to whoever watches |
//! | 1 | [`expiring`] | values kept for a time, bounded in bytes |
//! | 1 | [`rates`] | how often something may happen |
//! | 2 | [`broker`] | bytes between nodes: topics and logs on a bus |
//! | 2 | [`hub`] | one app's connections, channels, members, users and kept events on this node. Synchronous. |
//! | 3 | [`pace`] | holding back whoever says much |
//! | 3 | [`cluster`] | several nodes as one: what they say to each other, who is there, who is gone |
//! | 3 | [`webhooks`] | telling back ends what happens: deciding, waiting, sending, trying again |
//! | 3 | [`node`] | the use cases: connect, subscribe, sign in, publish, look, terminate |
//! | 4 | [`session`] | one connection's side of the protocol, whatever carries it |
//! | 5 | [`transport`] | WebSockets: upgrade, one task for each connection, batched writes |
//! | 5 | [`api`] | the HTTP API for back ends |
//! | 6 | [`monitor`] | `/metrics` and health, for a listener of their own |
//! | 7 | [`server`] | builds the parts, listens, stops in order |
//! | 8 | [`cli`] | the command line |
//!
//! Imports point downward only, and foreign crates stay where they belong: `tests/it/layering.rs` holds the table.
//! Information travels upward as return values.
//!
//! # How things flow
//!
//! **Connect.** `transport::ws` answers every well-formed handshake with 101, so that a refusal can be told by close
//! code. The connection's task then asks `node.connect`: app, origin, quota. The hub gives it an id and an
//! [`hub::Outbox`] in which `connection_established` already waits, and a [`session::Session`] takes over.
//!
//! **Subscribe.** The session parses the command, `node.subscribe` checks name, signature and member, and the channel
//! takes the connection in under its one lock: confirmation with roster, `member_added` to the others, place in the
//! list. So nothing published comes before the confirmation, and no member is both missing from the roster and not
//! announced. The returned [`hub::Subscription`] is the place; dropping it gives it up.
//!
//! **Publish.** `api` judges the signature from the request's head, then reads the body, then checks all of it, then
//! publishes. Each channel's [`protocol::Frame`] is encoded once, WebSocket header included, and every outbox gets a
//! reference to it. Each connection's task lets other ready tasks run, takes all that waits, and writes it with one
//! vectored system call. A publish with an `Idempotency-Key` is looked up before it is parsed, carried out in a task of
//! its own, and its answer kept for 5 minutes.
//!
//! **Keep.** On a cache channel the frame is also kept, under the same lock that delivers it, and a newcomer gets it
//! under the lock that takes it in: nobody misses an event or gets one twice. While nobody is subscribed there is no
//! channel, only the kept frame; then the map's shard is the lock.
//!
//! **Sign in.** `node.sign_in` checks the signature over the raw text. The hub answers, enters the connection among
//! the user's, and tells the user's watchers and the newcomer who is online, all under one lock of the app's users.
//! The place ends with the connection.
//!
//! **Later.** What is due at a time rather than at an event (counts of large channels, the expiry of what is kept) is
//! done by `node.sweep`, four times a second.
//!
//! **Fall behind.** Where an outbox fills, whoever fills it is held back for a moment, within a bound for each request
//! or message, so that a burst does not make fast readers look slow: the API waits before it publishes more, and a
//! connection is not read further while its answers, or what others hear of its doings, pile up. An outbox that would
//! pass its bound in bytes all the same drops everything and closes its connection with 4100; a socket that takes
//! nothing for the write deadline is given up. Single events are never dropped, save those of other nodes, when more of
//! them come than this one hands out: that is logged and counted. A connection that is terminated is cut: of what waits
//! only the frame that is half-way still goes out.
//!
//! **Watch.** What happens is counted where it happens, once for each event and never once for each recipient, in relaxed
//! atomics: by the hub for its app ([`metrics::AppMetrics`]), elsewhere for the process ([`metrics::Metrics`]). What can be
//! seen at any time, such as connections and what waits for them, is only looked at when `/metrics` is asked for. An
//! event's frame carries the time of its publishing behind its bytes, where it costs nothing for each recipient; each
//! connection's task looks at the first of a batch that it has written, and counts how long that took.
//! **Tail.** Each app's hub has a [`feed`]. Wherever something happens that people may want to see, the feed is told how
//! to make a record of it, and makes it only while somebody watches. `GET /apps/{id}/tail` writes the records as they
//! come, one JSON object on a line. They wait in one ring for all who watch; who does not keep up is told how many it
//! missed. What hosts a channel notes under its lock is told under it too, so that records have the order of what clients
//! are told. It is of this node alone, save who comes and goes in channels, which every node finds by itself.
//!
//! **Stop.** After a delay newcomers are refused, outboxes are closed with 4200 a slice at a time over a window, tasks write
//! what waits and their close frame, and the process ends when the last is gone, or 9 s after the window. Where other
//! processes listen on the port it sends newcomers to them, accepts who was on the way, and leaves the port to them. Where
//! it shares its port, has a journal and no cluster, it leaves it to the next process to tell back ends of what ends.
//!
//! **Several nodes.** Each node notes what changes on it (connections of a channel, members, users) under the lock it
//! changes under, and its [`cluster`] task tells the others, numbered, over the bus; who has missed something asks for
//! everything. What others say is applied to the same channels and users under the same locks, so that member events,
//! numbers and watchlists follow from it as if it had happened here. A channel's events go to its own topic, which a
//! node subscribes before its first subscriber is confirmed. What has come from the bus waits in lanes, one for each
//! topic, which are served in turn; what concerns the nodes overtakes it. An event waits for the bus through an outage,
//! and once that is too long, publishing is refused before anything is delivered.
//!
//! **Outage.** A bus forgets what it carries, so each node holds what it published lately. One whose link comes back asks
//! the others for what it missed, counted from the last of its own signs of life that came back to it, and holds what
//! comes meanwhile until they are done: then all of it is handed out in the order of its numbers, each once. Everything
//! a node says has a number, which tells repeats apart. While a node hears nothing it takes nobody for dead.
//!
//! **Webhooks.** The hub notes under the channel's lock who comes and goes, and the server hands that on to the task of
//! [`webhooks`]. It compares how channels stand with what back ends know, and what has differed for long enough becomes an
//! event. Everything that is decided, and everything that becomes of an event, is a step. A node alone writes it to its
//! journal and then does it; among several it is appended to a log that the bus keeps in one order, and each node does it
//! when it reads it there. The same steps make the same state, and a step that says what is so already changes nothing: two
//! nodes may decide the same, and back ends are told once. Rendezvous hashing over the nodes that have said in the log that
//! they are ready names the one that decides for a channel, and queues its events for each endpoint, from which one task for
//! each sends in order. It is the only one until nothing of the channel waits, or the log says that it is gone.
//!
//! **Reload.** A new configuration goes to the hubs, then to the task of webhooks, and only then hubs are asked how all channels
//! stand of which webhooks are told more than before: what was not noted while nobody wanted it is made good by that. What is
//! configured is no part of the state that nodes share, as each follows its own: a step has the same effect whatever a node's
//! configuration says. Senders look up their endpoint for each attempt, and end with it.
//!
//! # State and locks
//!
//! A connection's state is plain fields of its session, owned by its task. Shared state is the hub's: map shard, then
//! channel, then outbox is the order in which its locks are taken, and none is ever held across an await. The lock of
//! the kept events is taken last, within a shard's or a channel's; that of the users is taken alone, before outboxes'.
//! The journal of what other nodes must know is taken last of all, and so is a feed. What webhooks keep belongs to their task; only
//! the queues to endpoints are shared, each behind its own lock, taken alone.
//!
//! # Choices
//!
//! * `.env` is parsed here, not by a crate, because it must be read as the Laravel app itself reads it: the crates
//!   expand an unbraced `$NAME` and keep a `#` inside a value, and a secret read differently is a wrong secret.
//! * `config` lays settings over one another and keeps where each came from (otherwise: that, by hand); `dashmap` is
//!   a map with a lock for each shard; `hex`, `hmac`, `sha2` and `md-5` are what signatures are made of; `thiserror`
//!   writes `Display` for errors.
//! * `getrandom` for socket ids (otherwise: system calls of our own), `indexmap` for subscriber lists (otherwise: a
//!   vector and a map kept in step), `humantime` for times in messages (otherwise: a calendar), `rlimit` for open
//!   files (otherwise: unsafe code), `hashlink` for what expires in order (otherwise: a linked list in a map),
//!   `percent-encoding` and `form_urlencoded` for signed queries (otherwise: two decoders), `hyper` under `axum` for
//!   timeouts on request heads and for taking the socket back after an upgrade.
//! * `async-nats` is the NATS project's own client (otherwise: its protocol, TLS and four kinds of credentials by hand);
//!   `nkeys`, which it stands on, tells a mistyped seed before anything is connected.
//! * `rustls` through `tokio-rustls` is TLS on the server's own port, and for commands that talk to a server elsewhere
//!   (otherwise: a system library, and unsafe code);
//!   `ppp` reads PROXY protocol headers (otherwise: two formats by hand), `ipnet` says whether a proxy is in a trusted
//!   network (otherwise: prefixes of two kinds of addresses), `nix` asks the machine for its name and sends newcomers
//!   to the process that takes over the port (otherwise: two unsafe system calls).
//! * `arc-swap` holds what a reload replaces, so that readers take no lock (otherwise: a lock around every look at an
//!   app's limits).
//! * `governor` has the token buckets of rates (otherwise: one with atomics of our own).
//! * `tower-http` answers preflights of pages that may call the API (otherwise: the rules of CORS by hand, of which a
//!   forgotten `Vary` is the usual mistake).
//! * `utoipa` writes `/openapi.json` from the types that are answered (otherwise: schemas by hand, which nobody would
//!   keep true). Routes are registered with their documentation in `api::openapi` rather than by its macros on
//!   handlers, so that `api` still shows every path in one place.
//! * `hyper-util`'s client with `hyper-rustls` posts webhooks (otherwise: a pool of connections and TLS by hand); it lets us
//!   judge addresses after they were resolved, for which `tower-service` has the trait.
//! * `tracing-subscriber` writes the log: for people, or as JSON (otherwise: escapes and times by hand), and changes its level
//!   while the server runs.
//! * `prometheus-client` writes the text of `/metrics` (otherwise: its escapes and rules by hand); it is the Prometheus
//!   project's own. Only the encoder is used: numbers are read from our counters when it asks. What the system says of the
//!   process is read from `/proc` here, because the crates for that build on Linux alone.
//! * `mimalloc` is the allocator of the static binary alone (otherwise: musl's, which has one lock for all threads).
//! * `clap_complete` writes completions for shells (otherwise: five languages by hand). `httpdate` reads the clock of whoever
//!   answers (otherwise: a calendar), and `rcgen` makes the tests' certificates (otherwise: `openssl` run as a program).
//! * `redis` speaks to Redis and Valkey (otherwise: RESP3 by hand): it is alive, hands on whatever a server pushes, and
//!   leaves connecting anew to its user, who must know when messages may have been lost. `rustls` with `ring` is its
//!   TLS, which builds without `cmake` and a C++ compiler.

#![warn(clippy::unwrap_used)]

pub mod api;
pub mod app;
pub mod broker;
pub mod cli;
pub mod cluster;
pub mod config;
pub mod expiring;
pub mod feed;
pub mod hub;
pub mod metrics;
pub mod monitor;
pub mod node;
pub mod pace;
pub mod protocol;
pub mod rates;
pub mod server;
pub mod session;
pub mod transport;
pub mod webhooks;
