//! Transactions in one thread, from a seed: producers, coordinator and partitions over a network and failovers that are made up.
//!
//! The coordinator is the machine that the broker runs and the partitions are logs of `storage` on disks in memory. Messages are
//! lost, late and doubled; coordinator and leaders fail over, and what was not committed is lost from any point on; producers
//! are killed, or go on beside those that took their transactional id over. Clients of `transaction.version` 1 cannot be saved
//! from a request that comes after the next transaction has begun (KAFKA-17754): nothing of theirs is that late or comes twice.
//! Those of version 2 can.

mod check;
mod coordinator;
mod message;
mod partition;
mod producer;
mod world;

pub use self::world::{TransactionReport, run};

#[cfg(test)]
mod tests;
