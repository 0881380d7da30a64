//! Keeps a client that sends rubbish from filling the log.

use parking_lot::Mutex;
use std::time::Duration;

/// Lines written in a second about connections that were closed for what they sent.
const LINES_A_SECOND: u32 = 10;

#[derive(Debug, Default)]
struct Window {
    second: u64,
    written: u32,
    left_out: u64,
}

/// Lets a few lines a second through and counts the others.
#[derive(Debug, Default)]
pub(crate) struct Complaints(Mutex<Window>);

impl Complaints {
    /// How many lines were left out before this one, if this one may be written.
    pub(crate) fn admit(&self, now: Duration) -> Option<u64> {
        let mut window = self.0.lock();
        if window.second != now.as_secs() {
            window.second = now.as_secs();
            window.written = 0;
        }
        if window.written == LINES_A_SECOND {
            window.left_out += 1;
            return None;
        }
        window.written += 1;
        Some(core::mem::take(&mut window.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_leaves_a_few_lines_and_a_count() {
        let complaints = Complaints::default();
        let at = Duration::from_secs;
        let written = (0..100).filter(|_| complaints.admit(at(1)).is_some()).count();
        assert_eq!(written, 10);
        assert_eq!(complaints.admit(at(2)), Some(90));
        assert_eq!(complaints.admit(at(2)), Some(0));
    }
}
