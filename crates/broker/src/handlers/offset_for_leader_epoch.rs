//! OffsetForLeaderEpoch (23): where a leader epoch ends in the log, to find where two logs part (KIP-101, KIP-320).

use super::{Context, Pending, Refusal, plain};
use ottla_protocol::{
    ErrorCode,
    frame::RequestFrame,
    messages::{
        OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
        offset_for_leader_epoch_request::OffsetForLeaderPartition,
        offset_for_leader_epoch_response::{EpochEndOffset, OffsetForLeaderTopicResult},
    },
};
use std::pin::Pin;

pub(super) fn start(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Refusal> {
    plain(cx, request, handle)
}

async fn handle(cx: Context, request: OffsetForLeaderEpochRequest) -> OffsetForLeaderEpochResponse {
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            find(&cx, &topic.topic, partition).unwrap_or_else(|error| EpochEndOffset {
                error_code: error.code(),
                partition: partition.partition,
                ..Default::default()
            })
        });
        OffsetForLeaderTopicResult { topic: topic.topic.clone(), partitions: partitions.collect(), ..Default::default() }
    });
    OffsetForLeaderEpochResponse { topics: topics.collect(), ..Default::default() }
}

fn find(cx: &Context, topic: &str, wanted: &OffsetForLeaderPartition) -> Result<EpochEndOffset, ErrorCode> {
    let partition = cx.broker.replicas.led_in(topic, wanted.partition, wanted.current_leader_epoch)?;
    let end = partition.reader().end_offset_for_epoch(wanted.leader_epoch);
    Ok(EpochEndOffset {
        partition: wanted.partition,
        leader_epoch: end.map_or(-1, |end| end.epoch),
        end_offset: end.map_or(-1, |end| end.end_offset),
        ..Default::default()
    })
}
