//! What operators may set about transactions.

/// The settings of a transaction coordinator; given with [`Event::Configure`](super::Event::Configure), Kafka's defaults before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `transaction.max.timeout.ms`.
    pub max_timeout_ms: i32,
    /// `transactional.id.expiration.ms`.
    pub id_expiration_ms: i64,
    /// `transaction.abort.timed.out.transaction.cleanup.interval.ms`.
    pub abort_interval_ms: i64,
    /// `transaction.remove.expired.transaction.cleanup.interval.ms`.
    pub expiry_interval_ms: i64,
    /// `add.partitions.to.txn.retry.backoff.max.ms`: how long partitions wait for the end of the transaction before.
    pub add_partitions_wait_ms: i64,
    /// The cluster's level of the feature `transaction.version`.
    pub transaction_version: i16,
    /// The largest batch that `__transaction_state` takes, its `max.message.bytes`.
    pub max_batch_bytes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_timeout_ms: 900_000,
            id_expiration_ms: 604_800_000,
            abort_interval_ms: 10_000,
            expiry_interval_ms: 3_600_000,
            add_partitions_wait_ms: 100,
            transaction_version: 2,
            max_batch_bytes: 1_048_588,
        }
    }
}
