//! What one leader calls committed no other calls otherwise: below high watermarks there is one history.

use super::Violation;
use crate::disk::{Disk, Record};
use ottla_replication::follower::LogView as _;
use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub(crate) struct Committed {
    by_partition: BTreeMap<i32, Vec<Record>>,
    /// How far each leader's log was compared, by partition and epoch: a leader changes nothing below.
    compared: BTreeMap<(i32, i32), i64>,
}

impl Committed {
    pub(crate) fn note(
        &mut self,
        (partition, leader_epoch): (i32, i32),
        broker: i32,
        high_watermark: i64,
        log: &Disk,
    ) -> Result<(), Violation> {
        let wrong = |seen| Err(Violation::new("committed", format!("{partition} on leader {broker}: {seen}")));
        if high_watermark > log.log_end_offset() {
            return wrong(format!("high watermark {high_watermark} past the end {}", log.log_end_offset()));
        }
        let history = self.by_partition.entry(partition).or_default();
        let compared = self.compared.insert((partition, leader_epoch), high_watermark).unwrap_or(0);
        for offset in compared..high_watermark {
            let (Some(record), Ok(at)) = (log.get(offset), usize::try_from(offset)) else { continue };
            match history.get(at) {
                Some(known) if *known != record => {
                    return wrong(format!("{record:?} at {offset}, where {known:?} was committed"));
                }
                Some(_) => {}
                None => history.push(record),
            }
        }
        Ok(())
    }

    /// Whether a new leader has all that was committed, for consumers have seen it.
    pub(crate) fn check(&self, partition: i32, broker: i32, log: &Disk) -> Result<(), Violation> {
        for (offset, known) in (0..).zip(self.by_partition.get(&partition).into_iter().flatten()) {
            let found = log.get(offset);
            if found != Some(*known) {
                let seen = format!("{partition} at {offset}: {known:?} was committed, leader {broker} has {found:?}");
                return Err(Violation::new("committed", seen));
            }
        }
        Ok(())
    }

    pub(crate) fn count(&self) -> usize {
        self.by_partition.values().map(Vec::len).sum()
    }
}
