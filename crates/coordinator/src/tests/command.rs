//! The commands of scripts.

use super::show;
use super::world::World;
use crate::*;
use ottla_metadata::Image;
use ottla_protocol::stored::consumer_protocol_assignment::TopicPartition;
use ottla_protocol::stored::{ConsumerProtocolAssignment, ConsumerProtocolSubscription, PartitionRecord, TopicRecord};
use ottla_protocol::{Bytes, Message, Str, Uuid};
use ottla_state_machine::Ticket;
use std::sync::Arc;

/// A command's words, positional ones first and then `name=value`.
struct Words<'a> {
    plain: std::vec::IntoIter<&'a str>,
    named: Vec<(&'a str, &'a str)>,
}

impl<'a> Words<'a> {
    fn of(command: &'a str) -> Self {
        let (named, plain): (Vec<&str>, _) = command.split_whitespace().partition(|word| word.contains('='));
        Self { plain: plain.into_iter(), named: named.into_iter().filter_map(|w| w.split_once('=')).collect() }
    }

    fn next(&mut self) -> &'a str {
        self.plain.next().unwrap_or("")
    }

    fn named(&self, name: &str) -> Option<&'a str> {
        self.named.iter().find(|(n, _)| *n == name).map(|(_, value)| *value)
    }

    fn number<T: core::str::FromStr>(&self, name: &str, default: T) -> T {
        self.named(name).and_then(|value| value.parse().ok()).unwrap_or(default)
    }

    fn text(&self, name: &str) -> Option<Str> {
        self.named(name).map(Str::from)
    }

    /// Words that are `topic-partition=value`.
    fn partitions(&self) -> Vec<(Str, i32, &'a str)> {
        let partitions = self.named.iter().filter_map(|(name, value)| {
            let (topic, partition) = partition(name)?;
            Some((topic, partition, *value))
        });
        partitions.collect()
    }
}

fn partition(name: &str) -> Option<(Str, i32)> {
    let (topic, partition) = name.rsplit_once('-')?;
    Some((Str::from(topic), partition.parse().ok()?))
}

fn list(words: &str) -> Vec<Str> {
    words.split(',').filter(|word| !word.is_empty()).map(Str::from).collect()
}

fn id(word: &str) -> Str {
    if word == "-" { Str::default() } else { Str::from(word) }
}

/// A consumer's metadata: the topics it consumes.
pub(super) fn subscription(topics: &str) -> Bytes {
    subscription_of(topics.split('+').filter(|topic| !topic.is_empty()).map(Str::from).collect())
}

pub(super) fn subscription_of(topics: Vec<Str>) -> Bytes {
    let subscription = ConsumerProtocolSubscription { topics, ..Default::default() };
    subscription.to_versioned_bytes(0).unwrap()
}

fn protocols(words: &str, protocol_type: &str) -> Vec<Protocol> {
    let protocol = |word: &str| {
        let (name, metadata) = word.split_once(':').unwrap_or((word, ""));
        let metadata = match protocol_type {
            "consumer" => subscription(metadata),
            _ => Bytes::copy_from_slice(metadata.as_bytes()),
        };
        Protocol { name: Str::from(name), metadata }
    };
    words.split(',').filter(|word| !word.is_empty()).map(protocol).collect()
}

pub(super) fn run(world: &mut World, command: &str) -> Vec<String> {
    let mut words = Words::of(command);
    match words.next() {
        "wait" => world.wait(words.next().parse().unwrap()),
        "set" => set(world, &words),
        "topics" => topics(world, &words),
        "failover" => {
            let lost = world.fail_over();
            return lost.iter().map(|ticket| format!("{ticket}: lost")).collect();
        }
        "records" => return show::records(world),
        "log" => return core::mem::take(&mut world.lines),
        "rebalances" => return core::mem::take(&mut world.rebalances),
        "hold" => world.commits_at_once = false,
        "commit-all" => {
            world.commits_at_once = true;
            world.commit(world.log.len());
        }
        "topics-deleted" => {
            let topic = |name| DeletedTopic { name, topic_id: Uuid::from_bytes([7; 16]) };
            let topics = list(words.next()).into_iter().map(topic).collect();
            world.send(Event::TopicsDeleted(topics));
        }
        request => ask(world, request, words),
    }
    core::mem::take(&mut world.replies).iter().map(|(ticket, reply)| show::reply(*ticket, reply)).collect()
}

