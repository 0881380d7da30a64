//! Reads partitions for a fetch, again whenever one of them grows, until there is enough or time is up.

use super::{
    session::{Key, TopicKey, Wanted},
    sessions::Outcome,
};
use crate::{
    broker::Broker,
    partition::{Partition, Read},
};
use ottla_protocol::{ErrorCode, Str};
use ottla_replication::Fetched;
use ottla_storage::{Isolation, Slice};
use std::{sync::Arc, time::Duration};
use tokio::{sync::Notify, time::Instant};

/// Where a consumer is, and the listener by which it reaches brokers.
#[derive(Clone, Debug)]
pub(crate) struct Near {
    pub(crate) rack: Str,
    pub(crate) listener: Arc<str>,
}

/// What bounds a fetch.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    pub(crate) max_wait: Duration,
    pub(crate) min_bytes: usize,
    pub(crate) max_bytes: usize,
    pub(crate) isolation: Isolation,
    pub(crate) reader: Reader,
    /// Set if the consumer is to be sent to a replica that is nearer to it.
    pub(crate) near: Option<Near>,
}

/// Who reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    /// A consumer, who may or may not read from followers (KIP-392).
    Consumer { of_follower: bool },
    /// A broker that follows, and the epoch of its registration.
    Replica { id: i32, epoch: i64 },
}

/// What came of one partition.
#[derive(Debug)]
pub(crate) enum PartitionRead {
    /// There is no such partition.
    Unknown(ErrorCode),
    Failed(ErrorCode),
    Read(Read),
}

impl PartitionRead {
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Unknown(_) | Self::Failed(_) => 0,
            Self::Read(read) => read.slices.iter().map(Slice::len).sum(),
        }
    }

    /// Whether its bytes count towards the leader's limit.
    pub(crate) fn is_throttled(&self) -> bool {
        matches!(self, Self::Read(read) if read.is_throttled)
    }

    /// Errors, truncations and who else to ask are told at once, not after `max_wait`.
    fn is_urgent(&self) -> bool {
        match self {
            Self::Unknown(_) | Self::Failed(_) => true,
            Self::Read(read) => read.must_tell(),
        }
    }

    pub(crate) fn outcome(&self) -> Outcome {
        match self {
            Self::Unknown(_) | Self::Failed(_) => {
                Outcome { high_watermark: -1, log_start_offset: -1, has_records: false, must_tell: true, error: true }
            }
            Self::Read(read) => Outcome {
                high_watermark: read.high_watermark,
                log_start_offset: read.log_start_offset,
                has_records: self.bytes() > 0,
                must_tell: read.must_tell(),
                error: false,
            },
        }
    }
}

/// Reads `partitions` in order. `is_news` says whether a first look has something to tell besides records.
pub(crate) async fn until_enough(
    broker: &Broker,
    partitions: &[(Key, Wanted)],
    limits: &Limits,
    is_news: impl FnOnce(&[PartitionRead]) -> bool,
) -> Vec<PartitionRead> {
    let found: Vec<_> = partitions.iter().map(|(key, _)| find(broker, key)).collect();
    let deadline = Instant::now() + limits.max_wait;
    let mut reads = read_all(broker, &found, partitions, limits);
    let is_news = is_news(&reads);
    if let Reader::Replica { id, epoch } = limits.reader {
        note_fetched(&found, partitions, &mut reads, (id, epoch));
    }
    if is_news || is_enough(&reads, limits) || partitions.is_empty() || limits.max_wait.is_zero() {
        return reads;
    }
    let grown = Arc::new(Notify::new());
    loop {
        // Registered before reading, so that growth in between is not missed.
        for partition in found.iter().flatten() {
            match limits.reader {
                Reader::Consumer { .. } => partition.waiters.add(&grown),
                Reader::Replica { .. } => partition.appends.add(&grown),
            }
        }
        let reads = read_all(broker, &found, partitions, limits);
        if is_enough(&reads, limits) || broker.stopping.is_cancelled() {
            return reads;
        }
        tokio::select! {
            biased;
            () = grown.notified() => {}
            () = broker.stopping.cancelled() => {}
            () = tokio::time::sleep_until(deadline) => return read_all(broker, &found, partitions, limits),
        }
    }
}

