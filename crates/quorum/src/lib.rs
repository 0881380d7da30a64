//! The quorum of controllers: who leads, and which batches of the metadata log are committed, by raft over RocksDB.
//!
//! [`Quorum`] is driven by one thread: it is told that time passed ([`Quorum::tick`]), what came from other nodes
//! ([`Quorum::receive`]) and what is to be committed ([`Quorum::propose`]); [`Quorum::advance`] makes that durable and says
//! what follows: messages to send, what is committed, who leads, which snapshot is wanted.
//!
//! Invariants: what a message promises was synced before; an entry is handed out when a majority has synced it, in the
//! order of the log, and after a restart again from the last [`Quorum::compact`] on. No message that can be received
//! makes raft panic: what it would not survive is refused before. What the disk holds is believed only if it fits
//! together. Once the store failed nothing more is promised.
//!
//! The crate does not know what an entry's bytes mean, and has no threads, sockets or clocks; files are RocksDB's.

mod codec;
mod entry;
mod guard;
mod log;
mod members;
mod message;
mod quorum;
mod store;

pub use members::{Change, ChangeError, Member, Members, SnapshotId, Voter};
pub use message::DecodeError;
pub use quorum::{
    ChangeRefused, Committed, Error, Founding, Inherited, Peer, Progress, Proposal, ProposeRefused, Quorum, Refused,
    Role, Settings, Snapshot, Status,
};
#[cfg(feature = "rocksdb")]
pub use store::RocksStore;
pub use store::{Batch, MemoryStore, MetaKey, Store, StoreError};

/// The highest epoch: Kafka's are 32 bits wide.
pub const MAX_EPOCH: i32 = i32::MAX - 1;
/// The most bytes that one proposal has: Kafka's limit of a metadata batch, and room for its header.
pub const MAX_DATA_BYTES: usize = (8 << 20) + (64 << 10);
/// The most bytes that a message between two nodes has.
pub const MAX_MESSAGE_BYTES: usize = 10 << 20;
/// The most voters and learners together.
pub const MAX_MEMBERS: usize = 16;
