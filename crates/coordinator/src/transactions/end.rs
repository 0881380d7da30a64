//! EndTxn: a producer commits or aborts its transaction.

use super::machine::Step;
use super::transaction::{BUMPS_EPOCH_SINCE, Prepare, Producer, Transaction};
use super::{EndTransaction, Error, State, markers};
use ottla_protocol::Str;

/// What comes of a request to end a transaction.
enum Ending {
    /// It is to be ended.
    Now,
    /// It has ended so: the request was sent again.
    Done,
}

/// Decides how the transaction ends and answers what the producer is from then on, which since `transaction.version` 2
/// has a new epoch.
pub(super) fn end(step: &mut Step<'_>, request: EndTransaction) -> Result<Producer, Error> {
    let id = &request.transactional_id;
    let transaction = step.hard.transactions.get(id).ok_or(Error::InvalidProducerIdMapping)?;
    let ending = match request.client_version >= BUMPS_EPOCH_SINCE {
        true => by_epoch(transaction, request.producer, request.committed)?,
        false => by_state(transaction, request.producer, request.committed)?,
    };
    match ending {
        Ending::Done => Ok(transaction.producer),
        Ending::Now => {
            let EndTransaction { committed, client_version, new_producer_id, .. } = request;
            prepare(step, id, transaction, Prepare { committed, client_version, new_producer_id })
        }
    }
}

/// Records how the transaction ends, has its partitions told, and answers what the producer is then.
pub(super) fn prepare(
    step: &mut Step<'_>,
    id: &Str,
    transaction: &Transaction,
    end: Prepare,
) -> Result<Producer, Error> {
    let prepared = transaction.prepared(end, step.now.wall_ms)?;
    let completed = prepared.completed(step.now.wall_ms);
    // As the last to change it was the coordinator, no epoch before counts for one that was given.
    step.put(id, prepared.clone())?;
    match end.client_version >= BUMPS_EPOCH_SINCE {
        true => step.soft.last_epochs.insert(id.clone(), transaction.producer.epoch),
        false => None,
    };
    let producer = completed.producer;
    if prepared.partitions.is_empty() {
        step.put(id, completed)?;
    } else {
        markers::tell(step, id, &prepared);
    }
    Ok(producer)
}

/// As it was before KIP-890: the state says whether the request is one sent again.
fn by_state(transaction: &Transaction, producer: Producer, committed: bool) -> Result<Ending, Error> {
    if transaction.producer.id != producer.id {
        return Err(Error::InvalidProducerIdMapping);
    }
    if transaction.producer.epoch != producer.epoch {
        return Err(Error::ProducerFenced);
    }
    match (transaction.state, committed) {
        (State::Ongoing, _) => Ok(Ending::Now),
        (State::CompleteCommit, true) | (State::CompleteAbort, false) => Ok(Ending::Done),
        (State::PrepareCommit | State::PrepareAbort, _) => Err(Error::ConcurrentTransactions),
        _ => Err(Error::InvalidTxnState),
    }
}

/// Since KIP-890 the epoch says it: who ended the transaction has the one before. A transaction to which nothing was
/// added may be aborted, which only the producer can know of: also while the partitions of the one before are told, as the
/// producer has its new epoch by then, and comes again.
fn by_epoch(transaction: &Transaction, producer: Producer, committed: bool) -> Result<Ending, Error> {
    if transaction.state.is_prepared() {
        return Err(Error::ConcurrentTransactions);
    }
    let current = transaction.producer;
    let got_other_id =
        transaction.previous_producer_id == producer.id && producer.epoch == i16::MAX - 1 && current.epoch == 0;
    let got_epoch = i32::from(current.epoch) == i32::from(producer.epoch) + 1;
    if current.id != producer.id && !got_other_id {
        return Err(Error::InvalidProducerIdMapping);
    }
    let is_current = producer.epoch == current.epoch;
    let is_again = got_epoch || got_other_id;
    let is_valid = match transaction.state {
        State::Ongoing | State::Empty => is_current,
        _ => is_again || is_current,
    };
    if !is_valid {
        return Err(Error::ProducerFenced);
    }
    match (transaction.state, committed) {
        (State::Ongoing, _) | (State::Empty, false) => Ok(Ending::Now),
        (State::CompleteCommit, true) | (State::CompleteAbort, false) if is_again => Ok(Ending::Done),
        (State::CompleteCommit | State::CompleteAbort, false) if !is_again => Ok(Ending::Now),
        _ => Err(Error::InvalidTxnState),
    }
}
