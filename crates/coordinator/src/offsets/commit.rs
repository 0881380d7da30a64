//! OffsetCommit.

use super::offset::OffsetAndMetadata;
use crate::context::Context;
use crate::groups::classic::{ClassicGroup, GroupState, session_timer};
use crate::groups::consumer::validate_commit;
use crate::machine::{Hard, Soft, StoredGroup};
use crate::{CoordinatorRecord, Error, GroupCoordinator};
use ottla_protocol::{Str, Uuid};
use ottla_state_machine::{Now, Outcome};

/// Offset records hold names with a length of 16 bits.
const MAX_NAME_BYTES: usize = i16::MAX as usize;

/// A group commits how far it has read.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct OffsetCommit {
    /// The group; may be empty.
    pub group_id: Str,
    /// The member, empty for a consumer that is in no group.
    pub member_id: Str,
    /// Its name over restarts.
    pub group_instance_id: Option<Str>,
    /// Its generation, -1 for a consumer that is in no group.
    pub generation_id: i32,
    /// Whether the request can say a member epoch: from version 9 on (KIP-848).
    pub supports_member_epochs: bool,
    /// How long to keep the offsets, if the client says so: versions 2 to 4, where -1 is none.
    pub retention_time_ms: Option<i64>,
    /// The producer in whose transaction it is: the offsets count when that is committed (KIP-447).
    pub producer_id: Option<i64>,
    /// The offsets.
    pub topics: Vec<CommitTopic>,
}

/// Offsets of a topic.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct CommitTopic {
    /// Its id, zero if unknown.
    pub topic_id: Uuid,
    /// Its name.
    pub name: Str,
    /// Its partitions.
    pub partitions: Vec<CommitPartition>,
}

/// The offset of a partition.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct CommitPartition {
    /// The partition.
    pub partition_index: i32,
    /// The offset with which to go on.
    pub committed_offset: i64,
    /// The epoch of the record before, -1 if unknown.
    pub committed_leader_epoch: i32,
    /// Anything the client wants to have back.
    pub committed_metadata: Option<Str>,
}

/// What became of a topic's offsets.
#[derive(Clone, Debug, PartialEq)]
pub struct CommittedTopic {
    /// The id in the request.
    pub topic_id: Uuid,
    /// The name in the request.
    pub name: Str,
    /// Its partitions.
    pub partitions: Vec<PartitionResult>,
}

/// What became of a partition.
#[derive(Clone, Debug, PartialEq)]
pub struct PartitionResult {
    /// The partition.
    pub partition_index: i32,
    /// Whether it was done.
    pub result: Result<(), Error>,
}

/// Decides a commit.
pub(crate) fn commit(
    hard: &Hard,
    soft: &mut Soft,
    now: Now,
    request: OffsetCommit,
    out: &mut Outcome<GroupCoordinator>,
) -> Result<Vec<CommittedTopic>, Error> {
    if request.group_id.len() > MAX_NAME_BYTES {
        return Err(Error::InvalidGroupId);
    }
    if let Some((group_id, StoredGroup::Consumer(group))) = hard.groups.get_key_value(&request.group_id) {
        validate_commit(group, &soft.topics, &request).map_err(|error| in_transaction(&request, error))?;
        let mut cx = soft.context(now, out);
        let (replies, records) = decide(group_id, &request, &cx);
        cx.record_all(records)?;
        return Ok(replies);
    }
    let (group, mut cx) = soft.group(hard, &request.group_id, now, out);
    match &group {
        Some(group) => validate(group, &request)?,
        // A consumer in no group makes itself known by its first commit.
        None if request.generation_id < 0 => {}
        None => return Err(in_transaction(&request, Error::GroupIdNotFound)),
    }
    let group_id = match &group {
        Some(group) => group.group_id.clone(),
        None => request.group_id.detached(),
    };
    let (replies, records) = decide(&group_id, &request, &cx);
    cx.record_all(records)?;
    if let Some(group) = group.filter(|_| request.producer_id.is_none()) {
        keep_session(group, &mut cx, &request.member_id);
    }
    Ok(replies)
}

