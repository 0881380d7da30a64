//! ListOffsets (2): the offset at a time, or one of the special places of a log.

use super::{Context, Pending, Refusal, plain};
use crate::{error_code, fetch, partition::Partition};
use ottla_protocol::{
    ErrorCode,
    frame::RequestFrame,
    messages::{
        ListOffsetsRequest, ListOffsetsResponse,
        list_offsets_request::ListOffsetsPartition,
        list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse},
    },
};
use ottla_storage::Isolation;
use std::{collections::BTreeSet, pin::Pin};
use tracing::error;

/// The special timestamps, with the version that brought each; below the first is no time at all.
const LATEST: i64 = -1;
const MAX_TIMESTAMP: (i64, i16) = (-3, 7);
const EARLIEST_LOCAL: (i64, i16) = (-4, 8);
const LATEST_TIERED: (i64, i16) = (-5, 9);
const EARLIEST_PENDING_UPLOAD: (i64, i16) = (-6, 11);
/// The replica id of a consumer, and of one that asks any replica what it has.
const CONSUMER: i32 = -1;
const DEBUGGING: i32 = -2;
/// Since this version an offset may not be available (KIP-207).
const NOT_AVAILABLE_SINCE: i16 = 5;

pub(super) fn start(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Refusal> {
    plain(cx, request, handle)
}

async fn handle(cx: Context, request: ListOffsetsRequest) -> ListOffsetsResponse {
    let mut seen = BTreeSet::new();
    let mut twice = BTreeSet::new();
    for topic in &request.topics {
        for partition in &topic.partitions {
            let key = (topic.name.clone(), partition.partition_index);
            if !seen.insert(key.clone()) {
                twice.insert(key);
            }
        }
    }
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            let found = match twice.contains(&(topic.name.clone(), partition.partition_index)) {
                true => Err(ErrorCode::InvalidRequest),
                false => find(&cx, &request, &topic.name, partition),
            };
            answer(cx.version, partition.partition_index, found)
        });
        ListOffsetsTopicResponse { name: topic.name.clone(), partitions: partitions.collect(), ..Default::default() }
    });
    ListOffsetsResponse { topics: topics.collect(), ..Default::default() }
}

struct Found {
    offset: i64,
    timestamp: i64,
    leader_epoch: i32,
}

const NOTHING: Found = Found { offset: -1, timestamp: -1, leader_epoch: -1 };

fn answer(version: i16, partition_index: i32, found: Result<Found, ErrorCode>) -> ListOffsetsPartitionResponse {
    let (error, found) = match found {
        Ok(found) => (ErrorCode::None, found),
        Err(error) => (error, NOTHING),
    };
    ListOffsetsPartitionResponse {
        partition_index,
        error_code: error.code(),
        offset: found.offset,
        timestamp: found.timestamp,
        leader_epoch: if version >= 4 { found.leader_epoch } else { NOTHING.leader_epoch },
        ..Default::default()
    }
}

fn find(
    cx: &Context,
    request: &ListOffsetsRequest,
    topic: &str,
    wanted: &ListOffsetsPartition,
) -> Result<Found, ErrorCode> {
    let since = |(timestamp, version): (i64, i16)| wanted.timestamp == timestamp && cx.version < version;
    let too_new = [MAX_TIMESTAMP, EARLIEST_LOCAL, LATEST_TIERED, EARLIEST_PENDING_UPLOAD];
    if too_new.into_iter().any(since) || wanted.timestamp < EARLIEST_PENDING_UPLOAD.0 {
        return Err(ErrorCode::UnsupportedVersion);
    }
    let replicas = &cx.broker.replicas;
    let partition = match request.replica_id {
        DEBUGGING => replicas.partition(topic, wanted.partition_index)?,
        _ => replicas.led(topic, wanted.partition_index)?,
    };
    partition.check_epoch(wanted.current_leader_epoch)?;
    let isolation = fetch::isolation(request.isolation_level).ok_or(ErrorCode::UnknownServerError)?;
    let found = lookup(&partition, wanted.timestamp, request.replica_id == CONSUMER, isolation);
    found.map_err(|error| match error {
        ErrorCode::OffsetNotAvailable if cx.version < NOT_AVAILABLE_SINCE => ErrorCode::LeaderNotAvailable,
        error => error,
    })
}

fn lookup(partition: &Partition, timestamp: i64, consumer: bool, isolation: Isolation) -> Result<Found, ErrorCode> {
    // Asked before the offsets, which may rise meanwhile.
    let may_know_less = consumer && partition.may_know_less();
    let offsets = partition.reader().offsets();
    let visible_end = if consumer { offsets.end(isolation) } else { offsets.log_end_offset };
    if timestamp == LATEST && may_know_less {
        return Err(ErrorCode::OffsetNotAvailable);
    }
    if timestamp == LATEST {
        let leader_epoch = partition.leader_epoch();
        return Ok(Found { offset: visible_end, timestamp: -1, leader_epoch });
    }
    if timestamp == EARLIEST_PENDING_UPLOAD.0 {
        return Ok(NOTHING); // nothing waits to be uploaded without tiered storage
    }
    let found = partition.reader().offset_for_timestamp(timestamp).map_err(|error| {
        error!(%partition, %error, "cannot look a timestamp up");
        error_code::of_read(&error)
    })?;
    Ok(match found {
        Some(found) if found.offset < visible_end || (timestamp < 0 && timestamp != MAX_TIMESTAMP.0) => Found {
            offset: found.offset,
            timestamp: found.timestamp,
            leader_epoch: found.leader_epoch.unwrap_or(-1),
        },
        _ if may_know_less && (timestamp >= 0 || timestamp == MAX_TIMESTAMP.0) => {
            return Err(ErrorCode::OffsetNotAvailable);
        }
        _ => NOTHING,
    })
}
