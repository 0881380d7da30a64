//! InitProducerId: a producer takes a transactional id, and who had it before is fenced.

use super::machine::Step;
use super::transaction::{NO_PRODUCER_EPOCH, Transaction, is_exhausted};
use super::{Error, InitProducerId, Producer, State, expire};
use crate::Level;

/// Gives the producer its id and epoch. A transaction that is open is aborted first, and the producer is to come again.
pub(super) fn init(step: &mut Step<'_>, request: InitProducerId) -> Result<Producer, Error> {
    let id = &request.transactional_id;
    step.check_id(id)?;
    let timeout_ms = request.timeout_ms;
    if !(1..=step.soft.settings.max_timeout_ms).contains(&timeout_ms) {
        return Err(Error::InvalidTimeout);
    }
    let Some(transaction) = step.hard.transactions.get(id) else {
        let producer_id = request.new_producer_id.ok_or(Error::NeedsProducerId)?;
        let new = Transaction::new(producer_id, timeout_ms, step.now.wall_ms);
        return give(step, &request, new, NO_PRODUCER_EPOCH);
    };
    match transaction.state {
        // Whoever ended the transaction may have been told of its next producer id.
        State::PrepareCommit | State::PrepareAbort => Err(Error::ConcurrentTransactions),
        _ if request.expected.is_some_and(|expected| !is_or_was(transaction, expected)) => Err(Error::ProducerFenced),
        State::Ongoing => {
            expire::fence(step, id, transaction, request.new_producer_id)?;
            step.log(Level::Info, id, "its open transaction is aborted: a producer begins anew".to_owned());
            Err(Error::ConcurrentTransactions)
        }
        State::Empty | State::CompleteCommit | State::CompleteAbort => {
            let (producer, last_epoch) = next(step, transaction, &request)?;
            let next = transaction.initialized(producer, timeout_ms, step.now.wall_ms);
            give(step, &request, next, last_epoch)
        }
    }
}

/// Whether a producer that goes on has the id, or had the one before and used its epochs up: the answer that gave it the
/// new id may have been lost.
fn is_or_was(transaction: &Transaction, expected: Producer) -> bool {
    expected.id == transaction.producer.id
        || (expected.id == transaction.previous_producer_id && is_exhausted(expected.epoch))
}

/// What the producer becomes, and the epoch that counts as the one before.
fn next(step: &Step<'_>, transaction: &Transaction, request: &InitProducerId) -> Result<(Producer, i16), Error> {
    let current = transaction.producer;
    let expected = request.expected.map(|expected| expected.epoch);
    if expected.is_none_or(|epoch| epoch == current.epoch) {
        let last_epoch = expected.unwrap_or(NO_PRODUCER_EPOCH);
        if !transaction.is_epoch_exhausted() {
            return Ok((Producer { epoch: current.epoch + 1, ..current }, last_epoch));
        }
        let id = request.new_producer_id.ok_or(Error::NeedsProducerId)?;
        return Ok((Producer { id, epoch: 0 }, last_epoch));
    }
    // Who says the epoch before asks again, and is given what it was given.
    let last_epoch = step.soft.last_epochs.get(&request.transactional_id).copied();
    match last_epoch.filter(|last| expected == Some(*last)) {
        Some(last_epoch) => Ok((current, last_epoch)),
        None => Err(Error::ProducerFenced),
    }
}

fn give(step: &mut Step<'_>, request: &InitProducerId, next: Transaction, last_epoch: i16) -> Result<Producer, Error> {
    let id = &request.transactional_id;
    let producer = next.producer;
    step.put(id, next)?;
    match last_epoch {
        NO_PRODUCER_EPOCH => step.soft.last_epochs.remove(id),
        epoch => step.soft.last_epochs.insert(id.clone(), epoch),
    };
    Ok(producer)
}
