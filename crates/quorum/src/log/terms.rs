//! The terms of a log's entries in memory: runs of the same term, as a term seldom changes.

/// From the place before the first entry to the last.
pub(super) struct Terms {
    /// Where each term begins; the first run begins at the place before the first entry.
    runs: Vec<(u64, u64)>,
    last_index: u64,
}

impl Terms {
    /// Of a log without entries.
    pub(super) fn after(index: u64, term: u64) -> Self {
        Self { runs: vec![(index, term)], last_index: index }
    }

    pub(super) fn last_index(&self) -> u64 {
        self.last_index
    }

    pub(super) fn last_term(&self) -> u64 {
        self.runs.last().map_or(0, |(_, term)| *term)
    }

    pub(super) fn term(&self, index: u64) -> Option<u64> {
        if index > self.last_index {
            return None;
        }
        let after = self.runs.partition_point(|(start, _)| *start <= index);
        after.checked_sub(1).and_then(|run| self.runs.get(run)).map(|(_, term)| *term)
    }

    /// Adds the entry that follows the last.
    pub(super) fn push(&mut self, index: u64, term: u64) {
        assert_eq!(index, self.last_index + 1, "entries follow one another");
        self.last_index = index;
        if self.last_term() != term {
            self.runs.push((index, term));
        }
    }

    /// Drops the entries from an index on.
    pub(super) fn truncate(&mut self, index: u64) {
        if index <= self.last_index {
            self.runs.retain(|(start, _)| *start < index);
            self.last_index = index - 1;
        }
        assert!(!self.runs.is_empty(), "the place before the first entry stays");
    }

    /// Drops the entries up to an index, which becomes the place before the first.
    pub(super) fn compact(&mut self, index: u64) {
        let term = self.term(index).expect("the log has the entry that it is compacted to");
        self.runs.retain(|(start, _)| *start > index);
        self.runs.insert(0, (index, term));
    }
}
