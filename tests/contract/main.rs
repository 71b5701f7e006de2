//! What every driver of the bus keeps to (`fanfare::broker`), on each of them.

mod bus;
mod memory;
#[cfg(feature = "nats")]
mod nats;
#[cfg(feature = "redis")]
mod redis;
mod scenarios;
#[cfg(any(feature = "nats", feature = "redis"))]
mod servers;
