//! The metadata log: `__cluster_metadata-0` in Kafka's format, synced before anything counts.

mod retention;
#[cfg(test)]
mod tests;

use self::retention::Retention;
use crate::{fetch::waiters::Waiters, metadata_quorum::QuorumState};
use anyhow::{Context as _, bail, ensure};
use ottla_config::{ServerConfig, keys};
use ottla_metadata::{MetadataRecord, MetadataVersion};
use ottla_protocol::{
    Bytes, Message, Uuid,
    batch::{Builder, CheckedBatch, CheckedBatches, NewRecord, control::ControlType},
    compression::Limits,
    stored::{KRaftVersionRecord, LeaderChangeMessage, VotersRecord, leader_change_message, voters_record::Voter},
};
use ottla_storage::{Isolation, Log, LogConfig, LogReader, OpenOptions, Origin, fs::Fs, log_dir::quorum_state};
use std::{path::Path, sync::Arc};
use tracing::warn;

/// The topic's name, and with its partition the folder's.
pub(crate) const FOLDER: &str = "__cluster_metadata-0";
/// Bytes read at a time on replay.
const REPLAY_BYTES: usize = 1 << 20;
/// Metadata records of one decision are one batch; Kafka's limit is 8 MiB.
const MAX_BATCH_BYTES: u32 = 8 << 20;

/// Why records were not appended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AppendError {
    /// The log is as it was, and takes the same records when there is room.
    #[error("{0}")]
    NoRoom(ottla_storage::AppendError),
    #[error("{0}")]
    Failed(String),
}

impl From<ottla_storage::AppendError> for AppendError {
    fn from(error: ottla_storage::AppendError) -> Self {
        match error {
            ottla_storage::AppendError::DiskFull(_) => Self::NoRoom(error),
            error => Self::Failed(error.to_string()),
        }
    }
}

/// The log and the epoch in which this node leads it.
pub(crate) struct MetadataLog {
    log: Log,
    fs: Arc<dyn Fs>,
    epoch: i32,
    retention: Retention,
    /// Who waits for more to be committed.
    waiters: Arc<Waiters>,
    /// Bytes of the records since the snapshot that was read, or in this run.
    bytes: u64,
    last_append_ms: i64,
}

impl MetadataLog {
    /// Opens the log and hands its records from an offset on in order to `take`; `quorum` gets what it says there of the quorum.
    pub(crate) fn open(
        fs: Arc<dyn Fs>,
        config: &ServerConfig,
        from: i64,
        now_ms: i64,
        quorum: &mut QuorumState,
        mut take: impl FnMut(i64, i32, MetadataRecord) -> anyhow::Result<()>,
    ) -> anyhow::Result<Self> {
        let path = Path::new(config.metadata_log_dir()).join(FOLDER);
        // Everything was synced before it was answered, so recovery cuts at most what nobody was told of.
        let options =
            OpenOptions { config: log_config(config), topic_id: Some(Uuid::ONE), now_ms, ..OpenOptions::default() };
        let cannot_open = || format!("cannot open {}", path.display());
        let mut log = Log::open(fs.clone(), &path, &options).with_context(cannot_open)?;
        if log.log_end_offset() < from {
            // A follower that crashed between a snapshot's arrival and the truncation of its log leaves them so.
            log.truncate_fully_and_start_at(from, None, now_ms).with_context(cannot_open)?;
        }
        let mut next = log.log_start_offset().max(from);
        let mut bytes = 0;
        let end = log.log_end_offset();
        while next < end {
            let read = log.reader().read(next, REPLAY_BYTES, true, Isolation::LogEnd)?;
            let (batches, _cut) = CheckedBatches::parse_whole(read.bytes()?)?;
            for batch in batches.iter() {
                let at = || format!("{} at offset {next}", path.display());
                if batch.header().base_offset >= from {
                    quorum.take(batch).with_context(at)?;
                }
                replay(batch, &mut take).with_context(at)?;
                next = batch.header().next_offset();
                bytes += batch.size_in_bytes() as u64;
            }
            if batches.count() == 0 {
                bail!("{} has no batch at offset {next}", path.display());
            }
        }
        // An epoch may have begun without a record: it must not begin twice.
        let begun = quorum_state::leader_epoch(&*fs, &path)?.unwrap_or(0);
        let epoch = log.latest_epoch().unwrap_or(0).max(begun);
        let retention = Retention::new(config);
        Ok(Self { log, fs, epoch, retention, waiters: Arc::default(), bytes, last_append_ms: now_ms })
    }

    pub(crate) fn end_offset(&self) -> i64 {
        self.log.log_end_offset()
    }

    pub(crate) fn epoch(&self) -> i32 {
        self.epoch
    }

