//! Classic groups of several members, who wait for one another: what is answered in each state of a group.

mod leaving;
mod protocols;
mod statics;
mod timeouts;
mod together;

use crate::differential::run::Run;
use m::{
    join_group_request::JoinGroupRequestProtocol,
    leave_group_request::MemberIdentity,
    offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic},
    sync_group_request::SyncGroupRequestAssignment,
};
use ottla_protocol::{
    ApiKey, Bytes, Str,
    any::{AnyRequest, AnyResponse},
    messages as m,
};

const MEMBER_ID_REQUIRED: i16 = 79;
const TOPIC: &str = "d-grouped";

pub(super) fn play(run: &mut Run) -> anyhow::Result<()> {
    together::play(run)?;
    protocols::play(run)?;
    leaving::play(run)?;
    statics::play(run)?;
    timeouts::play(run)
}

/// What a member says of itself in one protocol: anything, as only the members read it.
type Protocols = &'static [(&'static str, &'static [u8])];

const RANGE: Protocols = &[("range", b"mine")];

/// A member whose joins and syncs have a connection of their own; whatever is answered at once goes by the run's.
struct Member {
    /// What it is called in steps and in place of its id.
    name: String,
    group: Str,
    version: i16,
    id: Str,
    instance: Option<Str>,
    generation: i32,
    protocols: Protocols,
    session_ms: i32,
    rebalance_ms: i32,
}

impl Member {
    fn new(group: &str, name: &str, version: i16) -> Self {
        Self {
            name: format!("{group}-{name}"),
            group: Str::from(group),
            version,
            id: Str::default(),
            instance: None,
            generation: -1,
            protocols: RANGE,
            session_ms: 10_000,
            rebalance_ms: 10_000,
        }
    }

    fn of_instance(group: &str, name: &str, version: i16, instance: &str) -> Self {
        Self { instance: Some(Str::from(instance)), ..Self::new(group, name, version) }
    }

    fn step(&self, step: &str) -> String {
        format!("classic-{}-{step}", self.name)
    }

    fn join(&self) -> m::JoinGroupRequest {
        let protocols = self.protocols.iter().map(|(name, metadata)| JoinGroupRequestProtocol {
            name: Str::from_static(name),
            metadata: Bytes::from_static(metadata),
            ..Default::default()
        });
        m::JoinGroupRequest {
            group_id: self.group.clone(),
            session_timeout_ms: self.session_ms,
            rebalance_timeout_ms: if self.version >= 1 { self.rebalance_ms } else { -1 },
            member_id: self.id.clone(),
            group_instance_id: self.instance.clone(),
            protocol_type: Str::from_static("consumer"),
            protocols: protocols.collect(),
            ..Default::default()
        }
    }

    /// Asks to join, with the id that it is given first if its version wants that.
    fn begins(&mut self, run: &mut Run, step: &str) -> anyhow::Result<()> {
        if self.version >= 4 && self.instance.is_none() && self.id.as_ref().is_empty() {
            run.asks(&self.name, self.version, &AnyRequest::JoinGroup(self.join()))?;
            self.joined(run, &format!("{step}-for-an-id"))?;
        }
        run.asks(&self.name, self.version, &AnyRequest::JoinGroup(self.join()))
    }

    /// What is answered to its join.
    fn joined(&mut self, run: &mut Run, step: &str) -> anyhow::Result<()> {
        let alias = format!("<{}>", self.name);
        let named = |response: &AnyResponse| match response {
            AnyResponse::JoinGroup(response) => Some((response.member_id.to_string(), alias)),
            _ => None,
        };
        if let Some(AnyResponse::JoinGroup(response)) = run.hears(&self.name, &self.step(step), named)?
            && [0, MEMBER_ID_REQUIRED].contains(&response.error_code)
        {
            self.id = response.member_id.detached();
            self.generation = response.generation_id;
        }
        Ok(())
    }

    /// Joins where nobody is waited for.
    fn joins(&mut self, run: &mut Run, step: &str) -> anyhow::Result<()> {
        self.begins(run, step)?;
        self.joined(run, step)
    }

    fn waits(&self, run: &mut Run, step: &str) -> anyhow::Result<()> {
        run.waits(&self.name, &self.step(step))
    }

    fn at(&self, run: &Run, api: ApiKey) -> i16 {
        run.newest(api).min(self.version).max(*api.stable_versions().start())
    }

