//! The first voters of a dynamic quorum, as `--initial-controllers` names them: `id@host:port:directory` (KIP-853).

use ottla_protocol::{
    Uuid,
    stored::{
        VotersRecord,
        voters_record::{Endpoint, KRaftVersionFeature, Voter as VoterData},
    },
};
use std::{collections::BTreeMap, net::Ipv6Addr};

/// The highest level of `kraft.version` that a voter of this release takes part in.
pub(super) const LATEST_KRAFT_VERSION: i16 = 1;

/// Why a text names no voters; the messages are Kafka's.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    #[error("No @ found in dynamic voter string.")]
    NoAt,
    #[error("Invalid @ at beginning of dynamic voter string.")]
    AtFirst,
    #[error("Failed to parse node id in dynamic voter string.")]
    NodeId,
    #[error("Invalid negative node id {0} in dynamic voter string.")]
    NegativeNodeId(i32),
    #[error("No hostname found after node id.")]
    NoHost,
    #[error("Hostname began with left bracket, but no right bracket was found.")]
    OpenBracket,
    #[error("No colon following hostname could be found.")]
    NoColonAfterHost,
    #[error("Port section must start with a colon.")]
    NoColonBeforePort,
    #[error("No colon following port could be found.")]
    NoColonAfterPort,
    #[error("Failed to parse port in dynamic voter string.")]
    Port,
    #[error("Invalid port {0} in dynamic voter string.")]
    PortRange(i32),
    #[error("Failed to parse directory ID in dynamic voter string.")]
    DirectoryId,
    #[error("No voters given.")]
    Empty,
    #[error("Node id {0} was specified more than once.")]
    Twice(i32),
}

/// Where a voter is, and which of its directories holds the metadata log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Voter {
    pub(super) directory_id: Uuid,
    pub(super) host: String,
    pub(super) port: u16,
}

/// Voters by node id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Voters(BTreeMap<i32, Voter>);

impl Voters {
    /// A quorum of this one.
    pub(super) fn only(node_id: i32, voter: Voter) -> Self {
        Self(BTreeMap::from([(node_id, voter)]))
    }

    /// Reads `id@host:port:directory,...`.
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        let mut voters = BTreeMap::new();
        for entry in text.trim().split(',').filter(|entry| !entry.is_empty()) {
            let (node_id, voter) = parse_voter(entry.trim())?;
            if voters.insert(node_id, voter).is_some() {
                return Err(Error::Twice(node_id));
            }
        }
        if voters.is_empty() { Err(Error::Empty) } else { Ok(Self(voters)) }
    }

    /// The voter that a node is, if it is one.
    pub(super) fn get(&self, node_id: i32) -> Option<&Voter> {
        self.0.get(&node_id)
    }

    /// The control record of the first snapshot.
    pub(super) fn to_record(&self, listener_name: &str) -> VotersRecord {
        let voter = |(voter_id, voter): (&i32, &Voter)| VoterData {
            voter_id: *voter_id,
            voter_directory_id: voter.directory_id,
            endpoints: vec![Endpoint {
                name: listener_name.to_uppercase().into(),
                host: as_java_writes(&voter.host).into(),
                port: voter.port,
                ..Default::default()
            }],
            k_raft_version_feature: KRaftVersionFeature {
                max_supported_version: LATEST_KRAFT_VERSION,
                ..Default::default()
            },
            ..Default::default()
        };
        VotersRecord { voters: self.0.iter().map(voter).collect(), ..Default::default() }
    }
}

/// The host as other nodes get to see it: IPv6 addresses in Java's long form.
fn as_java_writes(host: &str) -> String {
    match host.parse::<Ipv6Addr>() {
        Err(_) => host.to_owned(),
        Ok(address) => match address.to_ipv4_mapped() {
            Some(mapped) => mapped.to_string(),
            None => address.segments().map(|part| format!("{part:x}")).join(":"),
        },
    }
}

fn parse_voter(text: &str) -> Result<(i32, Voter), Error> {
    let (node_id, rest) = text.split_once('@').ok_or(Error::NoAt)?;
    if node_id.is_empty() {
        return Err(Error::AtFirst);
    }
    let node_id: i32 = node_id.parse().map_err(|_| Error::NodeId)?;
    if node_id < 0 {
        return Err(Error::NegativeNodeId(node_id));
    }
    let (host, rest) = parse_host(rest)?;
    let rest = rest.strip_prefix(':').ok_or(Error::NoColonBeforePort)?;
    let (port, directory_id) = rest.split_once(':').ok_or(Error::NoColonAfterPort)?;
    let port: i32 = port.parse().map_err(|_| Error::Port)?;
    let port = u16::try_from(port).map_err(|_| Error::PortRange(port))?;
    let directory_id = directory_id.parse().map_err(|_| Error::DirectoryId)?;
    Ok((node_id, Voter { directory_id, host: host.to_owned(), port }))
}

/// The host, out of its brackets if it has them, and what follows it.
fn parse_host(text: &str) -> Result<(&str, &str), Error> {
    if text.is_empty() {
        return Err(Error::NoHost);
    }
    match text.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once(']').ok_or(Error::OpenBracket),
        None => {
            let colon = text.find(':').ok_or(Error::NoColonAfterHost)?;
            Ok(text.split_at(colon))
        }
    }
}
