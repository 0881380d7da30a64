//! How a broker finds the active controller: by what it is told, else one after the other.

use super::REQUEST_TIMEOUT;
use core::time::Duration;

#[derive(Clone, Debug)]
pub(super) struct Finder {
    controllers: Vec<i32>,
    at: usize,
    /// When it asked first what was not answered since.
    unanswered: Option<Duration>,
    /// The epoch of the active controller that it was told of last.
    epoch: i32,
}

impl Finder {
    pub(super) fn new(controllers: Vec<i32>, first: usize) -> Self {
        Self { at: first.checked_rem(controllers.len()).unwrap_or(0), controllers, unanswered: None, epoch: -1 }
    }

    /// Whom to ask.
    pub(super) fn ask(&mut self, now: Duration) -> i32 {
        self.unanswered.get_or_insert(now);
        self.controllers.get(self.at).copied().unwrap_or_default()
    }

    /// Whoever is asked is the active controller.
    pub(super) fn answered(&mut self, by: i32) {
        if self.controllers.get(self.at) == Some(&by) {
            self.unanswered = None;
        }
    }

    /// A controller says that it is not active, and which one is in which epoch. Answers whether another one is asked from now on.
    ///
    /// Of an epoch it is believed once: who is no voter any more may never hear of another, and two of them may tell of each other.
    pub(super) fn refused(&mut self, by: i32, active: Option<(i32, i32)>) -> bool {
        if self.controllers.get(self.at) != Some(&by) {
            return false;
        }
        let news = active.filter(|(_, epoch)| *epoch > self.epoch);
        self.epoch = news.map_or(self.epoch, |(_, epoch)| epoch);
        let told = news.and_then(|(active, _)| self.controllers.iter().position(|id| *id == active));
        self.go_to(told.unwrap_or(self.at + 1));
        true
    }

    /// Whoever does not answer is not asked again for now.
    pub(super) fn tick(&mut self, now: Duration) {
        if self.unanswered.is_some_and(|since| now.saturating_sub(since) >= REQUEST_TIMEOUT) {
            self.go_to(self.at + 1);
        }
    }

    fn go_to(&mut self, at: usize) {
        self.at = at.checked_rem(self.controllers.len()).unwrap_or(0);
        self.unanswered = None;
    }
}
