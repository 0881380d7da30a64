//! ListOffsets, OffsetForLeaderEpoch and DeleteRecords.

use super::produce::fill;
use crate::differential::run::Run;
use ottla_protocol::{ApiKey, Str, any::AnyRequest, messages as m};

pub(super) fn play(run: &mut Run) -> anyhow::Result<()> {
    run.topic("d-offsets", 2, &[])?;
    fill(run, "d-offsets", 3)?;
    list(run)?;
    leader_epochs(run)?;
    delete_records(run)
}

fn list(run: &mut Run) -> anyhow::Result<()> {
    use m::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
    let now = run.now_ms();
    let stamps = [-1, -2, -3, -4, -5, -6, -7, 0, 1, now, now + 1];
    let mut cases: Vec<_> = stamps
        .iter()
        .enumerate()
        .flat_map(|(n, stamp)| {
            [0, 1].map(|partition| (format!("list-offsets-{n}-{partition}"), "d-offsets", partition, *stamp, -1, 0))
        })
        .collect();
    cases.extend([
        ("list-offsets-committed".to_owned(), "d-offsets", 0, -1, -1, 1),
        ("list-offsets-isolation-9".to_owned(), "d-offsets", 0, -1, -1, 9),
        ("list-offsets-epoch".to_owned(), "d-offsets", 0, -1, 0, 0),
        ("list-offsets-newer-epoch".to_owned(), "d-offsets", 0, -1, 5, 0),
        ("list-offsets-partition-7".to_owned(), "d-offsets", 7, -1, -1, 0),
        ("list-offsets-unknown".to_owned(), "d-unknown", 0, -1, -1, 0),
        ("list-offsets-bad-name".to_owned(), "d bad/name", 0, -1, -1, 0),
    ]);
    for (step, name, partition_index, timestamp, epoch, isolation_level) in cases {
        run.each(&step, ApiKey::ListOffsets, |version| {
            let mut partition = ListOffsetsPartition { partition_index, timestamp, ..Default::default() };
            if version >= 4 {
                partition.current_leader_epoch = epoch;
            }
            let topic = ListOffsetsTopic { name: Str::from(name), partitions: vec![partition], ..Default::default() };
            let mut request = m::ListOffsetsRequest { replica_id: -1, topics: vec![topic], ..Default::default() };
            if version >= 2 {
                request.isolation_level = isolation_level;
            }
            AnyRequest::ListOffsets(request)
        })?;
    }
    Ok(())
}

fn leader_epochs(run: &mut Run) -> anyhow::Result<()> {
    use m::offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic};
    let cases = [
        ("leader-epoch-0", "d-offsets", 0, -1, 0),
        ("leader-epoch-0-empty", "d-offsets", 1, -1, 0),
        ("leader-epoch-5", "d-offsets", 0, -1, 5),
        ("leader-epoch-minus-1", "d-offsets", 0, -1, -1),
        ("leader-epoch-current", "d-offsets", 0, 0, 0),
        ("leader-epoch-newer", "d-offsets", 0, 5, 0),
        ("leader-epoch-partition-7", "d-offsets", 7, -1, 0),
        ("leader-epoch-unknown", "d-unknown", 0, -1, 0),
    ];
    for (step, name, index, current_leader_epoch, leader_epoch) in cases {
        run.each(step, ApiKey::OffsetForLeaderEpoch, |_| {
            let partition =
                OffsetForLeaderPartition { partition: index, current_leader_epoch, leader_epoch, ..Default::default() };
            let topic =
                OffsetForLeaderTopic { topic: Str::from(name), partitions: vec![partition], ..Default::default() };
            AnyRequest::OffsetForLeaderEpoch(m::OffsetForLeaderEpochRequest {
                replica_id: -1,
                topics: vec![topic],
                ..Default::default()
            })
        })?;
    }
    Ok(())
}

fn delete_records(run: &mut Run) -> anyhow::Result<()> {
    use m::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
    let cases = [
        ("delete-records", "d-offsets", 0, 2),
        ("delete-records-again", "d-offsets", 0, 1),
        ("delete-records-beyond", "d-offsets", 0, 100),
        ("delete-records-minus-2", "d-offsets", 0, -2),
        ("delete-records-all", "d-offsets", 0, -1),
        ("delete-records-empty", "d-offsets", 1, 0),
        ("delete-records-partition-7", "d-offsets", 7, 0),
        ("delete-records-unknown", "d-unknown", 0, 0),
        ("delete-records-internal", "__consumer_offsets", 0, 0),
    ];
    for (step, name, partition_index, offset) in cases {
        run.each(step, ApiKey::DeleteRecords, |_| {
            let partition = DeleteRecordsPartition { partition_index, offset, ..Default::default() };
            let topic = DeleteRecordsTopic { name: Str::from(name), partitions: vec![partition], ..Default::default() };
            AnyRequest::DeleteRecords(m::DeleteRecordsRequest {
                topics: vec![topic],
                timeout_ms: 5000,
                ..Default::default()
            })
        })?;
    }
    Ok(())
}
