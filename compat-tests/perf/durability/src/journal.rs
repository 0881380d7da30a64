//! A ring on disk that is written over: entries in groups, each group synced.

use bytes::Bytes;
use rustix::fs::{FallocateFlags, Mode, OFlags, fallocate, fdatasync, open};
use rustix::io::pwrite;
use std::{io::IoSlice, os::fd::OwnedFd, path::Path};

pub(crate) const CAPACITY: u64 = 512 << 20;
const ALIGNMENT: usize = 4096;
/// The most that is written at once.
const CHUNK: usize = 4 << 20;

/// A journal file that is filled with zeros before it is used, so that writing it changes no metadata.
pub(crate) struct Journal {
    file: OwnedFd,
    direct: bool,
    position: u64,
    /// Holds [`CHUNK`] bytes from an aligned place on.
    buffer: Vec<u8>,
    start: usize,
}

impl Journal {
    pub(crate) fn create(path: &Path, direct: bool) -> anyhow::Result<Self> {
        let mode = Mode::from_raw_mode(0o600);
        let file = open(path, OFlags::CREATE | OFlags::RDWR, mode)?;
        fallocate(&file, FallocateFlags::empty(), 0, CAPACITY)?;
        let zeros = vec![0_u8; CHUNK];
        for n in 0..CAPACITY / CHUNK as u64 {
            pwrite(&file, &zeros, n * CHUNK as u64)?;
        }
        fdatasync(&file)?;
        let flags = if direct { OFlags::RDWR | OFlags::DIRECT | OFlags::DSYNC } else { OFlags::RDWR };
        let buffer = vec![0; CHUNK + ALIGNMENT];
        let start = buffer.as_ptr().align_offset(ALIGNMENT);
        Ok(Self { file: open(path, flags, mode)?, direct, position: 0, buffer, start })
    }

    /// Bytes written since the start of the process.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Writes a group and returns when it is durable.
    pub(crate) fn commit(&mut self, batches: &[Bytes]) -> anyhow::Result<()> {
        if self.direct { self.commit_direct(batches) } else { self.commit_buffered(batches) }
    }

    fn commit_buffered(&mut self, batches: &[Bytes]) -> anyhow::Result<()> {
        let header = [1_u8; 32];
        for group in batches.chunks(500) {
            let parts: Vec<IoSlice<'_>> = group.iter().flat_map(|b| [IoSlice::new(&header), IoSlice::new(b)]).collect();
            let len: usize = parts.iter().map(|part| part.len()).sum();
            let at = self.reserve(len as u64);
            let written = rustix::io::pwritev(&self.file, &parts, at)?;
            anyhow::ensure!(written == len, "short write");
        }
        fdatasync(&self.file)?;
        Ok(())
    }

    fn commit_direct(&mut self, batches: &[Bytes]) -> anyhow::Result<()> {
        let mut filled = 0;
        for batch in batches {
            for mut part in [&[1_u8; 32][..], batch] {
                while !part.is_empty() {
                    let taken = part.len().min(CHUNK - filled);
                    let (now, rest) = part.split_at(taken);
                    let from = self.start + filled;
                    self.buffer[from..from + taken].copy_from_slice(now);
                    filled += taken;
                    part = rest;
                    if filled == CHUNK {
                        self.write_direct(filled)?;
                        filled = 0;
                    }
                }
            }
        }
        if filled > 0 { self.write_direct(filled) } else { Ok(()) }
    }

    fn write_direct(&mut self, filled: usize) -> anyhow::Result<()> {
        let len = filled.next_multiple_of(ALIGNMENT);
        let at = self.reserve(len as u64);
        let written = pwrite(&self.file, &self.buffer[self.start..self.start + len], at)?;
        anyhow::ensure!(written == len, "short write");
        Ok(())
    }

    /// Where in the file the next `len` bytes go; groups do not wrap.
    fn reserve(&mut self, len: u64) -> u64 {
        let at = self.position % CAPACITY;
        if at + len > CAPACITY {
            self.position += CAPACITY - at;
        }
        let at = self.position % CAPACITY;
        self.position += len;
        at
    }
}
