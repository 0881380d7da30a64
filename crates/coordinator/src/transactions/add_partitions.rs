//! AddPartitionsToTxn: partitions come into a transaction, or are asked whether they are in it (KIP-890).

use super::machine::{Hard, Step};
use super::transaction::{Producer, Transaction};
use super::{AddPartitions, Error, Partitions, Reply, State, Timer, VerifyPartitions};
use ottla_protocol::Str;
use ottla_state_machine::Ticket;

/// Adds partitions; the first of them begin a transaction. While the one before is being ended the answer waits for that, as long
/// as the settings allow: a producer that had to come again would be slower.
pub(super) fn add(step: &mut Step<'_>, ticket: Ticket, request: AddPartitions) {
    match try_to_add(step, &request) {
        Err(Error::ConcurrentTransactions) if step.soft.settings.add_partitions_wait_ms > 0 => {
            let id = request.transactional_id.clone();
            step.set_timer(Timer::Waiting(id.clone()), step.soft.settings.add_partitions_wait_ms);
            if let Some((before, _)) = step.soft.waiting.insert(id, (ticket, request)) {
                step.out.reply(before, Reply::AddPartitions(Err(Error::ConcurrentTransactions)));
            }
        }
        reply => step.out.reply(ticket, Reply::AddPartitions(reply)),
    }
}

/// The transaction before is over, or has been waited for long enough.
pub(super) fn add_waiting(step: &mut Step<'_>, id: &Str) {
    if let Some((ticket, request)) = step.soft.waiting.remove(id) {
        let reply = try_to_add(step, &request);
        step.out.reply(ticket, Reply::AddPartitions(reply));
    }
}

fn try_to_add(step: &mut Step<'_>, request: &AddPartitions) -> Result<(), Error> {
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

/// The transaction of a producer, unless it is being ended. Whoever ended it may have been told of its next producer id.
fn current<'a>(hard: &'a Hard, transactional_id: &Str, producer: Producer) -> Result<&'a Transaction, Error> {
    let transaction = hard.transactions.get(transactional_id).ok_or(Error::InvalidProducerIdMapping)?;
    let is_prepared = transaction.state.is_prepared();
    let is_next = is_prepared && producer == Producer { id: transaction.next_producer_id, epoch: 0 };
    if transaction.producer.id != producer.id && !is_next {
        Err(Error::InvalidProducerIdMapping)
    } else if transaction.producer.epoch != producer.epoch && !is_next {
        Err(Error::ProducerFenced)
    } else if is_prepared {
        Err(Error::ConcurrentTransactions)
    } else {
        Ok(transaction)
    }
}
