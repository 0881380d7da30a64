//! [`Fs`] in memory, for tests: it fails calls on demand and forgets what was not synced when it crashes.

mod inode;
mod names;

use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Disk, Entry, File, FileLock, Fs, Handles, Open, Space};
use inode::Inode;
use names::{Names, Node};

/// What a call does, for [`SimFs::inject`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Opening a file.
    Open,
    /// Reading from a file.
    Read,
    /// Writing to a file.
    Write,
    /// Cutting a file.
    Truncate,
    /// Syncing a file.
    Sync,
    /// Syncing a folder.
    SyncDir,
    /// Syncing everything.
    SyncAll,
    /// Renaming.
    Rename,
    /// Removing a file or folder.
    Remove,
}

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing was done.
    Error(io::ErrorKind),
    /// Of a write, the first bytes were done before the error.
    Partly(usize, io::ErrorKind),
}

type Injector = Box<dyn FnMut(Call, &Path) -> Option<Fault> + Send>;

#[derive(Default)]
struct State {
    inodes: Vec<Inode>,
    names: Names,
    locks: Vec<PathBuf>,
    injector: Option<Injector>,
    /// None is without a limit.
    capacity: Option<usize>,
    boots: u64,
}

impl State {
    /// Bytes of the files that have a name.
    fn used(&self) -> usize {
        let inodes = self.names.live.values().filter_map(|node| match node {
            Node::File(inode) => self.inodes.get(*inode),
            Node::Dir => None,
        });
        inodes.map(|inode| inode.content.len()).sum()
    }

    /// How many bytes may be written to a file at a position.
    fn room(&self, inode: usize, position: usize) -> usize {
        let len = self.inodes.get(inode).map_or(0, |inode| inode.content.len());
        let free = self.capacity.map_or(usize::MAX, |capacity| capacity.saturating_sub(self.used()));
        len.saturating_sub(position).saturating_add(free)
    }
}

/// A disk in memory. Clones share it.
#[derive(Clone)]
pub struct SimFs(Arc<Mutex<State>>, Arc<Handles>);

/// Few, so that files are closed and opened again all the time.
const MAX_HANDLES: usize = 5;

impl Default for SimFs {
    fn default() -> Self {
        Self(Arc::default(), Arc::new(Handles::new(MAX_HANDLES)))
    }
}

#[derive(Debug)]
struct SimFile {
    fs: SimFs,
    path: PathBuf,
    inode: usize,
    boots: u64,
}

#[derive(Debug)]
struct SimLock(SimFs, PathBuf, u64);

impl FileLock for SimLock {}

#[derive(Debug)]
struct SimDisk(SimFs, PathBuf);

impl Disk for SimDisk {
    fn sync_all(&self) -> io::Result<()> {
        self.0.call(Call::SyncAll, &self.1)?;
        let mut state = self.0.0.lock();
        let state = &mut *state;
        state.names.sync_all();
        state.inodes.iter_mut().for_each(Inode::sync);
        Ok(())
    }
}

impl std::fmt::Debug for SimFs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SimFs")
    }
}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut state = self.0.0.lock();
        if state.boots == self.2 {
            state.locks.retain(|path| *path != self.1);
        }
    }
}

impl SimFs {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks `injector` before every call whether it fails.
    pub fn inject(&self, injector: impl FnMut(Call, &Path) -> Option<Fault> + Send + 'static) {
        self.0.lock().injector = Some(Box::new(injector));
    }

    /// Ends all injection.
    pub fn heal(&self) {
        self.0.lock().injector = None;
    }

    /// Sets how many bytes all files may have together; a write beyond that is done as far as there is room.
    pub fn set_capacity(&self, bytes: usize) {
        self.0.lock().capacity = Some(bytes);
    }

    /// Kills the process (as kill -9): what was written stays, open handles are dead.
    pub fn kill(&self) {
        let mut state = self.0.lock();
        state.boots += 1;
        state.locks.clear();
    }

