//! AddRaftVoter (80): a controller that follows the metadata log gets a vote (KIP-853, KIP-1186).

use super::{
    Context, Pending, Refusal as Malformed, plain,
    raft_voters::{ask, check_cluster, check_leader, default_listener, endpoints, outcome, patience, voter},
};
use crate::{
    dialer::{Dialer, Setup},
    client::{Address, Client},
    controller::{Ask, Outcome, Refusal},
    controllers::client_id,
    metadata_quorum::ReplicaKey,
};
use ottla_metadata::features::KRAFT_VERSION;
use ottla_protocol::{
    ErrorCode,
    frame::RequestFrame,
    messages::{AddRaftVoterRequest, AddRaftVoterResponse},
    stored::voters_record::Endpoint,
};
use std::{pin::Pin, time::Duration};
use tokio::time::{Instant, sleep, timeout};

/// How long to wait for a controller that is becoming one of several.
const AGAIN: Duration = Duration::from_millis(10);
/// The longest time that is taken for a voter to catch up.
const LONGEST: Duration = Duration::from_secs(600);

pub(super) fn start(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Malformed> {
    plain(cx, request, handle)
}

async fn handle(cx: Context, request: AddRaftVoterRequest) -> AddRaftVoterResponse {
    let (error_code, error_message) = outcome(&cx, add(&cx, request).await);
    AddRaftVoterResponse { error_code, error_message, ..Default::default() }
}

async fn add(cx: &Context, request: AddRaftVoterRequest) -> Result<(), Refusal> {
    check_cluster(cx, request.cluster_id.as_ref())?;
    check_leader(cx, None)?;
    let key = ReplicaKey { id: request.voter_id, directory_id: request.voter_directory_id };
    if key.id < 0 || key.directory_id.is_zero() {
        return Err(Refusal::new(ErrorCode::InvalidRequest, "Add voter request didn't include a valid voter"));
    }
    let endpoints = endpoints(request.listeners.iter().map(|listener| (&listener.name, &listener.host, listener.port)));
    let address = default_address(cx, &endpoints)?;
    given(ask(cx, Ask::MayAdd(key)).await)?;
    let range = supported(cx, &address).await?;
    cx.broker.quorum().state().check_able(&key, range)?;
    let voter = voter(key.id, key.directory_id, endpoints, range.unwrap_or_default());
    // Kafka's controllers give it no more time than they take to answer one another.
    let asked = Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
    let deadline = Instant::now() + asked.max(patience(cx)).min(LONGEST);
    let mut grows = false;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let add = Ask::Add { voter: voter.clone(), ack_when_committed: request.ack_when_committed, timeout: left };
        let answer = ask(cx, add).await;
        grows |= answer == Outcome::Again;
        // A controller that was alone elects itself first.
        let is_early = |code| matches!(code, ErrorCode::NotLeaderOrFollower | ErrorCode::RequestTimedOut);
        let again = match &answer {
            Outcome::Again => true,
            Outcome::Refused(refusal) => grows && is_early(refusal.code),
            Outcome::Done | Outcome::HandedOver => false,
        };
        if !again || left.is_zero() {
            return given(answer);
        }
        sleep(AGAIN).await;
    }
}

fn given(outcome: Outcome) -> Result<(), Refusal> {
    match outcome {
        Outcome::Done => Ok(()),
        Outcome::Refused(refusal) => Err(refusal),
        Outcome::HandedOver | Outcome::Again => Err(Refusal::bare(ErrorCode::RequestTimedOut)),
    }
}

/// Where the others will reach it.
fn default_address(cx: &Context, endpoints: &[Endpoint]) -> Result<Address, Refusal> {
    let listener = default_listener(cx);
    if let Some(endpoint) = endpoints.iter().find(|endpoint| *endpoint.name == *listener) {
        return Ok(Address { host: endpoint.host.clone(), port: endpoint.port });
    }
    let written = |e: &Endpoint| format!("ListenerName({})={}/<unresolved>:{}", e.name, e.host, e.port);
    let all: Vec<String> = endpoints.iter().map(written).collect();
    let message = format!(
        "Add voter request didn't include the endpoint (Endpoints(endpoints={{{}}})) for the default listener ListenerName({listener})",
        all.join(", ")
    );
    Err(Refusal::new(ErrorCode::InvalidRequest, message))
}

/// The levels of `kraft.version` that the node at an address is able to.
async fn supported(cx: &Context, address: &Address) -> Result<Option<(i16, i16)>, Refusal> {
    let id = client_id(cx.broker.node_id, "voters");
    let dialer = Dialer::new(Setup::new(&cx.broker.config()));
    let asked = async { Client::connect(&dialer, address, id).await?.api_versions().await };
    let answer = match timeout(patience(cx), asked).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => {
            tracing::info!(%address, %error, "a controller that is to vote does not answer");
            return Err(aborted("BROKER_NOT_AVAILABLE"));
        }
        Err(_elapsed) => return Err(Refusal::bare(ErrorCode::RequestTimedOut)),
    };
    match ErrorCode::from_code(answer.error_code) {
        Some(ErrorCode::None) => {}
        code => return Err(aborted(code.map_or("UNKNOWN_SERVER_ERROR", ErrorCode::name))),
    }
    let known = answer.supported_features.iter().find(|feature| feature.name == KRAFT_VERSION);
    Ok(known.map(|feature| (feature.min_version, feature.max_version)))
}

/// As Kafka has it, who leaves the voter out.
fn aborted(error: &str) -> Refusal {
    Refusal::later(format!("Aborted add voter operation for since API_VERSIONS returned an error {error}"))
}
