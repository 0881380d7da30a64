//! What comes of commands, as lines.

use super::world::World;
use crate::*;
use ottla_protocol::codec::Decoder;
use ottla_protocol::stored::ConsumerProtocolSubscription;
use ottla_protocol::{Bytes, Message, Str};

fn metadata(metadata: &Bytes) -> String {
    let mut decoder = Decoder::new(metadata.clone());
    let subscription = decoder.int16().and_then(|_| ConsumerProtocolSubscription::read(&mut decoder, 0));
    match subscription {
        Ok(subscription) => subscription.topics.iter().map(Str::as_str).collect::<Vec<_>>().join("+"),
        Err(_) => text(metadata),
    }
}

fn text(bytes: &Bytes) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn error(error: Error) -> String {
    error.code().name().to_owned()
}

fn result(result: &Result<(), Error>) -> String {
    result.map_or_else(error, |()| "ok".to_owned())
}

fn join<T>(items: &[T], show: impl Fn(&T) -> String) -> String {
    items.iter().map(show).collect::<Vec<_>>().join(" ")
}

pub(super) fn reply(ticket: u64, reply: &Reply) -> String {
    let shown = match reply {
        Reply::JoinGroup(Ok(j)) => joined(j),
        Reply::JoinGroup(Err(refused)) => format!("{} {:?}", error(refused.error), refused.member_id),
        Reply::SyncGroup(Ok(s)) => {
            let protocol = s.protocol_name.as_deref().unwrap_or("null");
            format!("synced {protocol} {:?}", text(&s.assignment))
        }
        Reply::SyncGroup(Err(e)) => error(*e),
        Reply::Heartbeat(r) => result(r),
        Reply::LeaveGroup(Ok(members)) => join(members, |m| {
            let instance = m.group_instance_id.as_ref().map(|i| format!("@{i}")).unwrap_or_default();
            format!("{}{instance}={}", m.member_id, result(&m.result))
        }),
        Reply::LeaveGroup(Err(e)) => error(*e),
        Reply::DescribeGroups(groups) => join(groups, described),
        Reply::ListGroups(groups) => {
            join(groups, |g| format!("{}:{}:{}:{}", g.group_id, g.protocol_type, g.state, g.group_type))
        }
        Reply::DeleteGroups(groups) => join(groups, |g| format!("{}={}", g.group_id, result(&g.result))),
        Reply::OffsetCommit(Ok(topics)) => join(topics, |t| partitions(&t.name, &t.partitions)),
        Reply::OffsetDelete(Ok(topics)) => join(topics, |t| partitions(&t.name, &t.partitions)),
        Reply::OffsetFetch(Ok(topics)) => join(topics, fetched),
        Reply::OffsetCommit(Err(e)) | Reply::OffsetDelete(Err(e)) | Reply::OffsetFetch(Err(e)) => error(*e),
    };
    format!("{ticket}: {shown}").trim_end().to_owned()
}

fn joined(j: &Joined) -> String {
    let skip = if j.skip_assignment { " skip-assignment" } else { "" };
    let members = join(&j.members, |m| {
        let instance = m.group_instance_id.as_ref().map(|i| format!("@{i}")).unwrap_or_default();
        format!("{}{instance}:{}", m.member_id, metadata(&m.metadata))
    });
    let protocol = j.protocol_name.as_deref().unwrap_or("null");
    format!("joined {} gen={} {protocol} leader={}{skip} {members}", j.member_id, j.generation_id, j.leader)
}

fn described(g: &DescribedGroup) -> String {
    let error = g.error.map(|e| format!(" {} {:?}", error(e), g.error_message)).unwrap_or_default();
    let members = join(&g.members, |m| {
        let instance = m.group_instance_id.as_ref().map(|i| format!("@{i}")).unwrap_or_default();
        let (metadata, assignment) = (metadata(&m.member_metadata), text(&m.member_assignment));
        format!("{}{instance}({} {} {metadata:?} {assignment:?})", m.member_id, m.client_id, m.client_host)
    });
    format!("{}:{}:{}:{}{error} {members}", g.group_id, g.state, g.protocol_type, g.protocol_data)
}

fn partitions(topic: &Str, partitions: &[PartitionResult]) -> String {
    join(partitions, |p| format!("{topic}-{}={}", p.partition_index, result(&p.result)))
}

fn fetched(topic: &FetchedTopic) -> String {
    join(&topic.partitions, |p| {
        let metadata = if p.metadata.is_empty() { String::new() } else { format!(":{}", p.metadata) };
        let error = p.error.map(|e| format!(" {}", error(e))).unwrap_or_default();
        format!(
            "{}-{}={}@{}{metadata}{error}",
            topic.name, p.partition_index, p.committed_offset, p.committed_leader_epoch
        )
    })
}

/// The records since they were last asked for.
pub(super) fn records(world: &mut World) -> Vec<String> {
    let seen = core::mem::replace(&mut world.seen, world.log.len());
    let new = world.log.iter().skip(seen);
    new.map(|(key, value, producer_id)| {
        match CoordinatorRecord::decode(key.clone(), value.clone(), *producer_id).unwrap() {
            Decoded::Record(r) => record(&r),
            Decoded::Ignored { record_type } => format!("ignored {record_type}"),
        }
    })
    .collect()
}

fn record(record: &CoordinatorRecord) -> String {
    match record {
        CoordinatorRecord::Group { group_id, value: None } => format!("group {group_id} gone"),
        CoordinatorRecord::Group { group_id, value: Some(value) } => {
            let members = join(&value.members, |m| {
                let instance = m.group_instance_id.as_ref().map(|i| format!("@{i}")).unwrap_or_default();
                format!("{}{instance}:{}={:?}", m.member_id, metadata(&m.subscription), text(&m.assignment))
            });
            let name = |name: &Option<Str>| name.as_deref().unwrap_or("null").to_owned();
            let (protocol, leader) = (name(&value.protocol), name(&value.leader));
            let (generation, protocol_type) = (value.generation, &value.protocol_type);
            format!("group {group_id} gen={generation} {protocol_type:?} {protocol} leader={leader} {members}")
                .trim_end()
                .to_owned()
        }
        CoordinatorRecord::Offset { group_id, topic, partition, value, .. } => match value {
            Some(value) => format!("offset {group_id} {topic}-{partition}={}", value.committed_offset),
            None => format!("offset {group_id} {topic}-{partition} gone"),
        },
        CoordinatorRecord::TransactionEnd { .. } => "transaction end".to_owned(),
    }
}
