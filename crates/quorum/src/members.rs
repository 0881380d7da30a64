//! Who belongs to the quorum, how that changes by one member at a time, and what stands for the log before a snapshot.

use crate::{
    MAX_MEMBERS,
    codec::{self, ReadError, Reader},
};
use bytes::{BufMut as _, Bytes, BytesMut};
use ottla_protocol::Uuid;
use raft::eraftpb::{ConfChangeSingle, ConfChangeType, ConfChangeV2, ConfState};

const CHANGE_VERSION: u8 = 1;
const MEMBER_BYTES: usize = 21;

/// A controller: its node and the directory that its log is in (KIP-853).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Voter {
    pub id: i32,
    /// [`Uuid::ZERO`] where it is not known, as with static voters; a lost disk is not noticed then.
    pub directory_id: Uuid,
}

/// A voter, or a learner that gets the log and has no vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    pub voter: Voter,
    pub learner: bool,
}

/// The end of Kafka's snapshot file, `<end offset>-<epoch>.checkpoint`; both zero where nothing is before the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SnapshotId {
    pub end_offset: i64,
    pub epoch: i32,
}

impl SnapshotId {
    pub(crate) fn encode(self, out: &mut BytesMut) {
        out.put_i64(self.end_offset);
        out.put_i32(self.epoch);
    }

    pub(crate) fn decode(from: &mut Reader) -> Result<Self, ReadError> {
        let (end_offset, epoch) = (from.i64("the snapshot's offset")?, from.i32("the snapshot's epoch")?);
        if end_offset < 0 || epoch < 0 {
            return Err(ReadError::Range("the snapshot's id"));
        }
        Ok(Self { end_offset, epoch })
    }
}

/// One step from one set of members to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Has a new node get the log.
    AddLearner(Voter),
    /// Gives a learner that has caught up a vote.
    Promote(i32),
    /// The directory of a voter becomes known, which was not as long as voters were fixed.
    Identify(Voter),
    /// Ends a membership.
    Remove(i32),
}

/// Why a change does not fit the members it is made to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    #[error("{0} is no node id")]
    Id(i32),
    #[error("node {0} is a member already")]
    Present(i32),
    #[error("node {0} is no member that this can be done to")]
    Absent(i32),
    #[error("there can be no more than {MAX_MEMBERS} members")]
    Many,
    #[error("a quorum needs a voter")]
    NoVoter,
}

impl Change {
    pub(crate) fn encode(self, out: &mut BytesMut) {
        out.put_u8(CHANGE_VERSION);
        let (kind, voter) = match self {
            Self::AddLearner(voter) => (1, voter),
            Self::Promote(id) => (2, Voter { id, directory_id: Uuid::ZERO }),
            Self::Remove(id) => (3, Voter { id, directory_id: Uuid::ZERO }),
            Self::Identify(voter) => (4, voter),
        };
        out.put_u8(kind);
        put_voter(out, voter);
    }

    /// The change, and what its proposer wrote beside it.
    pub(crate) fn decode(context: &Bytes) -> Result<(Self, Bytes), ReadError> {
        let mut from = Reader::new(context.clone());
        if from.u8("a change's version")? != CHANGE_VERSION {
            return Err(ReadError::Range("a change's version"));
        }
        let kind = from.u8("a change's kind")?;
        let voter = read_voter(&mut from)?;
        let change = match kind {
            1 => Self::AddLearner(voter),
            2 => Self::Promote(voter.id),
            3 => Self::Remove(voter.id),
            4 => Self::Identify(voter),
            _ => return Err(ReadError::Range("a change's kind")),
        };
        Ok((change, from.rest()))
    }

    pub(crate) fn to_raft(self) -> ConfChangeV2 {
        let (kind, id) = match self {
            Self::AddLearner(voter) => (ConfChangeType::AddLearnerNode, voter.id),
            // To raft a voter that is one already changes nothing.
            Self::Promote(id) | Self::Identify(Voter { id, .. }) => (ConfChangeType::AddNode, id),
            Self::Remove(id) => (ConfChangeType::RemoveNode, id),
        };
        let mut single = ConfChangeSingle::default();
        single.set_change_type(kind);
        single.node_id = raft_id(id).expect("a change has a node id");
        let mut change = ConfChangeV2::default();
        change.set_changes(vec![single].into());
        change
    }
}

/// Raft's id of a node; raft has no id 0, Kafka has.
pub(crate) fn raft_id(id: i32) -> Option<u64> {
    u64::try_from(id).ok().map(|id| id + 1)
}

