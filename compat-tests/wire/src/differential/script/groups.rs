//! Classic groups: join to leave, offsets, and asking about groups.

use crate::differential::run::Run;
use m::{
    join_group_request::JoinGroupRequestProtocol, leave_group_request::MemberIdentity,
    sync_group_request::SyncGroupRequestAssignment,
};
use ottla_protocol::{ApiKey, Bytes, Str, Uuid, any::AnyRequest, any::AnyResponse, messages as m};

pub(super) fn play(run: &mut Run) -> anyhow::Result<()> {
    run.topic("d-grouped", 2, &[])?;
    for version in run.versions(ApiKey::JoinGroup) {
        life(run, version)?;
    }
    strangers(run)?;
    offsets(run)?;
    ask(run)
}

fn join(group: &str, member: &Str, version: i16) -> m::JoinGroupRequest {
    let protocol = JoinGroupRequestProtocol {
        name: Str::from_static("range"),
        metadata: Bytes::from_static(b"\0\x01\0\0\0\x01\0\x09d-grouped\xff\xff\xff\xff\0\0\0\0"),
        ..Default::default()
    };
    let mut request = m::JoinGroupRequest {
        group_id: Str::from(group),
        session_timeout_ms: 10_000,
        member_id: member.clone(),
        protocol_type: Str::from_static("consumer"),
        protocols: vec![protocol],
        ..Default::default()
    };
    if version >= 1 {
        request.rebalance_timeout_ms = 10_000;
    }
    request
}

/// One member's life, with every API at the newest version that is not newer than the join's.
fn life(run: &mut Run, version: i16) -> anyhow::Result<()> {
    let group = format!("d-group-v{version}");
    let at = |run: &Run, api: ApiKey| run.newest(api).min(version).max(*api.stable_versions().start());
    let mut member = Str::default();
    let mut generation = -1;
    for step in ["join", "join-with-id", "join-again"] {
        let answer = run.one(step, version, &AnyRequest::JoinGroup(join(&group, &member, version)))?;
        let Some(AnyResponse::JoinGroup(response)) = answer else {
            return Ok(());
        };
        member = response.member_id.detached();
        generation = response.generation_id;
    }
    let sync = |generation_id: i32, member_id: &Str| {
        AnyRequest::SyncGroup(m::SyncGroupRequest {
            group_id: Str::from(group.as_str()),
            generation_id,
            member_id: member_id.clone(),
            assignments: vec![SyncGroupRequestAssignment {
                member_id: member.clone(),
                assignment: Bytes::from_static(b"assigned"),
                ..Default::default()
            }],
            ..Default::default()
        })
    };
    let beat = |generation_id: i32, member_id: &Str| {
        AnyRequest::Heartbeat(m::HeartbeatRequest {
            group_id: Str::from(group.as_str()),
            generation_id,
            member_id: member_id.clone(),
            ..Default::default()
        })
    };
    let stranger = Str::from_static("stranger");
    let (sync_at, beat_at) = (at(run, ApiKey::SyncGroup), at(run, ApiKey::Heartbeat));
    let named = |step: &str| format!("{step}-joined-v{version}");
    run.one(&named("heartbeat-before-sync"), beat_at, &beat(generation, &member))?;
    run.one(&named("sync-wrong-generation"), sync_at, &sync(generation + 5, &member))?;
    run.one(&named("sync-stranger"), sync_at, &sync(generation, &stranger))?;
    run.one(&named("sync"), sync_at, &sync(generation, &member))?;
    run.one(&named("sync-again"), sync_at, &sync(generation, &member))?;
    run.one(&named("heartbeat"), beat_at, &beat(generation, &member))?;
    run.one(&named("heartbeat-wrong-generation"), beat_at, &beat(generation + 1, &member))?;
    run.one(&named("heartbeat-stranger"), beat_at, &beat(generation, &stranger))?;
    run.each(&named("describe-group"), ApiKey::DescribeGroups, |_| describe(&group))?;
    run.each(&named("delete-group-in-use"), ApiKey::DeleteGroups, |_| delete(&group))?;
    let leave_at = at(run, ApiKey::LeaveGroup);
    for step in ["leave", "leave-again"] {
        let mut request = m::LeaveGroupRequest { group_id: Str::from(group.as_str()), ..Default::default() };
        if leave_at >= 3 {
            request.members = vec![MemberIdentity { member_id: member.clone(), ..Default::default() }];
        } else {
            request.member_id = member.clone();
        }
        run.one(&named(step), leave_at, &AnyRequest::LeaveGroup(request))?;
    }
    run.each(&named("describe-empty-group"), ApiKey::DescribeGroups, |_| describe(&group))
}