    fn sync(&self, version: i16, assignments: &[(&Self, &'static str)]) -> m::SyncGroupRequest {
        let mut request = m::SyncGroupRequest {
            group_id: self.group.clone(),
            generation_id: self.generation,
            member_id: self.id.clone(),
            assignments: assignments
                .iter()
                .map(|(member, assignment)| SyncGroupRequestAssignment {
                    member_id: member.id.clone(),
                    assignment: Bytes::from_static(assignment.as_bytes()),
                    ..Default::default()
                })
                .collect(),
            ..Default::default()
        };
        if version >= 3 {
            request.group_instance_id = self.instance.clone();
        }
        if version >= 5 {
            request.protocol_type = Some(Str::from_static("consumer"));
            request.protocol_name = Some(Str::from_static("range"));
        }
        request
    }

    /// Asks for its assignment, and as the leader says what everybody's is.
    fn begins_sync(&self, run: &mut Run, assignments: &[(&Self, &'static str)]) -> anyhow::Result<()> {
        let version = self.at(run, ApiKey::SyncGroup);
        run.asks(&self.name, version, &AnyRequest::SyncGroup(self.sync(version, assignments)))
    }

    fn synced(&self, run: &mut Run, step: &str) -> anyhow::Result<()> {
        run.hears(&self.name, &self.step(step), |_| None).map(drop)
    }

    fn syncs(&self, run: &mut Run, step: &str, assignments: &[(&Self, &'static str)]) -> anyhow::Result<()> {
        self.begins_sync(run, assignments)?;
        self.synced(run, step)
    }

    fn beat(&self, version: i16) -> m::HeartbeatRequest {
        m::HeartbeatRequest {
            group_id: self.group.clone(),
            generation_id: self.generation,
            member_id: self.id.clone(),
            group_instance_id: self.instance.clone().filter(|_| version >= 3),
            ..Default::default()
        }
    }

    /// Sends a heartbeat and a commit, as both are refused by state and by generation.
    fn lives(&self, run: &mut Run, step: &str) -> anyhow::Result<()> {
        let version = self.at(run, ApiKey::Heartbeat);
        run.one(&self.step(&format!("{step}-heartbeat")), version, &AnyRequest::Heartbeat(self.beat(version)))?;
        let version = self.at(run, ApiKey::OffsetCommit);
        let commit = AnyRequest::OffsetCommit(self.commit(version));
        run.one(&self.step(&format!("{step}-commit")), version, &commit).map(drop)
    }

    fn commit(&self, version: i16) -> m::OffsetCommitRequest {
        let partition = OffsetCommitRequestPartition {
            committed_offset: 1,
            committed_metadata: Some(Str::default()),
            ..Default::default()
        };
        let name = Str::from_static(TOPIC);
        m::OffsetCommitRequest {
            group_id: self.group.clone(),
            generation_id_or_member_epoch: self.generation,
            member_id: self.id.clone(),
            group_instance_id: self.instance.clone().filter(|_| version >= 7),
            topics: vec![OffsetCommitRequestTopic { name, partitions: vec![partition], ..Default::default() }],
            ..Default::default()
        }
    }

    fn leaves(&self, run: &mut Run, step: &str) -> anyhow::Result<()> {
        let version = self.at(run, ApiKey::LeaveGroup);
        let mut request = m::LeaveGroupRequest { group_id: self.group.clone(), ..Default::default() };
        if version >= 3 {
            let (member_id, group_instance_id) = (self.id.clone(), self.instance.clone());
            request.members = vec![MemberIdentity { member_id, group_instance_id, ..Default::default() }];
        } else {
            request.member_id = self.id.clone();
        }
        run.one(&self.step(step), version, &AnyRequest::LeaveGroup(request)).map(drop)
    }

    /// Sends heartbeats until one is refused, whose answers are not compared.
    fn until_refused(&self, run: &mut Run) -> anyhow::Result<()> {
        run.until("an end of the generation", |run| {
            let version = *ApiKey::Heartbeat.stable_versions().end();
            match run.quietly(&AnyRequest::Heartbeat(self.beat(version)))? {
                AnyResponse::Heartbeat(response) => Ok(response.error_code != 0),
                _ => Ok(false),
            }
        })
    }
}

/// What the group is, at the newest version.
fn describe(run: &mut Run, group: &str, when: &str) -> anyhow::Result<()> {
    let request = m::DescribeGroupsRequest { groups: vec![Str::from(group)], ..Default::default() };
    let version = run.newest(ApiKey::DescribeGroups);
    run.one(&format!("classic-{group}-{when}-describe"), version, &AnyRequest::DescribeGroups(request)).map(drop)
}

/// Two members, the first of which leads, both with an assignment.
fn two(run: &mut Run, mut a: Member, mut b: Member) -> anyhow::Result<(Member, Member)> {
    a.joins(run, "joins")?;
    a.syncs(run, "syncs", &[(&a, "all")])?;
    b.begins(run, "joins")?;
    a.until_refused(run)?;
    a.begins(run, "joins-again")?;
    a.joined(run, "joins-again")?;
    b.joined(run, "joins")?;
    b.begins_sync(run, &[])?;
    a.syncs(run, "syncs-again", &[(&a, "first"), (&b, "second")])?;
    b.synced(run, "syncs")?;
    Ok((a, b))
}

/// The two join again, and the one that does not lead waits for its assignment.
fn rejoin(run: &mut Run, a: &mut Member, b: &mut Member) -> anyhow::Result<()> {
    a.begins(run, "rejoins")?;
    a.waits(run, "rejoins-and-waits")?;
    b.joins(run, "rejoins")?;
    a.joined(run, "rejoins")?;
    b.begins_sync(run, &[])?;
    b.waits(run, "waits-for-the-leader")
}
