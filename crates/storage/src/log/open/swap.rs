//! Finishing what a crash interrupted: removals, and compactions that were about to put their segments in place.

use super::Error;
use super::files::remove;
use crate::segment::file::Dir;
use crate::segment::scan::Headers;
use crate::segment::{Lens, Segment, names};

/// Removes what was marked as deleted, takes back compactions that did not finish writing and completes those that did.
pub(super) fn finish(dir: &std::sync::Arc<Dir>) -> Result<(), Error> {
    let path = dir.path();
    let entries = dir.fs().list(&path).map_err(|source| Error::Io { path, source })?;
    let files = || entries.iter().filter(|entry| !entry.is_dir).map(|entry| entry.name.as_str());
    let deleted = |name: &&str| name.ends_with(names::DELETED) && !name.ends_with(names::CHECKPOINT_DELETED);
    let cleaned = |name: &&str| name.ends_with(names::CLEANED);
    let swap = |name: &&str| name.ends_with(names::SWAP);
    for name in files().filter(|name| deleted(name) || cleaned(name)) {
        remove(dir, name)?;
    }
    // Segments that were being split appear as .swap above the first .cleaned: they are not complete.
    let first_cleaned = files().filter(cleaned).filter_map(names::leading_offset).min().unwrap_or(i64::MAX);
    let is_complete = |name: &&str| names::leading_offset(name).is_some_and(|offset| offset < first_cleaned);
    for name in files().filter(swap).filter(|name| !is_complete(name)) {
        remove(dir, name)?;
    }
    let complete: Vec<&str> = files().filter(swap).filter(is_complete).collect();
    if complete.is_empty() {
        return Ok(());
    }
    let (from, to) = swapped_range(dir, &complete)?;
    let replaced = |name: &&str| names::leading_offset(name).is_some_and(|offset| (from..to).contains(&offset));
    for name in files().filter(|name| !swap(name) && !deleted(name) && !cleaned(name)).filter(replaced) {
        remove(dir, name)?;
    }
    for name in complete {
        let path = dir.file(name);
        let place = dir.file(name.strip_suffix(names::SWAP).unwrap_or(name));
        dir.fs().rename(&path, &place).map_err(|source| Error::Io { path, source })?;
    }
    dir.sync().map_err(|source| Error::Io { path: dir.path(), source })
}

/// The offsets that the segments to be put in place cover.
fn swapped_range(dir: &std::sync::Arc<Dir>, names: &[&str]) -> Result<(i64, i64), Error> {
    let (mut from, mut to) = (i64::MAX, i64::MIN);
    for name in names {
        let Some(base_offset) = name.strip_suffix(names::SWAP).and_then(|name| names::offset_of(name, names::LOG))
        else {
            continue;
        };
        let path = dir.file(name);
        let open = || dir.fs().open(&path, crate::fs::Open::Existing);
        let file = open().map_err(|source| Error::Io { path: path.clone(), source })?;
        let len = file.len().map_err(|source| Error::Io { path: path.clone(), source })?;
        // Only names its errors.
        let segment = Segment::open(dir, base_offset, Lens::default(), base_offset);
        let mut headers = Headers::new(file, 0, len);
        let mut next_offset = base_offset;
        while let Some((_, header)) = headers.next().map_err(|error| segment.scan(error))? {
            next_offset = header.next_offset();
        }
        from = from.min(base_offset);
        to = to.max(next_offset);
    }
    Ok((from, to))
}
