//! What AddRaftVoter, RemoveRaftVoter and UpdateRaftVoter have in common (KIP-853).

use super::{Context, fetch_metadata::leader_error};
use crate::controller::{Ask, Outcome, Refusal};
use ottla_config::keys;
use ottla_protocol::{
    ErrorCode, Str,
    stored::voters_record::{Endpoint, KRaftVersionFeature, Voter},
};
use std::{sync::atomic::Ordering, time::Duration};

/// The answer's code and message.
pub(super) fn outcome(cx: &Context, result: Result<(), Refusal>) -> (i16, Option<Str>) {
    let Err(refusal) = result else { return (ErrorCode::None.code(), None) };
    if let Some(forwarded) = cx.forwarded.as_ref().filter(|_| refusal.code == ErrorCode::NotLeaderOrFollower) {
        // The broker that handed it on looks for another controller.
        forwarded.not_controller.store(true, Ordering::Release);
    }
    (refusal.code.code(), refusal.message.map(Str::from))
}

/// A request may name the cluster that it is for.
pub(super) fn check_cluster(cx: &Context, asked: Option<&Str>) -> Result<(), Refusal> {
    let own = &cx.broker.cluster_id;
    match asked.filter(|asked| *asked != own) {
        None => Ok(()),
        Some(asked) => Err(Refusal::new(
            ErrorCode::InconsistentClusterId,
            format!("The given id \"{asked}\" doesn't match the cluster id \"{own}\""),
        )),
    }
}

/// Only the leader decides. Who does not say which epoch it takes this one to lead in means the present one.
pub(super) fn check_leader(cx: &Context, epoch: Option<i32>) -> Result<(), Refusal> {
    if cx.broker.controller().local().is_none() {
        // A broker whose controller did not answer.
        return Err(Refusal::bare(ErrorCode::RequestTimedOut));
    }
    let quorum = cx.broker.quorum();
    let epoch = epoch.unwrap_or_else(|| quorum.view().epoch);
    leader_error(cx, quorum, epoch).map_or(Ok(()), |code| Err(Refusal::bare(code)))
}

/// Has the controller of this node change the voters, or hears why not.
pub(super) async fn ask(cx: &Context, ask: Ask) -> Outcome {
    match cx.broker.controller().local() {
        Some(local) => local.members(ask).await,
        None => Outcome::Refused(Refusal::bare(ErrorCode::NotLeaderOrFollower)),
    }
}

/// How long a change may take that names no time.
pub(super) fn patience(cx: &Context) -> Duration {
    let ms = cx.broker.config().get(keys::CONTROLLER_QUORUM_REQUEST_TIMEOUT_MS);
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

/// The listener that controllers use among themselves, as Kafka writes names of listeners.
pub(super) fn default_listener(cx: &Context) -> String {
    let config = cx.broker.config();
    config.get(keys::CONTROLLER_LISTENER_NAMES).first().map(|name| name.to_uppercase()).unwrap_or_default()
}

/// Where a voter says to listen. Of two listeners with one name the last counts.
pub(super) fn endpoints<'a>(listeners: impl Iterator<Item = (&'a Str, &'a Str, u16)>) -> Vec<Endpoint> {
    let mut endpoints: Vec<Endpoint> = Vec::new();
    for (name, host, port) in listeners {
        let name = name.to_uppercase();
        endpoints.retain(|known| *known.name != *name);
        endpoints.push(Endpoint { name: name.into(), host: host.detached(), port, ..Default::default() });
    }
    endpoints
}

/// A voter, able to a range of levels of `kraft.version`.
pub(super) fn voter(id: i32, directory_id: ottla_protocol::Uuid, endpoints: Vec<Endpoint>, range: (i16, i16)) -> Voter {
    Voter {
        voter_id: id,
        voter_directory_id: directory_id,
        endpoints,
        k_raft_version_feature: KRaftVersionFeature {
            min_supported_version: range.0,
            max_supported_version: range.1,
            ..Default::default()
        },
        ..Default::default()
    }
}
