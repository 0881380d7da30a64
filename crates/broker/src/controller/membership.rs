//! Which changes of the voters are taken (KIP-853), by what is known of the quorum. What is refused is told in Kafka's words.

#[cfg(test)]
mod tests;

use crate::metadata_quorum::{QuorumState, ReplicaKey};
use ottla_metadata::features::KRAFT_VERSION;
use ottla_protocol::{
    ErrorCode,
    stored::{
        VotersRecord,
        voters_record::{KRaftVersionFeature, Voter},
    },
};
use std::{collections::BTreeMap, fmt, time::Duration};

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
    Remove {
        voter: ReplicaKey,
        timeout: Duration,
    },
    /// A voter has other endpoints, or is able to other versions.
    Update(Voter),
    /// `kraft.version` is to have this level.
    Upgrade {
        level: i16,
        validate_only: bool,
        timeout: Duration,
    },
}

impl Ask {
    /// How long it may take.
    pub(super) fn patience(&self) -> Duration {
        match self {
            Self::Add { timeout, .. } | Self::Remove { timeout, .. } | Self::Upgrade { timeout, .. } => *timeout,
            Self::MayAdd(_) | Self::Update(_) => Duration::ZERO,
        }
    }
}

/// How that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    Refused(Refusal),
    /// The voter leads, and cannot remove itself: whoever leads next is to be asked.
    HandedOver,
    /// This controller is about to become one of several: it is to be asked once more.
    Again,
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

    pub(crate) fn bare(code: ErrorCode) -> Self {
        Self { code, message: None }
    }

    /// Others may be made sooner or later.
    pub(crate) fn later(message: impl Into<String>) -> Self {
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
    /// The voters where they do not come and go.
    pub(super) fixed: &'a [i32],
    /// What these told of themselves since this node leads.
    pub(super) told: &'a BTreeMap<i32, Voter>,
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
            return Err(Refusal::later("Request timed out waiting for leader to handle previous voter change request"));
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
            Ask::Remove { voter, .. } => self.removed(voter),
            Ask::Update(voter) => self.updated(voter),
            Ask::Upgrade { level, .. } => self.upgraded(*level),
        }
    }

    fn check_version(&self, ask: &Ask) -> Result<(), Refusal> {
        let level = self.state.kraft_version;
        let doing = match ask {
            Ask::Update(voter) => return check_range(voter, level),
            Ask::Upgrade { .. } => return Ok(()),
            _ if self.state.is_dynamic() => return Ok(()),
            Ask::MayAdd(_) | Ask::Add { .. } => "adding",
            Ask::Remove { .. } => "removing",
        };
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
        self.check_new(&ReplicaKey::of(voter))?;
        Ok(self.state.with_added(voter))
    }

    fn removed(&self, gone: &ReplicaKey) -> Result<VotersRecord, Refusal> {
        let voters: Vec<Voter> = self.state.voters().filter(|voter| ReplicaKey::of(voter) != *gone).cloned().collect();
        // The last one stays.
        if voters.len() == self.state.voters().count() || voters.is_empty() {
            let (gone, keys) = (Key(gone), Keys(self.state));
            let message = format!("Cannot remove voter {gone} from the set of voters {keys}");
            return Err(Refusal::new(ErrorCode::VoterNotFound, message));
        }
        Ok(VotersRecord { voters, ..Default::default() })
    }

    fn updated(&self, new: &Voter) -> Result<VotersRecord, Refusal> {
        // Of fixed voters nothing is written down: what one tells of itself is what it could do once they come and go.
        if !self.state.is_dynamic() {
            let known = self.fixed.contains(&new.voter_id);
            return known.then(VotersRecord::default).ok_or(Refusal::bare(ErrorCode::VoterNotFound));
        }
        let mut voters: Vec<Voter> = self.state.voters().cloned().collect();
        let old = voters.iter_mut().find(|voter| ReplicaKey::of(voter) == ReplicaKey::of(new));
        *old.ok_or(Refusal::bare(ErrorCode::VoterNotFound))? = new.clone();
        Ok(VotersRecord { voters, ..Default::default() })
    }

    /// Fixed voters as they come and go from now on; none where they do already.
    fn upgraded(&self, level: i16) -> Result<VotersRecord, Refusal> {
        if level == self.state.kraft_version {
            return Ok(VotersRecord::default());
        }
        let able = |id| self.told.get(id).filter(|voter| check_range(voter, level).is_ok());
        let voters: Vec<Voter> = self.fixed.iter().filter_map(able).cloned().collect();
        if voters.len() != self.fixed.len() {
            let message =
                format!("Invalid upgrade of {KRAFT_VERSION} to {level} because not all of the voters support it");
            return Err(Refusal::new(ErrorCode::InvalidUpdateVersion, message));
        }
        Ok(VotersRecord { voters, ..Default::default() })
    }
}

fn check_range(voter: &Voter, level: i16) -> Result<(), Refusal> {
    let KRaftVersionFeature { min_supported_version: min, max_supported_version: max, .. } =
        voter.k_raft_version_feature;
    (min..=max).contains(&level).then_some(()).ok_or(Refusal::bare(ErrorCode::InvalidRequest))
}

impl QuorumState {
    /// Whether a node that is to vote can do so, by the levels of `kraft.version` that it says to know.
    pub(crate) fn check_able(&self, key: &ReplicaKey, range: Option<(i16, i16)>) -> Result<(), Refusal> {
        let level = self.kraft_version;
        if range.is_some_and(|(min, max)| (min..=max).contains(&level)) {
            return Ok(());
        }
        // As Kafka has it, with a bracket that it does not close.
        let range = range.map_or("(min: 0, max: 0)".to_owned(), |(min, max)| format!("(min: {min}, max: {max}"));
        let message = format!(
            "Aborted add voter operation for {} since the {KRAFT_VERSION} range {range} doesn't support the finalized version {level}",
            Key(key)
        );
        Err(Refusal::new(ErrorCode::InvalidRequest, message))
    }
}

/// A replica as Kafka writes it.
pub(crate) struct Key<'a>(pub(crate) &'a ReplicaKey);

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
        let keys: Vec<String> = self.0.voters().map(|voter| Key(&ReplicaKey::of(voter)).to_string()).collect();
        write!(f, "[{}]", keys.join(", "))
    }
}
