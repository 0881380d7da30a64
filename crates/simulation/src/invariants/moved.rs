//! A partition moves only with its new replicas in sync.

use super::Violation;
use ottla_metadata::Image;
use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub(crate) struct Moved {
    /// The replicas that each partition was getting.
    adding: BTreeMap<i32, Vec<i32>>,
}

impl Moved {
    pub(crate) fn check(&mut self, image: &Image) -> Result<(), Violation> {
        for topic in image.topics().iter() {
            for (number, partition) in &topic.partitions {
                let known = self.adding.entry(*number).or_default();
                let done = partition.adding_replicas.is_empty();
                let stays = |id: &i32| partition.replicas.contains(id) && !partition.removing_replicas.contains(id);
                let behind = known.iter().find(|id| stays(id) && !partition.isr.contains(id));
                if let Some(behind) = behind.filter(|_| done) {
                    return Err(Violation::new("moved", format!("{number} without {behind} in sync: {partition:?}")));
                }
                known.clone_from(&partition.adding_replicas);
            }
        }
        Ok(())
    }
}
