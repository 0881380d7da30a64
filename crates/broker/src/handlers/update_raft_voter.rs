//! UpdateRaftVoter (82): a voter tells where it listens now, and what it is able to (KIP-853).

use super::{
    Context, Pending, Refusal as Malformed, plain,
    raft_voters::{ask, check_cluster, check_leader, default_listener, endpoints, outcome, voter},
};
use crate::controller::{Ask, Outcome, Refusal};
use ottla_protocol::{
    ErrorCode,
    frame::RequestFrame,
    messages::{UpdateRaftVoterRequest, UpdateRaftVoterResponse, update_raft_voter_response::CurrentLeader},
};
use std::pin::Pin;

pub(super) fn start(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Malformed> {
    plain(cx, request, handle)
}

async fn handle(cx: Context, request: UpdateRaftVoterRequest) -> UpdateRaftVoterResponse {
    let (error_code, _no_room_for_it) = outcome(&cx, update(&cx, &request).await);
    let quorum = cx.broker.quorum();
    let view = quorum.view();
    let leader = quorum.leader_endpoint(&cx.peer.listener);
    let (host, port) = leader.map(|(_, at)| (at.host, i32::from(at.port))).unwrap_or_default();
    let current_leader = CurrentLeader {
        leader_id: view.leader.unwrap_or(-1),
        leader_epoch: view.epoch,
        host,
        port,
        ..Default::default()
    };
    UpdateRaftVoterResponse { error_code, current_leader, ..Default::default() }
}

async fn update(cx: &Context, request: &UpdateRaftVoterRequest) -> Result<(), Refusal> {
    let invalid = || Refusal::bare(ErrorCode::InvalidRequest);
    check_cluster(cx, request.cluster_id.as_ref())?;
    check_leader(cx, Some(request.current_leader_epoch))?;
    if request.voter_id < 0 || request.voter_directory_id.is_zero() {
        return Err(invalid());
    }
    let endpoints = endpoints(request.listeners.iter().map(|listener| (&listener.name, &listener.host, listener.port)));
    let listener = default_listener(cx);
    let feature = &request.k_raft_version_feature;
    let (min, max) = (feature.min_supported_version, feature.max_supported_version);
    if !endpoints.iter().any(|endpoint| *endpoint.name == *listener) || min < 0 || max < min {
        return Err(invalid());
    }
    let voter = voter(request.voter_id, request.voter_directory_id, endpoints, (min, max));
    match ask(cx, Ask::Update(voter)).await {
        Outcome::Done => Ok(()),
        Outcome::Refused(refusal) => Err(refusal),
        Outcome::HandedOver | Outcome::Again => Err(Refusal::bare(ErrorCode::RequestTimedOut)),
    }
}