    /// Bytes of the records since the snapshot that this run began with.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn last_append_ms(&self) -> i64 {
        self.last_append_ms
    }

    /// What followers read, and where they wait for more.
    pub(crate) fn for_followers(&self) -> (LogReader, Arc<Waiters>) {
        (self.log.reader(), self.waiters.clone())
    }

    /// Begins a new epoch with this node as its leader, as an elected leader does, and answers the batch with which it did.
    pub(crate) fn lead(
        &mut self,
        node_id: i32,
        state: &QuorumState,
        own: &Voter,
        now_ms: i64,
    ) -> anyhow::Result<CheckedBatch> {
        self.epoch += 1;
        quorum_state::put(&*self.fs, &self.log.dir(), node_id, self.epoch)?;
        let batch = self.leader_change((node_id, self.epoch), &[node_id], state, own, now_ms)?;
        self.append_batch(batch.clone(), now_ms)?;
        Ok(batch)
    }

    /// The record with which an epoch begins. Where voters come and go it has the quorum's version and voters with it if they are
    /// not in the log yet, or if the leader is not what they say.
    pub(crate) fn leader_change(
        &self,
        (leader_id, epoch): (i32, i32),
        voter_ids: &[i32],
        state: &QuorumState,
        own: &Voter,
        now_ms: i64,
    ) -> anyhow::Result<CheckedBatch> {
        let voter = |voter_id| leader_change_message::Voter { voter_id, ..Default::default() };
        // Kafka has a version 1, with directories, and writes and reads version 0.
        let change = LeaderChangeMessage {
            leader_id,
            voters: voter_ids.iter().copied().map(voter).collect(),
            granting_voters: vec![voter(leader_id)],
            ..Default::default()
        };
        let mut records = vec![(ControlType::LeaderChange, change.to_bytes(0)?)];
        let updated = state.with_updated(own);
        if state.is_dynamic() && (self.log.log_end_offset() == 0 || updated.is_some()) {
            let version = KRaftVersionRecord { k_raft_version: state.kraft_version, ..Default::default() };
            records.push((ControlType::KRaftVersion, version.to_bytes(0)?));
            let voters = updated.or_else(|| state.voters.clone()).unwrap_or_default();
            records.push((ControlType::KRaftVoters, voters.to_bytes(0)?));
        }
        control_batch(&records, (self.log.log_end_offset(), epoch), now_ms)
    }

    /// Appends a batch that a majority has, and answers its records. It counts for others with [`MetadataLog::commit`], and is
    /// durable with [`MetadataLog::sync`]: until then the quorum has it.
    pub(crate) fn append_committed(&mut self, batch: CheckedBatch) -> anyhow::Result<Vec<MetadataRecord>> {
        let records = records(&batch)?;
        self.epoch = batch.header().partition_leader_epoch;
        let now_ms = batch.header().max_timestamp;
        self.append_batch(batch, now_ms)?;
        Ok(records)
    }

    /// Lets followers have what was appended.
    pub(crate) fn commit(&mut self) {
        self.log.set_high_watermark(self.log.log_end_offset());
        self.waiters.wake();
    }

    /// The epoch of the last record.
    pub(crate) fn latest_epoch(&self) -> i32 {
        self.log.latest_epoch().unwrap_or(0)
    }

    /// Writes down who leads, for Kafka's tools; the quorum has its own memory.
    pub(crate) fn note_epoch(&self, epoch: i32, leader: i32) {
        if let Err(error) = quorum_state::put(&*self.fs, &self.log.dir(), leader, epoch) {
            warn!(%error, "cannot write the quorum's state down");
        }
    }

    /// Whether others than this program's controllers wrote the log last.
    pub(crate) fn is_of_others(&self) -> anyhow::Result<bool> {
        Ok(self.log.log_end_offset() > 0 && !quorum_state::is_ours(&*self.fs, &self.log.dir())?)
    }

    /// What there is from an offset on.
    pub(crate) fn batches_from(&self, mut next: i64) -> anyhow::Result<Vec<CheckedBatch>> {
        let mut all = Vec::new();
        while next < self.log.log_end_offset() {
            let read = self.log.reader().read(next, REPLAY_BYTES, true, Isolation::LogEnd)?;
            let (batches, _cut) = CheckedBatches::parse_whole(read.bytes()?)?;
            all.extend(batches.iter().filter(|batch| batch.header().base_offset >= next).cloned());
            let last = batches.iter().next_back().with_context(|| format!("there is no batch at offset {next}"))?;
            next = last.header().next_offset();
        }
        Ok(all)
    }

    /// Drops what there is from an offset on, and closes the log.
    pub(crate) fn cut(mut self, offset: i64) -> anyhow::Result<()> {
        self.log.truncate_to(offset, self.last_append_ms)?;
        let end = self.log.log_end_offset();
        ensure!(end == offset, "the metadata log ends at {end} when it is cut to offset {offset}");
        self.close()
    }

    /// Drops all there is: a snapshot of all before an offset is in its place.
    pub(crate) fn start_at(&mut self, offset: i64) -> anyhow::Result<()> {
        self.log.truncate_fully_and_start_at(offset, None, self.last_append_ms)?;
        self.commit();
        Ok(())
    }

    /// Appends records as one batch and answers its first offset; they count once [`MetadataLog::sync`] answered.
    pub(crate) fn append(
        &mut self,
        records: &[MetadataRecord],
        version: MetadataVersion,
        now_ms: i64,
    ) -> Result<i64, AppendError> {
        let at = (self.log.log_end_offset(), self.epoch);
        let batch = batch(records, version, at, now_ms).map_err(|e| AppendError::Failed(e.to_string()))?;
        self.append_batch(batch, now_ms)
    }

    /// Appends a batch that begins where the log ends, and answers its first offset.
    pub(crate) fn append_batch(&mut self, batch: CheckedBatch, now_ms: i64) -> Result<i64, AppendError> {
        let bytes = batch.size_in_bytes() as u64;
        let info = self.log.append_as_leader(CheckedBatches::from(batch), self.epoch, now_ms, Origin::RaftLeader)?;
        self.bytes += bytes;
        self.last_append_ms = now_ms;
        Ok(info.first_offset)
    }

    /// Makes everything appended durable and answers the end of the log.
    pub(crate) fn sync(&mut self) -> Result<i64, String> {
        self.log.flush().map_err(|e| e.to_string())?;
        let end = self.log.log_end_offset();
        if self.log.high_watermark() < end {
            self.log.set_high_watermark(end);
            self.waiters.wake();
        }
        Ok(end)
    }

    /// Closes the log's files.
    pub(crate) fn close(self) -> anyhow::Result<()> {
        self.log.close()?;
        Ok(())
    }
}

