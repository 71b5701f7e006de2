//! Finds the addresses of endpoints, and refuses those that are not of the public internet: a webhook must not reach what
//! only this machine or its network is meant to. What is found is what is connected to, so that a name cannot mean one
//! address when it is judged and another one later.

use crate::app::is_public;
use hyper_util::client::legacy::connect::dns::Name;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::{io, vec};
use tower_service::Service;

/// The resolver.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    /// Whether every address will do.
    pub(super) open: bool,
}

impl Guard {
    /// Says why a webhook may not go to `address`, if it may not.
    pub(super) fn check(&self, address: IpAddr) -> Result<(), String> {
        if self.open || is_public(address) {
            return Ok(());
        }
        Err(format!(
            "refused to connect to {address}, which is not an address of the public internet: set \
             features.private_webhook_targets = true if webhooks may go there"
        ))
    }

    async fn resolve(self, name: Name) -> io::Result<vec::IntoIter<SocketAddr>> {
        let found: Vec<_> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
        let refused = found.iter().find_map(|address| self.check(address.ip()).err());
        let allowed: Vec<_> = found.into_iter().filter(|address| self.check(address.ip()).is_ok()).collect();
        match refused {
            Some(why) if allowed.is_empty() => Err(io::Error::new(io::ErrorKind::PermissionDenied, why)),
            _ => Ok(allowed.into_iter()),
        }
    }
}

impl Service<Name> for Guard {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        Box::pin(self.clone().resolve(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn resolve(open: bool, name: &str) -> Result<Vec<SocketAddr>, String> {
        let found = Guard { open }.call(name.parse().unwrap()).await;
        found.map(Iterator::collect).map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn names_of_this_machine_are_refused_however_they_are_written() {
        for name in ["localhost", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0"] {
            let refusal = resolve(false, name).await.unwrap_err();
            assert!(refusal.contains("is not an address of the public internet"), "{name}: {refusal}");
            assert!(!resolve(true, name).await.unwrap().is_empty(), "{name}");
        }
    }
}
