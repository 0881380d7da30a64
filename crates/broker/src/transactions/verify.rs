//! Looks transactions up at their coordinators, or adds partitions to them, before anything is written into them (KIP-890).

use super::{Transactions, sender::address};
use crate::{broker::Broker, client::Error as ClientError, settings::request_timeout, shards::Unavailable};
use ottla_coordinator::transactions::{AddPartitions, Event, Partitions, Producer, Reply, VerifyPartitions};
use ottla_metadata::{image::Image, topic_name::TRANSACTION_STATE_TOPIC_NAME};
use ottla_protocol::{
    ApiKey, ErrorCode, Str,
    messages::{
        AddPartitionsToTxnRequest, AddPartitionsToTxnResponse,
        add_partitions_to_txn_request::{AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction},
    },
};
use std::collections::BTreeMap;
use tokio::time::{Instant, sleep, timeout};

/// From this `transaction.version` on a partition is added by what is written into it.
const ADDS_SINCE: i16 = 2;

/// How a client expects its transaction to be looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lookup {
    /// It has added the partition, and knows no error for where it has not.
    Strict,
    /// It has added the partition, and knows TRANSACTION_ABORTABLE.
    Abortable,
    /// It leaves that to the broker.
    Adds,
}

impl Lookup {
    /// By the version of a Produce request.
    pub(crate) fn of_produce(version: i16) -> Self {
        match version {
            ..11 => Self::Strict,
            11 => Self::Abortable,
            _ => Self::Adds,
        }
    }

    /// By the version of a TxnOffsetCommit request.
    pub(crate) fn of_offset_commit(version: i16) -> Self {
        match version {
            ..4 => Self::Strict,
            4 => Self::Abortable,
            _ => Self::Adds,
        }
    }

    pub(crate) fn adds(self) -> bool {
        self == Self::Adds
    }
}

/// What is asked of a coordinator.
struct Question<'a> {
    transactional_id: &'a Str,
    producer: Producer,
    partitions: &'a Partitions,
    adds: bool,
}

/// Partitions that may not be written to, each with its error. While the transaction before is being ended, the broker tries
/// again by itself for a while to add partitions, as producers would be slower.
pub(crate) async fn look_up(
    broker: &Broker,
    lookup: Lookup,
    transactional_id: &Str,
    producer: Producer,
    partitions: &Partitions,
) -> BTreeMap<(Str, i32), ErrorCode> {
    let question = Question { transactional_id, producer, partitions, adds: lookup.adds() };
    let (longest, pause) = super::retry(&broker.config());
    let deadline = Instant::now() + longest;
    loop {
        let errors = ask(broker, &question).await;
        let is_busy = errors.values().any(|error| *error == ErrorCode::ConcurrentTransactions);
        if !lookup.adds() || !is_busy || Instant::now() + pause > deadline {
            return errors.into_iter().map(|(partition, error)| (partition, for_client(error, lookup))).collect();
        }
        sleep(pause).await;
    }
}

/// Clients know these as something else.
fn for_client(error: ErrorCode, lookup: Lookup) -> ErrorCode {
    match error {
        ErrorCode::ProducerFenced => ErrorCode::InvalidProducerEpoch,
        ErrorCode::TransactionAbortable if lookup == Lookup::Strict => ErrorCode::InvalidTxnState,
        error => error,
    }
}

async fn ask(broker: &Broker, question: &Question<'_>) -> BTreeMap<(Str, i32), ErrorCode> {
    let image = broker.image();
    let coordinator = coordinator(&image, question.transactional_id);
    let asked = match coordinator {
        Some((partition, leader)) if leader == broker.node_id => ask_here(broker, partition, question).await,
        Some((_, leader)) => ask_there(broker, leader, question).await,
        None => Err(ErrorCode::CoordinatorNotAvailable),
    };
    asked.unwrap_or_else(|error| {
        question.partitions.iter().map(|(topic, index)| ((topic.clone(), index), error)).collect()
    })
}

