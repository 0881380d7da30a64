//! Transactions: one partition of `__transaction_state` as a replicated state machine (KIP-98, KIP-360, KIP-890).
//!
//! [`TransactionCoordinator`] knows all transactional ids of the partition; [`partition_for`](crate::partition_for) says
//! which that is. A transaction is begun by the first partition that is added to it and ended in two steps: what is to
//! become of it is recorded, its partitions are told by markers ([`Effect::WriteMarkers`]), and when all have theirs
//! ([`Event::MarkersWritten`]) its end is recorded. Whoever loads the log takes up what was prepared and not ended. The driver
//!
//! 1. replays the partition's log through [`TransactionRecord::decode`];
//! 2. activates the shard and sends [`Event::Configure`], again whenever the settings change;
//! 3. appends the records of each decision in one batch ([`TransactionRecord::write`]);
//! 4. has markers written for as long as it leads the partition, whatever fails, and says which are durable;
//! 5. brings a producer id where the answer is [`Error::NeedsProducerId`], and asks again with it.
//!
//! Left to request handlers: ids that are null or empty, errors of older versions, authorization, and whether partitions
//! exist.
//!
//! Invariants: hard state is what replay of the log gives; a marker is asked for only when the record that it rests on is
//! committed; a producer that was fenced changes nothing any more.
//!
//! In Kafka a request that comes while a record of its transaction is not committed yet is refused with
//! CONCURRENT_TRANSACTIONS. Here it is decided on, and answered when all before it is committed.

mod add_partitions;
mod describe;
mod end;
mod event;
mod expire;
mod init_producer_id;
mod machine;
mod markers;
mod partitions;
mod record;
mod settings;
mod transaction;

pub use self::describe::{ListTransactions, ListedTransaction, Pattern};
pub use self::event::{
    AddPartitions, Effect, EndTransaction, Error, Event, InitProducerId, Markers, Reply, Timer, VerifyPartitions,
};
pub use self::machine::{Hard, Soft, TransactionCoordinator};
pub use self::partitions::Partitions;
pub use self::record::{RecordError, TransactionRecord};
pub use self::settings::Settings;
pub use self::transaction::{Producer, State, Transaction};

#[cfg(test)]
mod tests;
