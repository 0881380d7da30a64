//! New partitions: where their replicas go, and what is written of them.

use super::context::Context;
use crate::ApiError;
use crate::image::{DIRECTORY_MIGRATING, DIRECTORY_UNASSIGNED, Partition};
use crate::{MetadataRecord, MetadataVersion, placement};
use ottla_protocol::{ErrorCode, Uuid};

fn unable_to_replicate(replication_factor: i16, reason: &str) -> ApiError {
    ApiError::new(
        ErrorCode::InvalidReplicationFactor,
        format!("Unable to replicate the partition {replication_factor} time(s): {reason}"),
    )
}

impl Context<'_> {
    /// Whether replicas have directories at the finalized `metadata.version`.
    pub(super) fn has_directories(&self) -> bool {
        self.hard.metadata_version() >= MetadataVersion::DIRECTORIES
    }

    /// The directory of a new replica: the broker's only one, or the broker is to choose.
    pub(super) fn default_directory(&self, broker_id: i32) -> Uuid {
        if !self.has_directories() {
            return DIRECTORY_MIGRATING;
        }
        let directories = self.cluster().broker(broker_id).map(|b| b.log_dirs.as_slice());
        match directories {
            Some([]) => DIRECTORY_MIGRATING,
            Some([only]) => *only,
            _ => DIRECTORY_UNASSIGNED,
        }
    }

    /// A partition as it begins, or nothing if none of its brokers may serve.
    pub(super) fn new_partition(&self, replicas: Vec<i32>) -> Option<Partition> {
        let active = |id: &i32| self.cluster().is_active(*id);
        let isr: Vec<i32> = replicas.iter().copied().filter(active).collect();
        let leader = *isr.first()?;
        Some(Partition {
            directories: replicas.iter().map(|b| self.default_directory(*b)).collect(),
            replicas,
            isr,
            leader,
            ..Partition::default()
        })
    }

    /// The partition as a record.
    pub(super) fn partition_record(&self, topic: Uuid, number: i32, p: &Partition) -> MetadataRecord {
        p.to_record(topic, number, self.has_directories()).into()
    }

    /// Partitions on brokers of the controller's choice.
    pub(super) fn place(
        &self,
        partitions: usize,
        replication_factor: i16,
        seed: u64,
    ) -> Result<Vec<Partition>, ApiError> {
        let placed = placement::place(self.cluster(), partitions, replication_factor, seed)?;
        let fenced = "All brokers are currently fenced or in controlled shutdown.";
        let partition =
            |replicas| self.new_partition(replicas).ok_or_else(|| unable_to_replicate(replication_factor, fenced));
        placed.into_iter().map(partition).collect()
    }

    /// A partition on brokers of the caller's choice.
    pub(super) fn place_manually(
        &self,
        partition: i32,
        broker_ids: &[i32],
        replication_factor: Option<usize>,
    ) -> Result<Partition, ApiError> {
        let invalid = |message| ApiError::new(ErrorCode::InvalidReplicaAssignment, message);
        self.check_assignment(broker_ids, replication_factor).map_err(invalid)?;
        self.new_partition(broker_ids.to_vec()).ok_or_else(|| {
            invalid(format!(
                "All brokers specified in the manual partition assignment for partition {partition} are fenced or in controlled shutdown."
            ))
        })
    }

    /// Whether a partition may have these replicas.
    pub(super) fn check_assignment(&self, broker_ids: &[i32], replication_factor: Option<usize>) -> Result<(), String> {
        if broker_ids.is_empty() {
            return Err("The manual partition assignment includes an empty replica list.".to_owned());
        }
        let mut sorted = broker_ids.to_vec();
        sorted.sort_unstable();
        let mut previous = None;
        for id in sorted {
            if self.cluster().broker(id).is_none() {
                return Err(format!(
                    "The manual partition assignment includes broker {id}, but no such broker is registered."
                ));
            }
            if previous == Some(id) {
                return Err(format!("The manual partition assignment includes the broker {id} more than once."));
            }
            previous = Some(id);
        }
        match replication_factor {
            Some(factor) if factor != broker_ids.len() => Err(format!(
                "The manual partition assignment includes a partition with {} replica(s), but this is not consistent with previous partitions, which have {factor} replica(s).",
                broker_ids.len()
            )),
            _ => Ok(()),
        }
    }
}

/// The error of a placement as CreateTopics words it.
pub(super) fn while_creating(replication_factor: i16, error: ApiError) -> ApiError {
    match error.message {
        Some(reason) if !reason.starts_with("Unable to replicate") => unable_to_replicate(replication_factor, &reason),
        message => ApiError { message, ..error },
    }
}
