//! Consumer groups (KIP-848): what is refused, how members are assigned, leave and come back, and asking about groups.
//!
//! The broker must be run with `group.consumer.assignment.interval.ms=0`, as the tests do: with another
//! interval it depends on the clock which of two heartbeats is told of a new assignment.

mod admin;
mod life;
mod migration;
mod offsets;
mod reconciliation;
mod refusals;
mod regex;
mod statics;
mod timeouts;

use crate::differential::run::Run;
use m::{
    ConsumerGroupHeartbeatRequest as Heartbeat, ConsumerGroupHeartbeatResponse as Answer,
    consumer_group_heartbeat_request::TopicPartitions,
};
use ottla_protocol::{
    ApiKey, Str,
    any::{AnyRequest, AnyResponse},
    messages as m,
};

pub(super) fn play(run: &mut Run) -> anyhow::Result<()> {
    if run.versions(ApiKey::ConsumerGroupHeartbeat).is_empty() {
        return Ok(());
    }
    // Coordinators come to know of topics in the background, so those that are subscribed to at once come first of all.
    for (topic, partitions) in [("d-consumed", 4), ("d-consumed-too", 2), ("d-growing", 1)] {
        run.topic(topic, partitions, &[])?;
    }
    refusals::play(run)?;
    life::play(run)?;
    reconciliation::play(run)?;
    statics::play(run)?;
    timeouts::play(run)?;
    regex::play(run)?;
    offsets::play(run)?;
    migration::play(run)?;
    admin::play(run)
}

/// A member that lives, and has nothing new to say.
fn beat(group: &str, member: &str, epoch: i32) -> Heartbeat {
    Heartbeat { group_id: Str::from(group), member_id: Str::from(member), member_epoch: epoch, ..Default::default() }
}

/// A member that joins.
fn join(group: &str, member: &str, topics: &[&str]) -> Heartbeat {
    Heartbeat {
        rebalance_timeout_ms: 30_000,
        subscribed_topic_names: Some(names(topics)),
        topic_partitions: Some(Vec::new()),
        ..beat(group, member, 0)
    }
}

fn names(topics: &[&str]) -> Vec<Str> {
    topics.iter().map(|topic| Str::from(*topic)).collect()
}

fn regex(expression: &str) -> Option<Str> {
    Some(Str::from(expression))
}

/// What a member holds.
fn owned(run: &Run, topics: &[(&str, &[i32])]) -> Option<Vec<TopicPartitions>> {
    let topics = topics.iter().map(|(topic, partitions)| TopicPartitions {
        topic_id: run.id(topic),
        partitions: partitions.to_vec(),
        ..Default::default()
    });
    Some(topics.collect())
}

/// Sends a heartbeat at the newest version.
fn newest(run: &mut Run, step: &str, request: Heartbeat) -> anyhow::Result<()> {
    let version = run.newest(ApiKey::ConsumerGroupHeartbeat);
    run.one(&format!("consumer-{step}"), version, &AnyRequest::ConsumerGroupHeartbeat(request)).map(drop)
}

/// A member that goes on with the epoch it was told last.
struct Member {
    group: String,
    id: String,
    epoch: i32,
    version: i16,
}

impl Member {
    /// A member that has not joined yet, and will do so in the newest version.
    fn new(run: &Run, group: &str, id: &str) -> Self {
        let version = run.newest(ApiKey::ConsumerGroupHeartbeat);
        Self { group: group.to_owned(), id: id.to_owned(), epoch: 0, version }
    }

    /// A member that joins.
    fn joins(run: &mut Run, step: &str, group: &str, id: &str, topics: &[&str]) -> anyhow::Result<Self> {
        let mut member = Self::new(run, group, id);
        member.says(run, step, join(group, id, topics))?;
        Ok(member)
    }

    fn beat(&self) -> Heartbeat {
        beat(&self.group, &self.id, self.epoch)
    }

    /// It says what it holds of the topic with four partitions.
    fn holding(&self, run: &Run, partitions: &[i32]) -> Heartbeat {
        let topics: &[(&str, &[i32])] = if partitions.is_empty() { &[] } else { &[("d-consumed", partitions)] };
        Heartbeat { topic_partitions: owned(run, topics), ..self.beat() }
    }

