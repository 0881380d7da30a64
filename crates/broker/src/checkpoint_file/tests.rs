//! Snapshot files against those that Apache Kafka 4.3.1 wrote, damaged, cut off and lost in a power cut.

use super::*;
use ottla_metadata::record::NoOpRecord;
use ottla_protocol::{
    Bytes,
    batch::{CheckedBatches, HEADER_LEN},
    stored::ConfigRecord,
};
use ottla_storage::fs::{SimFs, sim};

const BOOTSTRAP: &[u8] = include_bytes!("../format/testdata/bootstrap.checkpoint");
const VOTERS: &[u8] = include_bytes!("../format/testdata/voters.checkpoint");

fn dir() -> &'static Path {
    Path::new("/log/__cluster_metadata-0")
}

fn path() -> PathBuf {
    dir().join(file_name(0, 0))
}

fn fs() -> SimFs {
    let fs = SimFs::new();
    fs.create_dir_all(dir()).unwrap();
    fs.sync_dir(dir()).unwrap();
    fs
}

fn read_bytes(bytes: &[u8]) -> anyhow::Result<Option<Snapshot>> {
    let fs = fs();
    fs.put(&path(), bytes);
    read(&fs, &path())
}

/// A file's batches with the header fields that follow the clock left out.
fn normalised(bytes: &[u8]) -> Vec<(Vec<u8>, Bytes)> {
    let batches = CheckedBatches::parse(Bytes::copy_from_slice(bytes)).unwrap();
    let parts = |batch: &ottla_protocol::batch::CheckedBatch| {
        let mut head = batch.head();
        head[17..21].fill(0); // CRC
        head[27..43].fill(0); // base and max timestamp
        (head.to_vec(), batch.tail())
    };
    batches.iter().map(parts).collect()
}

#[test]
fn what_kafka_wrote_is_written_again_as_the_same_bytes() {
    for golden in [BOOTSTRAP, VOTERS] {
        let snapshot = read_bytes(golden).unwrap().unwrap();
        let fs = fs();
        write(&fs, &path(), &snapshot, 1).unwrap();
        assert_eq!(normalised(&fs.content(&path()).unwrap()), normalised(golden));
    }
}

#[test]
fn kafkas_files_hold_what_they_were_made_of() {
    let bootstrap = read_bytes(BOOTSTRAP).unwrap().unwrap();
    let names: Vec<_> = bootstrap.records.iter().map(MetadataRecord::name).collect();
    assert_eq!(
        names,
        ["FeatureLevelRecord", "FeatureLevelRecord", "UserScramCredentialRecord", "UserScramCredentialRecord"]
    );
    assert_eq!((bootstrap.voters, bootstrap.kraft_version, bootstrap.last_contained_log_time_ms), (None, 0, 0));

    let quorum = read_bytes(VOTERS).unwrap().unwrap();
    let ids: Vec<_> = quorum.voters.unwrap().voters.iter().map(|voter| voter.voter_id).collect();
    assert_eq!((ids, quorum.kraft_version, quorum.records.len()), (vec![1, 2], 1, 0));
    assert!(quorum.last_contained_log_time_ms > 0);
}

fn large() -> Snapshot {
    let value = || Some("v".repeat(400_000).as_str().into());
    let record = |_| ConfigRecord { resource_type: 2, value: value(), ..Default::default() }.into();
    Snapshot { records: (0..7).map(record).collect(), last_contained_log_time_ms: 5, ..Snapshot::default() }
}

#[test]
fn many_records_take_many_batches_in_the_epoch_of_the_name() {
    let fs = fs();
    let path = dir().join(file_name(77, 9));
    write(&fs, &path, &large(), 1).unwrap();
    assert_eq!(read(&fs, &path).unwrap(), Some(large()));
    let batches = CheckedBatches::parse(fs.content(&path).unwrap().into()).unwrap();
    assert_eq!(batches.count(), 6, "header, four of two records at most, footer");
    assert!(batches.iter().all(|batch| batch.header().partition_leader_epoch == 9));
}

#[test]
fn a_snapshot_without_records_has_no_empty_batch() {
    let fs = fs();
    write(&fs, &path(), &Snapshot::default(), 1).unwrap();
    assert_eq!(CheckedBatches::parse(fs.content(&path()).unwrap().into()).unwrap().count(), 2);
    assert_eq!(read(&fs, &path()).unwrap(), Some(Snapshot::default()));
}

#[test]
fn an_absent_file_is_no_snapshot() {
    assert_eq!(read(&fs(), &path()).unwrap(), None);
    assert_eq!(all(&fs(), dir()).unwrap(), []);
    assert_eq!(all(&fs(), Path::new("/nowhere")).unwrap(), []);
}

#[test]
fn a_file_cut_anywhere_is_an_error_that_names_it() {
    for golden in [BOOTSTRAP, VOTERS] {
        for len in 0..golden.len() {
            let error = format!("{:#}", read_bytes(&golden[..len]).unwrap_err());
            assert!(error.starts_with(&format!("{} is damaged at position ", path().display())), "{error}");
        }
    }
}

