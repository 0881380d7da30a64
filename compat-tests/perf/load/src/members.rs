//! Members of groups, of the classic and of the consumer protocol, who do one thing at a time.

use std::collections::BTreeSet;

use ottla_protocol::messages::consumer_group_heartbeat_request::TopicPartitions;
use ottla_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use ottla_protocol::messages::leave_group_request::MemberIdentity;
use ottla_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use ottla_protocol::messages::{
    ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, FindCoordinatorRequest, FindCoordinatorResponse,
    HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, LeaveGroupResponse,
    SyncGroupRequest, SyncGroupResponse,
};
use ottla_protocol::stored::consumer_protocol_assignment::TopicPartition;
use ottla_protocol::stored::{ConsumerProtocolAssignment, ConsumerProtocolSubscription};
use ottla_protocol::{ApiKey, Bytes, Codec, ErrorCode, Message, Str, Uuid};

use crate::client::{self, Receiver, Sender};

const SESSION_TIMEOUT_MS: i32 = 45_000;
const REBALANCE_TIMEOUT_MS: i32 = 60_000;

/// A connection with one request under way.
pub(crate) struct Connection {
    sender: Sender,
    receiver: Receiver,
}

impl Connection {
    pub(crate) fn to(address: &str) -> anyhow::Result<Self> {
        let (sender, receiver) = client::connect(address)?;
        Ok(Self { sender, receiver })
    }

    fn ask<T: Codec>(&mut self, api: ApiKey, version: i16, body: &impl Codec) -> anyhow::Result<T> {
        self.sender.send(&client::request(api, version, body)?)?;
        self.receiver.response(api, version)
    }

