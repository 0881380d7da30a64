//! How the replicas of this broker stand, for the metrics.

use super::Replicas;
use crate::metrics::Standing;

impl Replicas {
    /// Counted anew: what the metadata says tells of logs that are not open too.
    pub(crate) fn standing(&self) -> Standing {
        let mut found = Standing::default();
        for replica in self.all() {
            found.partitions += 1;
            found.offline += usize::from(replica.is_failed() || replica.dir().is_offline());
            if let Some(led) = replica.as_led() {
                found.led += 1;
                found.under_replicated += usize::from(led.in_sync < led.replicas);
                found.under_min_isr += usize::from(led.in_sync < led.minimum);
                found.at_min_isr += usize::from(led.in_sync == led.minimum);
                found.reassigning += usize::from(led.is_reassigning);
            }
            found.max_lag = found.max_lag.max(replica.opened().map_or(0, |partition| partition.lag()));
        }
        found
    }
}
