//! Which file decides which event.

use super::context::{Context, Decision};
use super::*;
use crate::record::NoOpRecord;
use core::time::Duration;
use ottla_protocol::ErrorCode;

/// Between two rounds of elections, so that other events are decided too.
const NEXT_ROUND: Duration = Duration::from_millis(10);

type Timed<T> = Result<(Decision<T>, (Timer, Duration)), ApiError>;

pub(super) fn decide(hard: &Hard, soft: &mut Soft, now: Duration, event: Event, out: &mut Outcome<Controller>) {
    if let Event::Activate(ticket, event) = event {
        return activate::decide(hard, soft, now, ticket, event, out);
    }
    let Some(settings) = soft.settings.clone() else {
        return refuse(event, out);
    };
    let c = Context { hard, settings: &settings };
    let (ticket, reply) = match event {
        Event::Activate(..) => return,
        Event::CreateTopics(ticket, e) => (ticket, Reply::CreateTopics(c.commit(out, create_topics::decide(&c, e)))),
        Event::DeleteTopics(ticket, e) => (ticket, Reply::DeleteTopics(c.commit(out, delete_topics::decide(&c, e)))),
        Event::CreatePartitions(ticket, e) => {
            (ticket, Reply::CreatePartitions(c.commit(out, create_partitions::decide(&c, e))))
        }
        Event::IncrementalAlterConfigs(ticket, e) => {
            (ticket, Reply::IncrementalAlterConfigs(c.commit(out, alter_configs::decide_incremental(&c, e))))
        }
        Event::AlterConfigs(ticket, e) => {
            (ticket, Reply::AlterConfigs(c.commit(out, alter_configs::decide_legacy(&c, e))))
        }
        Event::AllocateProducerIds(ticket, e) => {
            (ticket, Reply::AllocateProducerIds(c.commit(out, producer_ids::decide(&c, e))))
        }
        Event::RegisterBroker(ticket, e) => {
            (ticket, Reply::RegisterBroker(timed(out, brokers::register(&c, soft, now, e))))
        }
        Event::BrokerHeartbeat(ticket, e) => {
            (ticket, Reply::BrokerHeartbeat(timed(out, brokers::heartbeat(&c, soft, now, e))))
        }
        Event::AssignReplicas(ticket, e) => {
            (ticket, Reply::AssignReplicas(assign_replicas::decide(&c, e).map(|d| whole(out, d))))
        }
        Event::AlterPartition(ticket, e) => {
            (ticket, Reply::AlterPartition(alter_partition::decide(&c, e).map(|d| whole(out, d))))
        }
        Event::ElectLeaders(ticket, e) => (ticket, Reply::ElectLeaders(c.commit(out, elect_leaders::decide(&c, e)))),
        Event::Reassign(ticket, e) => (ticket, Reply::Reassign(c.commit(out, reassign::decide(&c, e)))),
        Event::ListReassignments(ticket, wanted) => {
            (ticket, Reply::ListReassignments(Ok(reassign::under_way(&c, wanted.as_deref()))))
        }
        Event::UpdateFeatures(ticket, e) => {
            (ticket, Reply::UpdateFeatures(c.commit(out, update_features::decide(&c, &e))))
        }
        Event::UnregisterBroker(ticket, e) => {
            (ticket, Reply::UnregisterBroker(brokers::unregister(&c, e).map(|d| whole(out, d))))
        }
        Event::RegisterController(ticket, e) => {
            (ticket, Reply::RegisterController(c.commit(out, register_controller::decide(&c, e))))
        }
        Event::Resettle(settings) => return soft.settings = Some(settings),
        Event::BrokerGone { broker_id, broker_epoch } => {
            let records = brokers::gone(&c, soft, broker_id, broker_epoch);
            return whole(out, Decision { records, reply: () });
        }
        Event::Timeout(timer) => return timeout(&c, soft, now, timer, out),
    };
    out.reply(ticket, reply);
}

fn timeout(c: &Context<'_>, soft: &mut Soft, now: Duration, timer: Timer, out: &mut Outcome<Controller>) {
    let (records, interval) = match timer {
        Timer::BrokerSession(id) => (brokers::session_ended(c, soft, id), None),
        Timer::BalanceLeaders => (elect_leaders::round(c, ElectionKind::Preferred), c.settings.leader_balance_interval),
        Timer::ElectUnclean => {
            (elect_leaders::round(c, ElectionKind::Unclean), Some(c.settings.unclean_election_interval))
        }
        Timer::Idle => (vec![NoOpRecord::default().into()], c.settings.max_idle_interval),
    };
    if let Some(interval) = interval {
        let more = records.len() >= elect_leaders::MAX_ELECTIONS_PER_ROUND;
        let wait = if more { NEXT_ROUND } else { interval };
        out.set_timer(timer, now.saturating_add(wait));
    }
    whole(out, Decision { records, reply: () })
}

/// Hands on records that are as many as there are partitions on a broker; no request asked for them, so no limit of
/// requests holds them.
fn whole<T>(out: &mut Outcome<Controller>, decision: Decision<T>) -> T {
    for record in decision.records {
        out.record(record);
    }
    decision.reply
}

fn timed<T>(out: &mut Outcome<Controller>, decision: Timed<T>) -> Result<T, ApiError> {
    let (decision, (timer, at)) = decision?;
    out.set_timer(timer, at);
    Ok(whole(out, decision))
}

/// Answers while the controller does not serve.
fn refuse(event: Event, out: &mut Outcome<Controller>) {
    let error = ApiError::bare(ErrorCode::NotController);
    let (ticket, reply) = match event {
        Event::Timeout(_) | Event::BrokerGone { .. } | Event::Resettle(_) => return,
        Event::Activate(ticket, _) => (ticket, Reply::Activate(Err(error))),
        Event::CreateTopics(ticket, _) => (ticket, Reply::CreateTopics(Err(error))),
        Event::DeleteTopics(ticket, _) => (ticket, Reply::DeleteTopics(Err(error))),
        Event::CreatePartitions(ticket, _) => (ticket, Reply::CreatePartitions(Err(error))),
        Event::IncrementalAlterConfigs(ticket, _) => (ticket, Reply::IncrementalAlterConfigs(Err(error))),
        Event::AlterConfigs(ticket, _) => (ticket, Reply::AlterConfigs(Err(error))),
        Event::AllocateProducerIds(ticket, _) => (ticket, Reply::AllocateProducerIds(Err(error))),
        Event::RegisterBroker(ticket, _) => (ticket, Reply::RegisterBroker(Err(error))),
        Event::BrokerHeartbeat(ticket, _) => (ticket, Reply::BrokerHeartbeat(Err(error))),
        Event::AssignReplicas(ticket, _) => (ticket, Reply::AssignReplicas(Err(error))),
        Event::AlterPartition(ticket, _) => (ticket, Reply::AlterPartition(Err(error))),
        Event::ElectLeaders(ticket, _) => (ticket, Reply::ElectLeaders(Err(error))),
        Event::Reassign(ticket, _) => (ticket, Reply::Reassign(Err(error))),
        Event::ListReassignments(ticket, _) => (ticket, Reply::ListReassignments(Err(error))),
        Event::UpdateFeatures(ticket, _) => (ticket, Reply::UpdateFeatures(Err(error))),
        Event::UnregisterBroker(ticket, _) => (ticket, Reply::UnregisterBroker(Err(error))),
        Event::RegisterController(ticket, _) => (ticket, Reply::RegisterController(Err(error))),
    };
    out.reply(ticket, reply);
}
