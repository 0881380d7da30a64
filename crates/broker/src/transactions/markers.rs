//! Writes the ends of transactions into partitions that this broker leads (WriteTxnMarkers).

use crate::{
    broker::Broker,
    partition::{Durable, Marker, NotDurable, Partition, Until},
    settings::request_timeout,
    shards::Unavailable,
};
use ottla_coordinator::CoordinatorRecord;
use ottla_metadata::topic_name::GROUP_METADATA_TOPIC_NAME;
use ottla_protocol::{ErrorCode, Str};
use std::sync::Arc;
use tokio::time::{Instant, timeout_at};

/// What became of a marker in a partition.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) topic: Str,
    pub(crate) index: i32,
    pub(crate) error: ErrorCode,
}

/// Writes each marker into its partitions, all before the first is waited for; answers when all are committed or cannot be.
pub(crate) async fn write_markers(broker: &Arc<Broker>, markers: Vec<(Marker, Vec<(Str, i32)>)>) -> Vec<Vec<Outcome>> {
    let deadline = Instant::now() + request_timeout(&broker.config());
    let mut begun = Vec::with_capacity(markers.len());
    for (marker, partitions) in markers {
        let begin = |(topic, index): (Str, i32)| {
            let appended = append(broker, marker, &topic, index);
            (topic, index, appended)
        };
        begun.push(partitions.into_iter().map(begin).collect::<Vec<_>>());
    }
    let mut outcomes = Vec::with_capacity(begun.len());
    for partitions in begun {
        let mut of_marker = Vec::with_capacity(partitions.len());
        for (topic, index, appended) in partitions {
            let error = wait(appended, deadline).await;
            of_marker.push(Outcome { topic, index, error });
        }
        outcomes.push(of_marker);
    }
    outcomes
}

fn append(broker: &Broker, marker: Marker, topic: &Str, index: i32) -> Result<Durable, ErrorCode> {
    let partition = broker.replicas.led(topic, index)?;
    let end = match topic == GROUP_METADATA_TOPIC_NAME {
        true => end_in_groups(broker, marker, index)?,
        false => append_to(&partition, marker)?,
    };
    Ok(partition.durable(end, Until::Committed))
}

fn append_to(partition: &Arc<Partition>, marker: Marker) -> Result<i64, ErrorCode> {
    partition.append_marker(marker).map(|info| info.last_offset + 1).map_err(|error| error.code())
}

/// The offsets in the transaction count from then on, or are forgotten.
fn end_in_groups(broker: &Broker, marker: Marker, index: i32) -> Result<i64, ErrorCode> {
    let Marker { producer_id, committed, .. } = marker;
    let record = CoordinatorRecord::TransactionEnd { producer_id, committed };
    let shard = broker.groups.shard(index).map_err(|_| ErrorCode::NotLeaderOrFollower)?;
    let appended = shard.take(|partition| partition.append_marker(marker).map(|info| info.first_offset), &[record]);
    appended.map_err(|unavailable| match unavailable {
        Unavailable::Refused(error) => error,
        // The transaction's coordinator knows of partitions, not of coordinators.
        _ => ErrorCode::NotLeaderOrFollower,
    })
}

async fn wait(appended: Result<Durable, ErrorCode>, deadline: Instant) -> ErrorCode {
    let durable = match appended {
        Ok(durable) => durable,
        Err(error) => return error,
    };
    match timeout_at(deadline, durable.wait()).await {
        Ok(Ok(())) => ErrorCode::None,
        Ok(Err(NotDurable::Offline)) => ErrorCode::KafkaStorageError,
        Ok(Err(NotDurable::TooFewInSync)) => ErrorCode::NotEnoughReplicasAfterAppend,
        Ok(Err(NotDurable::Gone)) => ErrorCode::NotLeaderOrFollower,
        Err(_elapsed) => ErrorCode::RequestTimedOut,
    }
}
