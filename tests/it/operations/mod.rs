//! The binary as operators run it: started, changed, replaced and stopped under load.

mod bad_config;
mod check;
mod cli;
mod doctor;
mod drain;
mod limits;
mod listen;
mod logs;
mod migrating;
mod nginx;
mod packages;
mod reload;
mod reload_webhooks;
mod takeover;
mod terminal;
mod tls;

use crate::binary::{Folder, Running};
use crate::support::{APP, Http, Place, signed};
use std::net::{SocketAddr, TcpListener};

/// The app of the tests, for a `.env`.
pub(crate) fn env(more: &str) -> String {
    use crate::support::{KEY, SECRET};
    format!("REVERB_APP_ID={APP}\nREVERB_APP_KEY={KEY}\nREVERB_APP_SECRET={SECRET}\n{more}")
}

/// The binary on a free port of this machine.
pub(crate) fn serve(folder: &Folder, more: &[&str]) -> Running {
    Running::start(folder.fanfare(&[&["serve", "--host", "127.0.0.1", "--port", "0"], more].concat()))
}

pub(crate) fn place(server: &Running) -> SocketAddr {
    server.address.split(' ').next().unwrap().parse().unwrap()
}

/// A port that nobody listens on.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Publishes on a connection of its own; the status.
pub(crate) async fn publish(place: impl Into<Place>, channel: &str) -> u16 {
    let body = format!(r#"{{"name":"e","channel":"{channel}","data":"x"}}"#);
    let mut http = Http::connect(place).await;
    let path = format!("/apps/{APP}/events");
    http.request("POST", &format!("{path}?{}", signed("POST", &path, &body)), &body).await.status
}