fn coordinator(image: &Image, transactional_id: &str) -> Option<(i32, i32)> {
    let partition = Transactions::partition_for(image, transactional_id).ok()?;
    let leader = image.topics().partition(TRANSACTION_STATE_TOPIC_NAME, partition)?.leader;
    image.cluster().broker(leader).filter(|broker| !broker.fenced).map(|_| (partition, leader))
}

async fn ask_here(
    broker: &Broker,
    partition: i32,
    question: &Question<'_>,
) -> Result<BTreeMap<(Str, i32), ErrorCode>, ErrorCode> {
    let shard = broker.transactions.shard(partition)?;
    let Question { producer, adds, .. } = *question;
    let (transactional_id, partitions) = (question.transactional_id.detached(), question.partitions.clone());
    let event = |ticket| match adds {
        true => {
            let client_version = ADDS_SINCE;
            let request = AddPartitions { transactional_id, producer, partitions, client_version };
            Event::AddPartitions(ticket, request)
        }
        false => Event::VerifyPartitions(ticket, VerifyPartitions { transactional_id, producer, partitions }),
    };
    match shard.submit(event).await.map_err(Unavailable::code)? {
        Reply::AddPartitions(Ok(())) => Ok(BTreeMap::new()),
        Reply::VerifyPartitions(Ok(missing)) => {
            let missing = missing.iter().map(|(topic, index)| (topic.clone(), index));
            Ok(missing.map(|partition| (partition, ErrorCode::TransactionAbortable)).collect())
        }
        Reply::AddPartitions(Err(error)) | Reply::VerifyPartitions(Err(error)) => Err(error.code()),
        _ => Err(ErrorCode::UnknownServerError),
    }
}

async fn ask_there(
    broker: &Broker,
    coordinator: i32,
    question: &Question<'_>,
) -> Result<BTreeMap<(Str, i32), ErrorCode>, ErrorCode> {
    let address = address(broker, coordinator).ok_or(ErrorCode::CoordinatorNotAvailable)?;
    let topics = question.partitions.topics().map(|(topic, partitions)| AddPartitionsToTxnTopic {
        name: topic.clone(),
        partitions: partitions.iter().copied().collect(),
        ..Default::default()
    });
    let transaction = AddPartitionsToTxnTransaction {
        transactional_id: question.transactional_id.clone(),
        producer_id: question.producer.id,
        producer_epoch: question.producer.epoch,
        verify_only: !question.adds,
        topics: topics.collect(),
        ..Default::default()
    };
    let request = AddPartitionsToTxnRequest { transactions: vec![transaction], ..Default::default() };
    let limit = request_timeout(&broker.config());
    let asking =
        broker.transactions.lookups.call::<AddPartitionsToTxnResponse>(&address, ApiKey::AddPartitionsToTxn, &request);
    let answer = timeout(limit, asking).await.unwrap_or(Err(ClientError::TimedOut)).map_err(|error| {
        tracing::debug!(coordinator, %error, "cannot look a transaction up");
        ErrorCode::NetworkException
    })?;
    read(&answer)
}

fn read(answer: &AddPartitionsToTxnResponse) -> Result<BTreeMap<(Str, i32), ErrorCode>, ErrorCode> {
    let code = |code| ErrorCode::from_code(code).unwrap_or(ErrorCode::UnknownServerError);
    match code(answer.error_code) {
        ErrorCode::None => {}
        // Of the broker's own rights no client needs to know.
        ErrorCode::ClusterAuthorizationFailed => return Err(ErrorCode::InvalidTxnState),
        error => return Err(error),
    }
    let topics = answer.results_by_transaction.iter().flat_map(|transaction| &transaction.topic_results);
    let partitions = topics.flat_map(|topic| {
        let results = topic.results_by_partition.iter();
        results.map(move |it| ((topic.name.detached(), it.partition_index), code(it.partition_error_code)))
    });
    Ok(partitions.filter(|(_, error)| *error != ErrorCode::None).collect())
}
