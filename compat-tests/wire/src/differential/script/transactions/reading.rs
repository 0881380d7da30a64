//! What Fetch, ListOffsets and DescribeProducers tell of a partition with transactions that were committed, aborted and are open.

use super::Script;
use crate::differential::run::Run;
use m::{
    describe_producers_request::TopicRequest,
    fetch_request::{FetchPartition, FetchTopic},
    list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic},
};
use ottla_protocol::{ApiKey, Str, any::AnyRequest, messages as m};

/// The partition of the topic that all of this is in: nobody else writes there.
const PARTITION: i32 = 3;
const OFFSETS: [i64; 11] = [0, 2, 3, 4, 7, 8, 11, 12, 15, 19, 40];

/// The offsets of the partition's records and markers, behind where it begins:
/// 0-2 committed by a, 3 marker; 4-6 aborted by b, 7-9 committed by a, 10-12 aborted by b, 13 and 14 markers; then open ones.
pub(super) fn play(run: &mut Run, script: &Script) -> anyhow::Result<()> {
    let topic = topic(script);
    run.topic(topic, 4, &[])?;
    let mut a = script.producer(run, "reading-a", 0)?;
    let mut b = script.producer(run, "reading-b", 0)?;
    a.writes(run, topic, PARTITION)?;
    read(run, script, "open", topic)?;
    a.ends(run, true)?;
    read(run, script, "committed", topic)?;
    b.writes(run, topic, PARTITION)?;
    a.writes(run, topic, PARTITION)?;
    b.writes(run, topic, PARTITION)?;
    a.ends(run, true)?;
    read(run, script, "held-back", topic)?;
    b.ends(run, false)?;
    read(run, script, "aborted", topic)?;
    a.writes(run, topic, PARTITION)?;
    read(run, script, "open-again", topic)?;
    producers(run, &script.step("producers-transacted"), topic, PARTITION)?;
    a.leaves(run)
}

fn topic(script: &Script) -> &'static str {
    match script.level {
        0 => "d-read-0",
        1 => "d-read-1",
        _ => "d-read-2",
    }
}

fn read(run: &mut Run, script: &Script, when: &str, topic: &'static str) -> anyhow::Result<()> {
    for isolation_level in [0, 1] {
        for timestamp in [-1, -2, -3, 0] {
            let step = script.step(&format!("list-offsets-{when}-{isolation_level}-{timestamp}"));
            run.each(&step, ApiKey::ListOffsets, |_| list_offsets(topic, timestamp, isolation_level))?;
        }
        for offset in OFFSETS {
            let step = script.step(&format!("fetch-{when}-{isolation_level}-from-{offset}"));
            // What is told of transactions is the same in all versions between.
            for version in run.versions(ApiKey::Fetch).into_iter().filter(|version| [4, 11, 12, 18].contains(version)) {
                run.one(&step, version, &fetch(run, topic, version, offset, isolation_level, 1 << 20))?;
            }
        }
    }
    let version = run.newest(ApiKey::Fetch);
    for offset in OFFSETS {
        let step = script.step(&format!("fetch-{when}-little-from-{offset}"));
        run.one(&step, version, &fetch(run, topic, version, offset, 1, 100))?;
    }
    Ok(())
}

fn list_offsets(topic: &'static str, timestamp: i64, isolation_level: i8) -> AnyRequest {
    let partition = ListOffsetsPartition { partition_index: PARTITION, timestamp, ..Default::default() };
    let topic = ListOffsetsTopic { name: Str::from_static(topic), partitions: vec![partition], ..Default::default() };
    let mut request = m::ListOffsetsRequest { replica_id: -1, topics: vec![topic], ..Default::default() };
    request.isolation_level = isolation_level;
    AnyRequest::ListOffsets(request)
}

fn fetch(run: &Run, topic: &'static str, version: i16, offset: i64, isolation_level: i8, max_bytes: i32) -> AnyRequest {
    let partition = FetchPartition {
        partition: PARTITION,
        fetch_offset: offset,
        partition_max_bytes: max_bytes,
        ..Default::default()
    };
    let mut asked = FetchTopic { partitions: vec![partition], ..Default::default() };
    if version >= 13 {
        asked.topic_id = run.id(topic);
    } else {
        asked.topic = Str::from_static(topic);
    }
    AnyRequest::Fetch(m::FetchRequest {
        max_wait_ms: 1,
        min_bytes: 1,
        max_bytes: 1 << 20,
        isolation_level,
        topics: vec![asked],
        ..Default::default()
    })
}

/// The producers that a partition remembers.
pub(super) fn producers(run: &mut Run, step: &str, topic: &'static str, partition: i32) -> anyhow::Result<()> {
    run.each(step, ApiKey::DescribeProducers, |_| {
        let topic =
            TopicRequest { name: Str::from_static(topic), partition_indexes: vec![partition], ..Default::default() };
        AnyRequest::DescribeProducers(m::DescribeProducersRequest { topics: vec![topic], ..Default::default() })
    })
}
