//! What a node of the quorum is told and what it tells.

use crate::{
    log::LogError,
    members::{ChangeError, Members, SnapshotId, Voter},
};
use bytes::Bytes;
use ottla_protocol::{Str, Uuid};

/// Which node this is, and its pace.
#[derive(Clone, Debug)]
pub struct Settings {
    pub node_id: i32,
    pub directory_id: Uuid,
    pub cluster_id: Str,
    /// Ticks without a leader until a node wants to lead: this many to twice as many less one, by the seed.
    pub election_ticks: u32,
    /// Ticks between two signs of life of a leader; fewer than `election_ticks`.
    pub heartbeat_ticks: u32,
    /// Makes election timeouts differ between nodes and be the same again in a second run.
    pub seed: u64,
}

impl Settings {
    pub(super) fn check(&self) -> Result<(), Error> {
        if self.node_id < 0 || self.node_id == i32::MAX {
            return Err(Error::Settings(format!("{} is no node id", self.node_id)));
        }
        if self.heartbeat_ticks == 0 || self.heartbeat_ticks >= self.election_ticks || self.election_ticks > 1 << 20 {
            return Err(Error::Settings("a heartbeat takes at least a tick, an election more than a heartbeat".into()));
        }
        Ok(())
    }

    /// A node that the members know with another directory has lost what it promised.
    pub(super) fn check_own(&self, members: &Members) -> Result<(), Error> {
        let known = members.get(self.node_id).map(|member| member.voter.directory_id);
        match known.filter(|known| !known.is_zero() && *known != self.directory_id) {
            Some(known) => Err(Error::OtherDirectory { known, own: self.directory_id }),
            None => Ok(()),
        }
    }
}

/// How a quorum begins, the same on each of its first voters.
#[derive(Clone, Debug)]
pub struct Founding {
    pub voters: Vec<Voter>,
    /// The last epoch of a metadata log that there is already: the first leader has a higher one.
    pub epoch: i32,
    /// What a metadata log holds already, which will not be in the quorum's log.
    pub snapshot: SnapshotId,
    /// What comes after it in a metadata log that others voted on: not all of it need be committed, nor be the same on each voter.
    /// Where voters have different snapshots of one log, each entry has the same index on all.
    pub inherited: Vec<Inherited>,
}

/// A batch of a metadata log that others voted on.
#[derive(Clone, Debug)]
pub struct Inherited {
    /// The epoch of its leader.
    pub epoch: i32,
    /// How many offsets it takes, and so indices.
    pub offsets: u32,
    pub data: Bytes,
}

/// Why a node cannot go on. After an error of [`super::Quorum::advance`] or [`super::Quorum::compact`] that is about the
/// store it answers [`Error::Failed`] until it is opened anew.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("the quorum's settings are wrong: {0}")]
    Settings(String),
    #[error("the quorum's first voters are wrong: {0}")]
    Voters(#[from] ChangeError),
    #[error("this node's directory is {own}, and the quorum knows it with {known}: it must be added anew")]
    OtherDirectory { known: Uuid, own: Uuid },
    #[error("entries up to {index} cannot be dropped, they were handed out up to {handed}")]
    CompactBeyond { index: u64, handed: u64 },
    #[error("raft refuses what it should take: {0}")]
    Raft(String),
    #[error("the quorum's log has failed before")]
    Failed,
}

/// Where a proposal stands in the log, if it is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proposal {
    pub index: u64,
    pub epoch: i32,
}

/// Why a proposal was not taken: nothing of it is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProposeRefused {
    #[error("this node does not lead the quorum")]
    NotLeader,
    #[error("the leadership is being handed over")]
    Transferring,
    #[error("too much is waiting to be committed")]
    Full,
    #[error("a proposal cannot have {0} bytes")]
    Size(usize),
    #[error("the quorum's log has failed")]
    Failed,
}

/// What a node is in an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Leader {
        epoch: i32,
    },
    Follower {
        leader: i32,
        epoch: i32,
    },
    /// No leader is known; this node may be seeking votes.
    Unattached {
        epoch: i32,
    },
}

/// An entry of the log that is committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    pub index: u64,
    /// The epoch in which it was proposed.
    pub epoch: i32,
    /// What was proposed; empty for the entry with which raft begins an epoch.
    pub data: Bytes,
    /// The members from here on, if they change.
    pub members: Option<Members>,
}

/// A snapshot that this node needs, as it lacks entries that the leader has no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The leader, which has the snapshot's file.
    pub leader: i32,
    pub id: SnapshotId,
    /// The last entry that it stands for.
    pub index: u64,
    pub members: Members,
}

/// What came of the calls since the last one.
#[derive(Debug, Default)]
pub struct Progress {
    /// What is committed, in order.
    pub committed: Vec<Committed>,
    /// The role, when it is another one.
    pub role: Option<Role>,
    /// To be fetched and put in place, then confirmed by [`super::Quorum::installed`], or given up by
    /// [`super::Quorum::not_installed`]. Where nothing is heard of it the same or a later one is asked for after a while, each time a
    /// longer one. When another is asked for, or entries are handed out before, it is not wanted any more.
    pub install: Option<Snapshot>,
    /// A member was added after the snapshot that stands before the log, and waits: make one that is up to date and have the
    /// log compacted to it. Asked again until then.
    pub snapshot_wanted: bool,
    /// There is more to hand out: call again.
    pub more: bool,
}
