//! Values that are kept for a time, within a bound in bytes.
//!
//! Must not know: what it keeps, or what time it is.

use hashlink::LinkedHashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// What an entry takes besides the bytes its owner counts: its places in the map and in the list, and its allocations.
const ENTRY_OVERHEAD: usize = 192;

/// A map whose entries all live equally long. The oldest go first, and early where the bound in bytes asks for it.
#[derive(Debug)]
pub struct Expiring<K, V> {
    ttl: Duration,
    max_bytes: usize,
    bytes: usize,
    /// Oldest first: with one lifetime for all, the order of insertion is the order of expiry.
    entries: LinkedHashMap<K, Entry<V>>,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    bytes: usize,
    expires: Instant,
}

impl<K: Eq + Hash, V> Expiring<K, V> {
    /// An empty map that keeps each value for `ttl` and no more than `max_bytes` of them.
    pub fn new(ttl: Duration, max_bytes: usize) -> Self {
        Self { ttl, max_bytes, bytes: 0, entries: LinkedHashMap::new() }
    }

    /// Changes the bounds for what comes from now on. A value of a longer life goes no later than those before it.
    pub fn configure(&mut self, ttl: Duration, max_bytes: usize) {
        (self.ttl, self.max_bytes) = (ttl, max_bytes);
    }

    /// Keeps `value`, which takes `bytes` with its key, from `now` on; one under the same key is replaced. How many
    /// had to be forgotten before their time.
    pub fn insert(&mut self, key: K, value: V, bytes: usize, now: Instant) -> usize {
        self.insert_for(self.ttl, key, value, bytes, now)
    }

    /// The same for a value of which a part of the time is over. It is let go of once all before it have been, and not
    /// given out after its time.
    pub fn insert_for(&mut self, left: Duration, key: K, value: V, bytes: usize, now: Instant) -> usize {
        self.expire(now);
        let (bytes, expires) = (bytes + ENTRY_OVERHEAD, now + left.min(self.ttl));
        let replaced = self.entries.insert(key, Entry { value, bytes, expires });
        self.bytes = self.bytes + bytes - replaced.map_or(0, |replaced| replaced.bytes);
        let mut early = 0;
        // The newest stays even where it alone is over the bound.
        while self.bytes > self.max_bytes && self.entries.len() > 1 {
            self.forget_oldest();
            early += 1;
        }
        early
    }

    /// The value under `key`, and for how long it will still be kept.
    pub fn get(&self, key: &K, now: Instant) -> Option<(&V, Duration)> {
        let entry = self.entries.get(key).filter(|entry| now < entry.expires)?;
        Some((&entry.value, entry.expires - now))
    }

    /// Forgets the value under `key`.
    pub fn remove(&mut self, key: &K) {
        if let Some(entry) = self.entries.remove(key) {
            self.bytes -= entry.bytes;
        }
    }

    /// Forgets what is past its time.
    pub fn expire(&mut self, now: Instant) {
        while self.entries.front().is_some_and(|(_, entry)| now >= entry.expires) {
            self.forget_oldest();
        }
        // A burst's memory is not held for ever.
        if self.entries.is_empty() && self.entries.capacity() > 0 {
            self.entries = LinkedHashMap::new();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, entry)) = self.entries.pop_front() {
            self.bytes -= entry.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(10);

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn values_live_for_their_time_from_the_last_insertion() {
        let (mut map, start) = (Expiring::new(TTL, 10_000), Instant::now());
        map.insert("a", 1, 1, start);
        map.insert("b", 1, 1, start + secs(1));
        map.insert("a", 2, 1, start + secs(5));
        assert_eq!(map.get(&"b", start + secs(10)), Some((&1, secs(1))));
        assert_eq!(map.get(&"b", start + secs(11)), None);
        map.expire(start + secs(11));
        assert_eq!((map.entries.len(), map.bytes), (1, 1 + ENTRY_OVERHEAD));
        assert_eq!(map.get(&"a", start + secs(14)), Some((&2, secs(1))));
        map.expire(start + secs(15));
        assert_eq!((map.entries.len(), map.bytes, map.entries.capacity()), (0, 0, 0));
    }

    #[test]
    fn the_oldest_go_early_where_bytes_are_short() {
        let (mut map, now) = (Expiring::new(TTL, 3 * (100 + ENTRY_OVERHEAD)), Instant::now());
        assert_eq!([1, 2, 3].map(|key| map.insert(key, (), 100, now)), [0, 0, 0]);
        assert_eq!(map.insert(1, (), 100, now), 0);
        assert_eq!(map.insert(4, (), 101, now), 2);
        assert!(map.get(&2, now).is_none() && map.get(&3, now).is_none());
        assert!(map.get(&1, now).is_some() && map.get(&4, now).is_some());
        assert_eq!(map.insert(5, (), 100_000, now), 2);
        assert!(map.get(&5, now).is_some());
        map.remove(&5);
        assert_eq!((map.entries.len(), map.bytes), (0, 0));
    }
}