/// Requests of transactions have no words for what is new in KIP-848.
fn in_transaction(request: &OffsetCommit, error: Error) -> Error {
    match error {
        Error::GroupIdNotFound | Error::StaleMemberEpoch if request.producer_id.is_some() => Error::IllegalGeneration,
        error => error,
    }
}

fn validate(group: &ClassicGroup, request: &OffsetCommit) -> Result<(), Error> {
    let is_empty = group.is(GroupState::Empty);
    if request.generation_id < 0 && is_empty {
        return Ok(());
    }
    let instance_id = request.group_instance_id.as_ref();
    let claims_membership = request.generation_id >= 0 || !request.member_id.is_empty() || instance_id.is_some();
    let is_transactional = request.producer_id.is_some();
    if !claims_membership {
        // A transactional producer need not say whose offsets it commits.
        return if is_transactional { Ok(()) } else { Err(Error::UnknownMemberId) };
    }
    group.validate_member(&request.member_id, instance_id)?;
    if request.generation_id != group.generation_id() {
        return Err(Error::IllegalGeneration);
    }
    // The member knows of the generation, but its partitions may be another's by now.
    match group.is(GroupState::CompletingRebalance) && !is_transactional {
        true => Err(Error::RebalanceInProgress),
        false => Ok(()),
    }
}

/// A commit is a sign of life too.
fn keep_session(group: &ClassicGroup, cx: &mut Context<'_>, member_id: &Str) {
    if let Some(member) = group.member(member_id) {
        let timer = session_timer(&group.group_id, &member.member_id);
        cx.set_timer(timer, i64::from(member.session_timeout_ms));
    }
}

fn decide(group_id: &Str, request: &OffsetCommit, cx: &Context<'_>) -> (Vec<CommittedTopic>, Vec<CoordinatorRecord>) {
    let now_ms = cx.now.wall_ms;
    let expires = request.retention_time_ms;
    let expires = expires.map(|retention_ms| now_ms.saturating_add(retention_ms));
    let mut records = Vec::new();
    let mut commit_topic = |topic: &CommitTopic| {
        let name = topic.name.detached();
        let mut commit_partition = |partition: &CommitPartition| {
            let metadata = partition.committed_metadata.as_ref();
            let result = validate_names(&name, metadata, cx);
            if result.is_ok() {
                records.push(CoordinatorRecord::Offset {
                    group_id: group_id.clone(),
                    topic: name.clone(),
                    partition: partition.partition_index,
                    value: Some(OffsetAndMetadata {
                        committed_offset: partition.committed_offset,
                        leader_epoch: partition.committed_leader_epoch,
                        metadata: metadata.map(Str::detached).unwrap_or_default(),
                        commit_timestamp_ms: now_ms,
                        expire_timestamp_ms: expires,
                        topic_id: topic.topic_id,
                        record_offset: 0,
                    }),
                    producer_id: request.producer_id,
                });
            }
            PartitionResult { partition_index: partition.partition_index, result }
        };
        CommittedTopic {
            topic_id: topic.topic_id,
            name: name.clone(),
            partitions: topic.partitions.iter().map(&mut commit_partition).collect(),
        }
    };
    let replies = request.topics.iter().map(&mut commit_topic).collect();
    (replies, records)
}

fn validate_names(topic: &Str, metadata: Option<&Str>, cx: &Context<'_>) -> Result<(), Error> {
    if topic.len() > MAX_NAME_BYTES {
        return Err(Error::NameTooLong);
    }
    let Some(metadata) = metadata else {
        return Ok(());
    };
    let max = usize::try_from(cx.settings.offset_metadata_max_bytes).unwrap_or(0);
    // No text has more UTF-16 units than bytes.
    let is_small = metadata.len() <= max || metadata.encode_utf16().count() <= max;
    match is_small && metadata.len() <= MAX_NAME_BYTES {
        true => Ok(()),
        false => Err(Error::OffsetMetadataTooLarge),
    }
}
