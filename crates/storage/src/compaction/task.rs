//! Cleaning a log beside its owner: learn the keys, then write each group of segments anew.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::filter::{Filter, LastRecord};
use super::group::{Bounds, group};
use super::keys::Dirty;
use super::offset_map::OffsetMap;
use super::output::Output;
use super::segments::{Source, corrupt};
use super::stats::Stats;
use super::transactions::Transactions;
use super::{Cleanable, CompactionConfig, Error, Pace, paced};
use crate::config::LogConfig;
use crate::segment::file::Dir;
use crate::segment::scan::Batches;
use crate::segment::{AbortedTxn, Segment};

/// A log that is about to be cleaned. It needs no lock: appends, reads and flushes go on.
#[derive(Debug)]
#[must_use = "a log is cleaned when the task is run"]
pub struct CleanTask {
    pub(crate) dir: Arc<Dir>,
    /// All of the log's segments.
    pub(crate) segments: Vec<Arc<Segment>>,
    pub(crate) cleanable: Cleanable,
    /// What the producers that the log knows wrote last.
    pub(crate) last_records: BTreeMap<i64, LastRecord>,
    pub(crate) now_ms: i64,
    pub(crate) log_config: LogConfig,
    pub(crate) config: CompactionConfig,
}

/// A log whose keys are known and whose segments are written anew one after the other.
#[derive(Debug)]
pub struct Cleaning {
    dir: Arc<Dir>,
    source: Source,
    /// How many segments each group has that is left.
    groups: VecDeque<usize>,
    filter: Filter,
    transactions: Transactions,
    next_dirty_offset: i64,
    log_config: LogConfig,
    config: CompactionConfig,
    stats: Stats,
}

/// A segment that is ready to take the place of others, for [`crate::Log::begin_swap`].
#[derive(Debug)]
#[must_use = "the segment takes its place when it is installed"]
pub struct CleanedSegment {
    pub(crate) segment: Arc<Segment>,
    pub(crate) replaced: Vec<Arc<Segment>>,
}

/// What came of a cleaning.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cleaned {
    /// For `cleaner-offset-checkpoint`: the log is clean up to here.
    pub next_dirty_offset: i64,
    /// What was done.
    pub stats: Stats,
}

impl CleanTask {
    /// Cleans the log. `install` puts each segment in its place; it takes the owner's lock for that.
    pub fn run(
        self,
        pace: &mut Pace<'_>,
        install: &mut dyn FnMut(CleanedSegment) -> Result<(), Error>,
    ) -> Result<Cleaned, Error> {
        let mut cleaning = self.learn_keys(pace)?;
        while let Some(segment) = cleaning.next_segment(pace)? {
            install(segment)?;
        }
        Ok(cleaning.finish())
    }

    /// Reads the dirty part of the log for the last offset of each key.
    pub fn learn_keys(self, pace: &mut Pace<'_>) -> Result<Cleaning, Error> {
        let Cleanable { first_dirty_offset, first_uncleanable_offset, .. } = self.cleanable;
        let source = Source::new(self.segments);
        let mut stats = Stats::default();
        let mut map =
            OffsetMap::new(self.config.hash_key, self.config.dedupe_buffer_bytes, self.config.dedupe_load_factor);
        let dirty = Dirty { source: &source, first_offset: first_dirty_offset, end_offset: first_uncleanable_offset };
        dirty.fill(&mut map, &mut stats, pace)?;
        let end_offset = map.latest_offset() + 1;
        let bounds = Bounds {
            log_bytes: u64::from(self.log_config.segment_bytes),
            index_bytes: u64::from(self.log_config.segment_index_bytes),
            end_offset: first_uncleanable_offset,
        };
        let groups = group(&source.sizes(source.range(i64::MIN, end_offset).end), &bounds);
        Ok(Cleaning {
            dir: self.dir,
            source,
            groups: groups.into_iter().map(|group| group.len()).collect(),
            filter: Filter {
                map,
                last_records: self.last_records,
                now_ms: self.now_ms,
                delete_retention_ms: self.log_config.delete_retention_ms,
                end_offset: first_uncleanable_offset,
            },
            transactions: Transactions::default(),
            next_dirty_offset: end_offset.max(first_dirty_offset),
            log_config: self.log_config,
            config: self.config,
            stats,
        })
    }
}

impl Cleaning {
    /// Writes the next group of segments anew; none when all are done.
    ///
    /// What it answers is to be installed before the next one is asked for: only then is the disk free of what was replaced.
    pub fn next_segment(&mut self, pace: &mut Pace<'_>) -> Result<Option<CleanedSegment>, Error> {
        let Some(count) = self.groups.pop_front() else { return Ok(None) };
        let buffer_bytes = self.config.io_buffer_bytes;
        let base_offset = self.source.segment(0).base_offset;
        let mut output = Output::create(&self.dir, base_offset, self.log_config.index_interval_bytes, buffer_bytes)?;
        let written = (0..count).try_for_each(|n| self.segment(n, &mut output, pace));
        if let Err(error) = written {
            if let Err(left) = output.discard() {
                tracing::warn!(dir = %self.dir.path().display(), %left, "what was cleaned so far stays until the next start");
            }
            return Err(error);
        }
        self.stats.bytes_written += output.size();
        let last = self.source.segment(count - 1);
        let modified_ms = last.file()?.modified_ms().map_err(|source| last.io(source))?;
        let segment = Arc::new(output.finish(self.source.end_of(count - 1), modified_ms)?);
        Ok(Some(CleanedSegment { segment, replaced: self.source.take_first(count) }))
    }

    /// Ends the cleaning.
    pub fn finish(self) -> Cleaned {
        Cleaned { next_dirty_offset: self.next_dirty_offset, stats: self.stats }
    }

    /// Copies what stays of a segment.
    fn segment(&mut self, n: usize, output: &mut Output, pace: &mut Pace<'_>) -> Result<(), Error> {
        let segment = Arc::clone(self.source.segment(n));
        // Those of the whole segment, for the index that is written anew.
        let aborted: Vec<AbortedTxn> = self.source.aborted(n, segment.base_offset, self.source.end_of(n))?;
        self.transactions.add_aborted(aborted);
        let mut batches = Batches::new(segment.file()?, 0, segment.size());
        while let Some((position, batch)) = batches.next().map_err(|error| segment.scan(error))? {
            paced(pace, batch.size_in_bytes())?;
            self.stats.bytes_read += batch.size_in_bytes() as u64;
            let kept = self.filter.batch(batch, &mut self.transactions, &mut self.stats);
            let kept = kept.map_err(|source| corrupt(&segment, position, source))?;
            if let Some(aborted) = kept.aborted {
                output.aborted(aborted)?;
            }
            if let Some(batch) = kept.batch {
                self.stats.records_written += u64::try_from(batch.header().records_count).unwrap_or(0);
                paced(pace, output.batch(&batch)?)?;
            }
        }
        Ok(())
    }
}
