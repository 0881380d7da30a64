//! A voter's time as the leader: from its election to the moment when it decides, and what it has decided since.

use crate::metadata_log;
use ottla_metadata::{
    MetadataRecord,
    controller::{Controller, Event, Reply},
    image::Image,
    snapshot,
};
use ottla_protocol::stored::{BeginTransactionRecord, voters_record};
use ottla_protocol::{Bytes, batch::CheckedBatch};
use ottla_quorum::{Change, ChangeRefused, Committed, Quorum, RocksStore};
use ottla_state_machine::{Now, Shard, Ticket};
use std::collections::BTreeMap;

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

pub(super) struct Leading {
    pub(super) epoch: i32,
    pub(super) stage: Stage,
    /// The machine, once it serves: what it decided is applied to it at once, be it committed or not.
    pub(super) shard: Option<Shard<Controller>>,
    /// The stage that is reached and not yet acted upon.
    pub(super) due: Option<Stage>,
    /// What voters told of themselves, where these are fixed: it is written down only when they need not be any more.
    pub(super) told: BTreeMap<i32, voters_record::Voter>,
    /// The offset that the next record gets.
    next_offset: i64,
}

impl Leading {
    pub(super) fn new(epoch: i32, own: &voters_record::Voter) -> Self {
        let told = BTreeMap::from([(own.voter_id, own.clone())]);
        Self { epoch, stage: Stage::Elected, shard: None, due: None, told, next_offset: 0 }
    }

    /// Takes note of a committed entry: the first of this epoch is the quorum's own and empty, the next the record that begins
    /// the epoch.
    pub(super) fn passed(&mut self, entry: &Committed) {
        self.stage = match self.stage {
            Stage::Elected if entry.epoch == self.epoch && entry.data.is_empty() => Stage::Opening,
            Stage::Opening if entry.epoch == self.epoch && !entry.data.is_empty() => Stage::Serving,
            _ => return,
        };
        self.due = Some(self.stage);
    }

    /// Begins to serve with the state of the cluster that ends at an offset.
    pub(super) fn serve(
        &mut self,
        quorum: &mut Quorum<RocksStore>,
        image: &Image,
        end: i64,
        now: Now,
    ) -> anyhow::Result<()> {
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
        self.propose(quorum, now, records)
    }

    pub(super) fn decide(&mut self, quorum: &mut Quorum<RocksStore>, now: Now, event: Event) -> anyhow::Result<()> {
        let Some(shard) = self.shard.as_mut() else { return Ok(()) };
        let records = shard.decide(now, event).map_err(|error| anyhow::anyhow!("{error:?}"))?;
        self.propose(quorum, now, records)
    }

    fn propose(
        &mut self,
        quorum: &mut Quorum<RocksStore>,
        now: Now,
        records: Vec<MetadataRecord>,
    ) -> anyhow::Result<()> {
        let base_offset = self.next_offset;
        let Some(shard) = self.shard.as_mut() else { return Ok(()) };
        if !records.is_empty() {
            let version = shard.hard().metadata_version();
            let batch = metadata_log::batch(&records, version, (base_offset, self.epoch), now.wall_ms)?;
            self.propose_batch(quorum, base_offset, batch)?;
        }
        if let Some(shard) = self.shard.as_mut() {
            shard.appended(base_offset, &records);
        }
        Ok(())
    }

    /// Gives a batch to the quorum. One that it does not take ends this leadership, as its offsets were given out.
    pub(super) fn propose_batch(
        &mut self,
        quorum: &mut Quorum<RocksStore>,
        base_offset: i64,
        batch: CheckedBatch,
    ) -> anyhow::Result<u64> {
        anyhow::ensure!(batch.header().base_offset == base_offset, "a batch begins where the log does not end");
        let proposal = quorum.propose(bytes(&batch))?;
        self.next_offset = batch.header().next_offset();
        Ok(proposal.index)
    }

    /// Where the next batch begins, and in which epoch.
    pub(super) fn next(&self) -> (i64, i32) {
        (self.next_offset, self.epoch)
    }

    /// Has the members change together with the record that says so. Answers the entry with which they do; if that is refused
    /// nothing is in the log.
    pub(super) fn change_members(
        &mut self,
        quorum: &mut Quorum<RocksStore>,
        change: Change,
        batch: &CheckedBatch,
    ) -> Result<u64, ChangeRefused> {
        let proposal = quorum.change(change, &bytes(batch))?;
        self.next_offset = batch.header().next_offset();
        Ok(proposal.index)
    }

    /// All below an offset is committed: answers what callers are told.
    pub(super) fn committed(&mut self, end: i64) -> Vec<(Ticket, Reply)> {
        self.shard.as_mut().map(|shard| shard.committed(end).replies).unwrap_or_default()
    }
}

fn bytes(batch: &CheckedBatch) -> Bytes {
    let mut bytes = Vec::with_capacity(batch.size_in_bytes());
    bytes.extend_from_slice(&batch.head());
    bytes.extend_from_slice(&batch.tail());
    Bytes::from(bytes)
}
