//! The files of a journal: `journal-<n>.ottla` in the log dir, filled in turn and written over.
//!
//! They are files, not folders, because Apache Kafka takes every folder in a log dir for a partition.

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::filled::{FilledFile, Growth, STEP, failed};
use super::frame::ALIGNMENT;
use super::scan::Found;
use super::{Error, Limits};
use crate::fs::{File, Fs, Open};

const PREFIX: &str = "journal-";
const SUFFIX: &str = ".ottla";
/// Bytes that are kept ready for frames to come.
const AHEAD: u64 = 32 << 20;

#[derive(Debug)]
struct JournalFile {
    filled: Arc<FilledFile>,
    /// The last frame in it; 0 when nothing in it is needed.
    last_seq: u64,
}

/// The files and where the next frame goes.
#[derive(Debug)]
pub(super) struct Files {
    fs: Arc<dyn Fs>,
    dir: PathBuf,
    limits: Limits,
    files: BTreeMap<u32, JournalFile>,
    /// The file that is being filled, and how far it is.
    current: Option<(u32, u64)>,
}

/// Where a frame goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    number: u32,
    position: u64,
    /// How far the file must reach behind the frame.
    spare: u64,
}

impl Files {
    /// The files that are there.
    pub(super) fn list(fs: Arc<dyn Fs>, dir: &Path, limits: Limits) -> Result<Self, Error> {
        let numbers = numbers(&*fs, dir)?;
        let mut this = Self { fs, dir: dir.to_path_buf(), limits, files: BTreeMap::new(), current: None };
        for number in numbers {
            this.open(number, Open::Existing)?;
        }
        Ok(this)
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn limits(&self) -> Limits {
        self.limits
    }

    /// Each file with its number and name.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Path, &Arc<dyn File>)> {
        self.files.iter().map(|(number, JournalFile { filled, .. })| (*number, filled.path.as_path(), &filled.file))
    }

    /// Takes what was found for the state to go on from: a new frame goes into a file of its own.
    pub(super) fn take_up(&mut self, found: &Found) {
        for (number, file) in &mut self.files {
            file.last_seq = found.last_seq_in(*number).filter(|seq| *seq >= found.floor()).unwrap_or(0);
        }
    }

    /// How many files hold what is needed.
    pub(super) fn in_use(&self) -> usize {
        let current = self.current.map(|(number, _)| number);
        self.files.iter().filter(|(number, file)| file.last_seq > 0 || Some(**number) == current).count()
    }

    pub(super) fn free_below(&mut self, floor: u64) {
        for file in self.files.values_mut().filter(|file| file.last_seq < floor) {
            file.last_seq = 0;
        }
    }

    /// Finds room for a frame: in the current file, in one that is free, or in a new one. The file is to reach a page
    /// further, which is kept for [`Files::place_last`].
    pub(super) fn place(&mut self, len: u64) -> Result<Place, Error> {
        let room = self.limits.file_bytes - ALIGNMENT;
        assert!(len <= room, "a frame of {len} bytes is larger than a file");
        if let Some((number, position)) = self.current
            && position + len <= room
        {
            return Ok(Place { number, position, spare: ALIGNMENT });
        }
        let number = match self.free() {
            Some(number) => number,
            None if self.files.len() < self.limits.files => self.create()?,
            None => return Err(Error::Full),
        };
        Ok(Place { number, position: 0, spare: ALIGNMENT })
    }

    /// Finds room for a frame in a file that is free and need not grow.
    pub(super) fn place_grown(&self, len: u64) -> Option<Place> {
        let current = self.current.map(|(number, _)| number);
        let fits = |file: &JournalFile| file.last_seq == 0 && len + ALIGNMENT <= file.filled.len();
        let found = self.files.iter().find(|(number, file)| fits(file) && Some(**number) != current);
        found.map(|(number, _)| Place { number: *number, position: 0, spare: ALIGNMENT })
    }

    /// Finds room for a frame of one page, which there always is: such a frame frees others.
    pub(super) fn place_last(&mut self) -> Result<Place, Error> {
        if let Some((number, position)) = self.current
            && position + ALIGNMENT <= self.limits.file_bytes
        {
            return Ok(Place { number, position, spare: 0 });
        }
        let number = match self.free() {
            Some(number) => number,
            None => self.create()?,
        };
        Ok(Place { number, position: 0, spare: 0 })
    }

