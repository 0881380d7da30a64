//! One segment: each of its batches, and its indexes against them.

use std::path::Path;
use std::sync::Arc;

use ottla_protocol::batch::{CheckedBatch, Header};

use super::cursor::Cursor;
use super::finding::{AtStart, Report};
use super::partition::Known;
use super::producers::Replay;
use super::{Error, records};
use crate::epochs::LeaderEpochs;
use crate::fs::Fs;
use crate::segment::offset_index::OffsetPosition;
use crate::segment::scan::{self, Batches, Headers};
use crate::segment::{Segment, TimestampOffset, indexes_are_sound, txn_index_is_sound};

/// What is known of the segment before its files are read.
pub(super) struct Ground<'a> {
    /// The next start reads all of it and makes its indexes anew.
    pub(super) recovered: bool,
    pub(super) active: bool,
    /// An index is missing or ends in a part of an entry.
    pub(super) unindexed: bool,
    pub(super) epochs: Option<&'a LeaderEpochs>,
    pub(super) known: Known,
}

impl Ground<'_> {
    /// What the next start makes of a batch that cannot be read, before which the log is sound up to `next_offset`.
    fn at_bad_batch(&self, next_offset: i64) -> AtStart {
        match self.recovered && next_offset >= self.known.recovery_point {
            true => AtStart::Cut,
            false => AtStart::NotServed,
        }
    }
}

/// Where the walk is.
struct Walk<'a> {
    path: &'a Path,
    next_offset: i64,
    epoch: i32,
    epoch_told: bool,
    max_timestamp: i64,
}

/// Checks a segment that may hold offsets from `next_offset` on, and answers where the next one may begin.
pub(super) fn check(
    fs: &Arc<dyn Fs>,
    segment: &Segment,
    ground: &Ground<'_>,
    next_offset: i64,
    replay: &mut Replay<'_>,
    report: &mut Report<'_>,
) -> Result<i64, Error> {
    report.counts.segments += 1;
    let path = segment.log.path();
    let io = |source| Error::Io { path: path.clone(), source };
    let mut indexes = Indexes::open(segment, ground, report)?;
    let file = fs.open(&path, crate::fs::Open::Existing).map_err(io)?;
    let end = file.len().map_err(io)?;
    let mut batches = Batches::new(Arc::clone(&file), 0, end);
    let next_offset = next_offset.max(segment.base_offset);
    let mut walk = Walk { path: &path, next_offset, epoch: -1, epoch_told: false, max_timestamp: -1 };
    loop {
        match batches.next() {
            Ok(Some((position, batch))) => {
                report.counts.batches += 1;
                walk.take(position, &batch, ground, report);
                indexes.meet(position, batch.header(), report);
                replay.take(&batch, report);
            }
            Ok(None) => break,
            Err(scan::Error::Io(source)) => return Err(io(source)),
            Err(scan::Error::Batch { position, source }) => {
                replay.lose_a_batch();
                report.at(&path, Some(position), Some(walk.next_offset), ground.at_bad_batch(walk.next_offset), source);
                // Its length may still be right: what follows is looked at too.
                let Some((header, after)) = after(&file, position, end) else { break };
                indexes.meet(position, &header, report);
                walk.next_offset = walk.next_offset.max(header.next_offset());
                batches = Batches::new(Arc::clone(&file), after, end);
            }
        }
    }
    replay.end_segment(segment, ground.recovered, report);
    indexes.end(&walk, ground, report);
    Ok(walk.next_offset)
}

/// The header at `position` and where its batch ends, if another batch or the end of the file is there.
fn after(file: &Arc<dyn crate::fs::File>, position: u64, end: u64) -> Option<(Header, u64)> {
    let (_, header) = Headers::new(Arc::clone(file), position, end).next().ok().flatten()?;
    let after = position.checked_add(header.size_in_bytes() as u64)?;
    let sound = after == end || Headers::new(Arc::clone(file), after, end).next().is_ok_and(|next| next.is_some());
    (after > position && header.base_offset >= 0 && sound).then_some((header, after))
}

