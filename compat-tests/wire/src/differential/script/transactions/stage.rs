//! How far a transaction has come when something is asked.

use super::{Producer, TOPIC};
use crate::differential::run::Run;

/// The states that a transaction stays in.
#[derive(Clone, Copy)]
pub(super) enum Stage {
    /// Nothing was done with the epoch.
    Empty,
    /// It has records in partition 0.
    Ongoing,
    /// It had them.
    Committed,
    /// It had them too.
    Aborted,
}

impl Stage {
    pub(super) const ALL: [Self; 4] = [Self::Empty, Self::Ongoing, Self::Committed, Self::Aborted];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Ongoing => "ongoing",
            Self::Committed => "committed",
            Self::Aborted => "aborted",
        }
    }

    /// Brings a producer that has just begun there.
    pub(super) fn reach(self, run: &mut Run, producer: &mut Producer) -> anyhow::Result<()> {
        match self {
            Self::Empty => Ok(()),
            Self::Ongoing => producer.writes(run, TOPIC, 0),
            Self::Committed | Self::Aborted => {
                producer.writes(run, TOPIC, 0)?;
                producer.ends(run, matches!(self, Self::Committed))
            }
        }
    }
}
