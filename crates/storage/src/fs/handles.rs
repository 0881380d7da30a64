//! Bounds how many files of logs are open at a time: those that were not used for a while are closed, and opened again when
//! somebody needs them.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::File;

/// A place for an open file.
#[derive(Debug, Default)]
pub(crate) struct Handle {
    file: Mutex<Option<Arc<dyn File>>>,
    /// Since the last time somebody looked for a file to close.
    used: AtomicBool,
    counted: AtomicBool,
}

impl Handle {
    /// The file if it is open.
    pub(crate) fn get(&self) -> Option<Arc<dyn File>> {
        let file = self.file.lock().clone();
        if file.is_some() {
            self.used.store(true, Ordering::Relaxed);
        }
        file
    }

    /// Forgets the file; whoever has it goes on with it.
    pub(crate) fn close(&self) {
        *self.file.lock() = None;
    }
}

/// The files that are open.
#[derive(Debug)]
pub struct Handles {
    limit: usize,
    /// In the order in which they were opened, or found to be used.
    open: Mutex<VecDeque<Weak<Handle>>>,
}

impl Handles {
    /// Keeps up to `limit` files open.
    pub fn new(limit: usize) -> Self {
        Self { limit: limit.max(1), open: Mutex::default() }
    }

    /// How many files may be open.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// How many files are open, or were a short time ago.
    pub fn count(&self) -> usize {
        self.open.lock().len()
    }

    /// Keeps a file that was opened, and closes others if there are too many.
    pub(crate) fn keep(&self, handle: &Arc<Handle>, file: Arc<dyn File>) {
        *handle.file.lock() = Some(file);
        if handle.counted.swap(true, Ordering::AcqRel) {
            return;
        }
        let mut open = self.open.lock();
        open.push_back(Arc::downgrade(handle));
        // Each may be passed over once for having been used.
        let mut tries = 2 * open.len();
        while open.len() > self.limit && tries > 0 {
            tries -= 1;
            let Some(oldest) = open.pop_front() else { break };
            let Some(oldest) = oldest.upgrade() else { continue };
            if oldest.used.swap(false, Ordering::Relaxed) && oldest.file.lock().is_some() {
                open.push_back(Arc::downgrade(&oldest));
                continue;
            }
            oldest.counted.store(false, Ordering::Release);
            oldest.close();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::{Fs, Open, SimFs};
    use std::path::Path;

    #[test]
    fn what_is_used_stays_open() {
        let fs = SimFs::new();
        let file = {
            fs.create_dir_all(Path::new("/dir")).unwrap();
            fs.open(Path::new("/dir/file"), Open::Create).unwrap()
        };
        let handles = Handles::new(3);
        let all: Vec<Arc<Handle>> = (0..6).map(|_| Arc::new(Handle::default())).collect();
        for (n, handle) in all.iter().enumerate() {
            handles.keep(handle, Arc::clone(&file));
            assert!(handles.count() <= 3);
            assert!(all[0].get().is_some(), "used before {n}");
        }
        let open: Vec<usize> = (0..6).filter(|n| all[*n].get().is_some()).collect();
        assert_eq!(open, [0, 4, 5]);
        // One that was closed meanwhile, and opened again, counts once.
        all[4].close();
        handles.keep(&all[4], Arc::clone(&file));
        assert_eq!(handles.count(), 3);
        drop(all);
        handles.keep(&Arc::new(Handle::default()), file);
        assert!(handles.count() <= 3);
    }
}
