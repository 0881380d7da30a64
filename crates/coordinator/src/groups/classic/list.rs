//! ListGroups.

use super::group::{CONSUMER_PROTOCOL_TYPE, ClassicGroup, GroupState};
use crate::machine::{Hard, Soft, StoredGroup};
use core::fmt;
use ottla_protocol::Str;
use ottla_protocol::stored::GroupMetadataValue;

/// What kind of group it is (KIP-848).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupType {
    /// A group whose members assign among themselves.
    Classic,
    /// A group to whose members the coordinator assigns.
    Consumer,
}

impl GroupType {
    /// Kafka's name of the type.
    pub fn name(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Consumer => "consumer",
        }
    }
}

impl fmt::Display for GroupType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which groups to list.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct ListGroups {
    /// Names of states in any case; all if empty (KIP-518).
    pub states_filter: Vec<Str>,
    /// Names of types in any case; all if empty.
    pub types_filter: Vec<Str>,
}

/// A group in the list.
#[derive(Clone, Debug, PartialEq)]
pub struct ListedGroup {
    /// The group.
    pub group_id: Str,
    /// `consumer`, `connect` and the like; empty if it never had members.
    pub protocol_type: Str,
    /// Kafka's name of its state.
    pub state: &'static str,
    /// Its type.
    pub group_type: GroupType,
}

/// Lists groups, by id.
pub(crate) fn list(hard: &Hard, soft: &Soft, request: &ListGroups) -> Vec<ListedGroup> {
    let groups = hard.groups.iter().map(|(group_id, stored)| match (soft.groups.get(group_id), stored) {
        (_, StoredGroup::Consumer(group)) => ListedGroup {
            group_id: group_id.clone(),
            protocol_type: Str::from_static(CONSUMER_PROTOCOL_TYPE),
            state: group.state().name(),
            group_type: GroupType::Consumer,
        },
        (Some(group), _) => live(group),
        (None, StoredGroup::Classic(stored)) => stored_group(group_id, Some(stored)),
        (None, StoredGroup::Offsets) => stored_group(group_id, None),
    });
    let is_wanted = |group: &ListedGroup| {
        matches(&request.types_filter, group.group_type.name()) && matches(&request.states_filter, group.state)
    };
    groups.filter(is_wanted).collect()
}

fn matches(filter: &[Str], name: &str) -> bool {
    filter.is_empty() || filter.iter().any(|f| f.trim().eq_ignore_ascii_case(name))
}

fn live(group: &ClassicGroup) -> ListedGroup {
    ListedGroup {
        group_id: group.group_id.clone(),
        protocol_type: group.protocol_type.clone().unwrap_or_default(),
        state: group.state().name(),
        group_type: GroupType::Classic,
    }
}

/// A group to which nothing happened since the log was loaded.
fn stored_group(group_id: &Str, stored: Option<&GroupMetadataValue>) -> ListedGroup {
    let is_empty = stored.is_none_or(|stored| stored.members.is_empty());
    let state = if is_empty { GroupState::Empty } else { GroupState::Stable };
    ListedGroup {
        group_id: group_id.clone(),
        protocol_type: stored.map(|stored| stored.protocol_type.clone()).unwrap_or_default(),
        state: state.name(),
        group_type: GroupType::Classic,
    }
}