    /// Has the broker make the topic of offsets; an error of the group's coordinator, if it cannot be asked yet.
    pub(crate) fn find_coordinator(&mut self, group: &Str) -> anyhow::Result<ErrorCode> {
        let request = FindCoordinatorRequest { coordinator_keys: vec![group.clone()], ..Default::default() };
        let response: FindCoordinatorResponse = self.ask(ApiKey::FindCoordinator, 4, &request)?;
        let found = response.coordinators.first().map_or(-1, |found| found.error_code);
        Ok(code(found))
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Next {
    Join,
    Sync,
    Heartbeat,
}

/// A member of one group that reads one topic.
pub(crate) struct Member {
    is_classic: bool,
    pub(crate) group: Str,
    topic: Str,
    topic_id: Uuid,
    partitions: i32,
    id: Str,
    next: Next,
    /// The member epoch, or the generation.
    pub(crate) epoch: i32,
    pub(crate) owned: BTreeSet<i32>,
    /// Whether the coordinator must be told what it owns.
    has_changed: bool,
    /// Whom it assigns to, if it leads.
    members: Vec<Str>,
}

impl Member {
    pub(crate) fn new(is_classic: bool, group: Str, id: Str, topic: &str, partitions: i32) -> Self {
        Self {
            is_classic,
            group,
            topic: Str::from(topic),
            topic_id: Uuid::ZERO,
            partitions,
            id: if is_classic { Str::default() } else { id },
            next: Next::Join,
            epoch: 0,
            owned: BTreeSet::new(),
            has_changed: true,
            members: Vec::new(),
        }
    }

    /// Does what is next; true if that was a heartbeat that told nothing and was told nothing.
    pub(crate) fn step(&mut self, connection: &mut Connection) -> anyhow::Result<bool> {
        match (self.is_classic, self.next) {
            (false, _) => self.consumer_heartbeat(connection),
            (true, Next::Join) => self.join(connection),
            (true, Next::Sync) => self.sync(connection),
            (true, Next::Heartbeat) => self.heartbeat(connection),
        }
    }

    /// Goes for good, whatever the group says to that.
    pub(crate) fn leave(&self, connection: &mut Connection) -> anyhow::Result<()> {
        if self.is_classic {
            let member = MemberIdentity { member_id: self.id.clone(), ..Default::default() };
            let request =
                LeaveGroupRequest { group_id: self.group.clone(), members: vec![member], ..Default::default() };
            connection.ask::<LeaveGroupResponse>(ApiKey::LeaveGroup, 5, &request)?;
        } else {
            let request = ConsumerGroupHeartbeatRequest {
                group_id: self.group.clone(),
                member_id: self.id.clone(),
                member_epoch: -1,
                ..Default::default()
            };
            connection.ask::<ConsumerGroupHeartbeatResponse>(ApiKey::ConsumerGroupHeartbeat, 1, &request)?;
        }
        Ok(())
    }

    fn begin_anew(&mut self) {
        self.next = Next::Join;
        self.epoch = 0;
        self.owned.clear();
        self.has_changed = true;
    }

    fn consumer_heartbeat(&mut self, connection: &mut Connection) -> anyhow::Result<bool> {
        let joins = self.epoch == 0;
        let tells = joins || self.has_changed;
        let owned = || match self.owned.is_empty() {
            true => Vec::new(),
            false => {
                let partitions = self.owned.iter().copied().collect();
                vec![TopicPartitions { topic_id: self.topic_id, partitions, ..Default::default() }]
            }
        };
        let request = ConsumerGroupHeartbeatRequest {
            group_id: self.group.clone(),
            member_id: self.id.clone(),
            member_epoch: self.epoch,
            rebalance_timeout_ms: if joins { REBALANCE_TIMEOUT_MS } else { -1 },
            subscribed_topic_names: joins.then(|| vec![self.topic.clone()]),
            topic_partitions: tells.then(owned),
            ..Default::default()
        };
        let answer: ConsumerGroupHeartbeatResponse = connection.ask(ApiKey::ConsumerGroupHeartbeat, 1, &request)?;
        match code(answer.error_code) {
            ErrorCode::None => {}
            error if is_passing(error) => return Ok(false),
            ErrorCode::UnknownMemberId | ErrorCode::FencedMemberEpoch => {
                self.begin_anew();
                return Ok(false);
            }
            error => anyhow::bail!("a member of {} is told {error}: {:?}", self.group, answer.error_message),
        }
        self.has_changed = false;
        self.epoch = answer.member_epoch;
        let Some(assignment) = answer.assignment else { return Ok(!tells) };
        let mut owned = BTreeSet::new();
        for topic in assignment.topic_partitions {
            self.topic_id = topic.topic_id;
            owned.extend(topic.partitions);
        }
        self.has_changed = owned != self.owned;
        self.owned = owned;
        Ok(false)
    }

    fn join(&mut self, connection: &mut Connection) -> anyhow::Result<bool> {
        self.owned.clear();
        let subscription = ConsumerProtocolSubscription { topics: vec![self.topic.clone()], ..Default::default() };
        let protocol = JoinGroupRequestProtocol {
            name: Str::from_static("range"),
            metadata: subscription.to_versioned_bytes(1)?,
            ..Default::default()
        };
        let request = JoinGroupRequest {
            group_id: self.group.clone(),
            member_id: self.id.clone(),
            session_timeout_ms: SESSION_TIMEOUT_MS,
            rebalance_timeout_ms: REBALANCE_TIMEOUT_MS,
            protocol_type: Str::from_static("consumer"),
            protocols: vec![protocol],
            ..Default::default()
        };
        let answer: JoinGroupResponse = connection.ask(ApiKey::JoinGroup, 9, &request)?;
        match code(answer.error_code) {
            ErrorCode::None => {
                self.id = answer.member_id;
                self.epoch = answer.generation_id;
                self.members = answer.members.into_iter().map(|member| member.member_id).collect();
                self.next = Next::Sync;
            }
            ErrorCode::MemberIdRequired => self.id = answer.member_id,
            ErrorCode::UnknownMemberId => self.id = Str::default(),
            error => anyhow::ensure!(is_passing(error), "a member that joins {} is told {error}", self.group),
        }
        Ok(false)
    }

    fn sync(&mut self, connection: &mut Connection) -> anyhow::Result<bool> {
        let count = self.members.len();
        let mut assignments = Vec::with_capacity(count);
        for (n, member_id) in core::mem::take(&mut self.members).into_iter().enumerate() {
            let partitions: Vec<i32> = (0..self.partitions).skip(n).step_by(count).collect();
            let topic = TopicPartition { topic: self.topic.clone(), partitions };
            let share = ConsumerProtocolAssignment { assigned_partitions: vec![topic], ..Default::default() };
            let assignment = share.to_versioned_bytes(1)?;
            assignments.push(SyncGroupRequestAssignment { member_id, assignment, ..Default::default() });
        }
        let request = SyncGroupRequest {
            group_id: self.group.clone(),
            generation_id: self.epoch,
            member_id: self.id.clone(),
            protocol_type: Some(Str::from_static("consumer")),
            protocol_name: Some(Str::from_static("range")),
            assignments,
            ..Default::default()
        };
        let answer: SyncGroupResponse = connection.ask(ApiKey::SyncGroup, 5, &request)?;
        self.told(answer.error_code)?;
        if answer.error_code == 0 {
            self.owned = partitions_of(answer.assignment)?;
            self.next = Next::Heartbeat;
        }
        Ok(false)
    }

    fn heartbeat(&mut self, connection: &mut Connection) -> anyhow::Result<bool> {
        let request = HeartbeatRequest {
            group_id: self.group.clone(),
            generation_id: self.epoch,
            member_id: self.id.clone(),
            ..Default::default()
        };
        let answer: HeartbeatResponse = connection.ask(ApiKey::Heartbeat, 4, &request)?;
        self.told(answer.error_code)?;
        Ok(answer.error_code == 0)
    }

    fn told(&mut self, error_code: i16) -> anyhow::Result<()> {
        match code(error_code) {
            ErrorCode::None => {}
            ErrorCode::RebalanceInProgress => self.next = Next::Join,
            ErrorCode::IllegalGeneration => self.begin_anew(),
            ErrorCode::UnknownMemberId => {
                self.begin_anew();
                self.id = Str::default();
            }
            error => anyhow::ensure!(is_passing(error), "a member of {} is told {error}", self.group),
        }
        Ok(())
    }
}

/// One that is unknown is an unknown error.
fn code(code: i16) -> ErrorCode {
    ErrorCode::from_code(code).unwrap_or(ErrorCode::UnknownServerError)
}

fn is_passing(error: ErrorCode) -> bool {
    matches!(
        error,
        ErrorCode::CoordinatorLoadInProgress
            | ErrorCode::CoordinatorNotAvailable
            | ErrorCode::NotCoordinator
            | ErrorCode::RebalanceInProgress
    )
}

fn partitions_of(assignment: Bytes) -> anyhow::Result<BTreeSet<i32>> {
    let mut d = ottla_protocol::codec::Decoder::new(assignment);
    d.int16()?;
    let share = ConsumerProtocolAssignment::read(&mut d, 0)?;
    Ok(share.assigned_partitions.into_iter().flat_map(|topic| topic.partitions).collect())
}
