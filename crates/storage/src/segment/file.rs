//! Files that are opened when first used, in a folder that may be renamed.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::fs::{File, Fs, Handle, Open};

/// The folder of a log.
#[derive(Debug)]
pub(crate) struct Dir {
    fs: Arc<dyn Fs>,
    path: Mutex<PathBuf>,
}

impl Dir {
    pub(crate) fn new(fs: Arc<dyn Fs>, path: PathBuf) -> Arc<Self> {
        Arc::new(Self { fs, path: Mutex::new(path) })
    }

    pub(crate) fn fs(&self) -> &dyn Fs {
        &*self.fs
    }

    pub(crate) fn fs_arc(&self) -> Arc<dyn Fs> {
        Arc::clone(&self.fs)
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.path.lock().clone()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.lock().join(name)
    }

    /// Renames the folder; files opened later are looked for at the new place.
    pub(crate) fn rename(&self, to: &Path) -> io::Result<()> {
        let mut path = self.path.lock();
        self.fs.rename(&path, to)?;
        to.clone_into(&mut path);
        Ok(())
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        self.fs.sync_dir(&self.path())
    }
}

/// A file of a log, opened at its first use.
#[derive(Debug)]
pub(crate) struct LazyFile {
    dir: Arc<Dir>,
    base_name: String,
    state: Mutex<State>,
    handle: Arc<Handle>,
}

#[derive(Debug)]
struct State {
    /// What a compaction or a removal added to the name.
    suffix: &'static str,
}

impl LazyFile {
    pub(crate) fn new(dir: Arc<Dir>, name: String) -> Self {
        Self { dir, base_name: name, state: Mutex::new(State { suffix: "" }), handle: Arc::default() }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.path_with(self.state.lock().suffix)
    }

    /// Says that the file, which is not there yet, has this after its name.
    pub(crate) fn set_suffix(&self, suffix: &'static str) {
        self.state.lock().suffix = suffix;
    }

    /// Renames the file; false if it is not there. Whoever opens it later finds it under the new name, and never another
    /// file that took the old one.
    pub(crate) fn rename(&self, suffix: &'static str) -> io::Result<bool> {
        let mut state = self.state.lock();
        let renamed = self.dir.fs.rename(&self.path_with(state.suffix), &self.path_with(suffix));
        match renamed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            renamed => {
                state.suffix = suffix;
                Ok(renamed.is_ok())
            }
        }
    }

    /// Makes the names in its folder durable.
    pub(crate) fn sync_dir(&self) -> io::Result<()> {
        self.dir.sync()
    }

    /// Removes the file if it is there.
    pub(crate) fn remove(&self) -> io::Result<()> {
        match self.dir.fs.remove_file(&self.path()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// The file, which must be there.
    pub(crate) fn existing(&self) -> io::Result<Arc<dyn File>> {
        self.get(Open::Existing)
    }

    /// The file, created when absent.
    pub(crate) fn created(&self) -> io::Result<Arc<dyn File>> {
        self.get(Open::Create)
    }

    /// Forgets the handle; readers that hold it go on.
    pub(crate) fn close(&self) {
        self.handle.close();
    }

    fn get(&self, how: Open) -> io::Result<Arc<dyn File>> {
        if let Some(file) = self.handle.get() {
            return Ok(file);
        }
        // Held, so that it is not renamed meanwhile.
        let state = self.state.lock();
        let file = self.dir.fs.open(&self.path_with(state.suffix), how)?;
        self.dir.fs.handles().keep(&self.handle, Arc::clone(&file));
        Ok(file)
    }

    fn path_with(&self, suffix: &str) -> PathBuf {
        self.dir.file(&format!("{}{suffix}", self.base_name))
    }
}