/// A follower has all below where it fetches, where there is something to fetch. It is told the high watermark that follows.
fn note_fetched(
    found: &[Result<Arc<Partition>, ErrorCode>],
    partitions: &[(Key, Wanted)],
    reads: &mut [PartitionRead],
    (replica, broker_epoch): (i32, i64),
) {
    for ((found, (_, wanted)), read) in found.iter().zip(partitions).zip(reads) {
        let (Ok(partition), PartitionRead::Read(data)) = (found, &mut *read) else { continue };
        if data.diverging.is_some() {
            continue;
        }
        let fetched =
            Fetched { replica, broker_epoch, offset: wanted.fetch_offset, log_start_offset: wanted.log_start_offset };
        match partition.fetched(&fetched) {
            Ok(()) => data.high_watermark = partition.high_watermark(),
            Err(error) => *read = PartitionRead::Failed(error),
        }
    }
}

fn is_enough(reads: &[PartitionRead], limits: &Limits) -> bool {
    let bytes: usize = reads.iter().map(PartitionRead::bytes).sum();
    bytes >= limits.min_bytes || reads.iter().any(PartitionRead::is_urgent)
}

fn find(broker: &Broker, key: &Key) -> Result<Arc<Partition>, ErrorCode> {
    match &key.topic {
        TopicKey::Name(name) => broker.replicas.partition(name, key.partition),
        TopicKey::Id(id) => {
            let image = broker.image();
            let topic = image.topics().by_id(id).ok_or(ErrorCode::UnknownTopicId)?;
            broker.replicas.partition(&topic.name, key.partition)
        }
    }
}

/// The first partition with records may exceed its limits by one batch, so that a large batch is never stuck (KIP-74).
fn read_all(
    broker: &Broker,
    found: &[Result<Arc<Partition>, ErrorCode>],
    partitions: &[(Key, Wanted)],
    limits: &Limits,
) -> Vec<PartitionRead> {
    let mut left = limits.max_bytes;
    let mut none_yet = true;
    let throttle = Throttle::of(broker, limits.reader);
    let of_follower = limits.reader == Reader::Consumer { of_follower: true };
    let read_one = |(found, (_, wanted)): (&Result<Arc<Partition>, ErrorCode>, &(Key, Wanted))| {
        let read = match found {
            Err(error @ (ErrorCode::UnknownTopicOrPartition | ErrorCode::UnknownTopicId)) => {
                PartitionRead::Unknown(*error)
            }
            Err(error) => PartitionRead::Failed(*error),
            Ok(partition) => {
                let nearer =
                    limits.near.as_ref().and_then(|near| partition.preferred_reader(wanted.fetch_offset, near));
                let read = match nearer {
                    Some(replica) => partition.refer(wanted, replica),
                    None => partition.read(wanted, left, none_yet, limits.isolation, of_follower),
                };
                let read = read.map(|read| match &throttle {
                    Some(throttle) => throttle.hold_back(partition, read),
                    None => read,
                });
                read.map_or_else(PartitionRead::Failed, PartitionRead::Read)
            }
        };
        left = left.saturating_sub(read.bytes());
        none_yet &= read.bytes() == 0;
        read
    };
    found.iter().zip(partitions).map(read_one).collect()
}

/// The leader's limit as it is while a follower reads (KIP-73).
struct Throttle {
    replica: i32,
    is_closed: bool,
}

impl Throttle {
    fn of(broker: &Broker, reader: Reader) -> Option<Self> {
        let throttle = &broker.throttles.leader;
        match reader {
            Reader::Replica { id, .. } if throttle.is_limited() => {
                let is_closed = throttle.closed_for(broker.clock.monotonic()).is_some();
                Some(Self { replica: id, is_closed })
            }
            _ => None,
        }
    }

    /// Who is in sync is never held back: it would be no longer.
    fn hold_back(&self, partition: &Partition, mut read: Read) -> Read {
        read.is_throttled = partition.is_fed_slowly();
        if read.is_throttled && self.is_closed && !partition.is_in_sync(self.replica) {
            read.slices.clear();
        }
        read
    }
}
