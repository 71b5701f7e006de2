//! How many connections an app takes at a time, and from one address.

use super::Hub;
use crate::app::Limits;
use crate::protocol::CloseCode;
use crate::rates::Rate;
use dashmap::{DashMap, Entry};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

/// One app's newcomers.
#[derive(Debug)]
pub(super) struct Arrivals {
    rate: Rate,
    /// Connections by address, where they are counted.
    by_address: DashMap<IpAddr, usize>,
}

/// A connection's place among those of its address; dropping it gives it up.
#[derive(Debug)]
pub(super) struct Place {
    hub: Arc<Hub>,
    address: IpAddr,
}

impl Arrivals {
    pub(super) fn new(limits: &Limits) -> Self {
        Self { rate: Rate::new(limits.connections_per_second), by_address: DashMap::with_shard_amount(super::SHARDS) }
    }

    pub(super) fn configure(&self, limits: &Limits) {
        self.rate.configure(limits.connections_per_second);
    }
}

impl Hub {
    /// Takes a place for a newcomer, or says why there is none. Nothing is counted where the app sets no limit, or nobody
    /// knows the address.
    pub(super) fn arrive_from(self: &Arc<Self>, address: Option<IpAddr>) -> Result<Option<Place>, CloseCode> {
        let place = self.place_of(address)?;
        // Last, so that what is refused anyway takes nothing from the others.
        self.arrivals.rate.take(1).map_err(|_| CloseCode::TooManyAtOnce)?;
        Ok(place)
    }

    fn place_of(self: &Arc<Self>, address: Option<IpAddr>) -> Result<Option<Place>, CloseCode> {
        let max = self.app().limits.max_connections_per_address;
        let Some(address) = address.filter(|_| max > 0).map(household) else { return Ok(None) };
        match self.arrivals.by_address.entry(address) {
            Entry::Occupied(mut count) if *count.get() < max => *count.get_mut() += 1,
            Entry::Occupied(_) => return Err(CloseCode::TooManyFromAddress),
            Entry::Vacant(count) => drop(count.insert(1)),
        }
        Ok(Some(Place { hub: self.clone(), address }))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Entry::Occupied(mut count) = self.hub.arrivals.by_address.entry(self.address) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

/// Who has one address of IPv6 has the 2^64 around it as well.
fn household(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::App;

    #[test]
    fn places_are_counted_and_given_up() {
        let mut app = App::new("1", "key", "secret");
        app.limits.max_connections_per_address = 2;
        let hub = Arc::new(Hub::new(Arc::new(app), Arc::default(), std::time::Instant::now()));
        let arrive = |address: &str| hub.arrive_from(Some(address.parse().expect("an address")));
        let (first, second) = (arrive("2001:db8::1").unwrap(), arrive("2001:db8::2").unwrap());
        assert_eq!(arrive("2001:db8::3").unwrap_err(), CloseCode::TooManyFromAddress);
        let (other, unknown) = (arrive("2001:db8:0:1::1").unwrap(), hub.arrive_from(None).unwrap());
        assert!(other.is_some() && unknown.is_none());
        drop(second);
        drop(arrive("2001:db8::3").unwrap());
        drop((first, other));
        assert!(hub.arrivals.by_address.is_empty());
    }

    #[test]
    fn who_is_refused_for_the_address_takes_nothing_from_the_others() {
        let mut app = App::new("1", "key", "secret");
        (app.limits.max_connections_per_address, app.limits.connections_per_second) = (1, 2);
        let hub = Arc::new(Hub::new(Arc::new(app), Arc::default(), std::time::Instant::now()));
        let arrive = |address: &str| hub.arrive_from(Some(address.parse().expect("an address")));
        let _first = arrive("1.1.1.1").unwrap();
        for _ in 0..10 {
            assert_eq!(arrive("1.1.1.1").unwrap_err(), CloseCode::TooManyFromAddress);
        }
        let _other = arrive("2.2.2.2").unwrap();
        assert_eq!(arrive("3.3.3.3").unwrap_err(), CloseCode::TooManyAtOnce);
        assert_eq!(hub.arrivals.by_address.len(), 2);
    }
}
