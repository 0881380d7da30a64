//! [`Fs`] over the operating system.

use std::fs::{self, OpenOptions};
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use rustix::fs::{FlockOperation, fcntl_lock, flock, statvfs, syncfs};
use rustix::io::{Errno, pwritev};

use super::{Disk, Entry, File, FileLock, Fs, Handles, Open, Space};

/// Buffers one `pwritev` takes at most (IOV_MAX of Linux).
const MAX_BUFFERS: usize = 1024;

/// Files of logs that are kept open where nobody says how many.
const DEFAULT_HANDLES: usize = 500;

/// The file system of the machine.
#[derive(Debug)]
pub struct RealFs {
    handles: Handles,
}

impl RealFs {
    /// Keeps up to `max_handles` files of logs open.
    pub fn new(max_handles: usize) -> Self {
        Self { handles: Handles::new(max_handles) }
    }
}

impl Default for RealFs {
    fn default() -> Self {
        Self::new(DEFAULT_HANDLES)
    }
}

#[derive(Debug)]
struct RealFile(fs::File);

#[derive(Debug)]
struct RealLock(#[expect(dead_code, reason = "the descriptor holds the lock")] fs::File);

impl FileLock for RealLock {}

/// A descriptor kept open: the kernel tells each of the errors since it was opened or last asked.
#[derive(Debug)]
struct RealDisk(fs::File);

impl Disk for RealDisk {
    fn sync_all(&self) -> io::Result<()> {
        Ok(syncfs(&self.0)?)
    }
}

impl Fs for RealFs {
    fn handles(&self) -> &Handles {
        &self.handles
    }

    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(how != Open::Existing).truncate(how == Open::Truncate);
        Ok(Arc::new(RealFile(options.open(path)?)))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let metadata = match entry.metadata() {
                Ok(metadata) => metadata,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            entries.push(Entry { name, is_dir: metadata.is_dir(), len: metadata.len() });
        }
        Ok(entries)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        fs::exists(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir_all(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        fs::File::open(path)?.sync_all()
    }

    fn disk(&self, path: &Path) -> io::Result<Arc<dyn Disk>> {
        Ok(Arc::new(RealDisk(fs::File::open(path)?)))
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn FileLock>> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        // Apache Kafka locks in the other way, which does not see the first.
        fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|_| io::ErrorKind::WouldBlock)?;
        Ok(Box::new(RealLock(file)))
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        let stat = statvfs(path)?;
        Ok(Space {
            total_bytes: stat.f_blocks.saturating_mul(stat.f_frsize),
            usable_bytes: stat.f_bavail.saturating_mul(stat.f_frsize),
        })
    }
}

impl RealFile {
    #[expect(unsafe_code, reason = "no safe binding has this call")]
    fn sync_range(&self, position: u64, len: u64, how: libc::c_uint) -> io::Result<()> {
        let (position, len) = (i64::try_from(position), i64::try_from(len));
        let (Ok(position), Ok(len)) = (position, len) else { return Err(io::ErrorKind::InvalidInput.into()) };
        // SAFETY: none of the arguments is memory, and the descriptor is open as long as `self` is.
        match unsafe { libc::sync_file_range(self.0.as_raw_fd(), position, len, how) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

impl File for RealFile {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let mut read = 0;
        while let Some(rest) = buffer.get_mut(read..).filter(|rest| !rest.is_empty()) {
            match self.0.read_at(rest, position + read as u64) {
                Ok(0) => break,
                Ok(count) => read += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(read)
    }

    fn write_at(&self, buffers: &[IoSlice<'_>], position: u64) -> io::Result<()> {
        let mut position = position;
        for chunk in buffers.chunks(MAX_BUFFERS) {
            position += write_chunk(chunk, position, |buffers, position| pwritev(&self.0, buffers, position))?;
        }
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn begin_write_back(&self, position: u64, len: u64) -> io::Result<()> {
        self.sync_range(position, len, libc::SYNC_FILE_RANGE_WRITE)
    }

    fn await_write_back(&self, position: u64, len: u64) -> io::Result<()> {
        self.sync_range(position, len, libc::SYNC_FILE_RANGE_WAIT_BEFORE)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn modified_ms(&self) -> io::Result<i64> {
        let modified = self.0.metadata()?.modified()?;
        let since = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn set_modified_ms(&self, modified_ms: i64) -> io::Result<()> {
        let since = Duration::from_millis(u64::try_from(modified_ms).unwrap_or(0));
        self.0.set_modified(UNIX_EPOCH + since)
    }

    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.0.as_fd())
    }
}

/// Writes up to [`MAX_BUFFERS`] buffers whole and answers their total length. The system may take fewer bytes at a time.
fn write_chunk(
    buffers: &[IoSlice<'_>],
    start: u64,
    mut write: impl FnMut(&[IoSlice<'_>], u64) -> Result<usize, Errno>,
) -> io::Result<u64> {
    let total: u64 = buffers.iter().map(|buffer| buffer.len() as u64).sum();
    let mut written = 0;
    while written < total {
        let count = match write(&skip(buffers, written), start + written) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => count as u64,
            Err(Errno::INTR) => 0,
            Err(error) => return Err(error.into()),
        };
        written += count;
    }
    Ok(total)
}

/// What of the buffers is left after their first `written` bytes.
fn skip<'a>(buffers: &'a [IoSlice<'a>], written: u64) -> std::borrow::Cow<'a, [IoSlice<'a>]> {
    if written == 0 {
        return std::borrow::Cow::Borrowed(buffers);
    }
    let mut to_skip = written;
    let mut rest = Vec::with_capacity(buffers.len());
    for buffer in buffers {
        let len = buffer.len() as u64;
        if to_skip >= len {
            to_skip -= len;
        } else {
            rest.push(IoSlice::new(&buffer[to_skip as usize..]));
            to_skip = 0;
        }
    }
    std::borrow::Cow::Owned(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes three buffers to a system that takes `most` bytes at a time, is interrupted every other time, and has room for
    /// `room` bytes.
    fn check(most: usize, room: usize, expected: Result<u64, io::ErrorKind>) {
        let parts: [&[u8]; 3] = [b"first ", b"", b"second"];
        let buffers = parts.map(IoSlice::new);
        let mut file = vec![b'-'; 3];
        let mut calls = 0;
        let written = write_chunk(&buffers, 3, |buffers, position| {
            calls += 1;
            if calls % 2 == 0 {
                return Err(Errno::INTR);
            }
            assert_eq!(position, file.len() as u64, "goes on where it was");
            let bytes: Vec<u8> = buffers.iter().flat_map(|buffer| buffer.iter().copied()).collect();
            let count = most.min(bytes.len()).min(3 + room - file.len());
            file.extend_from_slice(&bytes[..count]);
            if count == 0 { Err(Errno::NOSPC) } else { Ok(count) }
        });
        assert_eq!(written.map_err(|error| error.kind()), expected);
        assert_eq!(file, b"---first second"[..3 + room.min(12)], "{most} bytes at a time");
    }

    #[test]
    fn a_write_goes_on_until_all_is_written_or_an_error_says_why_not() {
        for most in 1..14 {
            check(most, 12, Ok(12));
            for room in 0..12 {
                check(most, room, Err(io::ErrorKind::StorageFull));
            }
        }
    }
}
