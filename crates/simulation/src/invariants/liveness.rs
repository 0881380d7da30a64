//! Once faults stop, a controller serves, every partition is led, everybody is in sync, and everything is committed everywhere.

use super::MetadataLog;
use crate::broker::Broker;
use crate::controller::Controller;
use ottla_metadata::Image;
use ottla_metadata::image::DIRECTORY_LOST;
use ottla_replication::follower::LogView as _;

/// The first thing that is not as it should be.
pub(crate) fn what_is_not_served(image: &Image, brokers: &[Broker]) -> Option<String> {
    let fenced = image.cluster().brokers().values().find(|broker| !broker.is_active());
    if let Some(broker) = fenced {
        let told = brokers.iter().find(|other| other.id == broker.id).map(|broker| broker.describe(0));
        return Some(format!("broker {} does not serve: {broker:?}, {told:?}", broker.id));
    }
    for topic in image.topics().iter() {
        for (number, partition) in &topic.partitions {
            let lost = partition.directories.contains(&DIRECTORY_LOST);
            let in_sync = partition.isr.len() == partition.replicas.len();
            if partition.leader < 0 || !in_sync || lost || partition.is_reassigning() {
                let replicas = brokers.iter().filter(|broker| partition.replicas.contains(&broker.id));
                let told: Vec<String> =
                    replicas.map(|broker| format!("\n{}: {}", broker.id, broker.describe(*number))).collect();
                return Some(format!("{number} is {partition:?}{}", told.concat()));
            }
            let disk = |id: i32| brokers.iter().find(|broker| broker.id == id).and_then(|broker| broker.disk(*number));
            let end = disk(partition.leader).map(|disk| disk.log_end_offset());
            for id in &partition.replicas {
                let there = disk(*id).map(|disk| (disk.log_end_offset(), disk.high_watermark()));
                if there != end.map(|end| (end, end)) {
                    return Some(format!(
                        "{number} on {id} has end and high watermark {there:?}, its leader ends at {end:?}"
                    ));
                }
            }
        }
    }
    None
}

/// The first thing that is not as it should be with the controllers: one serves, and every member has all that is committed, but
/// for those whose disk was replaced since they became members.
pub(crate) fn who_lacks_metadata(log: &MetadataLog, controllers: &[Controller]) -> Option<String> {
    let told = || controllers.iter().map(Controller::describe).collect::<String>();
    if !controllers.iter().any(|controller| controller.serves().is_some()) {
        return Some(format!("no controller serves{}", told()));
    }
    for controller in controllers {
        let is_member = log.members().is_some_and(|members| members.iter().any(|m| m.voter == controller.voter()));
        if is_member && controller.end() < log.end() {
            return Some(format!("controller {} has not all {} records{}", controller.id, log.end(), told()));
        }
    }
    None
}
