//! By the controller's word a leader is in sync, and who is in sync is a replica and serves.

use super::Violation;
use ottla_metadata::Image;

pub(crate) fn check(image: &Image) -> Result<(), Violation> {
    for topic in image.topics().iter() {
        for (number, partition) in &topic.partitions {
            let serves = image.cluster().broker(partition.leader).is_some_and(|broker| !broker.fenced);
            let leads = partition.leader == -1 || (serves && partition.isr.contains(&partition.leader));
            let active = partition.leader == -1 || partition.isr.iter().all(|id| image.cluster().is_active(*id));
            let replicas = partition.isr.iter().chain(&partition.elr).all(|id| partition.replicas.contains(id));
            if !leads || !active || !replicas {
                return Err(Violation::new("in sync", format!("{number}: {partition:?}")));
            }
        }
    }
    Ok(())
}
