//! What all partitions of this broker share: who they are, when it is, what the cluster is, and whom they tell of their wishes.

use crate::{clock::Clock, isr_changes::IsrChanges, publisher::Published};
use ottla_metadata::image::Image;
use std::{sync::Arc, time::Duration};

/// Where partitions are.
pub(crate) struct Site {
    pub(crate) node_id: i32,
    pub(crate) clock: Clock,
    /// `replica.lag.time.max.ms`.
    pub(crate) max_lag: Duration,
    /// Partitions that want another in-sync set.
    pub(crate) isr_changes: IsrChanges,
    published: Arc<Published>,
}

impl Site {
    pub(crate) fn new(node_id: i32, clock: Clock, max_lag: Duration, published: Arc<Published>) -> Arc<Self> {
        Arc::new(Self { node_id, clock, max_lag, isr_changes: IsrChanges::default(), published })
    }

    /// The metadata as everybody sees it.
    pub(crate) fn image(&self) -> Arc<Image> {
        self.published.image()
    }

    /// Time that only moves on.
    pub(crate) fn now(&self) -> Duration {
        self.clock.monotonic()
    }
}
