//! Moves between two disks in memory that fail, or lose their power, at each of their calls.

use super::*;
use crate::{
    clock::{Clock, wall_ms},
    publisher::Published,
    removals::Removals,
    replicas::Replicas,
    room::Room,
    site::Site,
};
use ottla_config::Sources;
use ottla_metadata::{
    MetadataRecord,
    image::{DIRECTORY_LOST, DIRECTORY_UNASSIGNED, Image},
};
use ottla_protocol::{
    batch::{Builder, CheckedBatches, NewRecord},
    stored::{PartitionRecord, TopicRecord},
};
use ottla_storage::{
    Isolation,
    fs::{
        Fs, SimFs,
        sim::{Call, Fault},
    },
    journal::{self, Journal},
    log_dir::LogDir,
};
use std::{io::ErrorKind, path::Path, sync::atomic::AtomicUsize, time::Duration};
use worker::Next;

const TOPIC: Uuid = Uuid::from_bytes([7; 16]);
const FROM: (&str, Uuid) = ("/a", Uuid::from_bytes([0xa; 16]));
const TO: (&str, Uuid) = ("/b", Uuid::from_bytes([0xb; 16]));

/// Two disks with a log dir each, and what the metadata says of where the partition is, which is in the first.
struct Disks([SimFs; 2], Uuid);

fn image(directory: Uuid) -> Image {
    let topic = TopicRecord { name: "t".into(), topic_id: TOPIC, ..Default::default() };
    let partition = PartitionRecord {
        partition_id: 0,
        topic_id: TOPIC,
        replicas: vec![1],
        isr: vec![1],
        leader: 1,
        directories: vec![directory],
        ..Default::default()
    };
    let mut image = Image::default();
    for record in [MetadataRecord::from(topic), MetadataRecord::from(partition)] {
        image.apply(&record).expect("a topic");
    }
    image
}

impl Disks {
    fn new(directory: Uuid) -> Self {
        Self([SimFs::new(), SimFs::new()], directory)
    }

    /// A broker with its logs open and its moves taken up; they go on when the test has them go on.
    fn open(&self) -> Arc<Replicas> {
        self.open_beside(&[])
    }

    /// The same beside log dirs that could not be opened.
    fn open_beside(&self, dead: &[&str]) -> Arc<Replicas> {
        let config = Sources::standalone("/a").load().expect("the defaults are valid").config;
        let removals = Arc::new(Removals::default());
        let dirs = self.0.iter().zip([FROM, TO]).map(|(fs, (path, id))| {
            let fs: Arc<dyn Fs> = Arc::new(fs.clone());
            let log_dir = LogDir::open(Path::new(path), fs.clone()).expect("a log dir");
            let (journal, recovered) =
                Journal::open(fs, Path::new(path), journal::Limits::default(), 1).expect("a journal");
            Dir::new(log_dir, id, removals.clone(), Room::new(0), journal, recovered, false)
        });
        let site = Site::new(1, Clock::starting_now(), Duration::from_secs(30), Published::new());
        let replicas =
            Replicas::new(site, dirs.collect(), dead.iter().map(|dir| (*dir).to_owned()).collect(), Arc::new(config));
        replicas.set_registered();
        replicas.futures().state.lock().working.extend([FROM.1, TO.1]);
        replicas.load(&image(self.1)).expect("the logs open");
        replicas.resume_moves(&image(self.1));
        replicas
    }

    /// Has every call from the `nth` on fail, on both disks or on one, and counts them.
    fn fail_from(&self, nth: usize, disks: &[usize]) -> Arc<AtomicUsize> {
        let calls = Arc::new(AtomicUsize::new(0));
        for disk in disks {
            let calls = calls.clone();
            self.0[*disk].inject(move |call: Call, _: &Path| {
                let reading = matches!(call, Call::Read);
                let number = calls.fetch_add(usize::from(!reading), Ordering::Relaxed);
                (number >= nth && !reading).then_some(Fault::Error(ErrorKind::Other))
            });
        }
        calls
    }

    fn power_cut(&self) {
        for fs in &self.0 {
            fs.heal();
            fs.power_cut(|_, _| 0);
        }
    }

    /// The folders of the partition in both log dirs, but for those on their way out.
    fn folders(&self) -> Vec<String> {
        let listed = self.0.iter().zip([FROM, TO]).flat_map(|(fs, (path, _))| {
            let entries = fs.list(Path::new(path)).expect("a folder").into_iter();
            entries.filter(|entry| entry.is_dir).map(move |entry| format!("{path}/{}", entry.name))
        });
        listed.filter(|name| !name.ends_with("-delete")).collect()
    }
}

fn partition(replicas: &Replicas) -> Arc<Partition> {
    replicas.partition("t", 0).expect("the partition is here")
}

