//! ElectLeaders, AlterPartitionReassignments and ListPartitionReassignments of a broker that is alone.

use crate::differential::run::Run;
use m::{
    alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic},
    elect_leaders_request::TopicPartitions,
    list_partition_reassignments_request::ListPartitionReassignmentsTopics,
};
use ottla_protocol::{ApiKey, Str, any::AnyRequest, messages as m};

pub(super) fn play(run: &mut Run) -> anyhow::Result<()> {
    elect(run)?;
    reassign(run)?;
    list(run)
}

fn elect(run: &mut Run) -> anyhow::Result<()> {
    let base: &[(&str, &[i32])] = &[("d-base", &[0, 2])];
    let odd: &[(&str, &[i32])] =
        &[("d-base", &[7, -1, 0, 0]), ("d-unknown", &[0]), ("d bad/name", &[0]), ("d-base", &[])];
    type Case<'a> = (&'a str, i8, Option<&'a [(&'a str, &'a [i32])]>, i32);
    let cases: [Case<'_>; 8] = [
        ("elect", 0, Some(base), 10_000),
        ("elect-unclean", 1, Some(base), 10_000),
        ("elect-odd", 0, Some(odd), 10_000),
        ("elect-odd-unclean", 1, Some(odd), 10_000),
        ("elect-kind-2", 2, Some(base), 10_000),
        ("elect-kind-minus-1", -1, None, 10_000),
        ("elect-none", 0, Some(&[]), 10_000),
        ("elect-all", 1, None, 10_000),
    ];
    for (step, election_type, topics, timeout_ms) in cases {
        run.each(step, ApiKey::ElectLeaders, |version| {
            let one = |(topic, partitions): &(&str, &[i32])| TopicPartitions {
                topic: Str::from(*topic),
                partitions: partitions.to_vec(),
                ..Default::default()
            };
            AnyRequest::ElectLeaders(m::ElectLeadersRequest {
                // Before version 1 there is but one kind.
                election_type: if version == 0 { 0 } else { election_type },
                topic_partitions: topics.map(|topics| topics.iter().map(one).collect()),
                timeout_ms,
                ..Default::default()
            })
        })?;
    }
    Ok(())
}

fn reassign(run: &mut Run) -> anyhow::Result<()> {
    type Case<'a> = (&'a str, &'a [(&'a str, i32, Option<&'a [i32]>)], bool);
    let cases: [Case<'_>; 9] = [
        ("reassign-same", &[("d-base", 0, Some(&[1])), ("d-base", 1, Some(&[1]))], true),
        ("reassign-same-factor", &[("d-base", 0, Some(&[1]))], false),
        ("reassign-cancel", &[("d-base", 0, None)], true),
        ("reassign-unknown", &[("d-unknown", 0, Some(&[1])), ("d-base", 7, Some(&[1])), ("d bad/name", 0, None)], true),
        ("reassign-to-none", &[("d-base", 0, Some(&[]))], true),
        ("reassign-to-twice", &[("d-base", 0, Some(&[1, 1]))], true),
        ("reassign-to-unknown", &[("d-base", 0, Some(&[7])), ("d-base", 1, Some(&[-1]))], true),
        ("reassign-factor", &[("d-base", 0, Some(&[1, 7])), ("d-base", 0, Some(&[]))], false),
        ("reassign-nothing", &[], true),
    ];
    for (step, partitions, allow_replication_factor_change) in cases {
        run.each(step, ApiKey::AlterPartitionReassignments, |version| {
            let one = |(name, partition_index, replicas): &(&str, i32, Option<&[i32]>)| ReassignableTopic {
                name: Str::from(*name),
                partitions: vec![ReassignablePartition {
                    partition_index: *partition_index,
                    replicas: replicas.map(<[i32]>::to_vec),
                    ..Default::default()
                }],
                ..Default::default()
            };
            AnyRequest::AlterPartitionReassignments(m::AlterPartitionReassignmentsRequest {
                timeout_ms: 10_000,
                allow_replication_factor_change: version == 0 || allow_replication_factor_change,
                topics: partitions.iter().map(one).collect(),
                ..Default::default()
            })
        })?;
    }
    Ok(())
}

fn list(run: &mut Run) -> anyhow::Result<()> {
    let cases: [(&str, Option<&[&str]>); 4] = [
        ("reassigning", None),
        ("reassigning-none", Some(&[])),
        ("reassigning-base", Some(&["d-base"])),
        ("reassigning-unknown", Some(&["d-unknown", "d bad/name", "d-base"])),
    ];
    for (step, names) in cases {
        run.each(step, ApiKey::ListPartitionReassignments, |_| {
            let one = |name: &&str| ListPartitionReassignmentsTopics {
                name: Str::from(*name),
                partition_indexes: vec![0, 7],
                ..Default::default()
            };
            AnyRequest::ListPartitionReassignments(m::ListPartitionReassignmentsRequest {
                timeout_ms: 10_000,
                topics: names.map(|names| names.iter().map(one).collect()),
                ..Default::default()
            })
        })?;
    }
    Ok(())
}
