//! What Produce asks of a transaction before anything is written into it: that its coordinator knows of the partition (KIP-890).

use super::{Failure, HeldUp, resolve};
use crate::{
    handlers::Context,
    partition::Verified,
    transactions::{Lookup, look_up as ask},
};
use ottla_config::keys;
use ottla_coordinator::transactions::{Partitions, Producer};
use ottla_protocol::{
    ErrorCode, Records, Str,
    batch::Header,
    messages::{ProduceRequest, produce_request::PartitionProduceData},
};
use ottla_storage::{Verification, Verify};
use std::collections::BTreeMap;

/// What came of looking a request's transaction up.
#[derive(Default)]
pub(super) struct Lookups {
    is_required: bool,
    by_partition: BTreeMap<(Str, i32), Result<Option<Verification>, ErrorCode>>,
    /// Where the partition is added, errors are told as they are.
    adds: bool,
}

impl Lookups {
    /// Whether a partition may be written to.
    pub(super) fn of(&self, topic: &Str, index: i32) -> Result<Verified, Failure> {
        if self.by_partition.is_empty() {
            return Ok(Verified::NotRequired);
        }
        match self.by_partition.get(&(topic.clone(), index)) {
            Some(Err(error)) => Err(failure(*error, self.adds)),
            Some(Ok(verification)) if self.is_required => Ok(Verified::By(*verification)),
            _ => Ok(Verified::NotRequired),
        }
    }
}

/// Older clients would not try again after most of what a coordinator says: they get an error that makes them, and lets their
/// metadata be.
fn failure(error: ErrorCode, adds: bool) -> Failure {
    let is_passing = matches!(
        error,
        ErrorCode::NetworkException
            | ErrorCode::CoordinatorLoadInProgress
            | ErrorCode::CoordinatorNotAvailable
            | ErrorCode::NotCoordinator
    );
    match error {
        ErrorCode::InvalidTxnState => Failure::new(error, "Partition was not added to the transaction"),
        error if is_passing || (error == ErrorCode::ConcurrentTransactions && !adds) => {
            let message = format!(
                "Unable to verify the partition has been added to the transaction. Underlying error: {}",
                error.name()
            );
            Failure::new(ErrorCode::NotEnoughReplicas, message)
        }
        error => error.into(),
    }
}

/// Asks the coordinator about the partitions that have nothing of the transaction yet. A request has batches of one producer.
pub(super) async fn look_up(cx: &Context, request: &ProduceRequest) -> Result<Lookups, ErrorCode> {
    let Some(found) = transactional(cx, request).transpose() else { return Ok(Lookups::default()) };
    // Nobody is allowed to write transactions as no one.
    let id = request.transactional_id.as_ref().ok_or(ErrorCode::TransactionalIdAuthorizationFailed)?;
    let (batches, producer) = found?;
    let lookup = Lookup::of_produce(cx.version);
    let is_required = cx.broker.config().get(keys::TRANSACTION_PARTITION_VERIFICATION_ENABLE);
    let mut lookups = Lookups { is_required, adds: lookup.adds(), ..Lookups::default() };
    if !is_required && !lookup.adds() {
        return Ok(lookups);
    }
    let mut unknown = Partitions::default();
    for (topic, index, sequence) in batches {
        let verify =
            Verify { producer_id: producer.id, epoch: producer.epoch, sequence, bumps_epoch: lookup.adds() };
        let begun = cx.broker.replicas.led(&topic, index);
        let begun = begun.and_then(|led| led.begin_verification(verify).map_err(|error| error.code()));
        if let Ok(Some(_)) = &begun {
            unknown.insert(&topic, index);
        }
        lookups.by_partition.insert((topic, index), begun);
    }
    if !unknown.is_empty() {
        let _held_up = HeldUp::new(&cx.peer);
        let errors = ask(&cx.broker, lookup, &id.detached(), producer, &unknown).await;
        lookups.by_partition.extend(errors.into_iter().map(|(partition, error)| (partition, Err(error))));
    }
    Ok(lookups)
}

/// A batch of a transaction: where it is to be written, and its first sequence.
type Batch = (Str, i32, i32);

/// The batches of transactions in a request, and their producer.
fn transactional(cx: &Context, request: &ProduceRequest) -> Result<Option<(Vec<Batch>, Producer)>, ErrorCode> {
    let mut batches = Vec::new();
    let mut writer = None;
    for topic in &request.topic_data {
        let headers = topic.partition_data.iter().filter_map(|data| Some((data.index, header(data)?)));
        for (index, header) in headers {
            let producer = Producer { id: header.producer_id, epoch: header.producer_epoch };
            if writer.is_some_and(|other| other != producer) {
                return Err(ErrorCode::InvalidProducerIdMapping);
            }
            writer = Some(producer);
            if let Ok(name) = resolve(cx, topic) {
                batches.push((name.detached(), index, header.base_sequence));
            }
        }
    }
    Ok(writer.map(|producer| (batches, producer)))
}

/// The header of a partition's batch, if that is in a transaction. Kafka judges by the first batch too.
fn header(data: &PartitionProduceData) -> Option<Header> {
    let bytes = data.records.as_ref().and_then(Records::bytes)?;
    let header = Header::parse(bytes).ok()?;
    (header.attributes.is_transactional() && header.has_producer_id()).then_some(header)
}
