//! Which changes of the voters are taken (KIP-853), by what is known of the quorum. What is refused is told in Kafka's words.

#[cfg(test)]
mod tests;

use crate::metadata_quorum::{QuorumState, ReplicaKey};
use ottla_metadata::features::KRAFT_VERSION;
use ottla_protocol::{
    ErrorCode,
    stored::{VotersRecord, voters_record::Voter},
};
use std::{fmt, time::Duration};

/// What somebody wants of the voters.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Ask {
    /// Whether this voter could be added, as far as can be said before it was asked what it is able to.
    MayAdd(ReplicaKey),
    Add {
        voter: Voter,
        /// Whether the answer waits until the change is committed.
        ack_when_committed: bool,
        timeout: Duration,
    },
    Remove(ReplicaKey),
    /// A voter has other endpoints, or is able to other versions.
    Update(Voter),
}

/// How that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    Refused(Refusal),
    /// The voter leads, and cannot remove itself: whoever leads next is to be asked.
    HandedOver,
}

/// Why a change is not made, or not known to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: ErrorCode,
    pub(crate) message: Option<String>,
}

impl Refusal {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: Some(message.into()) }
    }

    /// Others may be made sooner or later.
    pub(super) fn later(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::RequestTimedOut, message)
    }
}

impl From<Refusal> for Outcome {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Where a leader is with its voters.
pub(super) struct Situation<'a> {
    pub(super) state: &'a QuorumState,
    /// A change was begun and has not ended.
    pub(super) pending: bool,
    /// All of the epochs before is committed.
    pub(super) serves: bool,
    /// A change is in the log, and perhaps not committed.
    pub(super) uncommitted: bool,
    /// The offset after all that is committed.
    pub(super) high_watermark: i64,
}

impl Situation<'_> {
    /// Whether what is asked can be done now, and the voters that there are then.
    pub(super) fn check(&self, ask: &Ask) -> Result<VotersRecord, Refusal> {
        if self.pending {
            return Err(Refusal::later(
                "Request timed out waiting for leader to handle previous voter change request",
            ));
        }
        if !self.serves {
            return Err(Refusal::later(
                "Request timed out waiting for leader to establish HWM and fence previous voter changes",
            ));
        }
        self.check_version(ask)?;
        if self.uncommitted {
            let end = self.high_watermark;
            return Err(Refusal::later(format!(
                "Request timed out waiting for voters to commit the latest voter change at Optional[{end}] with HWM {end}"
            )));
        }
        match ask {
            Ask::MayAdd(key) => self.check_new(key).map(|()| VotersRecord::default()),
            Ask::Add { voter, .. } => self.added(voter),
            Ask::Remove(key) => self.removed(key),
            Ask::Update(voter) => self.updated(voter),
        }
    }

    fn check_version(&self, ask: &Ask) -> Result<(), Refusal> {
        let doing = match ask {
            Ask::MayAdd(_) | Ask::Add { .. } => "adding",
            Ask::Remove(_) => "removing",
            Ask::Update(_) => "updating",
        };
        if self.state.is_dynamic() {
            return Ok(());
        }
        let level = self.state.kraft_version;
        let message = format!("Cluster doesn't support {doing} voter because the {KRAFT_VERSION} feature is {level}");
        Err(Refusal::new(ErrorCode::UnsupportedVersion, message))
    }

    fn check_new(&self, key: &ReplicaKey) -> Result<(), Refusal> {
        if self.state.voter(key.id).is_none() {
            return Ok(());
        }
        let (key, keys) = (Key(key), Keys(self.state));
        let message = format!("The voter id for {key} is already part of the set of voters {keys}.");
        Err(Refusal::new(ErrorCode::DuplicateVoter, message))
    }

    fn added(&self, voter: &Voter) -> Result<VotersRecord, Refusal> {
        self.check_new(&key(voter))?;
        let mut voters: Vec<Voter> = self.state.voters().cloned().collect();
        voters.push(voter.clone());
        voters.sort_by_key(|voter| voter.voter_id);
        Ok(VotersRecord { voters, ..Default::default() })
    }

    fn removed(&self, gone: &ReplicaKey) -> Result<VotersRecord, Refusal> {
        let voters: Vec<Voter> = self.state.voters().filter(|voter| key(voter) != *gone).cloned().collect();
        // The last one stays.
        if voters.len() == self.state.voters().count() || voters.is_empty() {
            let (gone, keys) = (Key(gone), Keys(self.state));
            let message = format!("Cannot remove voter {gone} from the set of voters {keys}");
            return Err(Refusal::new(ErrorCode::VoterNotFound, message));
        }
        Ok(VotersRecord { voters, ..Default::default() })
    }

    fn updated(&self, new: &Voter) -> Result<VotersRecord, Refusal> {
        let mut voters: Vec<Voter> = self.state.voters().cloned().collect();
        let old = voters.iter_mut().find(|voter| key(voter) == key(new));
        *old.ok_or(Refusal { code: ErrorCode::VoterNotFound, message: None })? = new.clone();
        Ok(VotersRecord { voters, ..Default::default() })
    }
}

/// Which replica a voter is.
pub(crate) fn key(voter: &Voter) -> ReplicaKey {
    ReplicaKey { id: voter.voter_id, directory_id: voter.voter_directory_id }
}

/// A replica as Kafka writes it.
pub(super) struct Key<'a>(pub(super) &'a ReplicaKey);

impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ReplicaKey { id, directory_id } = self.0;
        match directory_id.is_zero() {
            true => write!(f, "ReplicaKey(id={id}, directoryId=<undefined>)"),
            false => write!(f, "ReplicaKey(id={id}, directoryId={directory_id})"),
        }
    }
}

struct Keys<'a>(&'a QuorumState);

impl fmt::Display for Keys<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<String> = self.0.voters().map(|voter| Key(&key(voter)).to_string()).collect();
        write!(f, "[{}]", keys.join(", "))
    }
}
