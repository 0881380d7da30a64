//! Which batches belong to aborted transactions, and which markers have nothing left to mark.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use ottla_protocol::batch::control::ControlType;
use ottla_protocol::batch::{CheckedBatch, Error, Header};

use crate::segment::AbortedTxn;

/// The transactions that are open where a pass over the log has come to. It goes on from segment to segment.
#[derive(Debug, Default)]
pub(super) struct Transactions {
    /// Aborted ones that start further on, by first offset: first offset, then the rest.
    ahead: BinaryHeap<Reverse<(i64, i64, i64, i64)>>,
    /// Aborted ones by producer, and whether a batch of theirs was seen.
    aborted: BTreeMap<i64, (AbortedTxn, bool)>,
    /// Producers with batches of transactions that were committed later on.
    committed: BTreeSet<i64>,
}

/// What a control batch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// Nothing that is still there: the batch may go.
    Nothing,
    /// Something: the batch stays, and for an aborted transaction its entry in the index.
    Something(Option<AbortedTxn>),
}

impl Transactions {
    /// Adds aborted transactions that the batches to come may be part of.
    pub(super) fn add_aborted(&mut self, txns: Vec<AbortedTxn>) {
        let key =
            |txn: AbortedTxn| Reverse((txn.first_offset, txn.last_offset, txn.producer_id, txn.last_stable_offset));
        self.ahead.extend(txns.into_iter().map(key));
    }

    /// Takes in a batch of records; true if it is part of an aborted transaction.
    pub(super) fn data(&mut self, header: &Header) -> bool {
        self.advance(header.last_offset());
        if !header.attributes.is_transactional() {
            return false;
        }
        match self.aborted.get_mut(&header.producer_id) {
            Some((_, seen)) => {
                *seen = true;
                true
            }
            None => {
                self.committed.insert(header.producer_id);
                false
            }
        }
    }

    /// Takes in a control batch.
    pub(super) fn control(&mut self, batch: &CheckedBatch) -> Result<Ended, Error> {
        let header = batch.header();
        self.advance(header.last_offset());
        let Some(record) = batch.records(&super::LIMITS).next().transpose()? else { return Ok(Ended::Nothing) };
        Ok(match ControlType::decode_key(&record.key.unwrap_or_default())? {
            ControlType::Abort => match self.aborted.remove(&header.producer_id) {
                Some((txn, true)) => Ended::Something(Some(txn)),
                _ => Ended::Nothing,
            },
            ControlType::Commit if !self.committed.remove(&header.producer_id) => Ended::Nothing,
            _ => Ended::Something(None),
        })
    }

    /// Opens the aborted transactions that start at `offset` or before.
    fn advance(&mut self, offset: i64) {
        while let Some(Reverse((first_offset, last_offset, producer_id, last_stable_offset))) =
            self.ahead.peek().copied()
        {
            if first_offset > offset {
                break;
            }
            self.ahead.pop();
            let txn = AbortedTxn { producer_id, first_offset, last_offset, last_stable_offset };
            self.aborted.entry(producer_id).or_insert((txn, false));
        }
    }
}
