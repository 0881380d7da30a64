//! Log dirs: their files against hand-made bytes, locks, and what is found in them.

use std::path::Path;
use std::sync::Arc;

use ottla_protocol::Uuid;
use ottla_protocol::batch::{Builder, CheckedBatches, NewRecord};

use super::names::{self, Folder};
use super::*;
use crate::fs::{RealFs, SimFs};
use crate::producers::Origin;

const PATH: &str = "/data";
const NOW: i64 = 1_700_000_000_000;

fn open(fs: &SimFs) -> LogDir {
    LogDir::open(Path::new(PATH), Arc::new(fs.clone())).unwrap()
}

fn text(fs: &SimFs, name: &str) -> String {
    String::from_utf8(fs.content(&Path::new(PATH).join(name)).unwrap()).unwrap()
}

fn put(fs: &SimFs, name: &str, text: &str) {
    fs.put(&Path::new(PATH).join(name), text.as_bytes());
}

fn append(log: &mut Log, values: i64) {
    let mut builder = Builder::new();
    for _ in 0..values {
        builder.push(NewRecord { timestamp: NOW, value: Some(b"value"), ..NewRecord::default() });
    }
    let batches = CheckedBatches::from(builder.build().unwrap());
    log.append_as_leader(batches, 0, NOW, Origin::Client).unwrap();
    log.set_high_watermark(log.log_end_offset());
}

#[test]
fn meta_properties_are_javas() {
    let fs = SimFs::new();
    let mut dir = open(&fs);
    assert_eq!(dir.meta_properties(), None);
    let properties = MetaProperties {
        cluster_id: Some("a:b=c\\d".into()),
        node_id: Some(3),
        directory_id: Some(Uuid::from_bytes([1; 16])),
    };
    dir.set_meta_properties(properties.clone()).unwrap();
    let expected = "#\ncluster.id=a\\:b\\=c\\\\d\ndirectory.id=AQEBAQEBAQEBAQEBAQEBAQ\nnode.id=3\nversion=1\n";
    assert_eq!(text(&fs, "meta.properties"), expected);
    drop(dir);
    assert_eq!(open(&fs).meta_properties(), Some(&properties));
}

#[test]
fn meta_properties_as_kafka_storage_writes_them_are_read() {
    let fs = SimFs::new();
    let kafkas = "#\n#Sun Nov 22 04:35:00 UTC 2026\ncluster.id=4L6g3nShT-eMCtK--X86sw\nversion=1\n\
                  directory.id=KFoeMrkhQAmhVW8EZ1ZVLA\nnode.id=1\n";
    put(&fs, "meta.properties", kafkas);
    let dir = open(&fs);
    let properties = dir.meta_properties().unwrap();
    assert_eq!(properties.cluster_id.as_deref(), Some("4L6g3nShT-eMCtK--X86sw"));
    assert_eq!(properties.node_id, Some(1));
    assert_eq!(dir.directory_id().unwrap().to_string(), "KFoeMrkhQAmhVW8EZ1ZVLA");
}

#[test]
fn meta_properties_may_be_written_by_hand() {
    let fs = SimFs::new();
    put(&fs, "meta.properties", "! a comment\n  version : 1\n\ncluster.id   name of it  \nnode.id\t=\t5\n");
    let dir = open(&fs);
    let properties = dir.meta_properties().unwrap();
    assert_eq!((properties.cluster_id.as_deref(), properties.node_id), (Some("name of it"), Some(5)));
}

#[test]
fn meta_properties_without_sense_are_an_error() {
    for (wrong, reason) in [
        ("cluster.id=a\n", "there is no version"),
        ("version=0\nbroker.id=1\n", "version 0 is not supported"),
        ("version=1\nnode.id=x\n", "node.id \"x\" is no number"),
        ("version=1\ndirectory.id=x\n", "directory.id \"x\" is no id"),
    ] {
        let fs = SimFs::new();
        put(&fs, "meta.properties", wrong);
        let error = LogDir::open(Path::new(PATH), Arc::new(fs)).unwrap_err();
        assert_eq!(error.to_string(), format!("/data/meta.properties: {reason}"));
    }
}

#[test]
fn checkpoints_are_kafkas_and_each_in_its_file() {
    let fs = SimFs::new();
    let dir = open(&fs);
    let offsets = PartitionOffsets::from([(("b-c".to_owned(), 10), 7), (("a".to_owned(), 0), 9_000_000_000)]);
    for which in [Checkpoint::RecoveryPoint, Checkpoint::LogStartOffset, Checkpoint::HighWatermark] {
        dir.write_checkpoint(which, &offsets).unwrap();
        assert_eq!(text(&fs, which.file_name()), "0\n2\na 0 9000000000\nb-c 10 7\n");
    }
    drop(dir);
    let dir = open(&fs);
    assert_eq!(dir.checkpointed.lock().recovery_points, offsets);
    assert_eq!(dir.checkpointed.lock().log_start_offsets, offsets);
    assert_eq!(dir.checkpointed.lock().high_watermarks, offsets);
    let more = PartitionOffsets::from([(("a".to_owned(), 0), 9)]);
    dir.put_high_watermarks(&more).unwrap();
    assert_eq!(text(&fs, "replication-offset-checkpoint"), "0\n1\na 0 9\n");
}

