//! Asking about consumer groups, and what tools do to them.

use super::{Heartbeat, Run, beat, describe, join, names, newest};
use m::leave_group_request::MemberIdentity;
use ottla_protocol::{ApiKey, Str, any::AnyRequest, messages as m};

const GROUP: &str = "d-asked";

pub(super) fn play(run: &mut Run) -> anyhow::Result<()> {
    newest(run, "asked-joins", join(GROUP, "a", &["d-consumed"]))?;
    let named = Heartbeat { instance_id: Some(Str::from_static("i")), ..join(GROUP, "b", &["d-consumed"]) };
    newest(run, "asked-joins-by-name", named)?;
    list(run, "living")?;
    describe_many(run)?;
    for groups in [&[GROUP][..], &["d-left-alone"], &[""]] {
        run.each(&format!("consumer-described-as-classic-{groups:?}"), ApiKey::DescribeGroups, |version| {
            AnyRequest::DescribeGroups(m::DescribeGroupsRequest {
                groups: names(groups),
                include_authorized_operations: version >= 3,
                ..Default::default()
            })
        })?;
    }
    run.each("consumer-delete-in-use", ApiKey::DeleteGroups, |_| delete())?;
    delete_offsets(run, "living")?;
    removed(run)?;
    newest(run, "asked-leaves", beat(GROUP, "a", -1))?;
    let named = Heartbeat { instance_id: Some(Str::from_static("i")), ..beat(GROUP, "b", -1) };
    newest(run, "asked-leaves-by-name", named)?;
    list(run, "left")?;
    delete_offsets(run, "left")?;
    run.each("consumer-delete", ApiKey::DeleteGroups, |_| delete())?;
    describe(run, "deleted", &[GROUP])?;
    newest(run, "deleted-beats", beat(GROUP, "a", 1))?;
    Ok(())
}

fn list(run: &mut Run, when: &str) -> anyhow::Result<()> {
    let cases: [(&[&str], &[&str]); 18] = [
        (&[], &[]),
        (&[], &["consumer"]),
        (&[], &["Consumer"]),
        (&[], &["CONSUMER", "classic"]),
        (&[], &["classic"]),
        (&[], &["share"]),
        (&[], &["streams"]),
        (&[], &["unknown"]),
        (&[], &[""]),
        (&["Stable"], &[]),
        (&["stable"], &["consumer"]),
        (&["reconciling"], &[]),
        (&["Assigning"], &[]),
        (&["Empty"], &["consumer"]),
        (&["Empty", "Reconciling"], &["consumer"]),
        (&["Dead"], &[]),
        (&[" Reconciling "], &["consumer"]),
        (&["Sleepy"], &["consumer"]),
    ];
    for (states, types) in cases {
        run.each(&format!("consumer-list-{when}-{states:?}-{types:?}"), ApiKey::ListGroups, |_| {
            AnyRequest::ListGroups(m::ListGroupsRequest {
                states_filter: names(states),
                types_filter: names(types),
                ..Default::default()
            })
        })?;
    }
    Ok(())
}

fn describe_many(run: &mut Run) -> anyhow::Result<()> {
    let cases: [(&str, &[&str]); 7] = [
        ("asked", &[GROUP]),
        ("unknown", &["d-nowhere"]),
        ("classic", &["d-group-v5"]),
        ("no-name", &[""]),
        ("none", &[]),
        ("twice", &[GROUP, GROUP]),
        ("several", &["d-nowhere", "", GROUP, "d-group-v5"]),
    ];
    for (step, groups) in cases {
        for include_authorized_operations in [false, true] {
            let step = if include_authorized_operations { format!("{step}-operations") } else { step.to_owned() };
            run.each(&format!("consumer-describe-{step}"), ApiKey::ConsumerGroupDescribe, |_| {
                AnyRequest::ConsumerGroupDescribe(m::ConsumerGroupDescribeRequest {
                    group_ids: names(groups),
                    include_authorized_operations,
                    ..Default::default()
                })
            })?;
        }
    }
    Ok(())
}

fn delete() -> AnyRequest {
    AnyRequest::DeleteGroups(m::DeleteGroupsRequest {
        groups_names: vec![Str::from_static(GROUP)],
        ..Default::default()
    })
}

fn delete_offsets(run: &mut Run, when: &str) -> anyhow::Result<()> {
    use m::offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
    for topic in ["d-consumed", "d-consumed-too", "d-nowhere"] {
        run.each(&format!("consumer-offset-delete-{when}-{topic}"), ApiKey::OffsetDelete, |_| {
            let partitions = vec![OffsetDeleteRequestPartition { partition_index: 0 }];
            let topics = vec![OffsetDeleteRequestTopic { name: Str::from(topic), partitions }];
            AnyRequest::OffsetDelete(m::OffsetDeleteRequest { group_id: Str::from_static(GROUP), topics })
        })?;
    }
    Ok(())
}

/// Members are removed with the request that classic ones leave with.
fn removed(run: &mut Run) -> anyhow::Result<()> {
    let identity = |member: &'static str, instance: Option<&'static str>| MemberIdentity {
        member_id: Str::from_static(member),
        group_instance_id: instance.map(Str::from_static),
        ..Default::default()
    };
    for (step, members) in [
        ("stranger", vec![identity("c", None)]),
        ("unknown-name", vec![identity("", Some("j"))]),
        ("other-name", vec![identity("a", Some("i"))]),
        ("nobody", vec![identity("", None)]),
        ("both", vec![identity("a", None), identity("", Some("i")), identity("a", None)]),
    ] {
        let request = m::LeaveGroupRequest { group_id: Str::from_static(GROUP), members, ..Default::default() };
        let version = run.newest(ApiKey::LeaveGroup);
        run.one(&format!("consumer-remove-{step}"), version, &AnyRequest::LeaveGroup(request))?;
        describe(run, &format!("removed-{step}"), &[GROUP])?;
    }
    Ok(())
}
