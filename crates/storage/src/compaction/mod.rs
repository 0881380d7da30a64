//! Log compaction: of each key the last value stays, by the rules of Apache Kafka's log cleaner.
//!
//! A log is cleaned in passes. A pass learns the last offset of each key in the dirty part ([`offset_map`], as many as fit
//! into memory), then writes the segments from the start of the log on anew, without what a later record replaced, and swaps
//! them in. Offsets never change. A tombstone stays for `delete.retention.ms` after the first pass that saw it, so that a
//! reader who began before learns of it too (KIP-534); so does the marker of a transaction of which nothing is left.

mod cleanable;
mod filter;
mod group;
mod hash;
mod keys;
mod offset_map;
mod output;
mod rewrite;
mod segments;
mod stats;
mod task;
#[cfg(test)]
mod tests;
mod transactions;

use std::ops::ControlFlow;

use ottla_protocol::compression::Limits;

pub use cleanable::Cleanable;
pub(crate) use cleanable::{LogState, SegmentState, cleanable};
pub(crate) use filter::LastRecord;
pub use hash::HashKey;
pub use stats::Stats;
pub use task::{CleanTask, Cleaned, CleanedSegment, Cleaning};

use crate::segment;

/// What is in the log was let in once; only memory bounds what comes out of it.
const LIMITS: Limits = Limits { max_output: 1 << 30, max_ratio: u32::MAX, zstd_window_log_max: 31 };

/// Why a log was not cleaned. What was swapped in before stays.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller asked for it.
    #[error("the cleaning was stopped")]
    Stopped,
    /// The log was truncated, or segments deleted from it, since the cleaning began.
    #[error("the log changed while it was cleaned")]
    Stale,
    /// The disk failed, or what it holds is no batch.
    #[error(transparent)]
    Segment(#[from] segment::Error),
}

/// The broker's settings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CompactionConfig {
    /// Memory for keys: `log.cleaner.dedupe.buffer.size` for each thread.
    pub dedupe_buffer_bytes: usize,
    /// How full it may get: `log.cleaner.io.buffer.load.factor`.
    pub dedupe_load_factor: f64,
    /// Bytes written at once; larger batches are written whole. `log.cleaner.io.buffer.size` for each thread and half.
    pub io_buffer_bytes: usize,
    /// Drawn at random once.
    pub hash_key: HashKey,
}

impl Default for CompactionConfig {
    /// Kafka's defaults, for one thread.
    fn default() -> Self {
        Self {
            dedupe_buffer_bytes: 128 << 20,
            dedupe_load_factor: 0.9,
            io_buffer_bytes: 256 << 10,
            hash_key: HashKey::default(),
        }
    }
}

/// Is told how many bytes were read or written; it may wait, and says whether to go on.
pub type Pace<'a> = dyn FnMut(u64) -> ControlFlow<()> + 'a;

fn paced(pace: &mut Pace<'_>, bytes: usize) -> Result<(), Error> {
    match pace(bytes as u64) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(Error::Stopped),
    }
}