impl Walk<'_> {
    fn take(&mut self, position: u64, batch: &CheckedBatch, ground: &Ground<'_>, report: &mut Report<'_>) {
        let header = batch.header();
        let mut tell = |at_start, problem: String| {
            report.at(self.path, Some(position), Some(header.base_offset), at_start, problem);
        };
        if header.base_offset < self.next_offset {
            let problem = format!("offset {} cannot follow {}", header.base_offset, self.next_offset - 1);
            // Its checksum leaves the offset out: who reads by offset does not meet it, or is told that it is wrong.
            tell(ground.at_bad_batch(self.next_offset), problem);
        }
        if let Some(problem) = records::problem(batch) {
            tell(AtStart::Nothing, problem);
        }
        let epoch = header.partition_leader_epoch;
        if epoch < self.epoch {
            tell(AtStart::Nothing, format!("leader epoch {epoch} follows {}", self.epoch));
        }
        let started = header.last_offset() >= ground.known.log_start_offset.unwrap_or(0);
        let noted = ground.epochs.and_then(|epochs| epochs.epoch_for(header.last_offset()));
        if started && !self.epoch_told && ground.epochs.is_some() && noted != Some(epoch) {
            let noted = noted.map_or("none".to_owned(), |noted| noted.to_string());
            tell(AtStart::Nothing, format!("leader epoch {epoch}, where leader-epoch-checkpoint has {noted}"));
            self.epoch_told = true;
        }
        self.epoch = self.epoch.max(epoch);
        self.max_timestamp = self.max_timestamp.max(header.max_timestamp);
        self.next_offset = self.next_offset.max(header.next_offset());
    }
}

/// The indexes of a segment, compared with its batches; none where the next start makes them anew.
struct Indexes(Option<Both>);

struct Both {
    offsets: Cursor<OffsetPosition>,
    times: Cursor<TimestampOffset>,
    last_time: i64,
    time_path: std::path::PathBuf,
}

impl Indexes {
    fn open(segment: &Segment, ground: &Ground<'_>, report: &mut Report<'_>) -> Result<Self, Error> {
        if ground.recovered {
            return Ok(Self(None));
        }
        let path = segment.log.path();
        if ground.unindexed {
            report.file(&path, AtStart::Rebuilt, "an index of this file is missing or ends in a part of an entry");
            return Ok(Self(None));
        }
        let failed =
            |error: crate::segment::Error| Error::Io { path: path.clone(), source: std::io::Error::other(error) };
        let io = |source| Error::Io { path: path.clone(), source };
        if !txn_index_is_sound(segment).map_err(failed)? {
            let path = segment.txn_index.entries.file().path();
            report.file(&path, AtStart::Rebuilt, "an aborted transaction is out of order or outside of the segment");
        }
        let at_start = match indexes_are_sound(segment).map_err(failed)? {
            true => AtStart::Nothing,
            false => AtStart::Rebuilt,
        };
        let times = segment.time_index.all().map_err(io)?;
        let (offset_path, time_path) =
            (segment.offset_index.entries.file().path(), segment.time_index.entries.file().path());
        Ok(Self(Some(Both {
            last_time: times.last().map_or(-1, |last| last.timestamp),
            offsets: Cursor::new(offset_path, segment.offset_index.all().map_err(io)?, at_start),
            times: Cursor::new(time_path.clone(), times, at_start),
            time_path,
        })))
    }

    fn meet(&mut self, position: u64, header: &Header, report: &mut Report<'_>) {
        let Some(both) = &mut self.0 else { return };
        both.offsets.meet(
            header,
            report,
            |entry| entry.position <= position,
            |entry, header| {
                let right = entry.position == position && entry.offset >= header.base_offset;
                (!right).then(|| format!("the entry of offset {} points to position {}", entry.offset, entry.position))
            },
        );
        both.times.meet(
            header,
            report,
            |entry| entry.offset <= header.last_offset(),
            |entry, header| {
                let right = entry.offset >= header.base_offset && entry.timestamp == header.max_timestamp;
                (!right).then(|| format!("the entry of time {} names offset {}", entry.timestamp, entry.offset))
            },
        );
    }

    fn end(self, walk: &Walk<'_>, ground: &Ground<'_>, report: &mut Report<'_>) {
        let Some(both) = self.0 else { return };
        both.offsets.end(walk.next_offset, report);
        both.times.end(walk.next_offset, report);
        if both.last_time < walk.max_timestamp && !ground.active {
            let problem =
                format!("the last entry is of time {}, the largest is {}", both.last_time, walk.max_timestamp);
            report.file(&both.time_path, AtStart::Nothing, problem);
        }
    }
}
