//! Transactions that last too long are aborted, and ids that nobody uses are forgotten.

use super::machine::Step;
use super::transaction::{BUMPS_EPOCH_SINCE, Prepare};
use super::{Effect, Error, Producer, Timer, Transaction, TransactionRecord, end};
use crate::Level;
use ottla_protocol::Str;

/// Aborts an open transaction on the coordinator's own account, so that its producer cannot go on.
pub(super) fn fence(
    step: &mut Step<'_>,
    id: &Str,
    transaction: &Transaction,
    new_producer_id: Option<i64>,
) -> Result<(), Error> {
    let client_version = step.soft.settings.transaction_version;
    if client_version >= BUMPS_EPOCH_SINCE {
        // Any end of a transaction gives a new epoch.
        let abort = Prepare { committed: false, client_version, new_producer_id };
        end::prepare(step, id, transaction, abort)?;
        step.soft.last_epochs.remove(id);
        return Ok(());
    }
    let mut fenced = transaction.clone();
    fenced.producer.epoch = fenced.producer.epoch.saturating_add(1);
    end::prepare(step, id, &fenced, Prepare { committed: false, client_version: 0, new_producer_id: None })?;
    step.soft.last_epochs.remove(id);
    Ok(())
}

/// Aborts what has lasted too long; the rest another time, if that is more than a batch can hold.
pub(super) fn abort_timed_out(step: &mut Step<'_>) {
    let hard = step.hard;
    let mut room = step.room();
    let timed_out = hard.transactions.iter().filter(|(_, it)| it.is_timed_out(step.now.wall_ms));
    for (id, transaction) in timed_out.collect::<Vec<_>>() {
        let bytes = step.record_of(id, transaction.clone()).max_bytes();
        let Some(left) = room.checked_sub(bytes) else {
            return step.set_timer(Timer::Abort, 0);
        };
        room = left;
        abort_one(step, id, transaction, None);
    }
    step.set_timer(Timer::Abort, step.soft.settings.abort_interval_ms);
}

/// Aborts a transaction for which a producer id was brought, if it is still the same.
pub(super) fn abort(step: &mut Step<'_>, id: &Str, producer: Producer, new_producer_id: i64) {
    let transaction = step.hard.transactions.get(id);
    let is_same = |it: &&Transaction| it.producer == producer && it.is_timed_out(step.now.wall_ms);
    if let Some(transaction) = transaction.filter(is_same) {
        abort_one(step, id, transaction, Some(new_producer_id));
    }
}

fn abort_one(step: &mut Step<'_>, id: &Str, transaction: &Transaction, new_producer_id: Option<i64>) {
    let producer = transaction.producer;
    match fence(step, id, transaction, new_producer_id) {
        Ok(()) => {
            let timeout_ms = transaction.timeout_ms;
            let message = format!("its transaction of producer {producer} is aborted after {timeout_ms} ms");
            step.log(Level::Info, id, message);
        }
        Err(Error::NeedsProducerId) => {
            step.out.effect(Effect::NeedProducerId { transactional_id: id.clone(), producer });
        }
        Err(error) => step.log(Level::Warn, id, format!("its transaction cannot be aborted: {error}")),
    }
}

/// Forgets ids without an open transaction that were not used for long; the rest another time, if they are many.
pub(super) fn forget_unused(step: &mut Step<'_>) {
    let hard = step.hard;
    let since_ms = step.now.wall_ms.saturating_sub(step.soft.settings.id_expiration_ms);
    let mut room = step.room();
    for (id, transaction) in &hard.transactions {
        let is_open = transaction.state == super::State::Ongoing || transaction.state.is_prepared();
        if is_open || transaction.last_update_ms > since_ms {
            continue;
        }
        let record = TransactionRecord::tombstone(id.clone());
        let Some(left) = room.checked_sub(record.max_bytes()) else {
            return step.set_timer(Timer::Expiry, 0);
        };
        room = left;
        step.out.record(record);
        step.soft.last_epochs.remove(id);
    }
    step.set_timer(Timer::Expiry, step.soft.settings.expiry_interval_ms);
}