#[test]
fn a_malformed_checkpoint_is_told_with_its_line_and_done_without() {
    let cases = [
        ("1\n0\n", 1),
        ("\n", 1),
        ("0\n", 2),
        ("0\nx\n", 2),
        ("0\n2\na 0 1\n", 2),
        ("0\n1\na 0\n", 3),
        ("0\n2\na 0 1\na b 1\n", 4),
    ];
    for (wrong, expected) in cases {
        let fs = SimFs::new();
        put(&fs, "recovery-point-offset-checkpoint", wrong);
        let error = offsets::read(&fs, Path::new(PATH), Checkpoint::RecoveryPoint).unwrap_err();
        let checkpoint::Error::Malformed { line, .. } = error else { panic!("{error}") };
        assert_eq!(line, expected, "{wrong:?}");
        // As Kafka does: the logs are recovered from their start.
        assert_eq!(open(&fs).checkpointed.lock().recovery_points, PartitionOffsets::new());
    }
}

#[test]
fn an_empty_checkpoint_has_no_entries_as_for_kafka() {
    let fs = SimFs::new();
    put(&fs, "recovery-point-offset-checkpoint", "");
    let read = offsets::read(&fs, Path::new(PATH), Checkpoint::RecoveryPoint);
    assert_eq!(read.unwrap(), PartitionOffsets::new());
}

#[test]
fn a_checkpoint_is_the_old_or_the_new_one_whatever_happens_while_it_is_written() {
    use crate::fs::sim::{Call, Fault};
    for failing in 1..6 {
        let fs = SimFs::new();
        let dir = open(&fs);
        let old = PartitionOffsets::from([(("a".to_owned(), 0), 1)]);
        let new = PartitionOffsets::from([(("a".to_owned(), 0), 2)]);
        dir.write_checkpoint(Checkpoint::RecoveryPoint, &old).unwrap();
        let mut calls = 0;
        fs.inject(move |call, _| {
            calls += 1;
            let kind = std::io::ErrorKind::Other;
            let fault = if call == Call::Write { Fault::Partly(3, kind) } else { Fault::Error(kind) };
            (calls == failing).then_some(fault)
        });
        let written = dir.write_checkpoint(Checkpoint::RecoveryPoint, &new);
        fs.heal();
        fs.power_cut(|_, _| 0);
        let found = open(&fs).checkpointed.lock().recovery_points.clone();
        if written.is_ok() {
            assert_eq!(found, new);
        } else {
            assert!(found == old || found == new, "{found:?}");
        }
    }
}

