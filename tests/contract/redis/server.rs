//! Processes of redis-server.

pub(crate) use crate::servers::REDIS;
use crate::servers::{Program, Server, redis_options};
use std::process::Command;

pub(crate) const SENTINEL: Program = Program { name: "redis-server", ready: "+monitor" };

/// Options of a Redis that has what it had when it comes back.
pub(crate) fn options(port: u16, more: &[&str]) -> Vec<String> {
    redis_options(port, &[&["--appendonly", "yes"], more].concat())
}

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