/// The node of an id of raft.
pub(crate) fn node_id(id: u64) -> Option<i32> {
    id.checked_sub(1).and_then(|id| i32::try_from(id).ok())
}

fn put_voter(out: &mut BytesMut, voter: Voter) {
    out.put_i32(voter.id);
    codec::put_uuid(out, voter.directory_id);
}

fn read_voter(from: &mut Reader) -> Result<Voter, ReadError> {
    let (id, directory_id) = (from.i32("a node id")?, from.uuid("a directory id")?);
    if id < 0 { Err(ReadError::Range("a node id")) } else { Ok(Voter { id, directory_id }) }
}

/// The members, in the order of their ids: no node twice, within the limit, and at least one voter unless nobody is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members(Vec<Member>);

impl Members {
    /// A first set of voters.
    pub fn of_voters(voters: &[Voter]) -> Result<Self, ChangeError> {
        let mut members = Self::default();
        for voter in voters {
            members.insert(Member { voter: *voter, learner: false })?;
        }
        if members.0.is_empty() { Err(ChangeError::NoVoter) } else { Ok(members) }
    }

    pub fn iter(&self) -> impl Iterator<Item = &Member> {
        self.0.iter()
    }

    pub fn get(&self, id: i32) -> Option<&Member> {
        self.0.iter().find(|member| member.voter.id == id)
    }

    pub fn voters(&self) -> impl Iterator<Item = &Voter> {
        self.0.iter().filter(|member| !member.learner).map(|member| &member.voter)
    }

    pub fn is_voter(&self, id: i32) -> bool {
        self.voters().any(|voter| voter.id == id)
    }

    fn insert(&mut self, member: Member) -> Result<(), ChangeError> {
        let id = member.voter.id;
        if id < 0 || id == i32::MAX {
            return Err(ChangeError::Id(id));
        }
        if self.0.len() == MAX_MEMBERS {
            return Err(ChangeError::Many);
        }
        match self.0.binary_search_by_key(&id, |present| present.voter.id) {
            Ok(_) => Err(ChangeError::Present(id)),
            Err(place) => {
                self.0.insert(place, member);
                Ok(())
            }
        }
    }

    /// The members after a change.
    pub fn changed(&self, change: Change) -> Result<Self, ChangeError> {
        let mut members = self.clone();
        match change {
            Change::AddLearner(voter) => members.insert(Member { voter, learner: true })?,
            Change::Promote(id) => {
                let found = members.0.iter_mut().find(|member| member.voter.id == id && member.learner);
                found.ok_or(ChangeError::Absent(id))?.learner = false;
            }
            Change::Identify(voter) => {
                let is_it = |member: &Member| member.voter.id == voter.id && !member.learner;
                let unknown = members.0.iter_mut().find(|member| is_it(member) && member.voter.directory_id.is_zero());
                unknown.ok_or(ChangeError::Absent(voter.id))?.voter = voter;
            }
            Change::Remove(id) => {
                self.get(id).ok_or(ChangeError::Absent(id))?;
                members.0.retain(|member| member.voter.id != id);
            }
        }
        if members.voters().next().is_none() { Err(ChangeError::NoVoter) } else { Ok(members) }
    }

    pub(crate) fn to_raft(&self) -> ConfState {
        let ids = |learner: bool| {
            let of = self.0.iter().filter(move |member| member.learner == learner);
            of.filter_map(|member| raft_id(member.voter.id))
        };
        ConfState::from((ids(false), ids(true)))
    }

    pub(crate) fn encode(&self, out: &mut BytesMut) {
        codec::put_count(out, self.0.len());
        for member in &self.0 {
            put_voter(out, member.voter);
            codec::put_flag(out, member.learner);
        }
    }

    pub(crate) fn decode(from: &mut Reader) -> Result<Self, ReadError> {
        let mut members = Self::default();
        for _ in 0..from.count(MEMBER_BYTES, "the members")? {
            let voter = read_voter(from)?;
            let learner = from.flag("a member's kind")?;
            if members.0.last().is_some_and(|last| last.voter.id >= voter.id) {
                return Err(ReadError::Range("the members"));
            }
            members.insert(Member { voter, learner }).map_err(|_| ReadError::Range("the members"))?;
        }
        if members.voters().next().is_none() { Err(ReadError::Range("the members")) } else { Ok(members) }
    }
}
