//! Whether a log dir takes what producers send: when the disk is nearly full they are refused, so that all else goes on.
//!
//! Offset commits, checkpoints, the metadata log, compaction and the growth of the journal need a little room, and it is they
//! and deletion that bring more. A producer is refused before anything is written, with an error after which every client
//! comes again by itself.

use ottla_storage::{fs::Space, log_dir::LogDir};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use tracing::{info, warn};

/// The reserve is at most this part of the disk: a twentieth.
const DISK_SHARE: u64 = 20;
/// What is copied from leaders may use so much of the reserve: a half.
const FOLLOWERS_SHARE: u64 = 2;
/// Producers come back when there is more room than the reserve by a tenth of it, or this: else they would come and go.
const LEAST_MARGIN: u64 = 1 << 20;
/// The disk is looked at again when a quarter of the reserve may have been written: others write to it too.
const GRANT_SHARE: u64 = 4;
/// A byte from a producer is written into a segment and, where the journal still grows, once more.
const COPIES: i64 = 2;

/// The room of one log dir.
#[derive(Debug)]
pub(crate) struct Room {
    reserve_bytes: u64,
    /// Bytes that may be written for producers before the disk is looked at again.
    headroom: AtomicI64,
    short: AtomicBool,
    scarce: AtomicBool,
}

impl Room {
    pub(crate) fn new(reserve_bytes: u64) -> Self {
        let (short, scarce) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { reserve_bytes, headroom: AtomicI64::new(0), short, scarce }
    }

    /// Whether producers are refused.
    pub(crate) fn is_short(&self) -> bool {
        self.short.load(Ordering::Acquire)
    }

    /// Whether what is copied from leaders is refused too: half of the reserve is left, for what must go on.
    pub(crate) fn is_scarce(&self) -> bool {
        self.scarce.load(Ordering::Acquire)
    }

    /// Whether so many bytes from a producer are taken.
    pub(crate) fn admits(&self, dir: &LogDir, bytes: usize) -> bool {
        if self.is_short() {
            return false;
        }
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX / COPIES) * COPIES;
        if self.headroom.fetch_sub(bytes, Ordering::Relaxed) < bytes {
            self.look(dir);
        }
        !self.is_short()
    }

    /// Looks at the disk and decides; true if producers are refused from now on.
    pub(crate) fn look(&self, dir: &LogDir) -> bool {
        // A disk that cannot be asked shows its failure when it is written to.
        let Ok(space) = dir.space() else { return false };
        let reserve = self.reserve(space);
        let grant = (reserve / GRANT_SHARE).max(LEAST_MARGIN);
        let spare = space.usable_bytes.saturating_sub(reserve).min(grant);
        self.headroom.store(i64::try_from(spare).unwrap_or(i64::MAX), Ordering::Relaxed);
        self.scarce.store(space.usable_bytes < reserve / FOLLOWERS_SHARE, Ordering::Release);
        let wanted = if self.is_short() { reserve + (reserve / 10).max(LEAST_MARGIN) } else { reserve };
        self.set(dir, space.usable_bytes < wanted, space.usable_bytes)
    }

    /// Takes note that a write found no room at all.
    pub(crate) fn found_full(&self, dir: &LogDir) {
        self.scarce.store(true, Ordering::Release);
        self.set(dir, true, dir.space().map_or(0, |space| space.usable_bytes));
    }

    fn reserve(&self, space: Space) -> u64 {
        self.reserve_bytes.min(space.total_bytes / DISK_SHARE)
    }

    /// True if this made the dir short.
    fn set(&self, dir: &LogDir, short: bool, usable_bytes: u64) -> bool {
        if self.short.swap(short, Ordering::AcqRel) == short {
            return false;
        }
        let dir = dir.path().display();
        match short {
            true => warn!(%dir, usable_bytes, "log dir is short of room: producers are refused until there is more"),
            false => info!(%dir, usable_bytes, "log dir has room again: producers are served"),
        }
        short
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_storage::fs::{Fs, SimFs};
    use std::{path::Path, sync::Arc};

    const MIB: usize = 1 << 20;
    const DISK: usize = 100 * MIB;

    struct Fixture {
        fs: SimFs,
        dir: LogDir,
        room: Room,
    }

    impl Fixture {
        fn new(reserve_bytes: usize) -> Self {
            let fs = SimFs::new();
            let dir = LogDir::open(Path::new("/data"), Arc::new(fs.clone())).unwrap();
            fs.set_capacity(DISK);
            Self { fs, dir, room: Room::new(reserve_bytes as u64) }
        }

        /// Has other files leave so much room.
        fn leave(&self, free: usize) {
            self.fs.put(Path::new("/ballast"), &vec![0; DISK - free]);
        }

        fn admits(&self, bytes: usize) -> bool {
            self.room.admits(&self.dir, bytes)
        }
    }

    /// Goes through free bytes on the disk, each with whether a batch of one byte is taken then.
    fn check(reserve_bytes: usize, steps: &[(usize, bool)]) {
        let fixture = Fixture::new(reserve_bytes);
        for (n, (free, admitted)) in steps.iter().enumerate() {
            fixture.leave(*free);
            fixture.room.look(&fixture.dir);
            assert_eq!(fixture.admits(1), *admitted, "reserve {reserve_bytes}, step {n}: {free} bytes free");
        }
    }

    #[test]
    fn producers_are_refused_below_the_reserve_and_come_back_well_above_it() {
        let above = MIB + LEAST_MARGIN as usize;
        check(
            MIB,
            &[
                (DISK, true),
                (MIB, true),
                (MIB - 1, false),
                (MIB, false),
                (above - 1, false),
                (above, true),
                (MIB, true),
            ],
        );
        // At most a twentieth of the disk.
        check(DISK, &[(DISK / 20, true), (DISK / 20 - 1, false), (DISK / 20 + 2 * MIB, true)]);
        check(0, &[(0, true), (DISK, true)]);
    }

    #[test]
    fn the_disk_is_looked_at_before_producers_have_used_up_what_was_free() {
        let fixture = Fixture::new(MIB);
        fixture.leave(DISK);
        fixture.room.look(&fixture.dir);
        assert!(fixture.admits(MIB / 4));
        fixture.leave(0);
        assert!(fixture.admits(MIB / 4), "a MiB was granted, and a copy goes into the journal");
        assert!(!fixture.admits(1));
        fixture.leave(DISK);
        assert!(!fixture.admits(1), "producers do not ask the disk once they are refused");
        fixture.room.look(&fixture.dir);
        assert!(fixture.admits(1));
    }

    #[test]
    fn copies_of_leaders_leave_half_of_the_reserve() {
        let fixture = Fixture::new(2 * MIB);
        let scarce_with = |free| {
            fixture.leave(free);
            fixture.room.look(&fixture.dir);
            fixture.room.is_scarce()
        };
        assert_eq!([2 * MIB, MIB, MIB - 1, MIB].map(scarce_with), [false, false, true, false]);
        fixture.room.found_full(&fixture.dir);
        assert!(fixture.room.is_scarce());
    }

    #[test]
    fn a_write_that_found_no_room_has_producers_refused() {
        let fixture = Fixture::new(0);
        fixture.leave(MIB - 1);
        assert!(fixture.admits(1));
        fixture.room.found_full(&fixture.dir);
        assert!(!fixture.admits(1));
        assert!(!fixture.room.look(&fixture.dir), "it was short before");
        assert!(!fixture.admits(1));
        fixture.leave(MIB);
        fixture.room.look(&fixture.dir);
        assert!(fixture.admits(1));
        assert!(fixture.fs.exists(Path::new("/ballast")).unwrap());
    }
}