    /// Cuts the power: only what was synced stays. Of unsynced bytes at the end of a file, `keep(path, bytes)`
    /// says how many reached the disk all the same.
    pub fn power_cut(&self, mut keep: impl FnMut(&Path, usize) -> usize) {
        self.kill();
        let state = &mut *self.0.lock();
        state.names.cut();
        for (path, node) in &state.names.live {
            let Node::File(inode) = *node else { continue };
            if let Some(inode) = state.inodes.get_mut(inode) {
                inode.cut(|unsynced| keep(path, unsynced));
            }
        }
    }

    /// Cuts the power on a disk that keeps no order: what was synced stays; of what was not, any sectors of files and any
    /// changes of names reached the disk. `pick(n)` draws a number below `n`.
    pub fn tear(&self, mut pick: impl FnMut(usize) -> usize) {
        self.kill();
        let state = &mut *self.0.lock();
        state.names.tear(&mut pick);
        state.inodes.iter_mut().for_each(|inode| inode.tear(&mut pick));
    }

    /// The content of a file, past all injection.
    pub fn content(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.0.lock();
        match state.names.live.get(path)? {
            Node::File(inode) => state.inodes.get(*inode).map(|inode| inode.content.clone()),
            Node::Dir => None,
        }
    }

    /// Puts a file there, synced, past all injection.
    pub fn put(&self, path: &Path, content: &[u8]) {
        let mut state = self.0.lock();
        let inode = state.inodes.len();
        state.inodes.push(Inode::synced(content));
        path.ancestors().skip(1).for_each(|parent| state.names.add_dirs(parent));
        state.names.put_durably(path, inode);
    }

