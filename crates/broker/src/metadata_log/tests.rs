//! The metadata log with its snapshots: what is deleted when, and what a start makes of what is left.

use super::*;
use crate::{
    checkpoint_file::{self, Snapshot},
    metadata_quorum::{QuorumState, SnapshotId, Snapshots},
};
use ottla_config::Sources;
use ottla_metadata::record::NoOpRecord;
use ottla_protocol::stored::voters_record;
use ottla_storage::fs::sim::SimFs;

const DIR: &str = "/data";
const NOW_MS: i64 = 1_000_000_000;

fn config(overrides: &[&str]) -> ServerConfig {
    let standalone = Sources::standalone(DIR);
    let sources = overrides.iter().fold(standalone, |sources, text| sources.override_with(text).expect("valid"));
    sources.load().expect("valid").config
}

struct World {
    fs: Arc<dyn Fs>,
    log: MetadataLog,
    snapshots: Arc<Snapshots>,
}

impl World {
    fn new(overrides: &[&str]) -> Self {
        let fs = SimFs::new();
        fs.create_dir_all(&Path::new(DIR).join(FOLDER)).expect("a folder");
        let mut world = Self::open(Arc::new(fs), overrides, 0);
        world.log.lead(1, &QuorumState::default(), &Voter::default(), NOW_MS).expect("leads");
        world.log.sync().expect("syncs");
        world
    }

    fn open(fs: Arc<dyn Fs>, overrides: &[&str], from: i64) -> Self {
        let log =
            MetadataLog::open(fs.clone(), &config(overrides), from, NOW_MS, &mut QuorumState::default(), |_, _, _| {
                Ok(())
            })
            .expect("opens");
        let snapshots = Snapshots::open(fs.clone(), &Path::new(DIR).join(FOLDER)).expect("opens");
        Self { fs, log, snapshots }
    }

    fn append(&mut self, times: usize) {
        for _ in 0..times {
            let record = MetadataRecord::from(NoOpRecord::default());
            self.log.append(&[record], MetadataVersion::LATEST, NOW_MS).expect("appends");
        }
        self.log.sync().expect("syncs");
    }

    /// A snapshot of all that there is, the last record of which is so old.
    fn snapshot(&mut self, age_ms: i64) -> SnapshotId {
        let id = SnapshotId { end_offset: self.log.end_offset(), epoch: self.log.epoch() };
        let snapshot = Snapshot { last_contained_log_time_ms: NOW_MS - age_ms, ..Snapshot::default() };
        checkpoint_file::write(&*self.fs, &self.snapshots.path(id), &snapshot, NOW_MS).expect("written");
        self.snapshots.add(id).expect("there");
        id
    }

    fn left(&self) -> Vec<SnapshotId> {
        self.snapshots.all().into_iter().map(|(id, _)| id).collect()
    }

    fn clean(&mut self) -> Vec<SnapshotId> {
        self.log.clean(&self.snapshots, NOW_MS).expect("cleans");
        self.left()
    }
}

#[test]
fn old_snapshots_go_with_the_records_before_the_next() {
    let mut world = World::new(&["metadata.max.retention.ms=1000"]);
    let mut ids = Vec::new();
    for age_ms in [5_000, 2_000, 1_001, 500] {
        world.append(3);
        ids.push(world.snapshot(age_ms));
    }
    world.append(1);
    assert_eq!(world.clean(), ids[3..]);
    assert_eq!(world.log.log.log_start_offset(), ids[3].end_offset);
    assert!(!world.fs.exists(&world.snapshots.path(ids[0])).expect("a disk"));
    assert_eq!(world.clean(), ids[3..], "there is no more to do");
}

#[test]
fn the_latest_snapshot_stays_however_old_and_large() {
    let mut world = World::new(&["metadata.max.retention.ms=1000", "metadata.max.retention.bytes=1"]);
    world.append(2);
    let only = world.snapshot(1 << 40);
    assert_eq!(world.clean(), [only]);
    assert_eq!(world.log.log.log_start_offset(), 0, "without a snapshot at the start the log is needed");
}

