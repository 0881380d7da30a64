//! The seam between the log and the operating system: every file call of this crate goes through [`Fs`].

mod handles;
mod real;
pub mod sim;

use std::fmt::Debug;
use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) use handles::Handle;
pub use handles::Handles;
pub use real::RealFs;
pub use sim::SimFs;

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    /// An existing file, for reading and writing.
    Existing,
    /// Created when absent; what it holds is kept.
    Create,
    /// Created when absent, emptied otherwise.
    Truncate,
}

/// One name in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The last part of the path; names that are not UTF-8 are not ours and are left out of a listing.
    pub name: String,
    /// Whether it is a folder.
    pub is_dir: bool,
    /// Bytes, for files.
    pub len: u64,
}

/// Files as the log needs them; calls block.
pub trait Fs: Send + Sync + Debug + 'static {
    /// Opens a file for positioned reads and writes.
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>>;
    /// Creates a folder and those above it.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    /// The names in a folder, in no particular order.
    fn list(&self, path: &Path) -> io::Result<Vec<Entry>>;
    /// Whether a file or folder is there.
    fn exists(&self, path: &Path) -> io::Result<bool>;
    /// Renames a file or folder, replacing a file that has the new name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Removes a folder with all it holds.
    fn remove_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Makes creations, renames and removals in a folder durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// The disk that holds a folder.
    fn disk(&self, path: &Path) -> io::Result<Arc<dyn Disk>>;
    /// Takes the exclusive lock on a file, creating it; `WouldBlock` when another holds it. Freed on drop.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn FileLock>>;
    /// The files that are kept open.
    fn handles(&self) -> &Handles;
    /// Bytes free and in all on the disk that holds `path`.
    fn space(&self, path: &Path) -> io::Result<Space>;
}

/// Room on a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Bytes of the whole disk.
    pub total_bytes: u64,
    /// Bytes an unprivileged process may still use.
    pub usable_bytes: u64,
}

/// A disk, to be synced as a whole.
pub trait Disk: Send + Sync + Debug {
    /// Makes everything on it durable: all content and all names. It fails too if anything could not be written since the disk
    /// was opened or last synced, so it is to be opened before what it syncs is written.
    fn sync_all(&self) -> io::Result<()>;
}

/// A held lock.
pub trait FileLock: Send + Sync + Debug {}

/// An open file. Positions are explicit, so one handle serves readers and the writer at once.
pub trait File: Send + Sync + Debug {
    /// Reads up to `buffer.len()` bytes; fewer only at the end of the file.
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize>;
    /// Writes all buffers, one after the other, from `position` on.
    fn write_at(&self, buffers: &[IoSlice<'_>], position: u64) -> io::Result<()>;
    /// Bytes in the file.
    fn len(&self) -> io::Result<u64>;
    /// Whether it holds no byte.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Cuts or extends the file.
    fn truncate(&self, len: u64) -> io::Result<()>;
    /// Begins to have a range written to the disk, so that a later sync has less to do. It promises nothing.
    fn begin_write_back(&self, position: u64, len: u64) -> io::Result<()>;
    /// Waits for it.
    fn await_write_back(&self, position: u64, len: u64) -> io::Result<()>;
    /// Makes content and length durable (fdatasync).
    fn sync_data(&self) -> io::Result<()>;
    /// When the content last changed, in milliseconds since the epoch.
    fn modified_ms(&self) -> io::Result<i64>;
    /// Changes what [`File::modified_ms`] answers.
    fn set_modified_ms(&self, modified_ms: i64) -> io::Result<()>;
    /// The descriptor for `sendfile`, where there is one.
    fn as_fd(&self) -> Option<BorrowedFd<'_>>;
}

/// Whether a write failed because there is no room, which may come back.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Reads a whole small file; `limit` bounds what a damaged one can make us allocate.
pub(crate) fn read_to_end(file: &dyn File, limit: u64) -> io::Result<Vec<u8>> {
    let len = file.len()?;
    if len > limit {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "file is larger than its limit"));
    }
    let mut content = vec![0; usize::try_from(len).map_err(io::Error::other)?];
    let read = file.read_at(&mut content, 0)?;
    content.truncate(read);
    Ok(content)
}

/// Replaces a small file so that after a crash either the old or the new content is there, whole:
/// temp file, fsync, rename, fsync of the folder.
pub(crate) fn replace(fs: &dyn Fs, path: &Path, content: &[u8]) -> io::Result<()> {
    by_way_of_temp(fs, path, content, |file| file.sync_data())?;
    match path.parent() {
        Some(parent) => fs.sync_dir(parent),
        None => Ok(()),
    }
}

/// Replaces a small file so that after the death of the process either the old or the new content is there, whole. After a power
/// cut it may have none of them, until it was synced.
pub(crate) fn put(fs: &dyn Fs, path: &Path, content: &[u8]) -> io::Result<()> {
    // What a crash left of an earlier one: after a power cut its content might be there under the new name.
    match fs.remove_file(&temp_of(path)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    by_way_of_temp(fs, path, content, |_| Ok(()))
}

fn temp_of(path: &Path) -> PathBuf {
    let mut temp = path.as_os_str().to_owned();
    temp.push(".tmp");
    PathBuf::from(temp)
}

fn by_way_of_temp(
    fs: &dyn Fs,
    path: &Path,
    content: &[u8],
    sync: impl FnOnce(&dyn File) -> io::Result<()>,
) -> io::Result<()> {
    let temp = &*temp_of(path);
    let file = fs.open(temp, Open::Truncate)?;
    let written = file.write_at(&[IoSlice::new(content)], 0).and_then(|()| sync(&*file));
    // The old content stands if that failed; on a full disk what was written of the new one is in the way.
    written.and_then(|()| fs.rename(temp, path)).inspect_err(|_| _ = fs.remove_file(temp))
}
