//! The in-sync set: what the controller said, and what the leader has asked it for (KIP-497).

use ottla_metadata::controller::IsrMember;

/// What a leader asks of the controller for a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The epoch it leads in.
    pub leader_epoch: i32,
    /// The epoch of the partition that the wish builds on.
    pub partition_epoch: i32,
    /// Who is to be in sync.
    pub isr: Vec<IsrMember>,
    /// Whether it adds a replica; else it takes some away.
    pub grows: bool,
}

impl Proposal {
    pub(crate) fn ids(&self) -> impl Iterator<Item = i32> {
        self.isr.iter().map(|member| member.broker_id)
    }
}

/// The set and a wish that is not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Isr {
    pub(crate) committed: Vec<i32>,
    pub(crate) pending: Option<Pending>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pending {
    pub(crate) proposal: Proposal,
    /// Whether the driver has it.
    pub(crate) sent: bool,
}

impl Isr {
    pub(crate) fn new(committed: Vec<i32>) -> Self {
        Self { committed, pending: None }
    }

    /// Whether a broker is in sync or will be if the controller agrees; the high watermark waits for all of these.
    pub(crate) fn may_contain(&self, id: i32) -> bool {
        self.committed.contains(&id) || self.pending.as_ref().is_some_and(|p| p.proposal.ids().any(|other| other == id))
    }

    /// How many are in sync if the controller agrees to what it was asked for, as far as that adds some.
    pub(crate) fn most(&self) -> usize {
        let pending = self.pending.iter().flat_map(|pending| pending.proposal.ids());
        self.committed.len() + pending.filter(|id| !self.committed.contains(id)).count()
    }
}
