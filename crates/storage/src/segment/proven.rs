//! Which bytes of a log file this process has proven to be batches: what it wrote, and what it has read since it opened the file.

/// Ranges of a file, in order and apart from one another.
#[derive(Debug, Default)]
pub(super) struct Proven {
    ranges: Vec<(u64, u64)>,
}

impl Proven {
    /// Where the first byte is in `[from, to)` that is not proven.
    pub(super) fn first_unproven(&self, from: u64, to: u64) -> Option<u64> {
        let at = self.ranges.partition_point(|(_, end)| *end <= from);
        let proven = self.ranges.get(at).filter(|(start, _)| *start <= from).map_or(from, |(_, end)| *end);
        (proven < to).then_some(proven)
    }

    /// Notes that all of `[from, to)` is proven.
    pub(super) fn add(&mut self, from: u64, to: u64) {
        let first = self.ranges.partition_point(|(_, end)| *end < from);
        let after = self.ranges.partition_point(|(start, _)| *start <= to);
        let joined = self.ranges.get(first..after).unwrap_or_default();
        let start = joined.first().map_or(from, |(start, _)| from.min(*start));
        let end = joined.last().map_or(to, |(_, end)| to.max(*end));
        self.ranges.splice(first..after.max(first), [(start, end)]);
    }
}

#[cfg(test)]
mod tests {
    use super::Proven;

    #[test]
    fn ranges_join() {
        let mut proven = Proven::default();
        assert_eq!(proven.first_unproven(0, 10), Some(0));
        for (from, to) in [(10, 20), (30, 40), (50, 60), (20, 25)] {
            proven.add(from, to);
        }
        assert_eq!(proven.ranges, [(10, 25), (30, 40), (50, 60)]);
        assert_eq!(proven.first_unproven(10, 25), None);
        assert_eq!(proven.first_unproven(12, 31), Some(25));
        assert_eq!(proven.first_unproven(45, 55), Some(45));
        assert_eq!(proven.first_unproven(30, 30), None);
        proven.add(25, 50);
        assert_eq!(proven.ranges, [(10, 60)]);
        proven.add(0, 100);
        assert_eq!(proven.ranges, [(0, 100)]);
    }
}