fn set(world: &mut World, words: &Words<'_>) {
    let settings = &mut world.settings;
    settings.group_max_size = words.number("max_size", settings.group_max_size);
    settings.max_batch_bytes = words.number("max_batch", settings.max_batch_bytes);
    settings.offset_metadata_max_bytes = words.number("max_metadata", settings.offset_metadata_max_bytes);
    settings.group_consumer_max_size = words.number("consumer_max_size", settings.group_consumer_max_size);
    settings.group_consumer_session_timeout_ms = words.number("session", settings.group_consumer_session_timeout_ms);
    settings.group_consumer_assignment_interval_ms =
        words.number("assignment_interval", settings.group_consumer_assignment_interval_ms);
    settings.group_consumer_migration_policy = match words.named("migration") {
        Some("disabled") => MigrationPolicy::Disabled,
        Some("upgrade") => MigrationPolicy::Upgrade,
        Some("downgrade") => MigrationPolicy::Downgrade,
        _ => settings.group_consumer_migration_policy,
    };
    settings.group_initial_rebalance_delay_ms =
        words.number("initial_delay", settings.group_initial_rebalance_delay_ms);
    world.send(Event::Configure(world.settings.clone()));
}

/// The id of a topic is its name's first letter, over and over.
pub(super) fn topic_id(name: &str) -> Uuid {
    Uuid::from_bytes([name.bytes().next().unwrap_or(0); 16])
}

/// The topics of the cluster become these, each with so many partitions.
fn topics(world: &mut World, words: &Words<'_>) {
    let topics: Vec<_> = words.named.iter().map(|(name, partitions)| (*name, partitions.parse().unwrap())).collect();
    topics_image(world, &topics);
}

pub(super) fn topics_image(world: &mut World, topics: &[(&str, i32)]) {
    let mut image = Image::default();
    for (name, partitions) in topics {
        let topic_id = topic_id(name);
        image.apply(&TopicRecord { name: Str::from(*name), topic_id, ..Default::default() }.into()).unwrap();
        for partition_id in 0..*partitions {
            let record =
                PartitionRecord { partition_id, topic_id, replicas: vec![1], isr: vec![1], ..Default::default() };
            image.apply(&record.into()).unwrap();
        }
    }
    image.advance(world.image.offset() + 1, 1);
    world.image = Arc::new(image);
    world.send(Event::Metadata(world.image.clone()));
}

/// Partitions written `a-0+a-1`.
fn assignment(words: &str) -> Assignment {
    let mut assignment = Assignment::new();
    for (name, partition) in words.split('+').filter_map(partition) {
        assignment.entry(topic_id(&name)).or_default().insert(partition);
    }
    assignment
}

/// Partitions written `a-0+a-1`, as a consumer's leader writes them.
fn share(words: &str) -> Bytes {
    let mut share = ConsumerProtocolAssignment::default();
    for (topic, partition) in words.split('+').filter_map(partition) {
        share.assigned_partitions.push(TopicPartition { topic, partitions: vec![partition] });
    }
    share.to_versioned_bytes(0).unwrap()
}

/// A member of the consumer protocol that joins says all of itself, later ones only what the command says.
fn consumer_heartbeat(number: u64, words: &mut Words<'_>) -> ConsumerHeartbeat {
    let (group_id, member_id) = (id(words.next()), id(words.next()));
    let member_epoch = words.number("epoch", 0);
    let joins = member_epoch == 0;
    let names = |names: &str| names.split('+').filter(|name| !name.is_empty()).map(Str::from).collect();
    ConsumerHeartbeat {
        group_id,
        member_id,
        new_member_id: Str::from(format!("new-{number}")),
        member_epoch,
        instance_id: words.text("instance"),
        rack_id: None,
        client_id: Str::from_static("c"),
        client_host: Str::from_static("/127.0.0.1"),
        rebalance_timeout_ms: words.number("rebalance", if joins { 60_000 } else { -1 }),
        subscribed_topic_names: words.named("topics").map(names),
        subscribed_topic_regex: words.text("regex"),
        server_assignor: words.text("assignor"),
        topic_partitions: words.named("owned").map(assignment).or_else(|| joins.then(Assignment::new)),
    }
}

fn ask(world: &mut World, request: &str, mut words: Words<'_>) {
    let number = words.next().parse().expect("a command's second word is a ticket");
    let ticket = Ticket(number);
    let event = match request {
        "hb" => Event::ConsumerGroupHeartbeat(ticket, consumer_heartbeat(number, &mut words)),
        "consumer-describe" => Event::ConsumerGroupDescribe(ticket, list(words.next())),
        "join" => Event::JoinGroup(ticket, join(number, &mut words)),
        "sync" => Event::SyncGroup(ticket, sync(&mut words)),
        "heartbeat" => Event::Heartbeat(ticket, heartbeat(&mut words)),
        "leave" => Event::LeaveGroup(ticket, leave(&mut words)),
        "describe" => Event::DescribeGroups(ticket, list(words.next())),
        "list" => Event::ListGroups(
            ticket,
            ListGroups {
                states_filter: list(words.named("states").unwrap_or("")),
                types_filter: list(words.named("types").unwrap_or("")),
            },
        ),
        "measure" => Event::MeasureGroups(ticket),
        "delete" => Event::DeleteGroups(ticket, list(words.next())),
        "commit" => Event::OffsetCommit(ticket, commit(&mut words)),
        "fetch" => Event::OffsetFetch(ticket, fetch(&mut words)),
        "offset-delete" => Event::OffsetDelete(ticket, offset_delete(&mut words)),
        _ => panic!("no command {request}"),
    };
    world.ask(number, event);
}

