//! RemoveRaftVoter (81): a controller has no vote any more, and goes on to follow the metadata log (KIP-853).

use super::{
    Context, Pending, Refusal as Malformed, plain,
    raft_voters::{ask, check_cluster, check_leader, outcome, patience},
};
use crate::{
    controller::{Ask, Outcome, Refusal},
    metadata_quorum::ReplicaKey,
};
use ottla_protocol::{
    ApiKey, ErrorCode, Str,
    frame::RequestFrame,
    messages::{RemoveRaftVoterRequest, RemoveRaftVoterResponse},
};
use std::{pin::Pin, time::Duration};
use tokio::time::{Instant, sleep, timeout_at};

/// How often to see whether another controller is active, and how long to wait for that and its answer.
const AGAIN: Duration = Duration::from_millis(20);
const SUCCESSION: Duration = Duration::from_secs(10);

pub(super) fn start(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Malformed> {
    plain(cx, request, handle)
}

async fn handle(cx: Context, request: RemoveRaftVoterRequest) -> RemoveRaftVoterResponse {
    let (error_code, error_message) = match remove(&cx, &request).await {
        Ok(Outcome::HandedOver) => return ask_next(&cx, &request).await,
        Ok(Outcome::Refused(refusal)) | Err(refusal) => outcome(&cx, Err(refusal)),
        Ok(Outcome::Done | Outcome::Again) => outcome(&cx, Ok(())),
    };
    RemoveRaftVoterResponse { error_code, error_message, ..Default::default() }
}

async fn remove(cx: &Context, request: &RemoveRaftVoterRequest) -> Result<Outcome, Refusal> {
    check_cluster(cx, request.cluster_id.as_ref())?;
    check_leader(cx, None)?;
    let voter = ReplicaKey { id: request.voter_id, directory_id: request.voter_directory_id };
    if voter.id < 0 || voter.directory_id.is_zero() {
        return Err(Refusal::new(ErrorCode::InvalidRequest, "Remove voter request didn't include a valid voter"));
    }
    Ok(ask(cx, Ask::Remove { voter, timeout: patience(cx) }).await)
}

/// This node led, and handed over as it is to be removed: the one that leads now is asked.
async fn ask_next(cx: &Context, request: &RemoveRaftVoterRequest) -> RemoveRaftVoterResponse {
    let deadline = Instant::now() + SUCCESSION;
    while let Some((local, remote)) = cx.broker.controller().voter().filter(|_| Instant::now() < deadline) {
        let request = RemoveRaftVoterRequest {
            cluster_id: Some(cx.broker.cluster_id.clone()),
            voter_id: request.voter_id,
            voter_directory_id: request.voter_directory_id,
            ..Default::default()
        };
        if !local.is_active() {
            let asked = remote.channel().call(ApiKey::RemoveRaftVoter, &request);
            match timeout_at(deadline, asked).await {
                Ok(Ok(answer)) if !is_early(&answer) => return answer,
                Ok(answer) => tracing::debug!(?answer, "the next leader does not remove the last one yet"),
                Err(_elapsed) => break,
            }
        }
        sleep(AGAIN).await;
    }
    let error_message = Some(Str::from_static("No other controller led in time and removed the one that did"));
    RemoveRaftVoterResponse { error_code: ErrorCode::RequestTimedOut.code(), error_message, ..Default::default() }
}

/// Whoever was elected cannot change voters before its epoch has begun.
fn is_early(answer: &RemoveRaftVoterResponse) -> bool {
    let code = ErrorCode::from_code(answer.error_code);
    matches!(code, Some(ErrorCode::NotLeaderOrFollower | ErrorCode::RequestTimedOut))
}
