//! How a consumer group's partitions are spread over its members: the server-side assignors of KIP-848.
//!
//! An assignor is a pure function: the same group gives the same assignment. Members come in the order of their ids and
//! topics in the order of theirs, where Kafka takes them as its hash maps hold them.

mod classes;
mod heaviest;
mod heterogeneous;
mod homogeneous;
mod lightest;
mod loads;
mod range;
#[cfg(test)]
mod tests;
mod topics;
mod uniform;

use super::assignment::Assignment;
use ottla_protocol::{Str, Uuid};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Who decides what the members of a group get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assignor {
    /// As many partitions for one member as for another, and as few as possible change hands.
    Uniform,
    /// A range of each topic for each member; topics that are alike are split alike.
    Range,
}

/// A group that is to be assigned.
#[derive(Debug)]
pub(crate) struct GroupSpec {
    /// The members.
    pub(crate) members: BTreeMap<Str, MemberSpec>,
    /// Every topic that exists and somebody is subscribed to, with its number of partitions.
    pub(crate) partitions: BTreeMap<Uuid, i32>,
}

/// A member of a group that is to be assigned.
#[derive(Debug)]
pub(crate) struct MemberSpec {
    /// The member's name over restarts (KIP-345).
    pub(crate) instance_id: Option<Str>,
    /// The topics it is subscribed to; only those that exist. Members with the same ones best share them.
    pub(crate) topics: Arc<BTreeSet<Uuid>>,
    /// Its present target.
    pub(crate) assignment: Arc<Assignment>,
}

/// What each member is to get; every member of the group is in it.
pub(crate) type GroupAssignment = BTreeMap<Str, Assignment>;

impl Assignor {
    /// All assignors.
    pub const ALL: [Self; 2] = [Self::Uniform, Self::Range];

    /// The name by which members ask for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Range => "range",
        }
    }

    /// The assignor of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|assignor| assignor.name() == name)
    }

    /// The members' new targets.
    pub(crate) fn assign(self, group: &GroupSpec) -> GroupAssignment {
        match self {
            Self::Uniform => uniform::assign(group),
            Self::Range => range::assign(group),
        }
    }
}
