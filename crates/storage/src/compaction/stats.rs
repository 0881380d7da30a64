//! What a cleaning did.

/// Counted while a log is cleaned.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stats {
    /// Bytes of the dirty part that were read to learn the keys.
    pub map_bytes_read: u64,
    /// Records among them.
    pub map_records_read: u64,
    /// The share of the map's memory that the keys took, from 0 to 1.
    pub map_utilization: f64,
    /// The map did not hold all keys of the dirty part: the rest is for the next time.
    pub map_full: bool,
    /// Bytes of the segments that were cleaned.
    pub bytes_read: u64,
    /// Bytes of those that took their place.
    pub bytes_written: u64,
    /// Records of the batches that were looked into.
    pub records_read: u64,
    /// Records that stayed.
    pub records_written: u64,
    /// Records without a key, which were dropped.
    pub invalid_records: u64,
}