#[test]
fn a_clean_stop_is_told_once() {
    let fs = SimFs::new();
    let dir = open(&fs);
    assert_eq!(dir.clean_shutdown(), None);
    dir.mark_clean_shutdown(41).unwrap();
    assert_eq!(text(&fs, ".kafka_cleanshutdown"), r#"{"version":0,"brokerEpoch":41}"#);
    drop(dir);
    assert_eq!(open(&fs).clean_shutdown(), Some(CleanShutdown { broker_epoch: Some(41) }));
    assert_eq!(open(&fs).clean_shutdown(), None);
    put(&fs, ".kafka_cleanshutdown", "");
    assert_eq!(open(&fs).clean_shutdown(), Some(CleanShutdown { broker_epoch: None }));
}

#[test]
fn a_log_dir_is_locked() {
    let real = tempfile::tempdir().unwrap();
    let sim = SimFs::new();
    for (fs, path) in [(Arc::new(RealFs::default()) as Arc<dyn Fs>, real.path()), (Arc::new(sim), Path::new(PATH))] {
        let dir = LogDir::open(path, Arc::clone(&fs)).unwrap();
        let error = LogDir::open(path, Arc::clone(&fs)).unwrap_err();
        assert!(matches!(error, Error::Locked(_)), "{error}");
        drop(dir);
        LogDir::open(path, fs).unwrap();
    }
}

#[test]
fn folders_are_told_apart_by_their_names() {
    let cases = [
        ("topic-0", Folder::Partition("topic".into(), 0)),
        ("a.b_c-d-12", Folder::Partition("a.b_c-d".into(), 12)),
        ("topic-0.9b8a7c6d5e4f40a1b2c3d4e5f6a7b8c9-delete", Folder::Deleted),
        ("topic-0.9b8a7c6d5e4f40a1b2c3d4e5f6a7b8c9-stray", Folder::Stray),
        ("topic-0.9b8a7c6d5e4f40a1b2c3d4e5f6a7b8c9-future", Folder::Future("topic".into(), 0)),
        ("lost+found", Folder::Other),
        ("topic-", Folder::Other),
        ("-0", Folder::Other),
        ("topic-x", Folder::Other),
        ("topic--1", Folder::Partition("topic-".into(), 1)),
        ("topic-99999999999", Folder::Other),
        ("to-delete", Folder::Other),
    ];
    for (name, folder) in cases {
        assert_eq!(names::parse(name), folder, "{name}");
    }
    assert_eq!(names::to_delete("t", 3, [0xab; 16]), "t-3.abababababababababababababababab-delete");
    let longest = names::to_stray(&"é".repeat(120), 3, [0; 16]);
    assert!(longest.len() <= 255 && longest.ends_with("-3.00000000000000000000000000000000-stray"));
    assert_eq!(names::parse(&longest), Folder::Stray);
}

#[test]
fn logs_are_found_and_opened_where_they_ended() {
    let fs = SimFs::new();
    let dir = open(&fs);
    let id = Uuid::from_bytes([4; 16]);
    let mut log = dir.create_log("topic", 1, id, LogConfig::default(), NOW).unwrap();
    append(&mut log, 3);
    let other = dir.create_log("other", 0, id, LogConfig::default(), NOW).unwrap();
    let _left = other.delete(&names::to_delete("other", 0, [1; 16])).unwrap();
    fs.create_dir_all(Path::new("/data/not ours")).unwrap();
    fs.create_dir_all(&Path::new(PATH).join(names::to_stray("s", 0, [1; 16]))).unwrap();
    let key = ("topic".to_owned(), 1);
    let end = log.close().unwrap();
    for which in [Checkpoint::RecoveryPoint, Checkpoint::HighWatermark] {
        dir.write_checkpoint(which, &PartitionOffsets::from([(key.clone(), end)])).unwrap();
    }
    dir.mark_clean_shutdown(1).unwrap();
    drop(dir);

    let dir = open(&fs);
    let contents = dir.contents().unwrap();
    let path = PathBuf::from("/data/topic-1");
    assert_eq!(contents.partitions, [PartitionDir { topic: "topic".into(), partition: 1, path }]);
    assert_eq!((contents.removals.len(), contents.stray.len(), contents.future.len()), (1, 1, 0));
    for removal in contents.removals {
        removal.run().unwrap();
    }
    let log = dir.open_log(&contents.partitions[0], None, LogConfig::default(), NOW).unwrap();
    assert_eq!(log.topic_id(), Some(id));
    assert_eq!((log.high_watermark(), log.log_end_offset(), log.recovery_point()), (3, 3, 3));
    assert!(dir.contents().unwrap().removals.is_empty());
}

#[test]
fn a_new_log_takes_nothing_from_the_checkpoints_of_one_that_had_its_name() {
    let fs = SimFs::new();
    put(&fs, "log-start-offset-checkpoint", "0\n1\ntopic 0 50\n");
    put(&fs, "replication-offset-checkpoint", "0\n1\ntopic 0 70\n");
    let log = open(&fs).create_log("topic", 0, Uuid::from_bytes([4; 16]), LogConfig::default(), NOW).unwrap();
    assert_eq!((log.log_start_offset(), log.high_watermark()), (0, 0));
}

#[test]
fn a_log_lives_on_a_real_disk() {
    let temp = tempfile::tempdir().unwrap();
    let dir = LogDir::open(temp.path(), Arc::new(RealFs::default())).unwrap();
    let config = LogConfig { segment_bytes: 500, ..LogConfig::default() };
    let mut log = dir.create_log("topic", 0, Uuid::from_bytes([4; 16]), config.clone(), NOW).unwrap();
    for _ in 0..20 {
        append(&mut log, 2);
    }
    log.delete_records(15).unwrap().run().unwrap();
    drop(log);
    let found = dir.contents().unwrap().partitions;
    let mut log = dir.open_log(&found[0], None, config, NOW).unwrap();
    assert_eq!(log.log_end_offset(), 40);
    log.truncate_to(30, NOW).unwrap();
    append(&mut log, 5);
    assert_eq!(log.log_end_offset(), 35);
    let read = log.reader().read(30, 1000, true, crate::read::Isolation::HighWatermark).unwrap();
    assert_eq!(CheckedBatches::parse(read.bytes().unwrap()).unwrap().iter().next().unwrap().header().base_offset, 30);
    let space = dir.space().unwrap();
    assert!(space.usable_bytes > 0 && space.usable_bytes <= space.total_bytes);
    log.delete(&names::to_delete("topic", 0, [1; 16])).unwrap().run().unwrap();
    assert!(dir.contents().unwrap().partitions.is_empty());
}