/// The record of who votes as a batch that begins at an offset, in an epoch (KIP-853).
pub(crate) fn voters_batch(voters: &VotersRecord, at: (i64, i32), now_ms: i64) -> anyhow::Result<CheckedBatch> {
    control_batch(&[(ControlType::KRaftVoters, voters.to_bytes(0)?)], at, now_ms)
}

/// Who votes from now on, and the level of `kraft.version` at which voters come and go, as a batch.
pub(crate) fn upgrade_batch(
    level: i16,
    voters: &VotersRecord,
    at: (i64, i32),
    now_ms: i64,
) -> anyhow::Result<CheckedBatch> {
    let version = KRaftVersionRecord { k_raft_version: level, ..Default::default() };
    let records = [(ControlType::KRaftVersion, version.to_bytes(0)?), (ControlType::KRaftVoters, voters.to_bytes(0)?)];
    control_batch(&records, at, now_ms)
}

fn control_batch(
    records: &[(ControlType, Bytes)],
    (base_offset, epoch): (i64, i32),
    now_ms: i64,
) -> anyhow::Result<CheckedBatch> {
    let mut batch = Builder::new().control_batch(true).base_offset(base_offset).leader_epoch(epoch);
    for (kind, value) in records {
        let key = kind.encode_key();
        batch.push(NewRecord { timestamp: now_ms, key: Some(&key), value: Some(value), ..NewRecord::default() });
    }
    Ok(batch.build()?)
}

/// Records of one decision as a batch that begins at an offset, in an epoch.
pub(crate) fn batch(
    records: &[MetadataRecord],
    version: MetadataVersion,
    (base_offset, epoch): (i64, i32),
    now_ms: i64,
) -> anyhow::Result<CheckedBatch> {
    let mut batch = Builder::new().base_offset(base_offset).leader_epoch(epoch);
    for record in records {
        let value = record.encode(version)?;
        batch.push(NewRecord { timestamp: now_ms, value: Some(&value), ..NewRecord::default() });
    }
    Ok(batch.build()?)
}

/// The metadata records of a batch.
pub(crate) fn records(batch: &CheckedBatch) -> anyhow::Result<Vec<MetadataRecord>> {
    let mut records = Vec::new();
    replay(batch, &mut |_, _, record| {
        records.push(record);
        Ok(())
    })?;
    Ok(records)
}

/// Nothing is deleted but what snapshots stand for.
fn log_config(config: &ServerConfig) -> LogConfig {
    LogConfig {
        segment_bytes: u32::try_from(config.get(keys::METADATA_LOG_SEGMENT_BYTES)).unwrap_or(u32::MAX),
        segment_ms: config.get(keys::METADATA_LOG_SEGMENT_MS),
        max_message_bytes: MAX_BATCH_BYTES,
        retention_ms: -1,
        retention_bytes: -1,
        ..LogConfig::default()
    }
}

fn replay(
    batch: &CheckedBatch,
    take: &mut impl FnMut(i64, i32, MetadataRecord) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    if batch.header().attributes.is_control() {
        return Ok(());
    }
    let epoch = batch.header().partition_leader_epoch;
    for record in batch.records(&Limits::default()) {
        let record = record?;
        let value = record.value.context("a metadata record has no value")?;
        take(record.offset, epoch, MetadataRecord::decode(value)?)?;
    }
    Ok(())
}