    fn call(&self, call: Call, path: &Path) -> io::Result<Option<Fault>> {
        let mut state = self.0.lock();
        match state.injector.as_mut().and_then(|injector| injector(call, path)) {
            Some(Fault::Error(kind)) => Err(kind.into()),
            partly => Ok(partly),
        }
    }
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl Fs for SimFs {
    fn handles(&self) -> &Handles {
        &self.1
    }

    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>> {
        self.call(Call::Open, path)?;
        let mut state = self.0.lock();
        let boots = state.boots;
        let inode = match state.names.live.get(path) {
            Some(Node::File(inode)) => *inode,
            Some(Node::Dir) => return Err(io::ErrorKind::IsADirectory.into()),
            None if how == Open::Existing => return Err(not_found()),
            None if !path.parent().is_some_and(|parent| state.names.live.contains_key(parent)) => {
                return Err(not_found());
            }
            None => {
                let inode = state.inodes.len();
                state.inodes.push(Inode::default());
                state.names.link(path, inode);
                inode
            }
        };
        if how == Open::Truncate
            && let Some(inode) = state.inodes.get_mut(inode)
        {
            inode.resize(0);
        }
        Ok(Arc::new(SimFile { fs: self.clone(), path: path.to_path_buf(), inode, boots }))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.0.lock().names.add_dirs(path);
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        let state = self.0.lock();
        if state.names.live.get(path) != Some(&Node::Dir) {
            return Err(not_found());
        }
        let children = state.names.live.iter().filter(|(child, _)| child.parent() == Some(path));
        Ok(children
            .map(|(child, node)| Entry {
                name: child.file_name().unwrap_or_default().to_string_lossy().into_owned(),
                is_dir: *node == Node::Dir,
                len: match node {
                    Node::File(inode) => state.inodes.get(*inode).map_or(0, |inode| inode.content.len() as u64),
                    Node::Dir => 0,
                },
            })
            .collect())
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        Ok(self.0.lock().names.live.contains_key(path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call(Call::Rename, from)?;
        let mut state = self.0.lock();
        let node = *state.names.live.get(from).ok_or_else(not_found)?;
        state.names.rename(from, to, node);
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.call(Call::Remove, path)?;
        let mut state = self.0.lock();
        match state.names.live.get(path) {
            Some(Node::Dir) => Err(io::ErrorKind::IsADirectory.into()),
            Some(Node::File(_)) => {
                state.names.unlink(path);
                Ok(())
            }
            None => Err(not_found()),
        }
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.call(Call::Remove, path)?;
        let mut state = self.0.lock();
        if !state.names.live.contains_key(path) {
            return Err(not_found());
        }
        state.names.unlink_all(path);
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.call(Call::SyncDir, path)?;
        let mut state = self.0.lock();
        if state.names.live.get(path) != Some(&Node::Dir) {
            return Err(not_found());
        }
        state.names.sync(path);
        Ok(())
    }

    fn disk(&self, path: &Path) -> io::Result<Arc<dyn Disk>> {
        Ok(Arc::new(SimDisk(self.clone(), path.to_path_buf())))
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn FileLock>> {
        let mut state = self.0.lock();
        if state.locks.iter().any(|held| held == path) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        state.locks.push(path.to_path_buf());
        if !state.names.live.contains_key(path) {
            let inode = state.inodes.len();
            state.inodes.push(Inode::default());
            state.names.link(path, inode);
        }
        Ok(Box::new(SimLock(self.clone(), path.to_path_buf(), state.boots)))
    }

    fn space(&self, _path: &Path) -> io::Result<Space> {
        let state = self.0.lock();
        let total_bytes = state.capacity.map_or(1 << 40, |bytes| bytes as u64);
        Ok(Space { total_bytes, usable_bytes: total_bytes.saturating_sub(state.used() as u64) })
    }
}

impl SimFile {
    /// Runs `f` on the content, unless the process that opened the handle is gone.
    fn with<T>(&self, f: impl FnOnce(&mut Inode) -> T) -> io::Result<T> {
        let mut state = self.fs.0.lock();
        if state.boots != self.boots {
            return Err(io::Error::other("the process that opened this file is dead"));
        }
        state.inodes.get_mut(self.inode).map(f).ok_or_else(not_found)
    }
}

impl File for SimFile {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.fs.call(Call::Read, &self.path)?;
        self.with(|inode| {
            let start = usize::try_from(position).unwrap_or(usize::MAX).min(inode.content.len());
            let count = buffer.len().min(inode.content.len() - start);
            buffer[..count].copy_from_slice(&inode.content[start..start + count]);
            count
        })
    }

    fn write_at(&self, buffers: &[IoSlice<'_>], position: u64) -> io::Result<()> {
        let fault = self.fs.call(Call::Write, &self.path)?;
        let mut bytes: Vec<u8> = buffers.iter().flat_map(|buffer| buffer.iter().copied()).collect();
        if let Some(Fault::Partly(count, _)) = fault {
            bytes.truncate(count);
        }
        let len = bytes.len();
        bytes.truncate(self.fs.0.lock().room(self.inode, position as usize));
        let is_full = bytes.len() < len;
        self.with(|inode| inode.write(position as usize, bytes))?;
        match fault {
            Some(Fault::Partly(_, kind)) => Err(kind.into()),
            _ if is_full => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(()),
        }
    }

    fn len(&self) -> io::Result<u64> {
        self.with(|inode| inode.content.len() as u64)
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.fs.call(Call::Truncate, &self.path)?;
        self.with(|inode| inode.resize(len as usize))
    }

    fn begin_write_back(&self, _position: u64, _len: u64) -> io::Result<()> {
        self.with(|_| ())
    }

    fn await_write_back(&self, _position: u64, _len: u64) -> io::Result<()> {
        self.with(|_| ())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.fs.call(Call::Sync, &self.path)?;
        self.with(Inode::sync)
    }

    fn modified_ms(&self) -> io::Result<i64> {
        self.with(|inode| inode.modified_ms)
    }

    fn set_modified_ms(&self, modified_ms: i64) -> io::Result<()> {
        self.with(|inode| inode.modified_ms = modified_ms)
    }

    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}
