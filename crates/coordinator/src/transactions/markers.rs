//! Partitions are told how a transaction ended, and when all have heard, so is the log.

use super::machine::Step;
use super::{Effect, Markers, Partitions, Producer, State, Timer, Transaction};
use crate::Level;
use ottla_protocol::Str;

/// Has the partitions of a transaction told how it ends.
pub(super) fn tell(step: &mut Step<'_>, id: &Str, prepared: &Transaction) {
    step.soft.untold.insert(id.clone(), (prepared.producer, prepared.partitions.clone()));
    step.out.effect(Effect::WriteMarkers(Markers {
        transactional_id: id.clone(),
        producer: prepared.producer,
        committed: prepared.state == State::PrepareCommit,
        partitions: prepared.partitions.clone(),
        transaction_version: prepared.client_version,
    }));
}

/// Takes in who was told; what is said of a transaction that is over by now changes nothing.
pub(super) fn written(step: &mut Step<'_>, id: &Str, producer: Producer, partitions: &Partitions) {
    let Some((_, untold)) = step.soft.untold.get_mut(id).filter(|(told_by, _)| *told_by == producer) else {
        return;
    };
    partitions.iter().for_each(|(topic, partition)| untold.remove(topic, partition));
    if !untold.is_empty() {
        return;
    }
    step.soft.untold.remove(id);
    let prepared = step.hard.transactions.get(id);
    if let Some(prepared) = prepared.filter(|it| it.state.is_prepared() && it.producer == producer) {
        let completed = prepared.completed(step.now.wall_ms);
        if let Err(error) = step.put(id, completed) {
            step.log(Level::Warn, id, format!("the end of its transaction cannot be recorded: {error}"));
        }
    }
    if step.soft.waiting.contains_key(id) {
        // When this is taken in.
        step.set_timer(Timer::Waiting(id.clone()), 0);
    }
}
