//! The store of a node: RocksDB, of which a controller needs little and which therefore is kept small.

use super::{Batch, MetaKey, Store, StoreError};
use bytes::Bytes;
use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DB, DBRecoveryMode, Direction, IteratorMode,
    LogLevel, Options, ReadOptions, WriteBatch, WriteOptions,
};
use std::path::Path;

const LOG: &str = "raft_log";
const META: &str = "raft_meta";
/// What is not yet in a table; the metadata between two snapshots is a few of these.
const LOG_BUFFER_BYTES: usize = 4 << 20;
const META_BUFFER_BYTES: usize = 256 << 10;
/// Bounds what is read at the start.
const MAX_WAL_BYTES: u64 = 16 << 20;
const CACHE_BYTES: usize = 1 << 20;

impl From<rocksdb::Error> for StoreError {
    fn from(error: rocksdb::Error) -> Self {
        match error.kind() {
            rocksdb::ErrorKind::Corruption => Self::Damaged(error.into_string()),
            _ => Self::Failed(error.into_string()),
        }
    }
}

/// A store in a folder of its own.
pub struct RocksStore {
    db: DB,
}

impl RocksStore {
    /// Opens the store, or makes it. One process at a time can.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        check_whole(folder)?;
        let cache = Cache::new_lru_cache(CACHE_BYTES);
        let families = [("default", META_BUFFER_BYTES), (LOG, LOG_BUFFER_BYTES), (META, META_BUFFER_BYTES)];
        let descriptors = families.map(|(name, buffer_bytes)| {
            let mut options = Options::default();
            options.set_write_buffer_size(buffer_bytes);
            options.set_max_write_buffer_number(2);
            options.set_compression_type(rocksdb::DBCompressionType::None);
            let mut tables = BlockBasedOptions::default();
            tables.set_block_cache(&cache);
            options.set_block_based_table_factory(&tables);
            ColumnFamilyDescriptor::new(name, options)
        });
        Ok(Self { db: DB::open_cf_descriptors(&database_options(), folder, descriptors)? })
    }

    fn family(&self, name: &str) -> Result<&ColumnFamily, StoreError> {
        self.db.cf_handle(name).ok_or_else(|| StoreError::Damaged(format!("there is no column family {name}")))
    }
}

/// RocksDB takes a folder without `CURRENT` for a new one, and a node that forgot its vote may vote again.
fn check_whole(folder: &Path) -> Result<(), StoreError> {
    if !folder.exists() || folder.join("CURRENT").exists() {
        return Ok(());
    }
    let failed = |error: std::io::Error| StoreError::Failed(format!("{}: {error}", folder.display()));
    for file in std::fs::read_dir(folder).map_err(failed)? {
        let path = file.map_err(failed)?.path();
        // Where a first start was cut short there are neither yet.
        if path.extension().is_some_and(|extension| extension == "log" || extension == "sst") {
            return Err(StoreError::Damaged(format!("{} is there without CURRENT", path.display())));
        }
    }
    Ok(())
}

fn database_options() -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    // A record that was being written when the power failed may be cut off. RocksDB's own default ends the log silently at
    // the first bad record, and so would take back votes that were given.
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    // A file of the log that is gone is noticed, but for the last, for the same reason.
    options.set_track_and_verify_wals_in_manifest(true);
    options.set_paranoid_checks(true);
    options.set_max_total_wal_size(MAX_WAL_BYTES);
    options.set_max_background_jobs(2);
    options.set_max_open_files(64);
    options.set_max_manifest_file_size(1 << 20);
    // RocksDB's own log of what it does: little of it, and no statistics.
    options.set_log_level(LogLevel::Warn);
    options.set_keep_log_file_num(2);
    options.set_max_log_file_size(1 << 20);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    options
}

fn meta_key(key: MetaKey) -> &'static [u8] {
    match key {
        MetaKey::Identity => b"identity",
        MetaKey::Hard => b"hard",
        MetaKey::Snapshot => b"snapshot",
    }
}

impl Store for RocksStore {
    fn meta(&self, key: MetaKey) -> Result<Option<Bytes>, StoreError> {
        Ok(self.db.get_cf(self.family(META)?, meta_key(key))?.map(Bytes::from))
    }

    fn entries(&self, low: u64, high: u64, max_bytes: u64) -> Result<Vec<(u64, Bytes)>, StoreError> {
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound(high.to_be_bytes());
        let start = low.to_be_bytes();
        let mode = IteratorMode::From(&start, Direction::Forward);
        let mut taken = 0;
        let mut found = Vec::new();
        for item in self.db.iterator_cf_opt(self.family(LOG)?, options, mode) {
            let (key, value) = item?;
            let key: [u8; 8] =
                key.as_ref().try_into().map_err(|_| StoreError::Damaged("a key of the log is no index".into()))?;
            taken += u64::try_from(value.len()).unwrap_or(u64::MAX);
            if taken > max_bytes && !found.is_empty() {
                break;
            }
            found.push((u64::from_be_bytes(key), Bytes::from(value)));
        }
        Ok(found)
    }

    fn write(&mut self, batch: Batch) -> Result<(), StoreError> {
        let (log, meta) = (self.family(LOG)?, self.family(META)?);
        let mut writes = WriteBatch::default();
        for (key, value) in &batch.meta {
            writes.put_cf(meta, meta_key(*key), value);
        }
        if let Some(index) = batch.drop_before {
            writes.delete_range_cf(log, 0u64.to_be_bytes(), index.to_be_bytes());
        }
        if let Some(index) = batch.drop_from {
            writes.delete_range_cf(log, index.to_be_bytes(), u64::MAX.to_be_bytes());
        }
        for (index, bytes) in &batch.entries {
            writes.put_cf(log, index.to_be_bytes(), bytes);
        }
        let mut options = WriteOptions::default();
        options.set_sync(batch.sync);
        Ok(self.db.write_opt(writes, &options)?)
    }
}
