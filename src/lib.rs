//! Fanfare.

pub mod api;
pub mod app;
pub mod cli;
pub mod config;
pub mod hub;
pub mod metrics;
pub mod node;
pub mod protocol;
pub mod server;
pub mod session;
pub mod transport;
