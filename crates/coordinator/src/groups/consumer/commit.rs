//! Who may commit and look up offsets of a group.

use super::assignment::Held;
use super::group::ConsumerGroup;
use super::member::Member;
use super::topics::Topics;
use crate::{Error, OffsetCommit, OffsetFetch};
use ottla_protocol::Uuid;

/// Whether the caller may commit. A member that has not heard of its newest epoch yet may commit what it has had since
/// the epoch it knows (KIP-1251).
pub(crate) fn validate_commit(group: &ConsumerGroup, topics: &Topics, request: &OffsetCommit) -> Result<(), Error> {
    let received = request.generation_id;
    if received < 0 && group.members.is_empty() {
        return Ok(());
    }
    let is_transactional = request.producer_id.is_some();
    let claims_membership = received >= 0 || !request.member_id.is_empty() || request.group_instance_id.is_some();
    if is_transactional && !claims_membership {
        return Ok(());
    }
    let member = group.members.get(&request.member_id).ok_or(Error::UnknownMemberId)?;
    if !member.is_classic() && !request.supports_member_epochs && !is_transactional {
        return Err(Error::UnsupportedVersion);
    }
    if received == member.current.epoch {
        return Ok(());
    }
    if received > member.current.epoch {
        return Err(stale(member));
    }
    for topic in &request.topics {
        let topic_id = match topic.topic_id.is_zero() {
            true => topics.id_of(&topic.name).unwrap_or_default(),
            false => topic.topic_id,
        };
        for partition in &topic.partitions {
            validate_partition(member, topic_id, partition.partition_index, received)?;
        }
    }
    Ok(())
}

fn validate_partition(member: &Member, topic_id: Uuid, partition: i32, received: i32) -> Result<(), Error> {
    let since = |held: &Held| held.get(&topic_id).and_then(|partitions| partitions.get(&partition)).copied();
    let since = since(&member.current.assigned).or_else(|| since(&member.current.pending_revocation));
    match since.is_some_and(|since| received >= since) {
        true => Ok(()),
        false => Err(stale(member)),
    }
}

/// The same to a member of the classic protocol, in its words.
fn stale(member: &Member) -> Error {
    match member.is_classic() {
        true => Error::IllegalGeneration,
        false => Error::StaleMemberEpoch,
    }
}

/// Whether the caller may look; who claims no membership may.
pub(crate) fn validate_fetch(group: &ConsumerGroup, request: &OffsetFetch) -> Result<(), Error> {
    let Some(member_id) = &request.member_id else {
        return if request.member_epoch < 0 { Ok(()) } else { Err(Error::UnknownMemberId) };
    };
    let member = group.members.get(member_id).ok_or(Error::UnknownMemberId)?;
    match member.current.epoch == request.member_epoch {
        true => Ok(()),
        false => Err(stale(member)),
    }
}
