//! The names of a log's files: the base offset in 20 digits, then what the file is.

/// Batches.
pub(crate) const LOG: &str = ".log";
/// Offset index.
pub(crate) const OFFSET_INDEX: &str = ".index";
/// Time index.
pub(crate) const TIME_INDEX: &str = ".timeindex";
/// Aborted transactions.
pub(crate) const TXN_INDEX: &str = ".txnindex";
/// Producer state at an offset.
pub(crate) const SNAPSHOT: &str = ".snapshot";
/// Appended to what is to be removed.
pub(crate) const DELETED: &str = ".deleted";
/// Appended to what a compaction was writing.
pub(crate) const CLEANED: &str = ".cleaned";
/// Appended to what a compaction was about to put in place.
pub(crate) const SWAP: &str = ".swap";
/// Metadata snapshots of KRaft wait for their removal under this name.
pub(crate) const CHECKPOINT_DELETED: &str = ".checkpoint.deleted";

/// The name of the file of this kind at this offset.
pub(crate) fn at(offset: i64, kind: &str) -> String {
    format!("{offset:020}{kind}")
}

/// The offset of a file of this kind, if the name is one.
pub(crate) fn offset_of(name: &str, kind: &str) -> Option<i64> {
    let digits = name.strip_suffix(kind)?;
    let well_formed = digits.len() >= 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    if well_formed { digits.parse().ok() } else { None }
}

/// The offset before the first dot of a name.
pub(crate) fn leading_offset(name: &str) -> Option<i64> {
    let digits = name.split('.').next()?;
    let well_formed = digits.len() >= 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    if well_formed { digits.parse().ok() } else { None }
}
