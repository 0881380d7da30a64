//! What every store does, tried on both of them; what RocksDB does when a process or its files are lost.

use super::{Batch, MemoryStore, MetaKey, RocksStore, Store, StoreError};
use bytes::Bytes;
use std::{fs, path::Path};

fn entries(range: std::ops::Range<u64>, content: &'static str) -> Vec<(u64, Bytes)> {
    range.map(|index| (index, Bytes::from(format!("{content} {index}")))).collect()
}

fn indexes(store: &impl Store) -> Vec<u64> {
    store.entries(0, u64::MAX, u64::MAX).unwrap().into_iter().map(|(index, _)| index).collect()
}

/// The suite: each step leaves what the next begins with.
fn conforms(store: &mut impl Store) {
    for key in MetaKey::ALL {
        assert_eq!(store.meta(key).unwrap(), None);
    }
    assert!(indexes(store).is_empty());
    store.write(Batch::default()).unwrap();

    let meta = vec![(MetaKey::Hard, Bytes::from_static(b"hard")), (MetaKey::Identity, Bytes::from_static(b"me"))];
    store.write(Batch { meta, entries: entries(2..300, "first"), sync: true, ..Batch::default() }).unwrap();
    assert_eq!(store.meta(MetaKey::Hard).unwrap(), Some(Bytes::from_static(b"hard")));
    assert_eq!(store.meta(MetaKey::Snapshot).unwrap(), None);
    assert!(indexes(store).into_iter().eq(2..300), "in the order of numbers, not of digits");

    // The first entry comes whatever its length, the others within the limit.
    let found = |low, high, bytes| store.entries(low, high, bytes).unwrap();
    assert_eq!(found(10, 20, u64::MAX), entries(10..20, "first"));
    assert_eq!(found(10, 20, 0), entries(10..11, "first"));
    assert_eq!(found(10, 20, 16), entries(10..12, "first"));
    assert_eq!(found(10, 20, 17), entries(10..12, "first"));
    assert_eq!(found(10, 10, 100), []);
    assert_eq!(found(10, 9, 100), []);
    assert_eq!(found(298, 500, u64::MAX), entries(298..300, "first"));

    // A conflict: the end is dropped and written anew in one step.
    let batch = Batch { drop_from: Some(250), entries: entries(250..252, "second"), sync: true, ..Batch::default() };
    store.write(batch).unwrap();
    assert!(indexes(store).into_iter().eq(2..252));
    assert_eq!(store.entries(249, 300, u64::MAX).unwrap()[1], entries(250..251, "second")[0]);

    // A compaction.
    let meta = vec![(MetaKey::Snapshot, Bytes::from_static(b"base"))];
    store.write(Batch { meta, drop_before: Some(249), ..Batch::default() }).unwrap();
    assert!(indexes(store).into_iter().eq(249..252));
    assert_eq!(store.meta(MetaKey::Snapshot).unwrap(), Some(Bytes::from_static(b"base")));

    // A snapshot from elsewhere: all goes.
    store.write(Batch { drop_from: Some(0), entries: entries(900..903, "third"), ..Batch::default() }).unwrap();
    assert!(indexes(store).into_iter().eq(900..903));
    store.write(Batch { drop_before: Some(903), ..Batch::default() }).unwrap();
    assert!(indexes(store).is_empty());
}

#[test]
fn the_store_in_memory_conforms() {
    conforms(&mut MemoryStore::new());
}

#[test]
fn rocksdb_conforms() {
    let folder = tempfile::tempdir().unwrap();
    conforms(&mut RocksStore::open(folder.path()).unwrap());
    // And what another process finds is the same.
    assert!(indexes(&RocksStore::open(folder.path()).unwrap()).is_empty());
}

#[test]
fn the_store_in_memory_loses_what_was_not_synced_from_some_batch_on() {
    let mut store = MemoryStore::new();
    let batch = |index: u64, sync| Batch { entries: entries(index..index + 1, "x"), sync, ..Batch::default() };
    store.write(batch(1, true)).unwrap();
    (2..5).for_each(|index| store.write(batch(index, false)).unwrap());
    assert_eq!((store.unsynced(), store.syncs()), (3, 1));
    store.crash(1);
    assert_eq!(indexes(&store), [1, 2]);
    store.crash(0);
    assert_eq!(indexes(&store), [1, 2], "what a crash left is on the disk");
    store.write(batch(3, false)).unwrap();
    store.write(batch(4, true)).unwrap();
    store.crash(0);
    assert_eq!(indexes(&store), [1, 2, 3, 4], "a sync is for all that was written before");
}