fn join(number: u64, words: &mut Words<'_>) -> JoinGroup {
    let version = words.number("v", 9);
    let protocol_type = words.named("type").unwrap_or("consumer");
    JoinGroup {
        group_id: id(words.next()),
        member_id: id(words.next()),
        group_instance_id: words.text("instance"),
        client_id: words.text("client").unwrap_or(Str::from_static("c")),
        client_host: Str::from_static("/127.0.0.1"),
        member_id_suffix: Str::from(number.to_string()),
        session_timeout_ms: words.number("session", 10_000),
        rebalance_timeout_ms: words.number("rebalance", 60_000),
        protocol_type: Str::from(protocol_type),
        protocols: protocols(words.named("protocols").unwrap_or("range:t"), protocol_type),
        reason: words.text("reason"),
        require_known_member_id: version >= 4,
        supports_skipping_assignment: version >= 9,
    }
}

fn sync(words: &mut Words<'_>) -> SyncGroup {
    let (group_id, member_id) = (id(words.next()), id(words.next()));
    let assignment = |word: Str| {
        let (member, assignment) = word.split_once(':').expect("an assignment is member:text");
        GroupAssignment { member_id: Str::from(member), assignment: Bytes::copy_from_slice(assignment.as_bytes()) }
    };
    let share = |word: Str| {
        let (member, partitions) = word.split_once(':').expect("a share is member:partitions");
        GroupAssignment { member_id: Str::from(member), assignment: share(partitions) }
    };
    let assignments = list(words.named("assign").unwrap_or("")).into_iter().map(assignment);
    let shares = list(words.named("share").unwrap_or("")).into_iter().map(share);
    SyncGroup {
        group_id,
        member_id,
        generation_id: words.number("gen", 1),
        group_instance_id: words.text("instance"),
        protocol_type: words.text("type"),
        protocol_name: words.text("protocol"),
        assignments: assignments.chain(shares).collect(),
    }
}

fn heartbeat(words: &mut Words<'_>) -> Heartbeat {
    Heartbeat {
        group_id: id(words.next()),
        member_id: id(words.next()),
        generation_id: words.number("gen", 1),
        group_instance_id: words.text("instance"),
    }
}

fn leave(words: &mut Words<'_>) -> LeaveGroup {
    let group_id = id(words.next());
    let member = |word: Str| match word.split_once('@') {
        Some((member_id, instance_id)) => LeavingMember {
            member_id: Str::from(member_id),
            group_instance_id: Some(Str::from(instance_id)),
            reason: None,
        },
        None => LeavingMember { member_id: word, group_instance_id: None, reason: None },
    };
    LeaveGroup { group_id, members: list(words.next()).into_iter().map(member).collect() }
}

fn commit(words: &mut Words<'_>) -> OffsetCommit {
    let (group_id, member_id) = (id(words.next()), id(words.next()));
    let topic_id = Uuid::from_bytes([words.number("id", 0); 16]);
    let topic = |(name, partition_index, value): (Str, i32, &str)| {
        let (offset, metadata) = value.split_once(':').unwrap_or((value, ""));
        CommitTopic {
            topic_id,
            name,
            partitions: vec![CommitPartition {
                partition_index,
                committed_offset: offset.parse().unwrap(),
                committed_leader_epoch: 5,
                committed_metadata: Some(Str::from(metadata)).filter(|m| !m.is_empty()),
            }],
        }
    };
    OffsetCommit {
        group_id,
        member_id,
        generation_id: words.number("gen", -1),
        group_instance_id: words.text("instance"),
        supports_member_epochs: words.number("v", 9) >= 9,
        retention_time_ms: words.named("retention").map(|ms| ms.parse().unwrap()),
        producer_id: words.named("txn").map(|id| id.parse().unwrap()),
        topics: words.partitions().into_iter().map(topic).collect(),
    }
}

fn fetch(words: &mut Words<'_>) -> OffsetFetch {
    let group_id = id(words.next());
    let topic_id = Uuid::from_bytes([words.number("id", 0); 16]);
    let topics = match words.next() {
        "all" => None,
        names => Some(
            list(names)
                .iter()
                .filter_map(|name| partition(name))
                .map(|(name, partition)| FetchTopic { topic_id, name, partition_indexes: vec![partition] })
                .collect(),
        ),
    };
    let require_stable = words.next() == "stable";
    let (member_id, member_epoch) = (words.text("member"), words.number("epoch", -1));
    OffsetFetch { group_id, member_id, member_epoch, topics, require_stable }
}

fn offset_delete(words: &mut Words<'_>) -> OffsetDelete {
    let group_id = id(words.next());
    let names = list(words.next());
    let topics = names.iter().filter_map(|name| partition(name));
    let topic = |(name, partition)| TopicPartitions { name, partition_indexes: vec![partition] };
    OffsetDelete { group_id, topics: topics.map(topic).collect() }
}