/// Appends a record whose value is its offset; true if it is durable.
fn append(partition: &Arc<Partition>) -> bool {
    let value = partition.log_end_offset().to_string();
    let mut builder = Builder::new();
    builder.push(NewRecord { value: Some(value.as_bytes()), ..Default::default() });
    let batch = CheckedBatches::from(builder.build().expect("a batch"));
    let appended = partition.append_internal(batch, wall_ms()).is_ok();
    partition.flush();
    appended && !partition.dir().is_offline()
}

/// The log's records must be their own offsets; answers where it ends.
fn check_values(partition: &Partition) -> i64 {
    let end = partition.replay(|_, record| {
        let offset = record.offset;
        let value = record.value.as_deref().unwrap_or_default();
        if value == offset.to_string().as_bytes() { Ok(()) } else { Err(format!("a wrong record at {offset}")) }
    });
    end.expect("all records are there")
}

/// Takes the steps of all moves until none is left, appending between them; answers up to where records were durable.
fn finish(replicas: &Replicas, mut durable: i64) -> i64 {
    for _ in 0..30 {
        let moves = replicas.futures().to_dir(TO.1);
        for found in &moves {
            if replicas.step(found) == Next::Done {
                replicas.futures().forget(found);
            }
        }
        let partition = partition(replicas);
        if durable == partition.log_end_offset() && append(&partition) {
            durable += 1;
        }
        if moves.is_empty() {
            return durable;
        }
    }
    panic!("a move does not end");
}

/// Moves a log of 20 records while every call from the `nth` on fails, cuts the power, and has the next broker end it. False
/// if there were not so many calls.
fn run(nth: usize, failing: &[usize], directory: Uuid) -> bool {
    let disks = Disks::new(directory);
    let replicas = disks.open();
    for _ in 0..20 {
        assert!(append(&partition(&replicas)));
    }
    replicas.write_checkpoints().expect("checkpoints are written");
    let calls = disks.fail_from(nth, failing);
    let asked = replicas.alter_log_dir(&image(disks.1), &"t".into(), 0, TO.0);
    let durable = finish(&replicas, 20);
    let reached = calls.load(Ordering::Relaxed) > nth;
    assert!(reached || (asked.is_ok() && partition(&replicas).dir().id == TO.1));
    drop(replicas);
    disks.power_cut();

    let replicas = disks.open();
    let end = check_values(&partition(&replicas));
    assert!(end >= durable, "records up to {durable} were durable, the log ends at {end}");
    let durable = finish(&replicas, end);
    assert_eq!(check_values(&partition(&replicas)), durable);
    let place = partition(&replicas).dir().name();
    assert_eq!(disks.folders(), [format!("{place}/t-0")], "one log is left, after {nth} calls on {failing:?}");
    drop(replicas);
    disks.power_cut();
    assert_eq!(check_values(&partition(&disks.open())), durable);
    reached
}

/// The metadata may say that the disk is lost: where it is short of room, so that others lead.
fn check_all(failing: &[usize], least_calls: usize) {
    for directory in [FROM.1, DIRECTORY_LOST] {
        let calls = (0..).take_while(|nth| run(*nth, failing, directory)).count();
        assert!(calls > least_calls, "{calls} calls");
    }
}

#[test]
fn a_move_ends_after_a_power_cut_at_any_call() {
    check_all(&[0, 1], 20);
}

#[test]
fn a_move_ends_after_the_source_fails_at_any_call() {
    check_all(&[0], 3);
}

#[test]
fn a_move_ends_after_the_destination_fails_at_any_call() {
    check_all(&[1], 10);
}

#[test]
fn no_log_is_made_where_it_may_be_in_a_log_dir_that_is_offline() {
    for (directory, expected) in [(DIRECTORY_UNASSIGNED, 1), (DIRECTORY_LOST, 0), (Uuid::from_bytes([0xc; 16]), 0)] {
        let disks = Disks::new(directory);
        assert_eq!(disks.open_beside(&["/c"]).count(), expected);
        disks.power_cut();
        assert_eq!(disks.open().count(), 1, "the disk was replaced");
    }
}

#[test]
fn a_partition_that_moved_reads_on_for_those_who_read_before() {
    let disks = Disks::new(FROM.1);
    let replicas = disks.open();
    let partition = partition(&replicas);
    (0..5).for_each(|_| assert!(append(&partition)));
    let reader = partition.reader();
    assert_eq!(replicas.alter_log_dir(&image(disks.1), &"t".into(), 0, TO.0), Ok(()));
    assert!(partition.moving.is_under_way());
    let found = &replicas.futures().to_dir(TO.1)[0];
    assert_eq!((found.lag(), found.size()), (5, 0));
    finish(&replicas, 5);
    assert!(!partition.moving.is_under_way());
    assert!(!reader.read(0, 1000, true, Isolation::LogEnd).expect("the old files").is_empty());
    assert_eq!(check_values(&partition), partition.high_watermark());
    assert_eq!(replicas.dirs().iter().map(|dir| dir.logs()).collect::<Vec<_>>(), [0, 1]);
}
