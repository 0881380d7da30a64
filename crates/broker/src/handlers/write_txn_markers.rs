//! WriteTxnMarkers (27): the coordinator of a transaction, or an operator, says how it ended (KIP-98, KIP-664).

use super::{Context, Pending, Refusal, plain_within};
use crate::{
    partition::Marker,
    transactions::{Outcome, write_markers},
};
use ottla_protocol::{
    Str,
    frame::RequestFrame,
    messages::{
        WriteTxnMarkersRequest, WriteTxnMarkersResponse,
        write_txn_markers_request::WritableTxnMarker,
        write_txn_markers_response::{
            WritableTxnMarkerPartitionResult, WritableTxnMarkerResult, WritableTxnMarkerTopicResult,
        },
    },
};
use std::{collections::BTreeMap, pin::Pin};

pub(super) fn start(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Refusal> {
    plain_within(cx, request, named, handle)
}

fn named(request: &WriteTxnMarkersRequest) -> usize {
    let topics = |marker: &WritableTxnMarker| marker.topics.iter().map(|topic| 1 + topic.partition_indexes.len()).sum::<usize>();
    request.markers.iter().map(|marker| 1 + topics(marker)).sum()
}

async fn handle(cx: Context, request: WriteTxnMarkersRequest) -> WriteTxnMarkersResponse {
    let producers: Vec<i64> = request.markers.iter().map(|marker| marker.producer_id).collect();
    let outcomes = write_markers(&cx.broker, request.markers.into_iter().map(wanted).collect()).await;
    // Kafka answers a producer that is named twice once.
    let mut by_producer: BTreeMap<i64, Vec<Outcome>> = BTreeMap::new();
    for (producer_id, outcomes) in producers.into_iter().zip(outcomes) {
        by_producer.entry(producer_id).or_default().extend(outcomes);
    }
    let markers = by_producer.into_iter().map(|(producer_id, outcomes)| WritableTxnMarkerResult {
        producer_id,
        topics: topics(outcomes),
        ..Default::default()
    });
    WriteTxnMarkersResponse { markers: markers.collect(), ..Default::default() }
}

fn wanted(marker: WritableTxnMarker) -> (Marker, Vec<(Str, i32)>) {
    let partitions = marker.topics.iter().flat_map(|topic| {
        let name = topic.name.detached();
        topic.partition_indexes.iter().map(move |index| (name.clone(), *index))
    });
    let partitions = partitions.collect();
    let marker = Marker {
        producer_id: marker.producer_id,
        producer_epoch: marker.producer_epoch,
        coordinator_epoch: marker.coordinator_epoch,
        committed: marker.transaction_result,
        transaction_version: i16::from(marker.transaction_version),
    };
    (marker, partitions)
}

fn topics(outcomes: Vec<Outcome>) -> Vec<WritableTxnMarkerTopicResult> {
    let mut topics: BTreeMap<Str, Vec<WritableTxnMarkerPartitionResult>> = BTreeMap::new();
    for Outcome { topic, index, error } in outcomes {
        let result = WritableTxnMarkerPartitionResult {
            partition_index: index,
            error_code: error.code(),
            ..Default::default()
        };
        topics.entry(topic).or_default().push(result);
    }
    let topic = |(name, partitions)| WritableTxnMarkerTopicResult { name, partitions, ..Default::default() };
    topics.into_iter().map(topic).collect()
}