fn copy(from: &Path, to: &Path) {
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        if file.file_name() != "LOCK" {
            fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
    }
}

/// The files of a store that was written to and not closed, as a process leaves them that is killed.
fn killed() -> tempfile::TempDir {
    let (folder, copied) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut store = RocksStore::open(folder.path()).unwrap();
    let big = |index: u64| (index, Bytes::from(vec![b'x'; 2000]));
    for index in 1..20 {
        let meta = vec![(MetaKey::Hard, Bytes::from(index.to_string()))];
        store.write(Batch { meta, entries: vec![big(index)], sync: true, ..Batch::default() }).unwrap();
    }
    copy(folder.path(), copied.path());
    copied
}

fn write_ahead_log(folder: &Path) -> std::path::PathBuf {
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let logs = files.filter(|path| path.extension().is_some_and(|extension| extension == "log"));
    logs.max_by_key(|path| path.metadata().unwrap().len()).unwrap()
}

#[test]
fn rocksdb_has_all_that_was_synced_after_a_kill() {
    let folder = killed();
    let store = RocksStore::open(folder.path()).unwrap();
    assert!(indexes(&store).into_iter().eq(1..20));
    assert_eq!(store.meta(MetaKey::Hard).unwrap(), Some(Bytes::from_static(b"19")));
}

#[test]
fn rocksdb_cuts_off_a_record_that_was_being_written() {
    let folder = killed();
    let log = write_ahead_log(folder.path());
    let length = log.metadata().unwrap().len();
    fs::File::options().write(true).open(&log).unwrap().set_len(length - 700).unwrap();
    let store = RocksStore::open(folder.path()).unwrap();
    assert!(indexes(&store).into_iter().eq(1..19), "the batch is gone as a whole");
    assert_eq!(store.meta(MetaKey::Hard).unwrap(), Some(Bytes::from_static(b"18")));
}

#[test]
fn rocksdb_does_not_pass_over_a_damaged_record() {
    let folder = killed();
    let log = write_ahead_log(folder.path());
    let mut bytes = fs::read(&log).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x40;
    fs::write(&log, bytes).unwrap();
    let error = RocksStore::open(folder.path()).err().unwrap();
    assert!(matches!(&error, StoreError::Damaged(reason) if reason.contains("orruption")), "{error}");
}

#[test]
fn rocksdb_does_not_begin_anew_where_a_file_is_gone() {
    for gone in ["MANIFEST", "CURRENT"] {
        let folder = killed();
        let mut files = fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().path());
        let found = files.find(|path| path.to_string_lossy().contains(gone)).unwrap();
        fs::remove_file(found).unwrap();
        assert!(RocksStore::open(folder.path()).is_err(), "{gone}");
    }
}

#[test]
fn rocksdb_notices_a_damaged_table() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = RocksStore::open(folder.path()).unwrap();
    // More than is held in memory, so that there is a table; a start makes one of the rest.
    for index in 1..200 {
        let bytes = Bytes::from(vec![7; 100 << 10]);
        store.write(Batch { entries: vec![(index, bytes)], ..Batch::default() }).unwrap();
    }
    drop(store);
    drop(RocksStore::open(folder.path()).unwrap());
    let files = fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().path());
    let table = files.filter(|path| path.extension().is_some_and(|extension| extension == "sst"));
    let table = table.max_by_key(|path| path.metadata().unwrap().len()).unwrap();
    let mut bytes = fs::read(&table).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&table, bytes).unwrap();
    let read = RocksStore::open(folder.path()).and_then(|store| store.entries(0, u64::MAX, u64::MAX).map(|_| ()));
    assert!(matches!(read, Err(StoreError::Damaged(_))), "{read:?}");
}

#[test]
fn a_store_is_open_once() {
    let folder = tempfile::tempdir().unwrap();
    let _store = RocksStore::open(folder.path()).unwrap();
    assert!(RocksStore::open(folder.path()).is_err());
}
