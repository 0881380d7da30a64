//! AddPartitionsToTxn (24): partitions come into a transaction. Up to version 3 a producer adds them; since version 4 brokers do,
//! of several transactions at once, or ask whether they were added (KIP-890).

use super::{Context, Pending, Refusal, plain_within};
use crate::transactions::submit;
use ottla_coordinator::transactions::{AddPartitions, Event, Partitions, Producer, Reply, VerifyPartitions};
use ottla_metadata::image::Image;
use ottla_protocol::{
    ErrorCode, Str,
    frame::RequestFrame,
    messages::{
        AddPartitionsToTxnRequest, AddPartitionsToTxnResponse,
        add_partitions_to_txn_request::{AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction},
        add_partitions_to_txn_response::{
            AddPartitionsToTxnPartitionResult, AddPartitionsToTxnResult, AddPartitionsToTxnTopicResult,
        },
    },
};
use std::pin::Pin;

/// Since this version brokers ask, for clients that go by `transaction.version` 2.
const BATCHED_SINCE: i16 = 4;
/// Before this version clients do not know PRODUCER_FENCED (KIP-588).
const FENCED_SINCE: i16 = 2;

pub(super) fn start(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Refusal> {
    plain_within(cx, request, named, handle)
}

fn named(request: &AddPartitionsToTxnRequest) -> usize {
    let topics = request.transactions.iter().flat_map(|transaction| &transaction.topics);
    topics.chain(&request.v3_and_below_topics).map(|topic| 1 + topic.partitions.len()).sum()
}

async fn handle(cx: Context, request: AddPartitionsToTxnRequest) -> AddPartitionsToTxnResponse {
    if cx.version < BATCHED_SINCE {
        let transaction = AddPartitionsToTxnTransaction {
            transactional_id: request.v3_and_below_transactional_id,
            producer_id: request.v3_and_below_producer_id,
            producer_epoch: request.v3_and_below_producer_epoch,
            topics: request.v3_and_below_topics,
            ..Default::default()
        };
        let results_by_topic_v3_and_below = add(&cx, transaction).await;
        return AddPartitionsToTxnResponse { results_by_topic_v3_and_below, ..Default::default() };
    }
    let mut results_by_transaction = Vec::with_capacity(request.transactions.len());
    for transaction in request.transactions {
        let transactional_id = transaction.transactional_id.clone();
        let topic_results = add(&cx, transaction).await;
        results_by_transaction.push(AddPartitionsToTxnResult { transactional_id, topic_results, ..Default::default() });
    }
    AddPartitionsToTxnResponse { results_by_transaction, ..Default::default() }
}

/// One partition that does not exist keeps all others out.
async fn add(cx: &Context, transaction: AddPartitionsToTxnTransaction) -> Vec<AddPartitionsToTxnTopicResult> {
    let topics = transaction.topics;
    let image = cx.broker.image();
    if topics.iter().any(|topic| topic.partitions.iter().any(|index| !exists(&image, &topic.name, *index))) {
        return results(topics, |topic, index| match exists(&image, topic, index) {
            true => ErrorCode::OperationNotAttempted,
            false => ErrorCode::UnknownTopicOrPartition,
        });
    }
    drop(image);
    if transaction.transactional_id.is_empty() {
        return results(topics, |_, _| ErrorCode::InvalidRequest);
    }
    let partitions = topics.iter().flat_map(|topic| {
        let name = topic.name.detached();
        topic.partitions.iter().map(move |index| (name.clone(), *index))
    });
    let partitions: Partitions = partitions.collect();
    let transactional_id = transaction.transactional_id.detached();
    let producer = Producer { id: transaction.producer_id, epoch: transaction.producer_epoch };
    let (verify_only, client_version) = (transaction.verify_only, if cx.version < BATCHED_SINCE { 0 } else { 2 });
    let id = transactional_id.clone();
    let answer = submit(&cx.broker, &transactional_id, |ticket| match verify_only {
        true => Event::VerifyPartitions(ticket, VerifyPartitions { transactional_id: id, producer, partitions }),
        false => {
            let request = AddPartitions { transactional_id: id, producer, partitions, client_version };
            Event::AddPartitions(ticket, request)
        }
    });
    let error = match answer.await {
        Ok(Reply::AddPartitions(Ok(()))) => ErrorCode::None,
        Ok(Reply::VerifyPartitions(Ok(missing))) => {
            return results(topics, |topic, index| match missing.contains(topic, index) {
                true => ErrorCode::TransactionAbortable,
                false => ErrorCode::None,
            });
        }
        Ok(Reply::AddPartitions(Err(error)) | Reply::VerifyPartitions(Err(error))) => error.code(),
        Ok(_) => ErrorCode::UnknownServerError,
        Err(error) => error,
    };
    let error = match error {
        ErrorCode::ProducerFenced if cx.version < FENCED_SINCE => ErrorCode::InvalidProducerEpoch,
        error => error,
    };
    results(topics, |_, _| error)
}

fn exists(image: &Image, topic: &str, index: i32) -> bool {
    image.topics().partition(topic, index).is_some()
}

fn results(
    topics: Vec<AddPartitionsToTxnTopic>,
    error: impl Fn(&Str, i32) -> ErrorCode,
) -> Vec<AddPartitionsToTxnTopicResult> {
    let topic = |topic: AddPartitionsToTxnTopic| {
        let partitions = topic.partitions.iter().map(|index| AddPartitionsToTxnPartitionResult {
            partition_index: *index,
            partition_error_code: error(&topic.name, *index).code(),
            ..Default::default()
        });
        let results_by_partition = partitions.collect();
        AddPartitionsToTxnTopicResult { name: topic.name, results_by_partition, ..Default::default() }
    };
    topics.into_iter().map(topic).collect()
}
