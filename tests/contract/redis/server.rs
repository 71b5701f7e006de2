//! Processes of redis-server.

use crate::process::{Program, Server};
use std::process::Command;

pub(crate) const REDIS: Program = Program { name: "redis-server", ready: "Ready to accept connections" };
pub(crate) const SENTINEL: Program = Program { name: "redis-server", ready: "+monitor" };

impl Server {
    /// What an option was set to.
    pub(crate) fn option(&self, name: &str) -> String {
        self.options[self.options.iter().position(|option| option == name).unwrap() + 1].clone()
    }

    /// Gives a command through redis-cli.
    pub(crate) fn cli(&self, command: &[&str]) -> String {
        let port = self.port.to_string();
        let output = Command::new("redis-cli").args(["-p", &port]).args(command).output().unwrap();
        assert!(output.status.success(), "{command:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }
}

/// Options of a server that keeps nothing.
pub(crate) fn options(port: u16, more: &[&str]) -> Vec<String> {
    let port = port.to_string();
    let common = ["--save", "", "--appendonly", "no", "--daemonize", "no", "--bind", "127.0.0.1", "--port", &port];
    common.iter().chain(more).map(|option| (*option).to_owned()).collect()
}
