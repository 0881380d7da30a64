//! AddPartitionsToTxn: partitions come into a transaction, or are asked whether they are in it (KIP-890).

use super::machine::{Hard, Step};
use super::transaction::{Producer, Transaction};
use super::{AddPartitions, Error, Partitions, State, VerifyPartitions};
use ottla_protocol::Str;

/// Adds partitions; the first of them begin a transaction.
pub(super) fn add(step: &mut Step<'_>, request: AddPartitions) -> Result<(), Error> {
    let id = &request.transactional_id;
    let transaction = current(step.hard, id, request.producer)?;
    let known = |(topic, partition): (&Str, i32)| transaction.partitions.contains(topic, partition);
    if transaction.state == State::Ongoing && request.partitions.iter().all(known) {
        return Ok(());
    }
    let next = transaction.with(&request.partitions, request.client_version, step.now.wall_ms);
    step.put(id, next)
}

/// The partitions that are not in the transaction.
pub(super) fn verify(hard: &Hard, request: &VerifyPartitions) -> Result<Partitions, Error> {
    let transaction = current(hard, &request.transactional_id, request.producer)?;
    let partitions = request.partitions.iter();
    let missing = partitions.filter(|(topic, partition)| !transaction.partitions.contains(topic, *partition));
    Ok(missing.map(|(topic, partition)| (topic.clone(), partition)).collect())
}

/// The transaction of a producer, unless it is being ended.
fn current<'a>(hard: &'a Hard, transactional_id: &Str, producer: Producer) -> Result<&'a Transaction, Error> {
    let transaction = hard.transactions.get(transactional_id).ok_or(Error::InvalidProducerIdMapping)?;
    if transaction.producer.id != producer.id {
        Err(Error::InvalidProducerIdMapping)
    } else if transaction.producer.epoch != producer.epoch {
        Err(Error::ProducerFenced)
    } else if transaction.state.is_prepared() {
        Err(Error::ConcurrentTransactions)
    } else {
        Ok(transaction)
    }
}
