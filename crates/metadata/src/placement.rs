//! Which brokers get the replicas of new partitions (Kafka's striped placement).
//!
//! Replicas go around the racks, leaders around the brokers of each rack; the first of a partition is always a broker
//! that is not fenced. Where Kafka draws random numbers, this takes a seed, so that a decision can be repeated.

use crate::ApiError;
use crate::image::{Broker, Cluster};
use ottla_protocol::ErrorCode;
use std::collections::BTreeMap;

/// A source of numbers that a seed determines (splitmix64).
struct Draws(u64);

impl Draws {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        let bound = u64::try_from(bound.max(1)).unwrap_or(u64::MAX);
        usize::try_from(z % bound).unwrap_or(0)
    }

    fn shuffle<T>(&mut self, list: &mut [T]) {
        for i in (1..list.len()).rev() {
            list.swap(i, self.below(i + 1));
        }
    }
}

/// Brokers that are gone through once a round, each round from one further on.
#[derive(Default)]
struct Ring {
    brokers: Vec<i32>,
    index: usize,
    offset: usize,
    round: usize,
}

impl Ring {
    fn next(&mut self, round: usize) -> Option<i32> {
        let count = self.brokers.len();
        if count == 0 {
            return None;
        }
        if self.round != round {
            self.round = round;
            self.index = 0;
            self.offset = (self.offset + 1) % count;
        }
        if self.index >= count {
            return None;
        }
        let broker = self.brokers.get((self.index + self.offset) % count).copied();
        self.index += 1;
        broker
    }
}

#[derive(Default)]
struct Rack {
    fenced: Ring,
    unfenced: Ring,
}

impl Rack {
    fn next(&mut self, round: usize) -> Option<i32> {
        self.unfenced.next(round).or_else(|| self.fenced.next(round))
    }
}

struct Racks {
    draws: Draws,
    racks: Vec<Rack>,
    brokers: usize,
    unfenced: usize,
    round: usize,
    offset: usize,
}

impl Racks {
    fn new(cluster: &Cluster, seed: u64) -> Self {
        let mut draws = Draws(seed);
        let mut racks: BTreeMap<_, Rack> = BTreeMap::new();
        let (mut brokers, mut unfenced) = (0, 0);
        // One that has stopped is as good as any other that is fenced, for it comes back.
        let is_stopping = |b: &Broker| b.in_controlled_shutdown && !b.fenced;
        let usable = cluster.brokers().values().filter(|b| !is_stopping(b) && !b.is_cordoned());
        for broker in usable {
            let rack = racks.entry(broker.rack.as_deref()).or_default();
            brokers += 1;
            unfenced += usize::from(!broker.fenced);
            match broker.fenced {
                true => rack.fenced.brokers.push(broker.id),
                false => rack.unfenced.brokers.push(broker.id),
            }
        }
        let mut racks: Vec<Rack> = racks.into_values().collect();
        for ring in racks.iter_mut().flat_map(|r| [&mut r.fenced, &mut r.unfenced]) {
            ring.offset = draws.below(ring.brokers.len());
        }
        let offset = draws.below(racks.len());
        Self { draws, racks, brokers, unfenced, round: 0, offset }
    }

    /// Asked after `check`, so there is an unfenced broker, and there are as many brokers as replicas.
    fn place(&mut self, replication_factor: usize) -> Vec<i32> {
        let count = self.racks.len();
        if self.round == self.unfenced && self.unfenced > 1 {
            self.shuffle();
            self.round = 0;
        }
        if self.offset >= count {
            self.offset = 0;
        }
        let mut replicas = Vec::with_capacity(replication_factor);
        let leader = (0..count).map(|i| (self.offset + i) % count).find_map(|at| {
            let broker = self.racks.get_mut(at)?.unfenced.next(self.round)?;
            Some((at, broker))
        });
        let Some((leader_rack, leader)) = leader else {
            return replicas;
        };
        replicas.push(leader);
        self.place_followers(&mut replicas, leader_rack, replication_factor);
        self.round += 1;
        self.offset += 1;
        replicas
    }

    fn place_followers(&mut self, replicas: &mut Vec<i32>, leader_rack: usize, wanted: usize) {
        let count = self.racks.len();
        let mut passed = Some(leader_rack);
        let mut at = self.offset;
        // Each rack that has none left is passed once in a row at most; this bounds the walk all the same.
        let mut empty = 0;
        while replicas.len() < wanted && empty <= 2 * count {
            if passed == Some(at) {
                // The leader's rack has had its turn.
                passed = None;
                empty += 1;
            } else {
                match self.racks.get_mut(at).and_then(|r| r.next(self.round)) {
                    Some(broker) => {
                        replicas.push(broker);
                        empty = 0;
                    }
                    None => empty += 1,
                }
            }
            at = (at + 1) % count;
        }
    }

    /// Later partitions are not to repeat the first ones' replicas.
    fn shuffle(&mut self) {
        let Self { draws, racks, .. } = self;
        draws.shuffle(racks);
        for ring in racks.iter_mut().flat_map(|r| [&mut r.fenced, &mut r.unfenced]) {
            draws.shuffle(&mut ring.brokers);
        }
    }

    fn check(&self, replication_factor: i16) -> Result<usize, String> {
        let wanted = usize::try_from(replication_factor).unwrap_or(0);
        if wanted == 0 {
            return Err(format!(
                "Invalid replication factor {replication_factor}: the replication factor must be positive."
            ));
        }
        if self.unfenced == 0 {
            return Err("All brokers are currently fenced, or have all their log directories cordoned.".to_owned());
        }
        if wanted > self.brokers {
            return Err(format!(
                "The target replication factor of {replication_factor} cannot be reached because only {} broker(s) are registered or some brokers have all their log directories cordoned.",
                self.brokers
            ));
        }
        Ok(wanted)
    }
}

/// The replicas of `partitions` new partitions, the preferred leader of each first.
pub(crate) fn place(
    cluster: &Cluster,
    partitions: usize,
    replication_factor: i16,
    seed: u64,
) -> Result<Vec<Vec<i32>>, ApiError> {
    let mut racks = Racks::new(cluster, seed);
    let wanted =
        racks.check(replication_factor).map_err(|reason| ApiError::new(ErrorCode::InvalidReplicationFactor, reason))?;
    Ok((0..partitions).map(|_| racks.place(wanted)).collect())
}

#[cfg(test)]
mod tests;
