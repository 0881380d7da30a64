//! A network that loses, delays, doubles and reorders messages and can be cut in each direction, by a seed.

use bytes::Bytes;
use std::collections::BTreeSet;

/// SplitMix64.
#[derive(Clone)]
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit.max(1)).unwrap()).unwrap()
    }

    /// Whether something happens that does so `percent` times of a hundred.
    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// How bad the network is, in percent of messages.
#[derive(Clone, Copy, Default)]
pub(super) struct Weather {
    pub(super) lost: usize,
    pub(super) doubled: usize,
    pub(super) most_delay: usize,
}

struct Flight {
    due: usize,
    from: i32,
    to: i32,
    bytes: Bytes,
}

#[derive(Default)]
pub(super) struct Network {
    pub(super) weather: Weather,
    pub(super) cuts: BTreeSet<(i32, i32)>,
    flights: Vec<Flight>,
}

impl Network {
    pub(super) fn send(&mut self, random: &mut Random, now: usize, from: i32, to: i32, bytes: Bytes) {
        let copies = 1 + usize::from(random.chance(self.weather.doubled));
        for _ in 0..copies {
            if random.chance(self.weather.lost) || self.cuts.contains(&(from, to)) {
                continue;
            }
            let due = now + random.below(self.weather.most_delay + 1);
            self.flights.push(Flight { due, from, to, bytes: bytes.clone() });
        }
    }

    /// What arrives now, in any order.
    pub(super) fn arrive(&mut self, random: &mut Random, now: usize) -> Vec<(i32, Bytes)> {
        let mut arrived = Vec::new();
        let (due, later) = std::mem::take(&mut self.flights).into_iter().partition(|flight| flight.due <= now);
        self.flights = later;
        let mut due: Vec<Flight> = due;
        while !due.is_empty() {
            // Without delays messages keep their order.
            let at = if self.weather.most_delay == 0 { 0 } else { random.below(due.len()) };
            let flight = due.remove(at);
            if !self.cuts.contains(&(flight.from, flight.to)) {
                arrived.push((flight.to, flight.bytes));
            }
        }
        arrived
    }
}