fn describe(group: &str) -> AnyRequest {
    AnyRequest::DescribeGroups(m::DescribeGroupsRequest { groups: vec![Str::from(group)], ..Default::default() })
}

fn delete(group: &str) -> AnyRequest {
    AnyRequest::DeleteGroups(m::DeleteGroupsRequest { groups_names: vec![Str::from(group)], ..Default::default() })
}

fn strangers(run: &mut Run) -> anyhow::Result<()> {
    let nobody = Str::default();
    let stranger = Str::from_static("stranger");
    run.each("join-no-group", ApiKey::JoinGroup, |version| AnyRequest::JoinGroup(join("", &nobody, version)))?;
    run.each("join-stranger", ApiKey::JoinGroup, |version| AnyRequest::JoinGroup(join("d-x", &stranger, version)))?;
    run.each("join-session-1", ApiKey::JoinGroup, |version| {
        AnyRequest::JoinGroup(m::JoinGroupRequest { session_timeout_ms: 1, ..join("d-x", &nobody, version) })
    })?;
    run.each("join-no-protocols", ApiKey::JoinGroup, |version| {
        AnyRequest::JoinGroup(m::JoinGroupRequest { protocols: vec![], ..join("d-x", &nobody, version) })
    })?;
    run.each("join-no-protocol-type", ApiKey::JoinGroup, |version| {
        AnyRequest::JoinGroup(m::JoinGroupRequest { protocol_type: Str::default(), ..join("d-x", &nobody, version) })
    })?;
    for group in ["", "d-unknown"] {
        let step = |name: &str| format!("{name}-group-{group:?}");
        run.each(&step("heartbeat"), ApiKey::Heartbeat, |_| {
            let group_id = Str::from(group);
            AnyRequest::Heartbeat(m::HeartbeatRequest { group_id, member_id: stranger.clone(), ..Default::default() })
        })?;
        run.each(&step("sync"), ApiKey::SyncGroup, |_| {
            let group_id = Str::from(group);
            AnyRequest::SyncGroup(m::SyncGroupRequest { group_id, member_id: stranger.clone(), ..Default::default() })
        })?;
        run.each(&step("leave"), ApiKey::LeaveGroup, |version| {
            let mut request = m::LeaveGroupRequest { group_id: Str::from(group), ..Default::default() };
            if version >= 3 {
                request.members = vec![MemberIdentity { member_id: stranger.clone(), ..Default::default() }];
            } else {
                request.member_id = stranger.clone();
            }
            AnyRequest::LeaveGroup(request)
        })?;
        run.each(&step("describe"), ApiKey::DescribeGroups, |_| describe(group))?;
        run.each(&step("delete"), ApiKey::DeleteGroups, |_| delete(group))?;
    }
    Ok(())
}

