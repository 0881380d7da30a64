//! One partition's log on one disk, in Apache Kafka's own file formats: segments, indexes, producer state, recovery.
//!
//! [`Log`] is what the owner of a partition holds: it appends, rolls, truncates, deletes and flushes. [`LogReader`] reads
//! beside it from any thread.
//!
//! [`compaction`] cleans a log beside its owner, who puts the cleaned segments in place.
//!
//! Invariants: only proven batches are appended, and they stay the bytes they came as but for base offset, leader epoch and
//! timestamps, until compaction drops records of them; offsets stay even then. What a reader is given was written before.
//! What is below the recovery point is durable; a bad batch there is an error, one above it a torn write that is cut off.
//! Producer state is a function of the log.
//!
//! The crate does not know of replication, requests, clocks or threads: high watermark, time and the moment to flush are the
//! caller's.

pub mod check;
pub mod checkpoint;
pub mod compaction;
pub mod config;
mod epochs;
pub mod error_code;
pub mod fs;
pub mod journal;
mod log;
pub mod log_dir;
mod partition_metadata;
mod producers;
mod read;
mod segment;
mod shared;

pub use config::LogConfig;
pub use epochs::EpochEndOffset;
pub use log::{
    AppendError, AppendInfo, Copied, CopyError, DeleteError, FlushTask, Flushed, Log, OpenError, OpenOptions, Removal,
    Swap,
};
pub use log_dir::LogDir;
pub use producers::{BatchMetadata, Error as ProducerError, Origin, ProducerEntry, Verification, Verify};
pub use read::{
    EARLIEST, EARLIEST_LOCAL, Error as ReadError, Found, Isolation, LATEST, LATEST_TIERED, LogReader, MAX_TIMESTAMP,
    Read, Slice,
};
pub use segment::{AbortedTxn, Error as SegmentError, WriteBack};
pub use shared::Offsets;
