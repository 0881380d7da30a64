//! A table of damages to a log dir, each found and named, and sound dirs of which nothing is said.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ottla_protocol::Uuid;
use ottla_protocol::batch::control::EndTxnMarker;
use ottla_protocol::batch::{Builder, CheckedBatches, NewRecord};
use ottla_protocol::compression::{Compression, Level};

use super::{AtStart, Error, Finding, check};
use crate::fs::{Entry, Fs, SimFs};
use crate::log_dir::{Checkpoint, LogDir, MetaProperties, PartitionOffsets};
use crate::producers::Origin;
use crate::{Log, LogConfig};
use AtStart::*;

const NOW: i64 = 1_700_000_000_000;
const DIR: &str = "/data";
const TOPIC: &str = "topic-0";
const FIRST_LOG: &str = "topic-0/00000000000000000000.log";

fn append(log: &mut Log, builder: Builder, epoch: i32, origin: Origin) {
    let batches = CheckedBatches::from(builder.build().unwrap());
    log.append_as_leader(batches, epoch, NOW, origin).unwrap();
}

/// Three epochs, a codec after the other, an idempotent producer, and transactions that were aborted.
fn fill(log: &mut Log) {
    let codecs = [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];
    for (n, codec) in (0..60_i32).zip(codecs.iter().cycle()) {
        let mut builder = Builder::new().compression(*codec, Level::Default).producer(4, 0, n * 2);
        for record in 0..2 {
            let value = format!("value {n} {record}");
            let timestamp = NOW + i64::from(n);
            builder.push(NewRecord { timestamp, value: Some(value.as_bytes()), ..NewRecord::default() });
        }
        append(log, builder, n / 20, Origin::Client);
        if n % 7 == 3 {
            let mut data = Builder::new().producer(9, 0, n / 7).transactional(true);
            data.push(NewRecord { timestamp: NOW + i64::from(n), value: Some(b"gone"), ..NewRecord::default() });
            append(log, data, n / 20, Origin::Client);
            let marker = EndTxnMarker { coordinator_epoch: 1 };
            let end = Builder::end_transaction(NOW + i64::from(n), 9, 0, n % 2 == 0, marker);
            append(log, end, n / 20, Origin::Marker { transaction_version: 1 });
        }
    }
    log.set_high_watermark(log.log_end_offset());
}

/// A log dir that was cleanly stopped.
fn sound() -> SimFs {
    let fs = SimFs::new();
    let mut dir = LogDir::open(Path::new(DIR), Arc::new(fs.clone())).unwrap();
    let properties = MetaProperties { cluster_id: Some("c".into()), node_id: Some(1), directory_id: Some(Uuid::ONE) };
    dir.set_meta_properties(properties).unwrap();
    let config = LogConfig { segment_bytes: 2000, index_interval_bytes: 150, ..LogConfig::default() };
    let mut log = dir.create_log("topic", 0, Uuid::from_bytes([3; 16]), config, NOW).unwrap();
    fill(&mut log);
    let end = log.close().unwrap();
    let ends = PartitionOffsets::from([(("topic".to_owned(), 0), end)]);
    for which in [Checkpoint::RecoveryPoint, Checkpoint::HighWatermark] {
        dir.write_checkpoint(which, &ends).unwrap();
    }
    dir.write_checkpoint(Checkpoint::LogStartOffset, &PartitionOffsets::new()).unwrap();
    dir.mark_clean_shutdown(5).unwrap();
    fs
}

fn path(name: &str) -> PathBuf {
    Path::new(DIR).join(name)
}

fn findings(fs: &SimFs) -> Result<Vec<Finding>, Error> {
    let mut found = Vec::new();
    let fs: Arc<dyn Fs> = Arc::new(fs.clone());
    let counts = check(&fs, Path::new(DIR), &mut |finding| found.push(finding.clone()))?;
    assert_eq!(counts.findings, found.len() as u64);
    Ok(found)
}