fn offsets(run: &mut Run) -> anyhow::Result<()> {
    use m::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
    let long: &'static str = Box::leak("m".repeat(5000).into_boxed_str());
    let known = run.id("d-grouped");
    let cases = [
        ("commit", "d-committed", "d-grouped", known, 0, -1, "", "note"),
        ("commit-no-group", "", "d-grouped", known, 0, -1, "", "note"),
        ("commit-unknown-topic", "d-committed", "d-unknown", Uuid::from_bytes([7; 16]), 0, -1, "", "note"),
        ("commit-partition-7", "d-committed", "d-grouped", known, 7, -1, "", "note"),
        ("commit-generation-5", "d-committed", "d-grouped", known, 0, 5, "stranger", "note"),
        ("commit-generation-5-new-group", "d-unknown", "d-grouped", known, 0, 5, "stranger", "note"),
        ("commit-long-metadata", "d-committed", "d-grouped", known, 0, -1, "", long),
    ];
    for (step, group, name, topic_id, partition_index, generation, member, metadata) in cases {
        run.each(step, ApiKey::OffsetCommit, |version| {
            let partition = OffsetCommitRequestPartition {
                partition_index,
                committed_offset: 5,
                committed_metadata: Some(Str::from_static(metadata)),
                ..Default::default()
            };
            let mut topic = OffsetCommitRequestTopic { partitions: vec![partition], ..Default::default() };
            if version >= 10 {
                topic.topic_id = topic_id;
            } else {
                topic.name = Str::from_static(name);
            }
            AnyRequest::OffsetCommit(m::OffsetCommitRequest {
                group_id: Str::from(group),
                generation_id_or_member_epoch: generation,
                member_id: Str::from(member),
                topics: vec![topic],
                ..Default::default()
            })
        })?;
    }
    fetch_offsets(run, known)?;
    for (step, group, name) in [
        ("offset-delete-unknown-group", "d-unknown", "d-grouped"),
        ("offset-delete-unknown-topic", "d-committed", "d-unknown"),
        ("offset-delete", "d-committed", "d-grouped"),
    ] {
        use m::offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
        run.each(step, ApiKey::OffsetDelete, |_| {
            let partitions = vec![OffsetDeleteRequestPartition { partition_index: 0 }];
            let topic = OffsetDeleteRequestTopic { name: Str::from(name), partitions };
            AnyRequest::OffsetDelete(m::OffsetDeleteRequest { group_id: Str::from(group), topics: vec![topic] })
        })?;
    }
    Ok(())
}

fn fetch_offsets(run: &mut Run, known: Uuid) -> anyhow::Result<()> {
    use m::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics};
    let unknown = Uuid::from_bytes([7; 16]);
    let cases = [
        ("fetch-offsets", "d-committed", Some(("d-grouped", known))),
        ("fetch-offsets-all", "d-committed", None),
        ("fetch-offsets-unknown-topic", "d-committed", Some(("d-unknown", unknown))),
        ("fetch-offsets-unknown-group", "d-unknown", Some(("d-grouped", known))),
        ("fetch-offsets-unknown-group-all", "d-unknown", None),
        ("fetch-offsets-no-group", "", Some(("d-grouped", known))),
    ];
    for (step, group, topic) in cases {
        run.each(step, ApiKey::OffsetFetch, |version| {
            let mut request = m::OffsetFetchRequest::default();
            if version < 8 {
                request.group_id = Str::from(group);
                request.topics = topic.map(|(name, _)| {
                    let name = Str::from_static(name);
                    vec![OffsetFetchRequestTopic { name, partition_indexes: vec![0, 1, 7], ..Default::default() }]
                });
                return AnyRequest::OffsetFetch(request);
            }
            let topics = topic.map(|(name, topic_id)| {
                let mut topic = OffsetFetchRequestTopics { partition_indexes: vec![0, 1, 7], ..Default::default() };
                if version >= 10 {
                    topic.topic_id = topic_id;
                } else {
                    topic.name = Str::from_static(name);
                }
                vec![topic]
            });
            let mut asked = OffsetFetchRequestGroup { group_id: Str::from(group), topics, ..Default::default() };
            if version >= 9 {
                asked.member_epoch = -1;
            }
            request.groups = vec![asked];
            AnyRequest::OffsetFetch(request)
        })?;
    }
    Ok(())
}

fn ask(run: &mut Run) -> anyhow::Result<()> {
    let list = |states: &[&str], types: &[&str]| {
        AnyRequest::ListGroups(m::ListGroupsRequest {
            states_filter: states.iter().map(|state| Str::from(*state)).collect(),
            types_filter: types.iter().map(|one| Str::from(*one)).collect(),
            ..Default::default()
        })
    };
    run.each("list-groups", ApiKey::ListGroups, |_| list(&[], &[]))?;
    run.each("list-groups-empty", ApiKey::ListGroups, |_| list(&["Empty"], &[]))?;
    run.each("list-groups-other-case", ApiKey::ListGroups, |_| list(&["eMPTY"], &[]))?;
    run.each("list-groups-bad-state", ApiKey::ListGroups, |_| list(&["Sleepy"], &[]))?;
    run.each("list-groups-classic", ApiKey::ListGroups, |_| list(&[], &["classic"]))?;
    run.each("list-groups-bad-type", ApiKey::ListGroups, |_| list(&[], &["modern"]))?;
    run.each("delete-group", ApiKey::DeleteGroups, |version| delete(&format!("d-group-v{}", version + 2)))
}
