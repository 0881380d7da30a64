//! What comes of commands, as lines.

use super::world::World;
use crate::*;
use ottla_protocol::codec::Decoder;
use ottla_protocol::stored::consumer_group_current_member_assignment_value::TopicPartitions;
use ottla_protocol::stored::consumer_protocol_assignment::TopicPartition;
use ottla_protocol::stored::{ConsumerProtocolAssignment, ConsumerProtocolSubscription};
use ottla_protocol::{Bytes, Message, Str, Uuid};

fn metadata(metadata: &Bytes) -> String {
    let mut decoder = Decoder::new(metadata.clone());
    let subscription = decoder.int16().and_then(|_| ConsumerProtocolSubscription::read(&mut decoder, 0));
    match subscription {
        Ok(subscription) => subscription.topics.iter().map(Str::as_str).collect::<Vec<_>>().join("+"),
        Err(_) => text(metadata),
    }
}

/// What a leader assigned: a consumer's partitions, or a text.
fn share(assignment: &Bytes) -> String {
    let mut decoder = Decoder::new(assignment.clone());
    match decoder.int16().and_then(|_| ConsumerProtocolAssignment::read(&mut decoder, 0)) {
        Ok(share) => {
            let partitions = |t: &TopicPartition| join(&t.partitions, |p| format!("{}-{p}", t.topic));
            format!("[{}]", join(&share.assigned_partitions, partitions))
        }
        Err(_) => format!("{:?}", text(assignment)),
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
        Reply::ConsumerGroupHeartbeat(Ok(answer)) => {
            let assignment = answer.assignment.as_ref().map(|a| format!(" [{}]", assignment(a))).unwrap_or_default();
            format!("{} epoch={}{assignment}", answer.member_id, answer.member_epoch)
        }
        Reply::ConsumerGroupHeartbeat(Err(refused)) => format!("{}: {}", error(refused.error), refused.message),
        Reply::ConsumerGroupDescribe(groups) => join(groups, described_consumer_group),
        Reply::JoinGroup(Ok(j)) => joined(j),
        Reply::JoinGroup(Err(refused)) => format!("{} {:?}", error(refused.error), refused.member_id),
        Reply::SyncGroup(Ok(s)) => {
            let protocol = s.protocol_name.as_deref().unwrap_or("null");
            format!("synced {protocol} {}", share(&s.assignment))
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
        Reply::MeasureGroups(groups) => join(groups, measured),
        Reply::DeleteGroups(groups) => join(groups, |g| format!("{}={}", g.group_id, result(&g.result))),
        Reply::OffsetCommit(Ok(topics)) => join(topics, |t| partitions(&t.name, &t.partitions)),
        Reply::OffsetDelete(Ok(topics)) => join(topics, |t| partitions(&t.name, &t.partitions)),
        Reply::OffsetFetch(Ok(topics)) => join(topics, fetched),
        Reply::OffsetCommit(Err(e)) | Reply::OffsetDelete(Err(e)) | Reply::OffsetFetch(Err(e)) => error(*e),
    };
    format!("{ticket}: {shown}").trim_end().to_owned()
}

fn measured(g: &MeasuredGroup) -> String {
    let topic =
        |(topic, offsets): &(Str, Vec<(i32, i64)>)| join(offsets, |(p, offset)| format!("{topic}-{p}={offset}"));
    let offsets = join(&g.offsets, topic);
    format!("{}:{}:{}:{} members [{offsets}]", g.group_id, g.group_type, g.state, g.members)
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

fn topic_name(id: Uuid) -> char {
    id.as_bytes().first().map_or('?', |byte| char::from(*byte))
}

fn assignment(assignment: &Assignment) -> String {
    let partitions = assignment.iter().flat_map(|(id, each)| each.iter().map(|p| format!("{}-{p}", topic_name(*id))));
    partitions.collect::<Vec<_>>().join(" ")
}

fn described_consumer_group(g: &DescribedConsumerGroup) -> String {
    let partitions = |topics: &[DescribedPartitions]| {
        let all = topics.iter().flat_map(|t| t.partitions.iter().map(|p| format!("{}-{p}", t.topic_name)));
        all.collect::<Vec<_>>().join("+")
    };
    let members = join(&g.members, |m| {
        let (has, wants) = (partitions(&m.assignment), partitions(&m.target_assignment));
        format!("{}(epoch={} type={} [{has}] [{wants}])", m.member_id, m.member_epoch, m.member_type)
    });
    let refused = g.refused.as_ref().map(|r| format!(" {}: {}", error(r.error), r.message)).unwrap_or_default();
    let (state, epochs) = (g.state.name(), format!("{}/{}", g.group_epoch, g.assignment_epoch));
    format!("{}:{state}:{epochs}:{}{refused} {members}", g.group_id, g.assignor_name)
}

fn held(topics: &[TopicPartitions]) -> String {
    let partition = |t: &TopicPartitions, (p, epoch): (&i32, &i32)| format!("{}-{p}@{epoch}", topic_name(t.topic_id));
    let topic = |t: &TopicPartitions| -> Vec<String> {
        let epochs = t.assignment_epochs.clone().unwrap_or_default();
        t.partitions.iter().zip(&epochs).map(|pair| partition(t, pair)).collect()
    };
    topics.iter().flat_map(topic).collect::<Vec<_>>().join(" ")
}

fn consumer_record(group_id: &Str, record: &ConsumerGroupRecord) -> String {
    let gone = |is_gone: bool| if is_gone { " gone" } else { "" };
    match record {
        ConsumerGroupRecord::Group(Some(value)) => format!("epoch {group_id} {}", value.epoch),
        ConsumerGroupRecord::Group(None) => format!("epoch {group_id} gone"),
        ConsumerGroupRecord::PartitionMetadata { exists } => format!("partitions {group_id}{}", gone(!exists)),
        ConsumerGroupRecord::Member(id, Some(value)) => {
            format!("member {group_id} {id}:{}", join(&value.subscribed_topic_names, Str::to_string).replace(' ', "+"))
        }
        ConsumerGroupRecord::Member(id, None) => format!("member {group_id} {id} gone"),
        ConsumerGroupRecord::Target(Some(value)) => format!("assignment {group_id} {}", value.assignment_epoch),
        ConsumerGroupRecord::Target(None) => format!("assignment {group_id} gone"),
        ConsumerGroupRecord::TargetMember(id, value) => {
            let topics = value.iter().flat_map(|value| &value.topic_partitions);
            let partitions =
                topics.flat_map(|t| t.partitions.iter().map(|p| format!(" {}-{p}", topic_name(t.topic_id))));
            format!("target {group_id} {id}{}{}", gone(value.is_none()), partitions.collect::<String>())
        }
        ConsumerGroupRecord::Current(id, Some(value)) => {
            let revoked = match value.partitions_pending_revocation.is_empty() {
                true => String::new(),
                false => format!(" without {}", held(&value.partitions_pending_revocation)),
            };
            let (epoch, before, state) = (value.member_epoch, value.previous_member_epoch, value.state);
            let assigned = held(&value.assigned_partitions);
            format!("current {group_id} {id} {before}->{epoch} state={state} {assigned}{revoked}").trim_end().to_owned()
        }
        ConsumerGroupRecord::Current(id, None) => format!("current {group_id} {id} gone"),
        ConsumerGroupRecord::Regex(regex, Some(value)) => {
            format!("regex {group_id} {regex} {}", join(&value.topics, Str::to_string))
        }
        ConsumerGroupRecord::Regex(regex, None) => format!("regex {group_id} {regex} gone"),
    }
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
        CoordinatorRecord::Consumer { group_id, record } => consumer_record(group_id, record),
        CoordinatorRecord::TransactionEnd { .. } => "transaction end".to_owned(),
    }
}
