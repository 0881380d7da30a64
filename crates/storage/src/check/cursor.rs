//! Compares an index with the batches of its log file, one after the other.

use std::path::PathBuf;

use ottla_protocol::batch::Header;

use super::finding::{AtStart, Report};

/// Findings told of one index; more would say no more.
const MAX_FINDINGS: usize = 5;

/// The entries of an index that are still to be met.
pub(super) struct Cursor<T> {
    path: PathBuf,
    entries: std::vec::IntoIter<T>,
    next: Option<T>,
    told: usize,
    at_start: AtStart,
}

impl<T: Copy> Cursor<T> {
    pub(super) fn new(path: PathBuf, entries: Vec<T>, at_start: AtStart) -> Self {
        let mut entries = entries.into_iter();
        let next = entries.next();
        Self { path, entries, next, told: 0, at_start }
    }

    /// Takes the entries of which `met` holds and tells what `problem` says of them.
    pub(super) fn meet(
        &mut self,
        header: &Header,
        report: &mut Report<'_>,
        met: impl Fn(&T) -> bool,
        problem: impl Fn(&T, &Header) -> Option<String>,
    ) {
        while let Some(entry) = self.next.filter(|entry| met(entry)) {
            if let Some(problem) = problem(&entry, header) {
                self.tell(header.base_offset, problem, report);
            }
            self.next = self.entries.next();
        }
    }

    /// What is left points to nothing.
    pub(super) fn end(mut self, end: i64, report: &mut Report<'_>) {
        let left = usize::from(self.next.is_some()) + self.entries.len();
        if left > 0 {
            self.tell(end, format!("{left} entries point behind the last batch"), report);
        }
    }

    fn tell(&mut self, offset: i64, problem: String, report: &mut Report<'_>) {
        self.told += 1;
        if self.told <= MAX_FINDINGS {
            report.at(&self.path, None, Some(offset), self.at_start, problem);
        }
    }
}