/// The last file of a kind in the partition's folder.
fn last(fs: &SimFs, kind: &str) -> String {
    let names = fs.list(&path(TOPIC)).unwrap().into_iter().map(|entry| entry.name);
    let last = names.filter(|name| name.ends_with(kind)).max().unwrap();
    format!("{TOPIC}/{last}")
}

fn edit(fs: &SimFs, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let mut content = fs.content(&path(name)).unwrap_or_else(|| panic!("{name} is not there"));
    change(&mut content);
    fs.put(&path(name), &content);
}

fn flip(fs: &SimFs, name: &str, position: usize) {
    edit(fs, name, |content| content[position] ^= 1);
}

fn killed(fs: &SimFs, recovery_point: i64) {
    fs.remove_file(&path(".kafka_cleanshutdown")).unwrap();
    let text = format!("0\n1\ntopic 0 {recovery_point}\n");
    fs.put(&path("recovery-point-offset-checkpoint"), text.as_bytes());
}

fn rename(fs: &SimFs, from: &str, to: &str) {
    fs.rename(&path(from), &path(to)).unwrap();
}

type Damage = fn(&SimFs);

/// What is done, then the file, a part of what is said, and what the next start makes of it.
const DAMAGES: &[(Damage, &str, &str, AtStart)] = &[
    (|fs| flip(fs, FIRST_LOG, 70), FIRST_LOG, "crc", NotServed),
    (
        |fs| {
            killed(fs, 0);
            flip(fs, FIRST_LOG, 70)
        },
        FIRST_LOG,
        "crc",
        Cut,
    ),
    (
        |fs| {
            killed(fs, 3);
            flip(fs, FIRST_LOG, 70)
        },
        FIRST_LOG,
        "crc",
        NotServed,
    ),
    (
        |fs| {
            killed(fs, 3);
            edit(fs, FIRST_LOG, |log| log.truncate(100))
        },
        FIRST_LOG,
        "bytes",
        NotServed,
    ),
    (|fs| edit(fs, FIRST_LOG, |log| log.extend([0; 30])), FIRST_LOG, "length 0 is impossible", NotServed),
    (|fs| edit(fs, FIRST_LOG, |log| log[7] = 9), FIRST_LOG, "cannot follow", NotServed),
    (|fs| edit(fs, FIRST_LOG, |log| log[15] = 7), FIRST_LOG, "leader epoch 0 follows 7", Nothing),
    (
        |fs| fs.put(&path("topic-0/leader-epoch-checkpoint"), b"0\n1\n0 0\n"),
        "topic-0/0",
        "leader-epoch-checkpoint has 0",
        Nothing,
    ),
    (
        |fs| fs.put(&path("topic-0/leader-epoch-checkpoint"), b"0\n9\n0 0\n"),
        "topic-0/leader-epoch-checkpoint",
        "malformed",
        Rebuilt,
    ),
    // Torn by a power cut; the epochs are in the batches.
    (|fs| fs.put(&path("topic-0/leader-epoch-checkpoint"), b""), "topic-0/leader-epoch-checkpoint", "empty", Rebuilt),
    (|fs| fs.put(&path("topic-0/partition.metadata"), b"?"), "topic-0/partition.metadata", "malformed", Offline),
    (|fs| fs.remove_file(&path("topic-0/00000000000000000000.index")).unwrap(), FIRST_LOG, "missing", Rebuilt),
    (
        |fs| edit(fs, "topic-0/00000000000000000000.index", |index| index.truncate(9)),
        FIRST_LOG,
        "part of an entry",
        Rebuilt,
    ),
    (
        |fs| flip(fs, "topic-0/00000000000000000000.index", 7),
        "topic-0/00000000000000000000.index",
        "points to position",
        Nothing,
    ),
    (
        |fs| edit(fs, "topic-0/00000000000000000000.index", |index| index.reverse()),
        "topic-0/00000000000000000000.index",
        "point",
        Rebuilt,
    ),
    (
        |fs| flip(fs, "topic-0/00000000000000000000.timeindex", 7),
        "topic-0/00000000000000000000.timeindex",
        "names offset",
        Rebuilt,
    ),
    (
        |fs| edit(fs, "topic-0/00000000000000000000.timeindex", |index| index.truncate(12)),
        "topic-0/00000000000000000000.timeindex",
        "the largest is",
        Nothing,
    ),
    (
        |fs| fs.remove_file(&path("topic-0/00000000000000000000.txnindex")).unwrap(),
        "topic-0/00000000000000000000.txnindex",
        "is not indexed",
        Nothing,
    ),
    (
        |fs| flip(fs, "topic-0/00000000000000000000.txnindex", 9),
        "topic-0/00000000000000000000.txnindex",
        "aborted no transaction here",
        Nothing,
    ),
    (
        |fs| edit(fs, "topic-0/00000000000000000000.txnindex", |index| index.truncate(33)),
        "topic-0/00000000000000000000.txnindex",
        "cut",
        Rebuilt,
    ),
    (
        |fs| {
            let name = last(fs, ".snapshot");
            flip(fs, &name, 30)
        },
        "topic-0/0",
        "wrong CRC",
        Removed,
    ),
    (swap_snapshots, "topic-0/0", "last sequence", Nothing),
    (
        |fs| {
            let name = last(fs, ".snapshot");
            rename(fs, &name, "topic-0/00000000000000009999.snapshot")
        },
        "topic-0/00000000000000009999.snapshot",
        "above the log's end",
        Removed,
    ),
    (
        |fs| fs.put(&path("recovery-point-offset-checkpoint"), b"0\n1\ntopic 0 9999\n"),
        "topic-0",
        "recovery point",
        Ignored,
    ),
    (
        |fs| fs.put(&path("recovery-point-offset-checkpoint"), b"0\n1\ntopic 0 9\n"),
        "topic-0",
        "not closed with the others",
        Rebuilt,
    ),
    (
        |fs| fs.put(&path("replication-offset-checkpoint"), b"0\n1\ntopic 0 9999\n"),
        "topic-0",
        "high watermark",
        Ignored,
    ),
    (
        |fs| fs.put(&path("log-start-offset-checkpoint"), b"0\n1\ntopic 0 9999\n"),
        "topic-0",
        "log start offset",
        Ignored,
    ),
    (
        |fs| fs.put(&path("log-start-offset-checkpoint"), b"0\n1\nother 0 1\n"),
        "log-start-offset-checkpoint",
        "names other-0",
        Ignored,
    ),
    (|fs| fs.put(&path("log-start-offset-checkpoint"), b"1\n"), "log-start-offset-checkpoint", "malformed", Ignored),
    (
        |fs| fs.put(&path("log-start-offset-checkpoint.tmp"), b""),
        "log-start-offset-checkpoint.tmp",
        "not ended",
        Ignored,
    ),
    (|fs| fs.put(&path("meta.properties"), b"version=7\n"), "", "version 7", Refused),
    (
        |fs| fs.put(&path("topic-0/00000000000000000007.log.deleted"), b""),
        "topic-0/00000000000000000007.log.deleted",
        "deletion",
        Removed,
    ),
    (
        |fs| fs.put(&path("topic-0/00000000000000000007.log.cleaned"), b""),
        "topic-0/00000000000000000007.log.cleaned",
        "compaction",
        Removed,
    ),
    (
        |fs| fs.put(&path("topic-0/00000000000000000007.log.swap"), b""),
        "topic-0/00000000000000000007.log.swap",
        "put in place",
        PutInPlace,
    ),
    (
        |fs| fs.put(&path("topic-0/00000000000000000007.index"), b""),
        "topic-0/00000000000000000007.index",
        "without its log",
        Removed,
    ),
    (|fs| fs.create_dir_all(&path("t-0.0123-delete")).unwrap(), "t-0.0123-delete", "deletion", Removed),
    (|fs| fs.create_dir_all(&path("t-0.0123-stray")).unwrap(), "t-0.0123-stray", "no partition", Nothing),
    (|fs| fs.create_dir_all(&path("t-0.0123-future")).unwrap(), "t-0.0123-future", "move", Nothing),
];

