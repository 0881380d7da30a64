//! DescribeGroups.

use super::group::{ClassicGroup, GroupState};
use super::member::Member;
use crate::Error;
use crate::machine::{Hard, Soft};
use ottla_protocol::{Bytes, Str};
use std::borrow::Cow;

/// A group as operators see it.
#[derive(Clone, Debug, PartialEq)]
pub struct DescribedGroup {
    /// The group.
    pub group_id: Str,
    /// [`Error::GroupIdNotFound`] if there is no such group; clients learn of it from version 6 on (KIP-1043).
    pub error: Option<Error>,
    /// The error in words, empty without one.
    pub error_message: String,
    /// Its state, [`GroupState::Dead`] if there is no such group.
    pub state: GroupState,
    /// `consumer`, `connect` and the like; empty if it never had members.
    pub protocol_type: Str,
    /// The protocol its members agreed on, while it is stable.
    pub protocol_data: Str,
    /// Its members.
    pub members: Vec<DescribedMember>,
}

/// A member as operators see it.
#[derive(Clone, Debug, PartialEq)]
pub struct DescribedMember {
    /// Its id.
    pub member_id: Str,
    /// Its name over restarts.
    pub group_instance_id: Option<Str>,
    /// Its client's id.
    pub client_id: Str,
    /// Its client's address.
    pub client_host: Str,
    /// Its metadata for the group's protocol, while the group is stable.
    pub member_metadata: Bytes,
    /// Its assignment.
    pub member_assignment: Bytes,
}

/// Describes groups.
pub(crate) fn describe(hard: &Hard, soft: &Soft, group_ids: Vec<Str>) -> Vec<DescribedGroup> {
    let describe = |group_id| match view(hard, soft, &group_id) {
        Some(group) => existing(group_id, &group),
        None if hard.groups.contains_key(&group_id) => {
            let message = format!("Group {group_id} is not a classic group.");
            unknown(group_id, message)
        }
        None => {
            let message = format!("Group {group_id} not found.");
            unknown(group_id, message)
        }
    };
    group_ids.into_iter().map(describe).collect()
}

/// The group as it is, without making a live one of it.
pub(crate) fn view<'a>(hard: &Hard, soft: &'a Soft, group_id: &Str) -> Option<Cow<'a, ClassicGroup>> {
    if let Some(group) = soft.groups.get(group_id) {
        return Some(Cow::Borrowed(group));
    }
    let (group_id, stored) = hard.groups.get_key_value(group_id)?;
    ClassicGroup::of(group_id, stored).map(Cow::Owned)
}

fn existing(group_id: Str, group: &ClassicGroup) -> DescribedGroup {
    let protocol = match group.is(GroupState::Stable) {
        true => group.protocol_name.as_ref(),
        false => None,
    };
    DescribedGroup {
        group_id,
        error: None,
        error_message: String::new(),
        state: group.state(),
        protocol_type: group.protocol_type.clone().unwrap_or_default(),
        protocol_data: protocol.cloned().unwrap_or_default(),
        members: group.members().map(|m| describe_member(m, protocol)).collect(),
    }
}

fn describe_member(member: &Member, protocol: Option<&Str>) -> DescribedMember {
    DescribedMember {
        member_id: member.member_id.clone(),
        group_instance_id: member.group_instance_id.clone(),
        client_id: member.client_id.clone(),
        client_host: member.client_host.clone(),
        member_metadata: member.metadata(protocol),
        member_assignment: member.assignment.clone(),
    }
}

fn unknown(group_id: Str, error_message: String) -> DescribedGroup {
    DescribedGroup {
        error: Some(Error::GroupIdNotFound),
        error_message,
        group_id,
        state: GroupState::Dead,
        protocol_type: Str::default(),
        protocol_data: Str::default(),
        members: Vec::new(),
    }
}
