//! How many connections there may be from one address.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts connections by the client's address.
#[derive(Clone, Debug)]
pub struct PerIp {
    limit: Option<usize>,
    counts: Arc<Mutex<Counts>>,
}

type Counts = HashMap<IpAddr, usize>;

impl PerIp {
    /// No more than `limit` each; none is off.
    pub fn new(limit: Option<usize>) -> Self {
        Self { limit, counts: Arc::default() }
    }

    /// Goes on with the counts of another one.
    pub fn counting_with(self, other: Option<&Self>) -> Self {
        let counts = other.map_or(self.counts, |other| Arc::clone(&other.counts));
        Self { counts, ..self }
    }

    /// A place for one more connection from `ip`, or none when it has all of its own.
    pub fn enter(&self, ip: Option<IpAddr>) -> Option<Place> {
        let (Some(limit), Some(ip)) = (self.limit, ip) else {
            return Some(Place(None));
        };
        let mut counts = lock(&self.counts);
        if counts.get(&ip).is_some_and(|count| *count >= limit) {
            return None;
        }
        let count = counts.entry(ip).or_insert(0);
        *count += 1;
        Some(Place(Some((ip, Arc::clone(&self.counts)))))
    }
}

/// A connection's place among those from its address, until dropped.
#[derive(Debug)]
pub struct Place(Option<(IpAddr, Arc<Mutex<Counts>>)>);

impl Drop for Place {
    fn drop(&mut self) {
        let Some((ip, counts)) = &self.0 else { return };
        if let Entry::Occupied(mut count) = lock(counts).entry(*ip) {
            match *count.get() {
                0 | 1 => {
                    count.remove();
                }
                _ => *count.get_mut() -= 1,
            }
        }
    }
}

/// A panic elsewhere cannot leave a count half changed.
fn lock(counts: &Mutex<Counts>) -> MutexGuard<'_, Counts> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_its_own_places() {
        let per_ip = PerIp::new(Some(2));
        let (one, other) = (Some([127, 0, 0, 1].into()), Some([127, 0, 0, 2].into()));
        let first = per_ip.enter(one).unwrap();
        let _second = per_ip.enter(one).unwrap();
        assert!(per_ip.enter(one).is_none());
        assert!(per_ip.enter(other).is_some());
        drop(first);
        assert!(per_ip.enter(one).is_some());
        assert_eq!(lock(&per_ip.counts).len(), 1, "addresses that have left are forgotten");
    }
}
