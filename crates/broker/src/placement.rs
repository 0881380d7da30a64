//! Which log dir a new log goes to.

use crate::{cordons, dir::Dir, replicas::Replicas};
use ottla_metadata::image::{DIRECTORY_MIGRATING, DIRECTORY_UNASSIGNED};
use ottla_protocol::{Str, Uuid};
use std::sync::Arc;

/// What the metadata says of where a replica's log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Assigned {
    /// Nothing yet.
    Nowhere,
    /// In this log dir; in none that there is (`DIRECTORY_LOST`) if its disk was short of room.
    To(Uuid),
}

impl Assigned {
    pub(crate) fn of(directory: Option<Uuid>) -> Self {
        match directory {
            None | Some(DIRECTORY_UNASSIGNED | DIRECTORY_MIGRATING) => Self::Nowhere,
            Some(id) => Self::To(id),
        }
    }
}

impl Replicas {
    /// Where the log of a partition is to be made that has none; nowhere if it may be in a log dir that is offline.
    ///
    /// As Kafka 4.3.1 chooses: where it was asked for before it was there, else in the log dir that the metadata names, else
    /// in the first with the fewest logs, copies counted, of those that are not cordoned; of all if all are.
    pub(crate) fn choose_dir(&self, assigned: Assigned, topic: &Str, index: i32) -> Option<Arc<Dir>> {
        let online = || self.dirs().iter().filter(|dir| !dir.is_offline());
        let is_known = match assigned {
            Assigned::Nowhere => true,
            Assigned::To(id) => online().any(|dir| dir.id == id),
        };
        // If all there are can be seen, its disk was replaced.
        if !is_known && self.failure().is_some() {
            return None;
        }
        let preferred = self.futures().take_preferred(topic, index);
        if let Some(dir) = preferred.and_then(|id| online().find(|dir| dir.id == id)) {
            return Some(dir.clone());
        }
        if let Assigned::To(id) = assigned
            && let Some(dir) = online().find(|dir| dir.id == id)
        {
            return Some(dir.clone());
        }
        let config = self.config();
        let open = online().filter(|dir| !cordons::is_cordoned(&config, dir)).min_by_key(|dir| dir.logs());
        open.or_else(|| online().min_by_key(|dir| dir.logs())).cloned()
    }
}
