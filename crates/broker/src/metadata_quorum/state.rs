//! What the metadata log says of the quorum itself, in control records: the level of `kraft.version`, and who votes (KIP-853).

use super::ReplicaKey;
use crate::client::Address;
use anyhow::Context as _;
use ottla_protocol::{
    Message as _,
    batch::{CheckedBatch, control::ControlType},
    compression::Limits,
    stored::{KRaftVersionRecord, VotersRecord, voters_record::Voter},
};
use std::collections::BTreeMap;

/// What the log has beside the metadata, and a snapshot must have too.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct QuorumState {
    pub(crate) kraft_version: i16,
    /// Who votes, if the log says: not where the voters are those of the configs.
    pub(crate) voters: Option<VotersRecord>,
}

impl QuorumState {
    /// Takes in what a batch says. Answers whether it was anything.
    pub(crate) fn take(&mut self, batch: &CheckedBatch) -> anyhow::Result<bool> {
        if !batch.header().attributes.is_control() {
            return Ok(false);
        }
        let mut told = false;
        for record in batch.records(&Limits::default()) {
            let record = record?;
            let kind = ControlType::decode_key(&record.key.context("a control record has no key")?)?;
            let value = record.value.context("a control record has no value")?;
            match kind {
                ControlType::KRaftVersion => {
                    self.kraft_version = KRaftVersionRecord::from_bytes(value, 0)?.k_raft_version;
                }
                ControlType::KRaftVoters => self.voters = Some(VotersRecord::from_bytes(value, 0)?),
                _ => continue,
            }
            told = true;
        }
        Ok(told)
    }

    /// Whether voters may come and go.
    pub(crate) fn is_dynamic(&self) -> bool {
        self.kraft_version > 0
    }

    pub(crate) fn voters(&self) -> impl Iterator<Item = &Voter> {
        self.voters.iter().flat_map(|record| &record.voters)
    }

    pub(crate) fn voter(&self, id: i32) -> Option<&Voter> {
        self.voters().find(|voter| voter.voter_id == id)
    }

    /// Whether a replica votes, as far as the log says.
    pub(crate) fn is_voter(&self, key: &ReplicaKey) -> bool {
        self.voter(key.id).is_some_and(|voter| voter.voter_directory_id == key.directory_id)
    }

    /// The voters when one of them is what it says to be; none if it is that already, or no voter.
    pub(crate) fn with_updated(&self, voter: &Voter) -> Option<VotersRecord> {
        let mut record = self.voters.clone()?;
        let known = record.voters.iter_mut().find(|known| ReplicaKey::of(known) == ReplicaKey::of(voter))?;
        if known == voter {
            return None;
        }
        *known = voter.clone();
        Some(record)
    }

    /// The voters with one more.
    pub(crate) fn with_added(&self, voter: &Voter) -> VotersRecord {
        let mut record = self.voters.clone().unwrap_or_default();
        record.voters.push(voter.clone());
        record.voters.sort_by_key(|voter| voter.voter_id);
        record
    }

    /// Where the voters are on a listener.
    pub(crate) fn addresses(&self, listener: &str) -> BTreeMap<i32, Address> {
        self.voters().filter_map(|voter| Some((voter.voter_id, address(voter, listener)?))).collect()
    }
}

impl ReplicaKey {
    /// Which replica a voter is.
    pub(crate) fn of(voter: &Voter) -> Self {
        Self { id: voter.voter_id, directory_id: voter.voter_directory_id }
    }
}

/// Where a voter is on a listener, whose name may be written in capitals.
pub(crate) fn address(voter: &Voter, listener: &str) -> Option<Address> {
    let endpoint = voter.endpoints.iter().find(|endpoint| endpoint.name.eq_ignore_ascii_case(listener))?;
    Some(Address { host: endpoint.host.clone(), port: endpoint.port })
}
