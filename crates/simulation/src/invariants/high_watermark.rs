//! A leader's high watermark never goes back within its epoch.

use super::Violation;
use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub(crate) struct HighWatermark {
    by_epoch: BTreeMap<(i32, i32), i64>,
}

impl HighWatermark {
    pub(crate) fn note(&mut self, partition: i32, leader_epoch: i32, high_watermark: i64) -> Result<(), Violation> {
        match self.by_epoch.insert((partition, leader_epoch), high_watermark) {
            Some(before) if before > high_watermark => {
                let seen = format!("{partition} in epoch {leader_epoch}: from {before} back to {high_watermark}");
                Err(Violation::new("high watermark", seen))
            }
            _ => Ok(()),
        }
    }
}