    fn says(&mut self, run: &mut Run, step: &str, request: Heartbeat) -> anyhow::Result<()> {
        let request = AnyRequest::ConsumerGroupHeartbeat(request);
        let answer = run.one(&format!("consumer-{step}"), self.version, &request)?;
        if let Some(AnyResponse::ConsumerGroupHeartbeat(answer)) = answer {
            self.learn(&answer);
        }
        Ok(())
    }

    fn learn(&mut self, answer: &Answer) {
        if answer.error_code == 0 && answer.member_epoch > 0 {
            self.epoch = answer.member_epoch;
        }
    }

    fn beats(&mut self, run: &mut Run, step: &str) -> anyhow::Result<()> {
        self.says(run, step, self.beat())
    }

    fn holds(&mut self, run: &mut Run, step: &str, partitions: &[i32]) -> anyhow::Result<()> {
        let request = self.holding(run, partitions);
        self.says(run, step, request)
    }

    fn leaves(&mut self, run: &mut Run, step: &str) -> anyhow::Result<()> {
        self.says(run, step, beat(&self.group, &self.id, -1))
    }

    /// Sends heartbeats with nothing to say until `done`, whose answers are not compared: what a broker comes to know of
    /// in the background, it knows after some of them.
    fn waits(&mut self, run: &mut Run, what: &str, done: impl Fn(&Answer) -> bool) -> anyhow::Result<()> {
        run.until(what, |run| {
            let request = AnyRequest::ConsumerGroupHeartbeat(self.beat());
            let AnyResponse::ConsumerGroupHeartbeat(answer) = run.quietly(&request)? else { return Ok(false) };
            self.learn(&answer);
            Ok(done(&answer))
        })
    }
}

/// How many partitions an answer gives the member; none if it says nothing of them.
fn assigned(answer: &Answer) -> Option<usize> {
    let topics = &answer.assignment.as_ref()?.topic_partitions;
    Some(topics.iter().map(|topic| topic.partitions.len()).sum())
}

/// The groups as ConsumerGroupDescribe has them, at every version.
fn describe(run: &mut Run, step: &str, groups: &[&str]) -> anyhow::Result<()> {
    run.each(&format!("consumer-describe-{step}"), ApiKey::ConsumerGroupDescribe, |_| {
        AnyRequest::ConsumerGroupDescribe(m::ConsumerGroupDescribeRequest {
            group_ids: names(groups),
            ..Default::default()
        })
    })
}

/// The first member of a group with configs of its own, which come to be known of in the background: so it is not compared
/// what it is told.
fn configured(run: &mut Run, joining: Heartbeat, configs: &[(&str, &str)]) -> anyhow::Result<Member> {
    const INTERVAL_MS: i32 = 700;
    let mut member = Member::new(run, &joining.group_id, &joining.member_id);
    let interval = INTERVAL_MS.to_string();
    let all: Vec<_> = configs.iter().copied().chain([("consumer.heartbeat.interval.ms", interval.as_str())]).collect();
    configure(run, &member.group, &all)?;
    if let AnyResponse::ConsumerGroupHeartbeat(answer) = run.quietly(&AnyRequest::ConsumerGroupHeartbeat(joining))? {
        member.learn(&answer);
    }
    member.waits(run, "the group's configs", |answer| answer.heartbeat_interval_ms == INTERVAL_MS)?;
    Ok(member)
}

fn configure(run: &mut Run, group: &str, configs: &[(&str, &str)]) -> anyhow::Result<()> {
    const GROUP_RESOURCE: i8 = 32;
    use m::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
    let configs = configs.iter().map(|(name, value)| AlterableConfig {
        name: Str::from(*name),
        value: Some(Str::from(*value)),
        ..Default::default()
    });
    let resource = AlterConfigsResource {
        resource_type: GROUP_RESOURCE,
        resource_name: Str::from(group),
        configs: configs.collect(),
        ..Default::default()
    };
    let request = m::IncrementalAlterConfigsRequest { resources: vec![resource], ..Default::default() };
    run.quietly(&AnyRequest::IncrementalAlterConfigs(request)).map(drop)
}
