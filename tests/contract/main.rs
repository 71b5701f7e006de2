//! What every driver of the bus keeps to (`fanfare::broker`), on each of them.

mod bus;
#[cfg(any(feature = "nats", feature = "redis"))]
mod folder;
mod memory;
#[cfg(feature = "nats")]
mod nats;
#[cfg(any(feature = "nats", feature = "redis"))]
mod process;
#[cfg(feature = "redis")]
mod redis;
mod scenarios;
