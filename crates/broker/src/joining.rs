//! What a controller does by itself to be among the voters as it is: it joins them where it may (KIP-853,
//! `controller.quorum.auto.join.enable`), and tells them when it listens elsewhere than they know. Where voters are fixed it tells
//! each leader what it is: they can only come and go once one leader knows of all.

use crate::{
    broker::Broker,
    client::Error,
    controllers::{Remote, parse_voters},
    metadata_quorum::{QuorumState, ReplicaKey},
};
use ottla_config::keys;
use ottla_protocol::{
    ApiKey, ErrorCode, Str,
    messages::{
        AddRaftVoterRequest, AddRaftVoterResponse, RemoveRaftVoterRequest, RemoveRaftVoterResponse,
        UpdateRaftVoterRequest, UpdateRaftVoterResponse, add_raft_voter_request, update_raft_voter_request,
    },
    stored::voters_record::{Endpoint, Voter},
};
use std::{sync::Arc, time::Duration};
use tracing::{debug, info};

/// How long the voters may take to let this node catch up. The request is waited for as long as any of a controller.
const CATCH_UP_MS: i32 = 30_000;

/// How often to look, as Kafka's controllers do by default.
const PERIOD: Duration = Duration::from_secs(2);

/// What there is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Join,
    /// A voter with this node's id has a disk that was replaced.
    Replace(ReplicaKey),
    /// It is not what the log says of it.
    Update,
    /// The leader does not know yet what it is, as nothing is written down of fixed voters.
    Tell,
}

pub(crate) struct Joining {
    broker: Arc<Broker>,
    own: Voter,
}

impl Joining {
    pub(crate) fn new(broker: &Arc<Broker>, own: Voter) -> Self {
        Self { broker: broker.clone(), own }
    }

    /// Looks again and again until the node stops.
    pub(crate) async fn run(self) {
        let config = self.broker.config();
        let joins = config.get(keys::CONTROLLER_QUORUM_AUTO_JOIN_ENABLE);
        let is_fixed = parse_voters(&config).into_iter().any(|(id, _)| id == self.own.voter_id);
        // The epoch of the last leader that was told.
        let mut told = None;
        let mut ticks = tokio::time::interval(PERIOD);
        loop {
            tokio::select! {
                biased;
                () = self.broker.stopping.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let Some((local, remote)) = self.broker.controller().voter() else { return };
            // Who leads wrote down what it is when it began to.
            let (state, epoch) = (self.broker.quorum().state(), self.broker.quorum().view().epoch);
            let step = match is_fixed && !state.is_dynamic() {
                true => (told != Some(epoch)).then_some(Step::Tell),
                false => step(&state, &self.own, joins),
            };
            let Some(step) = step.filter(|_| !local.is_active()) else { continue };
            match self.ask(&step, remote).await {
                Ok(ErrorCode::None) => {
                    told = (step == Step::Tell).then_some(epoch);
                    info!("{}", done(&step));
                }
                Ok(code) => debug!(?step, %code, "the voters are not changed"),
                Err(error) => debug!(?step, %error, "the active controller does not answer"),
            }
        }
    }

    async fn ask(&self, step: &Step, remote: &Remote) -> Result<ErrorCode, Error> {
        let channel = remote.channel();
        let (voter_id, voter_directory_id) = (self.own.voter_id, self.own.voter_directory_id);
        let cluster_id = Some(self.broker.cluster_id.clone());
        let code = match step {
            Step::Join => {
                let request = AddRaftVoterRequest {
                    cluster_id,
                    timeout_ms: CATCH_UP_MS,
                    voter_id,
                    voter_directory_id,
                    listeners: self.own.endpoints.iter().map(added_listener).collect(),
                    // It may not be committed without this node, which waits here meanwhile.
                    ack_when_committed: false,
                    ..Default::default()
                };
                channel.call::<AddRaftVoterResponse>(ApiKey::AddRaftVoter, &request).await?.error_code
            }
            Step::Replace(old) => {
                let request = RemoveRaftVoterRequest {
                    cluster_id,
                    voter_id: old.id,
                    voter_directory_id: old.directory_id,
                    ..Default::default()
                };
                channel.call::<RemoveRaftVoterResponse>(ApiKey::RemoveRaftVoter, &request).await?.error_code
            }
            Step::Update | Step::Tell => {
                let range = &self.own.k_raft_version_feature;
                let request = UpdateRaftVoterRequest {
                    cluster_id,
                    current_leader_epoch: self.broker.quorum().view().epoch,
                    voter_id,
                    voter_directory_id,
                    listeners: self.own.endpoints.iter().map(updated_listener).collect(),
                    k_raft_version_feature: update_raft_voter_request::KRaftVersionFeature {
                        min_supported_version: range.min_supported_version,
                        max_supported_version: range.max_supported_version,
                        ..Default::default()
                    },
                    ..Default::default()
                };
                channel.call::<UpdateRaftVoterResponse>(ApiKey::UpdateRaftVoter, &request).await?.error_code
            }
        };
        Ok(ErrorCode::from_code(code).unwrap_or(ErrorCode::UnknownServerError))
    }
}

/// What a controller has to do that does not lead, by what the log says.
fn step(state: &QuorumState, own: &Voter, joins: bool) -> Option<Step> {
    if !state.is_dynamic() {
        return None;
    }
    if state.is_voter(&ReplicaKey::of(own)) {
        return state.with_updated(own).map(|_| Step::Update);
    }
    match state.voter(own.voter_id) {
        _ if !joins => None,
        Some(old) => Some(Step::Replace(ReplicaKey::of(old))),
        None => Some(Step::Join),
    }
}

fn done(step: &Step) -> &'static str {
    match step {
        Step::Join => "this controller gets a vote",
        Step::Replace(_) => "the voter that this controller was with another disk has no vote any more",
        Step::Tell => "the active controller knows what this controller is",
        Step::Update => "the voters know where this controller listens now",
    }
}