/// Puts the first snapshot in the place of the last.
fn swap_snapshots(fs: &SimFs) {
    let mut names: Vec<Entry> = fs.list(&path(TOPIC)).unwrap();
    names.retain(|entry| entry.name.ends_with(".snapshot"));
    let first = names.iter().map(|entry| entry.name.clone()).min().unwrap();
    let content = fs.content(&path(TOPIC).join(first)).unwrap();
    fs.put(&path(&last(fs, ".snapshot")), &content);
}

/// All that is on the disk.
fn everything(fs: &SimFs, dir: &Path) -> Vec<(PathBuf, Option<Vec<u8>>)> {
    let mut all = Vec::new();
    for entry in fs.list(dir).unwrap() {
        let path = dir.join(&entry.name);
        if entry.is_dir {
            all.extend(everything(fs, &path));
        }
        all.push((path.clone(), fs.content(&path)));
    }
    all.sort();
    all
}

#[test]
fn nothing_is_said_of_a_sound_dir() {
    let fs = sound();
    assert_eq!(findings(&fs).unwrap(), []);
    killed(&fs, 0);
    assert_eq!(findings(&fs).unwrap(), []);
}

#[test]
fn each_damage_is_found_named_and_left_as_it_is() {
    for (n, (damage, file, problem, at_start)) in DAMAGES.iter().enumerate() {
        let fs = sound();
        damage(&fs);
        let before = everything(&fs, Path::new(DIR));
        let found = findings(&fs).unwrap();
        let names = |finding: &&Finding| {
            finding.path.to_string_lossy().starts_with(file)
                && finding.problem.contains(problem)
                && finding.at_start == *at_start
        };
        assert!(found.iter().any(|finding| names(&finding)), "damage {n}, {file}: {problem}: {found:#?}");
        assert_eq!(everything(&fs, Path::new(DIR)), before, "damage {n}");
    }
}

