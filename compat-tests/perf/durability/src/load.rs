//! The load: one thread appends, one commits, one writes segments behind or syncs them so that the journal can go round.

use crate::{journal, journal::Journal, usage::Usage, way::Way};
use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use rustix::fs::{Mode, OFlags, fdatasync, open, syncfs};
use std::{
    collections::BTreeMap,
    fmt,
    io::IoSlice,
    os::fd::{AsRawFd, OwnedFd},
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// What is run.
pub(crate) struct Load {
    pub(crate) dir: PathBuf,
    pub(crate) way: Way,
    pub(crate) partitions: usize,
    pub(crate) batch_bytes: usize,
    pub(crate) rate_mb_s: u64,
    pub(crate) seconds: u64,
}

struct Pending {
    due: Instant,
    partition: usize,
    position: u64,
    batch: Bytes,
}

#[derive(Default)]
struct Queues {
    /// Appended, not durable.
    pending: Vec<Pending>,
    in_flight: usize,
    /// In the journal, not in segments.
    behind: Vec<(usize, u64, Bytes)>,
    behind_bytes: usize,
    /// Journal bytes that a sync of the segments must still cover.
    journal_position: u64,
    synced_position: u64,
    done: bool,
    latencies: Vec<Duration>,
}

struct Shared {
    queues: Mutex<Queues>,
    changed: Condvar,
    segments: Vec<OwnedFd>,
    /// Where the writes of each segment end.
    ends: Vec<AtomicU64>,
}

/// A partition's share of memory that waits for its segment, over all of them.
const MOST_BEHIND: usize = 64 << 20;
/// One partition's writes in a group that are worth a sync of their own.
const LARGE: usize = 1 << 20;

impl Load {
    pub(crate) fn run(&self) -> anyhow::Result<Figures> {
        std::fs::create_dir_all(&self.dir)?;
        let mode = Mode::from_raw_mode(0o600);
        let segment = |n: usize| {
            let folder = self.dir.join(format!("p-{n}"));
            std::fs::create_dir_all(&folder)?;
            let flags = OFlags::CREATE | OFlags::TRUNC | OFlags::RDWR;
            anyhow::Ok(open(folder.join("00000000000000000000.log"), flags, mode)?)
        };
        let segments = (0..self.partitions).map(segment).collect::<Result<_, _>>()?;
        let journal = match self.way.has_journal() {
            true => Some(Journal::create(&self.dir.join("journal"), self.way.is_direct())?),
            false => None,
        };
        let ends = (0..self.partitions).map(|_| AtomicU64::new(0)).collect();
        let shared = Shared { queues: Mutex::default(), changed: Condvar::new(), segments, ends };
        rustix::fs::sync();
        let before = Usage::now()?;
        let begun = Instant::now();
        std::thread::scope(|scope| {
            let committer = scope.spawn(|| self.commit_all(&shared, journal));
            let settler = scope.spawn(|| match self.way.is_paced() {
                true => self.write_back_all(&shared),
                false => self.settle_all(&shared),
            });
            self.append_all(&shared)?;
            let queues = || shared.queues.lock();
            queues().done = true;
            shared.changed.notify_all();
            committer.join().map_err(|_| anyhow::anyhow!("panicked"))??;
            settler.join().map_err(|_| anyhow::anyhow!("panicked"))??;
            anyhow::Ok(())
        })?;
        let wall_s = begun.elapsed().as_secs_f64();
        syncfs(&shared.segments[0])?;
        let after = Usage::now()?;
        let latencies = shared.queues.into_inner().latencies;
        Ok(self.figures(latencies, wall_s, &before, &after))
    }

    fn figures(&self, mut latencies: Vec<Duration>, wall_s: f64, before: &Usage, after: &Usage) -> Figures {
        latencies.sort_unstable();
        let at = |share: f64| {
            let n = (latencies.len() as f64 * share) as usize;
            latencies.get(n.min(latencies.len() - 1)).map_or(0.0, |latency| latency.as_secs_f64() * 1e3)
        };
        let bytes = (latencies.len() * self.batch_bytes) as f64;
        Figures {
            way: self.way,
            partitions: self.partitions,
            batch_bytes: self.batch_bytes,
            mb_s: bytes / 1e6 / wall_s,
            cpu_s_gib: (after.cpu_s - before.cpu_s) / (bytes / f64::from(1 << 30)),
            percentiles_ms: [at(0.5), at(0.99), at(0.999), at(1.0)],
            written_a_byte: (after.disk_bytes - before.disk_bytes) as f64 / bytes,
            peak_rss_mib: after.peak_rss_mib,
        }
    }

    /// Requests in flight when there is no rate.
    fn most_in_flight(&self) -> usize {
        if self.batch_bytes >= 1 << 20 { 32 } else { 256 }
    }

    fn append_all(&self, shared: &Shared) -> anyhow::Result<()> {
        let batch = Bytes::from((0..self.batch_bytes).map(|n| (n * 31 % 251) as u8).collect::<Vec<u8>>());
        let mut positions = vec![0_u64; self.partitions];
        let begun = Instant::now();
        let end = begun + Duration::from_secs(self.seconds);
        let interval = match self.rate_mb_s {
            0 => Duration::ZERO,
            rate => Duration::from_nanos((self.batch_bytes as u64 * 1000) / rate),
        };
        for n in 0.. {
            let due = if interval.is_zero() { Instant::now() } else { begun + interval * n };
            if due >= end {
                return Ok(());
            }
            // Coarse sleeping is fine: several requests that are due come at once, as from a network.
            if let Some(early) = due.checked_duration_since(Instant::now()) {
                std::thread::sleep(early);
            }
            let partition = n as usize % self.partitions;
            let position = positions[partition];
            positions[partition] += self.batch_bytes as u64;
            // Every batch has bytes of its own, as a socket gives them, and is checked.
            let batch = Bytes::copy_from_slice(&batch);
            std::hint::black_box(crc32c::crc32c(&batch));
            self.append(shared, Pending { due, partition, position, batch })?;
        }
        Ok(())
    }

    fn append(&self, shared: &Shared, pending: Pending) -> anyhow::Result<()> {
        if !self.way.is_behind() {
            let file = &shared.segments[pending.partition];
            let written = rustix::io::pwrite(file, &pending.batch, pending.position)?;
            anyhow::ensure!(written == pending.batch.len(), "short write");
            shared.ends[pending.partition].store(pending.position + written as u64, Ordering::Release);
        }
        let mut queues = shared.queues.lock();
        if self.way == Way::Plain {
            queues.latencies.push(pending.due.elapsed());
            return Ok(());
        }
        while self.rate_mb_s == 0 && queues.in_flight >= self.most_in_flight() {
            shared.changed.wait(&mut queues);
        }
        queues.in_flight += 1;
        queues.pending.push(pending);
        shared.changed.notify_all();
        Ok(())
    }

    fn commit_all(&self, shared: &Shared, mut journal: Option<Journal>) -> anyhow::Result<()> {
        loop {
            let group = {
                let mut queues = shared.queues.lock();
                while queues.pending.is_empty() && !queues.done || self.must_wait(&queues) {
                    shared.changed.wait(&mut queues);
                }
                std::mem::take(&mut queues.pending)
            };
            if group.is_empty() {
                return Ok(());
            }
            self.make_durable(shared, &group, journal.as_mut())?;
            let mut queues = shared.queues.lock();
            let now = Instant::now();
            queues.latencies.extend(group.iter().map(|pending| now.duration_since(pending.due)));
            queues.in_flight -= group.len();
            queues.journal_position = journal.as_ref().map_or(0, Journal::position);
            if self.way.is_behind() {
                queues.behind_bytes += group.iter().map(|pending| pending.batch.len()).sum::<usize>();
                queues.behind.extend(group.into_iter().map(|p| (p.partition, p.position, p.batch)));
            }
            shared.changed.notify_all();
        }
    }

    /// The journal may not overtake what is synced, nor memory what is written.
    fn must_wait(&self, queues: &Queues) -> bool {
        let room = journal::CAPACITY - (queues.journal_position - queues.synced_position);
        room < (64 << 20) || queues.behind_bytes > MOST_BEHIND
    }

    fn make_durable(&self, shared: &Shared, group: &[Pending], journal: Option<&mut Journal>) -> anyhow::Result<()> {
        let mut of_partition: BTreeMap<usize, usize> = BTreeMap::new();
        for pending in group {
            *of_partition.entry(pending.partition).or_default() += pending.batch.len();
        }
        let Some(journal) = journal else {
            match self.way {
                Way::GroupSyncFs => syncfs(&shared.segments[0])?,
                _ => {
                    for partition in of_partition.keys() {
                        fdatasync(&shared.segments[*partition])?;
                    }
                }
            }
            return Ok(());
        };
        if self.way == Way::Bypass && of_partition.values().all(|bytes| *bytes >= LARGE) {
            for partition in of_partition.keys() {
                fdatasync(&shared.segments[*partition])?;
            }
            return Ok(());
        }
        let batches: Vec<Bytes> = group.iter().map(|pending| pending.batch.clone()).collect();
        journal.commit(&batches)
    }

    fn settle_all(&self, shared: &Shared) -> anyhow::Result<()> {
        loop {
            let (behind, position, ended) = {
                let mut queues = shared.queues.lock();
                let due = |queues: &Queues| {
                    queues.behind_bytes > MOST_BEHIND / 4
                        || queues.journal_position - queues.synced_position > journal::CAPACITY / 2
                };
                while !(due(&queues) || queues.done && queues.in_flight == 0) {
                    shared.changed.wait(&mut queues);
                }
                (std::mem::take(&mut queues.behind), queues.journal_position, queues.done && queues.in_flight == 0)
            };
            let bytes = self.write_behind(shared, behind)?;
            let sync = position - shared.queues.lock().synced_position > journal::CAPACITY / 2;
            if sync {
                syncfs(&shared.segments[0])?;
            }
            let mut queues = shared.queues.lock();
            queues.behind_bytes -= bytes;
            if sync {
                queues.synced_position = position;
            }
            shared.changed.notify_all();
            if ended {
                return Ok(());
            }
        }
    }

    /// Goes round the segments and has each written back and waits for it, so that the disk never has many such writes at once.
    fn write_back_all(&self, shared: &Shared) -> anyhow::Result<()> {
        let mut starts = vec![0; self.partitions];
        loop {
            let (position, ended) = {
                let queues = shared.queues.lock();
                (queues.journal_position, queues.done && queues.in_flight == 0)
            };
            let mut wrote = false;
            for (partition, start) in starts.iter_mut().enumerate() {
                let end = shared.ends[partition].load(Ordering::Acquire);
                if end > *start {
                    write_back(&shared.segments[partition], *start, end - *start)?;
                    *start = end;
                    wrote = true;
                }
            }
            let due = position - shared.queues.lock().synced_position > journal::CAPACITY / 2;
            if due {
                syncfs(&shared.segments[0])?;
                shared.queues.lock().synced_position = position;
                shared.changed.notify_all();
            }
            if ended {
                return Ok(());
            }
            if !wrote {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }

    /// Writes what is behind, one write a partition where it is consecutive.
    fn write_behind(&self, shared: &Shared, mut behind: Vec<(usize, u64, Bytes)>) -> anyhow::Result<usize> {
        behind.sort_by_key(|(partition, position, _)| (*partition, *position));
        let mut written = 0;
        for run in behind.chunk_by(|a, b| a.0 == b.0) {
            for part in run.chunks(1000) {
                let buffers: Vec<IoSlice<'_>> = part.iter().map(|(_, _, batch)| IoSlice::new(batch)).collect();
                let [(partition, position, _), ..] = part else { continue };
                written += rustix::io::pwritev(&shared.segments[*partition], &buffers, *position)?;
            }
        }
        Ok(written)
    }
}

/// What came out.
pub(crate) struct Figures {
    way: Way,
    partitions: usize,
    batch_bytes: usize,
    mb_s: f64,
    cpu_s_gib: f64,
    /// Half, 99 %, 99.9 %, all.
    percentiles_ms: [f64; 4],
    written_a_byte: f64,
    peak_rss_mib: f64,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p50, p99, p999, most] = self.percentiles_ms;
        write!(
            f,
            "{:22} {:6} {:8} {:8.1} MB/s {:6.2} CPU s/GiB  p50 {p50:8.2} p99 {p99:8.2} p99.9 {p999:8.2} max {most:8.2} ms {:5.2} written/byte {:6.0} MiB",
            self.way.name(),
            self.partitions,
            self.batch_bytes,
            self.mb_s,
            self.cpu_s_gib,
            self.written_a_byte,
            self.peak_rss_mib
        )
    }
}

#[expect(unsafe_code, reason = "no safe binding has this call")]
fn write_back(file: &OwnedFd, from: u64, len: u64) -> anyhow::Result<()> {
    let all = libc::SYNC_FILE_RANGE_WAIT_BEFORE | libc::SYNC_FILE_RANGE_WRITE | libc::SYNC_FILE_RANGE_WAIT_AFTER;
    // SAFETY: the call has no memory of ours as argument, and the descriptor is open.
    let result = unsafe { libc::sync_file_range(file.as_raw_fd(), from as i64, len as i64, all) };
    anyhow::ensure!(result == 0, "{}", std::io::Error::last_os_error());
    Ok(())
}
