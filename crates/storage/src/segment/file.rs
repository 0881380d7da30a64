//! Files that are opened when first used, in a folder that may be renamed.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::fs::{File, Fs, Open};

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
    name: String,
    handle: Mutex<Option<Arc<dyn File>>>,
}

impl LazyFile {
    pub(crate) fn new(dir: Arc<Dir>, name: String) -> Self {
        Self { dir, name, handle: Mutex::new(None) }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.file(&self.name)
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
        *self.handle.lock() = None;
    }

    fn get(&self, how: Open) -> io::Result<Arc<dyn File>> {
        let mut handle = self.handle.lock();
        if let Some(file) = &*handle {
            return Ok(Arc::clone(file));
        }
        let file = self.dir.fs.open(&self.dir.file(&self.name), how)?;
        *handle = Some(Arc::clone(&file));
        Ok(file)
    }
}