#[test]
fn damage_is_told_with_its_place_and_what_follows_is_looked_at_too() {
    let fs = sound();
    let content = fs.content(&path(FIRST_LOG)).unwrap();
    let second = usize::try_from(u32::from_be_bytes(content[8..12].try_into().unwrap())).unwrap() + 12;
    flip(&fs, FIRST_LOG, 70);
    flip(&fs, FIRST_LOG, second + 70);
    let found = findings(&fs).unwrap();
    let places: Vec<_> = found.iter().map(|finding| (finding.position, finding.offset)).collect();
    assert_eq!(places, [(Some(0), Some(0)), (Some(second as u64), Some(2))], "{found:#?}");
    let text = found[1].to_string();
    assert!(text.starts_with(&format!("{FIRST_LOG}: position {second}: offset 2: record batch is corrupt")), "{text}");
    assert!(text.ends_with("; at the next start: stays as it is and is not served"), "{text}");
    let json: serde_json::Value = serde_json::from_str(&found[1].to_json()).unwrap();
    assert_eq!((&json["path"], &json["position"], &json["offset"]), (&FIRST_LOG.into(), &second.into(), &2.into()));
}

#[test]
fn what_a_broker_works_on_or_what_is_no_log_dir_is_not_checked() {
    let fs = sound();
    let dir = LogDir::open(Path::new(DIR), Arc::new(fs.clone())).unwrap();
    assert!(matches!(findings(&fs), Err(Error::Locked(_))));
    drop(dir);
    fs.remove_file(&path("meta.properties")).unwrap();
    assert!(matches!(findings(&fs), Err(Error::NotFormatted(_))));
    assert!(matches!(findings(&SimFs::new()), Err(Error::Io { .. })));
}
