//! What a file of the simulated disk holds: as processes see it, as it was synced, and what was done between.

/// The unit that a disk writes whole.
const SECTOR: usize = 512;

#[derive(Default)]
pub(super) struct Inode {
    pub(super) content: Vec<u8>,
    synced: Vec<u8>,
    changes: Vec<Change>,
    /// No clock runs here: 0 unless it was set.
    pub(super) modified_ms: i64,
}

/// A write, or with no bytes a cut, since the last sync.
struct Change {
    start: usize,
    bytes: Vec<u8>,
    /// Bytes in the file afterwards.
    len: usize,
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        content.resize(self.len.max(content.len()), 0);
        if self.bytes.is_empty() {
            content.truncate(self.len);
        }
        content[self.start..self.start + self.bytes.len()].copy_from_slice(&self.bytes);
    }

    /// Where it changed bytes of a file that never had more than `longest`.
    fn range(&self, longest: usize) -> std::ops::Range<usize> {
        if self.bytes.is_empty() { self.len..longest } else { self.start..self.start + self.bytes.len() }
    }
}

impl Inode {
    pub(super) fn synced(content: &[u8]) -> Self {
        Self { content: content.to_vec(), synced: content.to_vec(), changes: Vec::new(), modified_ms: 0 }
    }

    pub(super) fn write(&mut self, start: usize, bytes: Vec<u8>) {
        if !bytes.is_empty() {
            let len = self.content.len().max(start + bytes.len());
            self.change(Change { start, bytes, len });
        }
    }

    pub(super) fn resize(&mut self, len: usize) {
        if len != self.content.len() {
            self.change(Change { start: len, bytes: Vec::new(), len });
        }
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.content);
        self.changes.push(change);
    }

    pub(super) fn sync(&mut self) {
        if !self.changes.is_empty() {
            self.synced.clone_from(&self.content);
            self.changes.clear();
        }
    }

    /// The file after a power cut that kept the first bytes after the synced ones.
    pub(super) fn cut(&mut self, kept: impl FnOnce(usize) -> usize) {
        let unsynced = self.content.len().saturating_sub(self.synced.len());
        let end = self.synced.len() + kept(unsynced).min(unsynced);
        let tail = self.content.get(self.synced.len()..end).unwrap_or_default().to_vec();
        self.synced.extend_from_slice(&tail);
        self.content.clone_from(&self.synced);
        self.changes.clear();
    }

    /// The file after a power cut: of what was not synced nothing, all, the first changes, or in each sector its own part.
    pub(super) fn tear(&mut self, pick: &mut impl FnMut(usize) -> usize) {
        if !self.changes.is_empty() {
            match pick(4) {
                0 => {}
                1 => self.synced.clone_from(&self.content),
                2 => {
                    let kept = pick(self.changes.len() + 1);
                    self.changes.iter().take(kept).for_each(|change| change.apply(&mut self.synced));
                }
                _ => self.synced = self.torn(pick),
            }
        }
        self.content.clone_from(&self.synced);
        self.changes.clear();
    }

    /// A sector reached the disk with what one of the changes left in it, so did the length.
    fn torn(&self, pick: &mut impl FnMut(usize) -> usize) -> Vec<u8> {
        let lens: Vec<usize> =
            [self.synced.len()].into_iter().chain(self.changes.iter().map(|change| change.len)).collect();
        let longest = lens.iter().copied().max().unwrap_or(0);
        let reached: Vec<usize> = (0..longest.div_ceil(SECTOR)).map(|_| pick(self.changes.len() + 1)).collect();
        let mut disk = self.synced.clone();
        disk.resize(longest, 0);
        for (n, change) in self.changes.iter().enumerate() {
            for position in change.range(longest).filter(|position| reached[position / SECTOR] > n) {
                disk[position] = change.bytes.get(position - change.start).copied().unwrap_or(0);
            }
        }
        disk.resize(lens[pick(lens.len())], 0);
        disk
    }
}
