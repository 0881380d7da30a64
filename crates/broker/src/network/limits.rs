//! How many connections there may be: in all, and from one address.

use parking_lot::Mutex;
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

/// Kafka's `max.connections`, `max.connections.per.ip` and `max.connections.per.ip.overrides`.
#[derive(Debug)]
pub(crate) struct Limits {
    max: usize,
    max_per_ip: usize,
    overrides: HashMap<IpAddr, usize>,
    counts: Mutex<HashMap<IpAddr, usize>>,
    open: AtomicI64,
}

/// Why a connection was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("max.connections ({0}) is reached")]
    Total(usize),
    #[error("max.connections.per.ip ({0}) is reached")]
    PerIp(usize),
}

/// A place among the connections, given back on drop.
#[derive(Debug)]
pub(crate) struct Place {
    limits: Arc<Limits>,
    ip: IpAddr,
}

impl Limits {
    pub(crate) fn new(max: usize, max_per_ip: usize, overrides: HashMap<IpAddr, usize>) -> Arc<Self> {
        Arc::new(Self { max, max_per_ip, overrides, counts: Mutex::default(), open: AtomicI64::new(0) })
    }

    /// Connections open now.
    pub(crate) fn open(&self) -> i64 {
        self.open.load(Ordering::Relaxed)
    }

    /// Takes a place for a connection from `ip`.
    pub(crate) fn admit(self: &Arc<Self>, ip: IpAddr) -> Result<Place, Refused> {
        let ip = ip.to_canonical();
        let max_per_ip = self.overrides.get(&ip).copied().unwrap_or(self.max_per_ip);
        let mut counts = self.counts.lock();
        if usize::try_from(self.open()).unwrap_or(0) >= self.max {
            return Err(Refused::Total(self.max));
        }
        let count = counts.entry(ip).or_default();
        if *count >= max_per_ip {
            return Err(Refused::PerIp(max_per_ip));
        }
        *count += 1;
        self.open.fetch_add(1, Ordering::Relaxed);
        Ok(Place { limits: self.clone(), ip })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.limits.counts.lock();
        self.limits.open.fetch_sub(1, Ordering::Relaxed);
        if let Some(count) = counts.get_mut(&self.ip) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.ip);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_in_all_and_by_address_and_come_back() {
        let (a, b): (IpAddr, IpAddr) = ([127, 0, 0, 1].into(), [127, 0, 0, 2].into());
        let limits = Limits::new(3, 1, HashMap::from([(b, 5)]));
        let first = limits.admit(a).expect("room");
        assert_eq!(limits.admit(a).err(), Some(Refused::PerIp(1)));
        let _others = [limits.admit(b).expect("override"), limits.admit(b).expect("override")];
        assert_eq!(limits.admit(b).err(), Some(Refused::Total(3)));
        drop(first);
        assert!(limits.admit(a).is_ok());
        assert_eq!(limits.open(), 2);
    }
}
