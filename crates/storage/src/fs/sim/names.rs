//! The names on the simulated disk: as processes see them, as they were synced, and what was done between.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Node {
    Dir,
    File(usize),
}

type Map = BTreeMap<PathBuf, Node>;

#[derive(Default)]
pub(super) struct Names {
    pub(super) live: Map,
    pub(super) durable: Map,
    /// Changes that no sync of their folder has made durable, the oldest first.
    changes: Vec<Change>,
}

/// Each reaches the disk whole or not at all.
#[derive(Clone)]
enum Change {
    Link(PathBuf, Node),
    Unlink(PathBuf),
    Rename(PathBuf, PathBuf, Node),
}

impl Change {
    fn apply(&self, names: &mut Map) {
        match self {
            Self::Link(path, node) => _ = names.insert(path.clone(), *node),
            Self::Unlink(path) => _ = names.remove(path),
            Self::Rename(from, to, node) => {
                names.remove(from);
                names.insert(to.clone(), *node);
            }
        }
    }

    fn paths(&mut self) -> Vec<&mut PathBuf> {
        match self {
            Self::Link(path, _) | Self::Unlink(path) => vec![path],
            Self::Rename(from, to, _) => vec![from, to],
        }
    }

    fn path(&self) -> &Path {
        match self {
            Self::Link(path, _) | Self::Unlink(path) | Self::Rename(path, ..) => path,
        }
    }
}

impl Names {
    /// A folder is durable at once: a log dir is made once, before anything is promised.
    pub(super) fn add_dirs(&mut self, path: &Path) {
        for folder in path.ancestors() {
            self.live.entry(folder.to_path_buf()).or_insert(Node::Dir);
            self.durable.entry(folder.to_path_buf()).or_insert(Node::Dir);
        }
    }

    pub(super) fn put_durably(&mut self, path: &Path, inode: usize) {
        self.changes.retain(|change| change.path() != path);
        self.live.insert(path.to_path_buf(), Node::File(inode));
        self.durable.insert(path.to_path_buf(), Node::File(inode));
    }

    pub(super) fn link(&mut self, path: &Path, inode: usize) {
        self.change(Change::Link(path.to_path_buf(), Node::File(inode)));
    }

    pub(super) fn unlink(&mut self, path: &Path) {
        self.change(Change::Unlink(path.to_path_buf()));
    }

    pub(super) fn unlink_all(&mut self, folder: &Path) {
        let gone: Vec<PathBuf> = self.live.keys().filter(|path| path.starts_with(folder)).cloned().collect();
        gone.iter().for_each(|path| self.unlink(path));
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path, node: Node) {
        match node {
            Node::File(_) => self.change(Change::Rename(from.to_path_buf(), to.to_path_buf(), node)),
            Node::Dir => self.rename_dir(from, to),
        }
    }

    /// A folder moves with all it holds, and durably: this disk syncs its parent at once.
    fn rename_dir(&mut self, from: &Path, to: &Path) {
        let moved = |path: &Path| match path.strip_prefix(from) {
            Ok(rest) if rest.as_os_str().is_empty() => to.to_path_buf(),
            Ok(rest) => to.join(rest),
            Err(_) => path.to_path_buf(),
        };
        for names in [&mut self.live, &mut self.durable] {
            *names = std::mem::take(names).into_iter().map(|(path, node)| (moved(&path), node)).collect();
        }
        self.changes.iter_mut().flat_map(Change::paths).for_each(|path| *path = moved(path));
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.live);
        self.changes.push(change);
    }

    /// Makes what was done in a folder durable.
    pub(super) fn sync(&mut self, folder: &Path) {
        let durable = &mut self.durable;
        self.changes.retain(|change| {
            let synced = change.path().parent() == Some(folder);
            if synced {
                change.apply(durable);
            }
            !synced
        });
    }

    /// Makes everything that was done durable.
    pub(super) fn sync_all(&mut self) {
        self.changes.clear();
        self.durable.clone_from(&self.live);
    }

    /// The names after a power cut that kept nothing that was not synced.
    pub(super) fn cut(&mut self) {
        self.changes.clear();
        self.live.clone_from(&self.durable);
    }

    /// The names after a power cut: of what was not synced nothing, all, the first changes, or any of them.
    pub(super) fn tear(&mut self, pick: &mut impl FnMut(usize) -> usize) {
        let changes = std::mem::take(&mut self.changes);
        let mode = pick(4);
        let prefix = pick(changes.len() + 1);
        for (n, change) in changes.iter().enumerate() {
            let kept = match mode {
                0 => false,
                1 => true,
                2 => n < prefix,
                _ => pick(2) == 1,
            };
            if kept {
                change.apply(&mut self.durable);
            }
        }
        self.cut();
    }
}
