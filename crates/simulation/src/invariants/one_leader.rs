//! In one epoch of a partition one broker leads.

use super::Violation;
use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub(crate) struct OneLeader {
    by_epoch: BTreeMap<(i32, i32), (i32, u64)>,
}

impl OneLeader {
    /// A run of a broker's process leads; not even two runs of one broker may in the same epoch.
    pub(crate) fn note(&mut self, partition: i32, epoch: i32, broker: i32, run: u64) -> Result<(), Violation> {
        match self.by_epoch.insert((partition, epoch), (broker, run)) {
            Some(other) if other != (broker, run) => {
                let seen = format!("{partition} in epoch {epoch}: {other:?} and {:?}", (broker, run));
                Err(Violation::new("one leader", seen))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.by_epoch.len()
    }
}