    fn free(&self) -> Option<u32> {
        let current = self.current.map(|(number, _)| number);
        let free = self.files.iter().find(|(number, file)| file.last_seq == 0 && Some(**number) != current);
        free.map(|(number, _)| *number)
    }

    fn create(&mut self) -> Result<u32, Error> {
        let number = self.files.last_key_value().map_or(0, |(last, _)| last + 1);
        self.open(number, Open::Truncate)?;
        self.fs.sync_dir(&self.dir).map_err(|source| Error::Io { path: self.dir.clone(), source })?;
        Ok(number)
    }

    fn open(&mut self, number: u32, how: Open) -> Result<(), Error> {
        let path = path(&self.dir, number);
        let file = self.fs.open(&path, how).map_err(|source| failed(&path, source))?;
        let filled = Arc::new(FilledFile::new(path, file)?);
        self.files.insert(number, JournalFile { filled, last_seq: 0 });
        Ok(())
    }

    /// Writes a frame where [`Files::place`] said, and syncs it.
    pub(super) fn write(&mut self, place: Place, seq: u64, buffers: &[IoSlice<'_>]) -> Result<(), Error> {
        let Some(file) = self.files.get_mut(&place.number) else { return Err(Error::Full) };
        let len: usize = buffers.iter().map(|buffer| buffer.len()).sum();
        let end = place.position + len as u64;
        file.filled.grow(end + place.spare, self.limits.file_bytes)?;
        file.filled.overwrite(place.position, buffers)?;
        file.last_seq = seq;
        self.current = Some((place.number, end));
        Ok(())
    }

    /// What is to be filled so that frames to come need not wait for it: the current file, then the next.
    pub(super) fn growth(&mut self) -> Result<Option<Growth>, Error> {
        let Some((current, position)) = self.current else { return Ok(None) };
        let (wanted, most) = (position + AHEAD, self.limits.file_bytes);
        // Whole steps: a sync for the few pages of each commit would cost as much as the commits.
        let step = |bytes: u64| bytes / STEP * STEP;
        if let Some(growth) = self.growth_of(current, step(wanted).min(most)) {
            return Ok(Some(growth));
        }
        let in_next = step(wanted.saturating_sub(most)).min(most);
        match self.free() {
            _ if in_next == 0 => Ok(None),
            Some(next) => Ok(self.growth_of(next, in_next)),
            None if self.files.len() < self.limits.files => {
                let next = self.create()?;
                Ok(self.growth_of(next, in_next))
            }
            None => Ok(None),
        }
    }

    fn growth_of(&self, number: u32, wanted: u64) -> Option<Growth> {
        let file = &self.files.get(&number)?.filled;
        (file.len() < wanted).then(|| Growth::new(Arc::clone(file), wanted))
    }

    pub(super) fn remove_all(self) -> Result<(), Error> {
        remove_all(&*self.fs, &self.dir)
    }
}

/// Removes the files of a journal, and their names durably.
pub(super) fn remove_all(fs: &dyn Fs, dir: &Path) -> Result<(), Error> {
    let io = |source| Error::Io { path: dir.to_path_buf(), source };
    let numbers = numbers(fs, dir)?;
    for number in &numbers {
        match fs.remove_file(&path(dir, *number)) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => return Err(io(source)),
            _ => {}
        }
    }
    if numbers.is_empty() { Ok(()) } else { fs.sync_dir(dir).map_err(io) }
}

fn numbers(fs: &dyn Fs, dir: &Path) -> Result<Vec<u32>, Error> {
    let entries = fs.list(dir).map_err(|source| Error::Io { path: dir.to_path_buf(), source })?;
    Ok(entries.iter().filter(|entry| !entry.is_dir).filter_map(|entry| number_of(&entry.name)).collect())
}

fn path(dir: &Path, number: u32) -> PathBuf {
    dir.join(format!("{PREFIX}{number}{SUFFIX}"))
}

fn number_of(name: &str) -> Option<u32> {
    name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?.parse().ok()
}
