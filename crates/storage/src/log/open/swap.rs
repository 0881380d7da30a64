//! Finishing what a crash interrupted: removals, and compactions that were about to put their segments in place.
//!
//! Each step leaves what a crash in the midst of it needs to be taken up again.

use std::sync::Arc;

use super::Error;
use super::files::remove;
use crate::fs::Open;
use crate::segment::file::Dir;
use crate::segment::scan::Headers;
use crate::segment::{Lens, Segment, names};

/// Removes what was marked as deleted, takes back compactions that did not finish writing and completes those that did.
pub(super) fn finish(dir: &Arc<Dir>) -> Result<(), Error> {
    let path = dir.path();
    let entries = dir.fs().list(&path).map_err(|source| Error::Io { path, source })?;
    let mut names: Vec<&str> = entries.iter().filter(|entry| !entry.is_dir).map(|entry| entry.name.as_str()).collect();
    // Log files before their indexes.
    names.sort_by_key(|name| !name.contains(names::LOG));
    let deleted: Vec<&str> = names.iter().copied().filter(|name| is_deleted(name)).collect();
    if !deleted.is_empty() {
        // The names they were given must not be taken back beside what is appended in their place.
        dir.sync().map_err(|source| Error::Io { path: dir.path(), source })?;
        deleted.iter().try_for_each(|name| remove(dir, name))?;
    }
    let swapped = take_back_incomplete(dir, &names)?;
    if swapped.is_empty() { Ok(()) } else { complete(dir, &names, &swapped) }
}

fn is_deleted(name: &str) -> bool {
    name.ends_with(names::DELETED) && !name.ends_with(names::CHECKPOINT_DELETED)
}

/// Removes what was not written whole and answers the files of complete segments.
fn take_back_incomplete<'a>(dir: &Dir, names: &[&'a str]) -> Result<Vec<&'a str>, Error> {
    let cleaned: Vec<&str> = names.iter().copied().filter(|name| name.ends_with(names::CLEANED)).collect();
    // Where files of a segment have both names it was not complete. Segments that were being split appear as .swap above
    // the first .cleaned: they are not complete either.
    let first_cleaned = cleaned.iter().copied().filter_map(names::leading_offset).min().unwrap_or(i64::MAX);
    let is_complete = |name: &&str| names::leading_offset(name).is_some_and(|offset| offset < first_cleaned);
    let swap = names.iter().copied().filter(|name| name.ends_with(names::SWAP));
    let (complete, incomplete): (Vec<&str>, Vec<&str>) = swap.partition(is_complete);
    // The .cleaned ones last, as they say that the others are not complete.
    incomplete.iter().chain(&cleaned).try_for_each(|name| remove(dir, name))?;
    Ok(complete)
}

/// Removes the segments that the complete ones replace, and puts those in their place.
fn complete(dir: &Arc<Dir>, names: &[&str], swapped: &[&str]) -> Result<(), Error> {
    let (from, to) = swapped_range(dir, swapped)?;
    let is_live = |name: &&&str| !is_deleted(name) && !name.ends_with(names::CLEANED) && !name.ends_with(names::SWAP);
    let is_replaced = |name: &&&str| names::leading_offset(name).is_some_and(|offset| (from..to).contains(&offset));
    for name in names.iter().filter(is_live).filter(is_replaced) {
        remove(dir, name)?;
    }
    for name in swapped {
        let path = dir.file(name);
        let place = dir.file(name.strip_suffix(names::SWAP).unwrap_or(name));
        dir.fs().rename(&path, &place).map_err(|source| Error::Io { path, source })?;
    }
    dir.sync().map_err(|source| Error::Io { path: dir.path(), source })
}

/// The offsets that the segments to be put in place cover.
fn swapped_range(dir: &Arc<Dir>, names: &[&str]) -> Result<(i64, i64), Error> {
    let (mut from, mut to) = (i64::MAX, i64::MIN);
    for name in names {
        let base_offset = name.strip_suffix(names::SWAP).and_then(|name| names::offset_of(name, names::LOG));
        let Some(base_offset) = base_offset else { continue };
        from = from.min(base_offset);
        to = to.max(end_of(dir, name, base_offset)?);
    }
    Ok((from, to))
}

/// The offset after the last batch of a segment.
fn end_of(dir: &Arc<Dir>, name: &str, base_offset: i64) -> Result<i64, Error> {
    let path = dir.file(name);
    let open = || dir.fs().open(&path, Open::Existing).and_then(|file| file.len().map(|len| (file, len)));
    let (file, len) = open().map_err(|source| Error::Io { path: path.clone(), source })?;
    // Only names its errors.
    let segment = Segment::open(dir, base_offset, Lens::default(), base_offset);
    let mut headers = Headers::new(file, 0, len);
    let mut next_offset = base_offset;
    while let Some((_, header)) = headers.next().map_err(|error| segment.scan(error))? {
        next_offset = header.next_offset();
    }
    Ok(next_offset)
}