fn added_listener(endpoint: &Endpoint) -> add_raft_voter_request::Listener {
    let (name, host, port): (Str, Str, u16) = (endpoint.name.clone(), endpoint.host.clone(), endpoint.port);
    add_raft_voter_request::Listener { name, host, port, ..Default::default() }
}

fn updated_listener(endpoint: &Endpoint) -> update_raft_voter_request::Listener {
    let (name, host, port): (Str, Str, u16) = (endpoint.name.clone(), endpoint.host.clone(), endpoint.port);
    update_raft_voter_request::Listener { name, host, port, ..Default::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_protocol::{Uuid, stored::VotersRecord};

    fn voter(id: i32, directory: u8, port: u16) -> Voter {
        let endpoints = vec![Endpoint { name: "CONTROLLER".into(), host: "a".into(), port, ..Default::default() }];
        Voter { voter_id: id, voter_directory_id: Uuid::from_bytes([directory; 16]), endpoints, ..Default::default() }
    }

    fn of(voters: &[Voter]) -> QuorumState {
        let record = VotersRecord { voters: voters.to_vec(), ..Default::default() };
        QuorumState { kraft_version: 1, voters: Some(record) }
    }

    #[test]
    fn a_controller_becomes_the_voter_that_it_is() {
        let state = of(&[voter(1, 1, 1), voter(2, 2, 2)]);
        let step = |own, joins| step(&state, &own, joins);
        assert_eq!(step(voter(2, 2, 2), true), None);
        assert_eq!(step(voter(2, 2, 9), false), Some(Step::Update), "whether it joins by itself or not");
        assert_eq!(step(voter(3, 3, 3), true), Some(Step::Join));
        assert_eq!(step(voter(3, 3, 3), false), None);
        let old = ReplicaKey { id: 2, directory_id: Uuid::from_bytes([2; 16]) };
        assert_eq!(step(voter(2, 9, 2), true), Some(Step::Replace(old)));
        assert_eq!(step(voter(2, 9, 2), false), None);
    }

    #[test]
    fn fixed_voters_are_left_as_they_are() {
        assert_eq!(step(&QuorumState::default(), &voter(3, 3, 3), true), None);
    }
}
