//! DescribeProducers (61): who writes to a partition, and whose transactions are open there (KIP-664), as any of its replicas knows.

use super::{Context, Pending, Refusal, plain_within};
use ottla_metadata::{ApiError, image::Image, topic_name};
use ottla_protocol::{
    ErrorCode, Str,
    frame::RequestFrame,
    messages::{
        DescribeProducersRequest, DescribeProducersResponse,
        describe_producers_request::TopicRequest,
        describe_producers_response::{PartitionResponse, ProducerState, TopicResponse},
    },
};
use ottla_storage::ProducerEntry;
use std::pin::Pin;

/// Producers in one answer: a request may name a partition that has many of them many times.
const MAX_PRODUCERS: usize = 200_000;

pub(super) fn start(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Refusal> {
    plain_within(cx, request, named, handle)
}

fn named(request: &DescribeProducersRequest) -> usize {
    request.topics.iter().map(|topic| 1 + topic.partition_indexes.len()).sum()
}

async fn handle(cx: Context, request: DescribeProducersRequest) -> DescribeProducersResponse {
    let image = cx.broker.image();
    let mut room = MAX_PRODUCERS;
    let topics = request.topics.iter().map(|topic| TopicResponse {
        name: topic.name.clone(),
        partitions: partitions(&cx, &image, topic, &mut room),
        ..Default::default()
    });
    DescribeProducersResponse { topics: topics.collect(), ..Default::default() }
}

fn partitions(cx: &Context, image: &Image, topic: &TopicRequest, room: &mut usize) -> Vec<PartitionResponse> {
    let checked = check_topic(image, &topic.name);
    let describe = |index: &i32| {
        let found = checked.clone().and_then(|()| producers(cx, &topic.name, *index).map_err(ApiError::bare));
        respond(*index, found.and_then(|producers| fit(producers, room)))
    };
    topic.partition_indexes.iter().map(describe).collect()
}

fn check_topic(image: &Image, name: &str) -> Result<(), ApiError> {
    topic_name::validate(name)?;
    match image.topics().by_name(name) {
        Some(_) => Ok(()),
        // Of a topic that is unknown Kafka says so in words too, of a partition it does not.
        None => {
            let message = "This server does not host this topic-partition.";
            Err(ApiError::new(ErrorCode::UnknownTopicOrPartition, message))
        }
    }
}

fn producers(cx: &Context, topic: &str, index: i32) -> Result<Vec<ProducerState>, ErrorCode> {
    let partition = cx.broker.replicas.partition(topic, index)?;
    if partition.dir().is_offline() {
        return Err(ErrorCode::KafkaStorageError);
    }
    let producers = partition.with_log(|log| log.producers().map(|(id, entry)| state(id, entry)).collect());
    producers.map_err(|_gone| ErrorCode::NotLeaderOrFollower)
}

/// Takes the producers' room in the answer.
fn fit(producers: Vec<ProducerState>, room: &mut usize) -> Result<Vec<ProducerState>, ApiError> {
    let left = room.checked_sub(producers.len());
    *room = left.ok_or_else(|| {
        let message = format!("More than {MAX_PRODUCERS} producers; ask for fewer partitions at a time.");
        ApiError::new(ErrorCode::InvalidRequest, message)
    })?;
    Ok(producers)
}

fn state(producer_id: i64, entry: &ProducerEntry) -> ProducerState {
    ProducerState {
        producer_id,
        producer_epoch: i32::from(entry.epoch),
        last_sequence: entry.last_sequence(),
        last_timestamp: entry.last_timestamp,
        coordinator_epoch: entry.coordinator_epoch,
        current_txn_start_offset: entry.current_txn_first_offset.unwrap_or(-1),
        ..Default::default()
    }
}

fn respond(partition_index: i32, found: Result<Vec<ProducerState>, ApiError>) -> PartitionResponse {
    let base = PartitionResponse { partition_index, ..Default::default() };
    match found {
        Ok(active_producers) => PartitionResponse { active_producers, ..base },
        Err(error) => {
            PartitionResponse { error_code: error.code.code(), error_message: error.message.map(Str::from), ..base }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_holds_a_bounded_number_of_producers() {
        let mut room = 3;
        let mut fits = |count| fit(vec![ProducerState::default(); count], &mut room).is_ok();
        assert_eq!([fits(2), fits(2), fits(1), fits(1), fits(0)], [true, false, true, false, true]);
    }
}
