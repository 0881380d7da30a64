//! A leader asks for another in-sync set, or says that it has recovered from an unclean election (KIP-497, KIP-704, KIP-903).

use super::change::{Change, RECOVERING, Rules};
use super::context::{Context, Decision};
use crate::image::{Partition, Topic};
use crate::{ApiError, MetadataRecord};
use ottla_protocol::{ErrorCode, Uuid};

/// See [`super::Event::AlterPartition`].
#[derive(Clone, Debug)]
pub struct AlterPartition {
    /// The leader.
    pub broker_id: i32,
    /// The epoch it registered with.
    pub broker_epoch: i64,
    /// What it asks for.
    pub partitions: Vec<IsrChange>,
}

/// What a leader wants one partition to be.
#[derive(Clone, Debug)]
pub struct IsrChange {
    /// The topic.
    pub topic_id: Uuid,
    /// The partition's number.
    pub partition: i32,
    /// The epoch it leads in.
    pub leader_epoch: i32,
    /// The epoch of the partition that it knows.
    pub partition_epoch: i32,
    /// The brokers that are to be in sync.
    pub isr: Vec<IsrMember>,
    /// Whether it still recovers from an unclean election.
    pub leader_recovery_state: i8,
}

/// A broker that is to be in sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IsrMember {
    /// Its id.
    pub broker_id: i32,
    /// The epoch that it fetched with; -1 if the leader does not know it (before KIP-903).
    pub broker_epoch: i64,
}

/// What became of each partition, in order.
pub type AlteredPartitions = Vec<Result<Partition, ErrorCode>>;

pub(super) fn decide(c: &Context<'_>, event: AlterPartition) -> Result<Decision<AlteredPartitions>, ApiError> {
    c.check_broker_epoch(event.broker_id, event.broker_epoch)?;
    let mut records = Vec::new();
    let mut reply = Vec::new();
    for wanted in &event.partitions {
        reply.push(alter(c, event.broker_id, wanted, &mut records));
    }
    Ok(Decision { records, reply })
}

fn alter(
    c: &Context<'_>,
    leader: i32,
    wanted: &IsrChange,
    records: &mut Vec<MetadataRecord>,
) -> Result<Partition, ErrorCode> {
    let topic = c.topics().by_id(&wanted.topic_id).ok_or(ErrorCode::UnknownTopicId)?;
    let old = check(c, leader, wanted, topic)?;
    let rules = Rules::of(c, topic);
    let mut change = Change::new(c, &rules, old);
    change.election = rules.election();
    change.isr = wanted.isr.iter().map(|member| member.broker_id).collect();
    change.leader_recovery_state = wanted.leader_recovery_state;
    let Some(record) = change.record(topic.id, wanted.partition) else {
        return Ok(old.clone());
    };
    let new = match &record {
        MetadataRecord::PartitionChange(change) => old.merge(change),
        _ => old.clone(),
    };
    records.push(record);
    // A reassignment that this completes may take the leadership from the one who asked: it must learn what is.
    match new.leader == leader {
        true => Ok(new),
        false => Err(ErrorCode::NewLeaderElected),
    }
}

fn check<'a>(c: &Context<'_>, leader: i32, wanted: &IsrChange, topic: &'a Topic) -> Result<&'a Partition, ErrorCode> {
    let partition = topic.partitions.get(&wanted.partition).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    if wanted.leader_epoch > partition.leader_epoch || wanted.partition_epoch > partition.partition_epoch {
        // The leader knows more than this controller, which then is not the active one any more.
        return Err(ErrorCode::NotController);
    }
    if wanted.leader_epoch < partition.leader_epoch {
        return Err(ErrorCode::FencedLeaderEpoch);
    }
    if leader != partition.leader {
        return Err(ErrorCode::InvalidRequest);
    }
    if wanted.partition_epoch < partition.partition_epoch {
        return Err(ErrorCode::InvalidUpdateVersion);
    }
    let recovering = wanted.leader_recovery_state == RECOVERING;
    let recovers_alone = !recovering || wanted.isr.len() <= 1;
    let may_recover = !recovering || partition.leader_recovery_state == RECOVERING;
    let known_state = matches!(wanted.leader_recovery_state, 0 | RECOVERING);
    if !is_isr(partition, &wanted.isr, leader) || !recovers_alone || !may_recover || !known_state {
        return Err(ErrorCode::InvalidRequest);
    }
    match wanted.isr.iter().all(|member| is_eligible(c, *member)) {
        true => Ok(partition),
        false => Err(ErrorCode::IneligibleReplica),
    }
}

/// Replicas, none of them twice, and the leader among them.
fn is_isr(partition: &Partition, isr: &[IsrMember], leader: i32) -> bool {
    let times = |id: i32| isr.iter().filter(|member| member.broker_id == id).count();
    let once = |member: &IsrMember| times(member.broker_id) == 1 && partition.replicas.contains(&member.broker_id);
    isr.iter().all(once) && times(leader) == 1
}

fn is_eligible(c: &Context<'_>, member: IsrMember) -> bool {
    let broker = c.cluster().broker(member.broker_id).filter(|broker| broker.is_active());
    broker.is_some_and(|broker| member.broker_epoch == -1 || broker.epoch == member.broker_epoch)
}
