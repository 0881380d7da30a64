//! Acknowledged records are never lost: whoever leads, is in sync or is eligible has them on its disk, where the producer was told.

use super::Violation;
use crate::disk::Disk;
use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub(crate) struct Acknowledged {
    by_partition: BTreeMap<i32, BTreeMap<i64, u64>>,
}

impl Acknowledged {
    pub(crate) fn note(&mut self, partition: i32, offset: i64, value: u64) -> Result<(), Violation> {
        match self.by_partition.entry(partition).or_default().insert(offset, value) {
            Some(other) if other != value => {
                let seen = format!("{partition} at {offset}: both {other} and {value} were acknowledged");
                Err(Violation::new("acknowledged", seen))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.by_partition.values().map(BTreeMap::len).sum()
    }

    /// Whether a log has all of them, durably.
    pub(crate) fn check(&self, partition: i32, broker: i32, log: &Disk) -> Result<(), Violation> {
        for (offset, value) in self.by_partition.get(&partition).into_iter().flatten() {
            let found = log.get(*offset).filter(|_| *offset < log.durable()).map(|record| record.value);
            if found != Some(*value) {
                let seen = format!("{partition} at {offset}: {value} was acknowledged, {broker} has {found:?}");
                return Err(Violation::new("acknowledged", seen));
            }
        }
        Ok(())
    }
}
