//! Transactions in one thread, from a seed: producers, coordinators and partitions over a network and failovers that are made up.
//!
//! The coordinators of transactions and of groups are the machines that the broker runs and the partitions are logs of `storage` on
//! disks in memory, one of them with the offsets of a group. Some producers make their values up; others are members of the group,
//! copy what they read, and commit their offsets in the transaction. Messages are lost, late and doubled; coordinators and leaders
//! fail over, and what was not committed is lost from any point on; producers are killed, stand still, or go on beside those that
//! took their transactional id or their partitions over. Clients of `transaction.version` 1 cannot be saved
//! from a request that comes after the next transaction has begun (KAFKA-17754): nothing of theirs is that late or comes twice.
//! Those of version 2 can.

mod check;
mod coordinator;
mod copier;
mod message;
mod offsets;
mod partition;
mod producer;
mod watcher;
mod world;

pub use self::world::{TransactionReport, run};

#[cfg(test)]
mod tests;