#[test]
fn a_changed_byte_is_an_error_or_one_that_says_nothing() {
    for golden in [BOOTSTRAP, VOTERS] {
        let whole = read_bytes(golden).unwrap();
        for at in 0..golden.len() {
            let mut bytes = golden.to_vec();
            bytes[at] ^= 0x10;
            if let Ok(read) = read_bytes(&bytes) {
                assert_eq!(read, whole, "byte {at}"); // the leader epoch, which the CRC does not cover
            }
        }
    }
}

#[test]
fn a_length_is_not_believed() {
    let mut bytes = VOTERS.to_vec();
    bytes[8..12].copy_from_slice(&i32::MAX.to_be_bytes());
    let error = format!("{:#}", read_bytes(&bytes).unwrap_err());
    assert!(error.contains("is cut off after 299"), "{error}");
}

#[test]
fn records_out_of_their_place_are_errors() {
    let batches = CheckedBatches::parse(VOTERS.into()).unwrap();
    let (head, footer): (Vec<u8>, Vec<u8>) = {
        let bytes: Vec<_> = batches.iter().map(|batch| batch.to_bytes().to_vec()).collect();
        (bytes[0].clone(), bytes[1].clone())
    };
    for (bytes, expected) in [
        (head.clone(), "the file ends before its footer"),
        (footer.clone(), "offset 3 follows where 0 should"),
        ([head.clone(), footer.clone(), footer.clone()].concat(), "there is a batch after the footer"),
        ([head.clone(), head.clone()].concat(), "offset 0 follows where 3 should"),
        ([head, footer, vec![0; HEADER_LEN - 1]].concat(), "the last 60 bytes are no batch"),
    ] {
        let error = format!("{:#}", read_bytes(&bytes).unwrap_err());
        assert!(error.ends_with(expected), "{error}");
    }
    let mut not_a_header = ottla_protocol::batch::Builder::new();
    let value = MetadataRecord::from(NoOpRecord::default()).encode(Default::default()).unwrap();
    not_a_header.push(ottla_protocol::batch::NewRecord { value: Some(&value), ..Default::default() });
    let error = format!("{:#}", read_bytes(&not_a_header.build_bytes().unwrap()).unwrap_err());
    assert!(error.ends_with("the snapshot does not begin with its header"), "{error}");
}

#[test]
fn whole_snapshots_are_found_by_name() {
    let fs = fs();
    for name in [
        "00000000000000000009-0000000002.checkpoint",
        "00000000000000000100-0000000001.checkpoint",
        "00000000000000000100-0000000003.checkpoint",
        "00000000000000000200-0000000003.checkpoint.deleted",
        "00000000000000000200-0000000003.checkpoint.part",
        "00000000000000000200-0000000003.checkpoint.tmp",
        "00000000000000000200.checkpoint",
        "200-3.checkpoint",
        "+0000000000000000200-0000000003.checkpoint",
        "99999999999999999999-0000000003.checkpoint",
        "00000000000000000000.log",
    ] {
        fs.put(&dir().join(name), b"x");
    }
    fs.create_dir_all(&dir().join("00000000000000000300-0000000003.checkpoint")).unwrap();
    let found: Vec<_> = all(&fs, dir()).unwrap().into_iter().map(|(end, epoch, _)| (end, epoch)).collect();
    assert_eq!(found, [(9, 2), (100, 1), (100, 3)]);
    sweep(&fs, dir()).unwrap();
    let left: Vec<_> = files(&fs, dir()).unwrap().into_iter().filter(|name| name.matches('.').count() > 1).collect();
    assert_eq!(left, Vec::<String>::new(), "what is no whole snapshot is removed");
    assert_eq!(all(&fs, dir()).unwrap().len(), 3);
}

#[test]
fn a_file_that_may_only_be_read_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bootstrap.checkpoint");
    std::fs::write(&path, BOOTSTRAP).unwrap();
    let fs = SimFs::new();
    fs.inject(|call, _| (call == sim::Call::Open).then_some(sim::Fault::Error(io::ErrorKind::PermissionDenied)));
    assert_eq!(read(&fs, &path).unwrap(), read_bytes(BOOTSTRAP).unwrap());
}

#[test]
fn after_a_power_cut_the_old_or_the_new_file_is_there_whole() {
    let old = Snapshot { last_contained_log_time_ms: 1, ..Snapshot::default() };
    for calls in 0.. {
        let fs = fs();
        write(&fs, &path(), &old, 1).unwrap();
        let mut left = calls;
        fs.inject(move |_, _| {
            left -= 1;
            (left < 0).then_some(sim::Fault::Error(io::ErrorKind::Other))
        });
        let written = write(&fs, &path(), &large(), 2);
        fs.heal();
        fs.power_cut(|_, len| len / 2);
        let found = read(&fs, &path()).unwrap();
        match written {
            Ok(()) => return assert_eq!(found, Some(large())),
            Err(_) => assert!(found == Some(old.clone()) || found == Some(large()), "after {calls} calls"),
        }
    }
}
