//! A voter's time as the leader: from its election to the moment when it decides, and what it has decided since.
//!
//! The steps are those of the broker's `controller/leading.rs`, over any store.

use bytes::Bytes;
use ottla_metadata::controller::{Controller as Machine, Event, Reply};
use ottla_metadata::{Image, MetadataRecord, MetadataVersion, snapshot};
use ottla_protocol::batch::control::ControlType;
use ottla_protocol::batch::{Builder, CheckedBatch, NewRecord};
use ottla_protocol::codec::EncodeError;
use ottla_protocol::stored::BeginTransactionRecord;
use ottla_quorum::{Change, ChangeRefused, Committed, ProposeRefused, Quorum, Store};
use ottla_state_machine::{Now, Shard, ShardError, Ticket};
use std::collections::BTreeMap;

/// Why a leader leads no longer.
#[derive(Debug)]
pub(super) enum Ended {
    /// The quorum does not take what it decided: its offsets were given out.
    Refused,
    /// It cannot be: the machine or the batch is wrong.
    Broken(String),
}

impl From<ProposeRefused> for Ended {
    fn from(_: ProposeRefused) -> Self {
        Self::Refused
    }
}

impl From<ShardError> for Ended {
    fn from(error: ShardError) -> Self {
        Self::Broken(format!("{error:?}"))
    }
}

impl From<EncodeError> for Ended {
    fn from(error: EncodeError) -> Self {
        Self::Broken(error.to_string())
    }
}

impl From<ottla_protocol::batch::Error> for Ended {
    fn from(error: ottla_protocol::batch::Error) -> Self {
        Self::Broken(error.to_string())
    }
}

/// How far a leader has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Entries of earlier epochs may be on their way.
    Elected,
    /// They are applied; the record that begins the epoch is on its way.
    Opening,
    /// It decides.
    Serving,
}

/// The batch that a decision ends with, or rests on: where it begins and its bytes.
pub(crate) type Rest = (i64, Bytes);

pub(super) struct Leading {
    pub(super) epoch: i32,
    pub(super) stage: Stage,
    /// The machine, once it serves: what it decided is applied to it at once, be it committed or not.
    pub(super) shard: Option<Shard<Machine>>,
    /// The entry that brought the stage, while what the stage begins with is not done.
    pub(super) due: Option<u64>,
    /// The offset that the next record gets.
    next_offset: i64,
    /// The last batch that it gave to the quorum.
    last: Option<Rest>,
    /// What the answer to each caller rests on, for who checks that.
    rests: BTreeMap<Ticket, Rest>,
}

impl Leading {
    pub(super) fn new(epoch: i32) -> Self {
        Self {
            epoch,
            stage: Stage::Elected,
            shard: None,
            due: None,
            next_offset: 0,
            last: None,
            rests: BTreeMap::new(),
        }
    }

    /// The stage that a committed entry brings: the first of this epoch is the quorum's own and empty, the next the record that
    /// begins the epoch.
    pub(super) fn passed(&mut self, entry: &Committed) {
        let next = match self.stage {
            Stage::Elected if entry.epoch == self.epoch && entry.data.is_empty() => Stage::Opening,
            Stage::Opening if entry.epoch == self.epoch && !entry.data.is_empty() => Stage::Serving,
            _ => return,
        };
        (self.stage, self.due) = (next, Some(entry.index));
    }

    /// Begins to serve with the state of the cluster that ends at an offset.
    pub(super) fn serve<S: Store>(
        &mut self,
        quorum: &mut Quorum<S>,
        image: &Image,
        end: i64,
        now: Now,
    ) -> Result<(), Ended> {
        let mut shard = Shard::new();
        for record in snapshot::records(image) {
            shard.replay(end - 1, &record);
        }
        if image.in_transaction() {
            // For activation to abort it.
            shard.replay(end - 1, &BeginTransactionRecord::default().into());
        }
        self.next_offset = end;
        let records = shard.activate(now, end, end);
        self.shard = Some(shard);
        self.propose(quorum, records)
    }

    pub(super) fn decide<S: Store>(
        &mut self,
        quorum: &mut Quorum<S>,
        now: Now,
        ticket: Option<Ticket>,
        event: Event,
    ) -> Result<(), Ended> {
        let Some(shard) = self.shard.as_mut() else { return Ok(()) };
        let records = shard.decide(now, event)?;
        self.propose(quorum, records)?;
        if let Some((ticket, last)) = ticket.zip(self.last.clone()) {
            self.rests.insert(ticket, last);
        }
        Ok(())
    }

    fn propose<S: Store>(&mut self, quorum: &mut Quorum<S>, records: Vec<MetadataRecord>) -> Result<(), Ended> {
        let base_offset = self.next_offset;
        if !records.is_empty() {
            let version = self.shard.as_ref().map(|shard| shard.hard().metadata_version()).unwrap_or_default();
            let batch = batch(&records, version, (base_offset, self.epoch))?;
            self.propose_batch(quorum, &batch)?;
        }
        if let Some(shard) = self.shard.as_mut() {
            shard.appended(base_offset, &records);
        }
        Ok(())
    }

    /// Gives a batch to the quorum. One that it does not take ends this leadership, as its offsets were given out.
    pub(super) fn propose_batch<S: Store>(
        &mut self,
        quorum: &mut Quorum<S>,
        batch: &CheckedBatch,
    ) -> Result<(), Ended> {
        let bytes = batch.to_bytes();
        quorum.propose(bytes.clone())?;
        self.next_offset = batch.header().next_offset();
        self.last = Some((batch.header().base_offset, bytes));
        Ok(())
    }

    /// Has the members changed by a batch that tells of it; a change that is refused leaves nothing behind.
    pub(super) fn change<S: Store>(&mut self, quorum: &mut Quorum<S>, change: Change) -> Result<(), ChangeRefused> {
        let Ok(batch) = control(ControlType::KRaftVoters, (self.next_offset, self.epoch)) else { return Ok(()) };
        quorum.change(change, &batch.to_bytes())?;
        self.next_offset = batch.header().next_offset();
        Ok(())
    }

    /// All below an offset is committed: answers what callers are told, and what that rests on.
    pub(super) fn committed(&mut self, end: i64) -> Vec<(Ticket, Reply, Option<Rest>)> {
        let replies = self.shard.as_mut().map(|shard| shard.committed(end).replies).unwrap_or_default();
        replies.into_iter().map(|(ticket, reply)| (ticket, reply, self.rests.remove(&ticket))).collect()
    }
}

/// A batch of metadata records.
fn batch(
    records: &[MetadataRecord],
    version: MetadataVersion,
    (base_offset, epoch): (i64, i32),
) -> Result<CheckedBatch, Ended> {
    let mut batch = Builder::new().base_offset(base_offset).leader_epoch(epoch);
    for record in records {
        let value = record.encode(version)?;
        batch.push(NewRecord { timestamp: 0, value: Some(&value), ..NewRecord::default() });
    }
    Ok(batch.build()?)
}

/// A record of the quorum's own. What is in it concerns nobody here.
pub(super) fn control(kind: ControlType, (base_offset, epoch): (i64, i32)) -> Result<CheckedBatch, Ended> {
    Ok(Builder::control(0, kind, &epoch.to_be_bytes()).base_offset(base_offset).leader_epoch(epoch).build()?)
}