#[test]
fn snapshots_go_until_they_and_the_log_are_small_enough() {
    let mut world = World::new(&["metadata.max.retention.ms=-1", "metadata.max.retention.bytes=-1"]);
    let mut ids = Vec::new();
    for _ in 0..4 {
        world.append(1);
        ids.push(world.snapshot(1 << 40));
    }
    assert_eq!(world.clean(), ids, "nothing is to be deleted");
    let sizes: Vec<u64> = world.snapshots.all().iter().map(|(_, size)| *size).collect();
    let most = world.log.log.size() + sizes[2] + sizes[3];
    let most = format!("metadata.max.retention.bytes={most}");
    world.log.retention = Retention::new(&config(&["metadata.max.retention.ms=-1", &most]));
    assert_eq!(world.clean(), ids[2..]);
    assert_eq!(world.log.log.log_start_offset(), ids[2].end_offset);
}

#[test]
fn a_log_that_ends_before_the_snapshot_begins_behind_it() {
    let mut world = World::new(&[]);
    world.append(5);
    let World { fs, log, .. } = world;
    log.close().expect("closes");
    let mut again = World::open(fs, &[], 100);
    assert_eq!((again.log.log.log_start_offset(), again.log.end_offset(), again.log.bytes()), (100, 100, 0));
    again.log.lead(1, &QuorumState::default(), &Voter::default(), NOW_MS).expect("leads");
    assert_eq!(again.log.end_offset(), 101);
}

#[test]
fn what_follows_the_snapshot_is_handed_on_and_counted() {
    let mut world = World::new(&[]);
    world.append(5);
    let from = world.log.end_offset();
    world.append(3);
    let World { fs, log, .. } = world;
    let all = log.bytes();
    log.close().expect("closes");
    let mut seen = Vec::new();
    let log = MetadataLog::open(fs, &config(&[]), from, NOW_MS, &mut QuorumState::default(), |offset, _, _| {
        seen.push(offset);
        Ok(())
    });
    assert_eq!(seen, [from, from + 1, from + 2]);
    let bytes = log.expect("opens").bytes();
    assert!(0 < bytes && bytes < all, "{bytes} of {all}");
}

#[test]
fn followers_are_woken_by_what_is_committed() {
    let mut world = World::new(&[]);
    let (reader, waiters) = world.log.for_followers();
    let waiter = Arc::new(tokio::sync::Notify::new());
    waiters.add(&waiter);
    let before = reader.offsets().high_watermark;
    world.log.append(&[NoOpRecord::default().into()], MetadataVersion::LATEST, NOW_MS).expect("appends");
    assert_eq!(reader.offsets().high_watermark, before, "what is not synced is nobody's");
    world.log.sync().expect("syncs");
    assert_eq!(reader.offsets().high_watermark, before + 1);
    assert!(futures_ready(waiter.notified()));
}

/// Whether a future is ready at once.
fn futures_ready(future: impl Future<Output = ()>) -> bool {
    let mut task = core::task::Context::from_waker(core::task::Waker::noop());
    std::pin::pin!(future).poll(&mut task).is_ready()
}

#[test]
fn a_leader_writes_down_who_votes_at_first_and_when_it_listens_elsewhere() {
    let voter = |port| {
        let endpoint = voters_record::Endpoint { name: "C".into(), host: "h".into(), port, ..Default::default() };
        Voter { voter_id: 1, voter_directory_id: Uuid::ONE, endpoints: vec![endpoint], ..Default::default() }
    };
    let record = VotersRecord { voters: vec![voter(1)], ..Default::default() };
    let formatted = QuorumState { kraft_version: 1, voters: Some(record) };
    let mut world = World::new(&[]);
    world.log.start_at(0).expect("empty");
    let mut lead = |state: &QuorumState, port| {
        let batch = world.log.lead(1, state, &voter(port), NOW_MS).expect("leads");
        let mut told = QuorumState::default();
        told.take(&batch).expect("readable").then_some(told)
    };
    let first = lead(&formatted, 1).expect("told");
    assert_eq!(first, formatted);
    assert_eq!(lead(&first, 1), None, "the log has it");
    let moved = lead(&first, 2).expect("told");
    assert_eq!((moved.kraft_version, moved.voter(1)), (1, Some(&voter(2))));
    assert_eq!(lead(&QuorumState::default(), 3), None, "where voters are fixed");
}
