//! Which file decides which event.

use super::context::{Context, Decision};
use super::*;
use core::time::Duration;
use ottla_protocol::ErrorCode;

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
        Event::CreateTopics(ticket, e) => {
            let result = c.commit(out, create_topics::decide(&c, e));
            (ticket, Reply::CreateTopics(result))
        }
        Event::DeleteTopics(ticket, e) => {
            let result = c.commit(out, delete_topics::decide(&c, e));
            (ticket, Reply::DeleteTopics(result))
        }
        Event::CreatePartitions(ticket, e) => {
            let result = c.commit(out, create_partitions::decide(&c, e));
            (ticket, Reply::CreatePartitions(result))
        }
        Event::IncrementalAlterConfigs(ticket, e) => {
            let result = c.commit(out, alter_configs::decide_incremental(&c, e));
            (ticket, Reply::IncrementalAlterConfigs(result))
        }
        Event::AlterConfigs(ticket, e) => {
            let result = c.commit(out, alter_configs::decide_legacy(&c, e));
            (ticket, Reply::AlterConfigs(result))
        }
        Event::AllocateProducerIds(ticket, e) => {
            let result = c.commit(out, producer_ids::decide(&c, e));
            (ticket, Reply::AllocateProducerIds(result))
        }
        Event::RegisterBroker(ticket, e) => {
            let result = timed(out, brokers::register(&c, soft, now, e));
            (ticket, Reply::RegisterBroker(result))
        }
        Event::BrokerHeartbeat(ticket, e) => {
            let result = timed(out, brokers::heartbeat(&c, soft, now, e));
            (ticket, Reply::BrokerHeartbeat(result))
        }
        Event::AssignReplicas(ticket, e) => {
            let result = assign_replicas::decide(&c, e).map(|d| whole(out, d));
            (ticket, Reply::AssignReplicas(result))
        }
        Event::UnregisterBroker(ticket, e) => {
            let result = brokers::unregister(&c, e).map(|d| whole(out, d));
            (ticket, Reply::UnregisterBroker(result))
        }
        Event::RegisterController(ticket, e) => {
            let result = c.commit(out, register_controller::decide(&c, e));
            (ticket, Reply::RegisterController(result))
        }
        Event::Timeout(Timer::BrokerSession(id)) => {
            let records = brokers::session_ended(&c, soft, id);
            return whole(out, Decision { records, reply: () });
        }
    };
    out.reply(ticket, reply);
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
        Event::Timeout(_) => return,
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
        Event::UnregisterBroker(ticket, _) => (ticket, Reply::UnregisterBroker(Err(error))),
        Event::RegisterController(ticket, _) => (ticket, Reply::RegisterController(Err(error))),
    };
    out.reply(ticket, reply);
}
