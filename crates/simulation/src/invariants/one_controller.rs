//! In one epoch one run of one controller serves, and it is a voter with the disk that the quorum knows.

use super::Violation;
use ottla_quorum::{Members, Voter};
use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub(crate) struct OneController {
    by_epoch: BTreeMap<i32, (i32, u64)>,
}

impl OneController {
    pub(crate) fn note(&mut self, epoch: i32, controller: i32, run: u64) -> Result<(), Violation> {
        match self.by_epoch.insert(epoch, (controller, run)) {
            Some(other) if other != (controller, run) => {
                let seen = format!("epoch {epoch}: {other:?} and {:?}", (controller, run));
                Err(Violation::new("one controller", seen))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.by_epoch.len()
    }
}

/// A disk that was replaced has forgotten what its node promised: nobody may serve with it before it was added anew.
pub(crate) fn is_voter(voter: Voter, epoch: i32, members: Option<&Members>) -> Result<(), Violation> {
    match members.is_some_and(|members| members.voters().any(|known| *known == voter)) {
        true => Ok(()),
        false => {
            let seen = format!("{voter:?} serves in epoch {epoch}, and is no voter of {members:?}");
            Err(Violation::new("wiped voter", seen))
        }
    }
}
