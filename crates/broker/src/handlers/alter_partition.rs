//! AlterPartition (56): a leader asks the controller for another in-sync set (KIP-497, KIP-841, KIP-903).

use super::{
    Context, Pending, Refusal,
    ask_controller::{NO_TIMEOUT_MS, ask, outcome},
    plain_within,
};
use ottla_metadata::{
    controller::{AlterPartition, Event, IsrChange, IsrMember, Reply},
    image::Partition,
};
use ottla_protocol::{
    ErrorCode, Uuid,
    frame::RequestFrame,
    messages::{
        AlterPartitionRequest, AlterPartitionResponse,
        alter_partition_request::{PartitionData as Wanted, TopicData as WantedTopic},
        alter_partition_response::{PartitionData, TopicData},
    },
};
use std::pin::Pin;

/// Since this version the leader names the epochs that the members of the set fetch with (KIP-903).
const NAMES_EPOCHS: i16 = 3;

pub(super) fn start(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Refusal> {
    plain_within(cx, request, named, handle)
}

fn named(request: &AlterPartitionRequest) -> usize {
    let members = |p: &Wanted| p.new_isr.len() + p.new_isr_with_epochs.len();
    let partitions = |topic: &WantedTopic| topic.partitions.iter().map(|p| 1 + members(p)).sum::<usize>();
    request.topics.iter().map(|topic| 1 + partitions(topic)).sum()
}

async fn handle(cx: Context, request: AlterPartitionRequest) -> AlterPartitionResponse {
    let changes = request.topics.iter().flat_map(|topic| {
        let (version, topic_id) = (cx.version, topic.topic_id);
        topic.partitions.iter().map(move |wanted| change(version, topic_id, wanted))
    });
    let event = AlterPartition {
        broker_id: request.broker_id,
        broker_epoch: request.broker_epoch,
        partitions: changes.collect(),
    };
    let pick = |reply| match reply {
        Reply::AlterPartition(answer) => Some(answer),
        _ => None,
    };
    let answer = ask(&cx, NO_TIMEOUT_MS, |ticket| Event::AlterPartition(ticket, event), pick).await;
    let error_code = outcome(&answer).0;
    match answer {
        Ok(altered) => AlterPartitionResponse { topics: respond(&request.topics, altered), ..Default::default() },
        Err(_) => AlterPartitionResponse { error_code, ..Default::default() },
    }
}

fn change(version: i16, topic_id: Uuid, wanted: &Wanted) -> IsrChange {
    let isr = match version >= NAMES_EPOCHS {
        true => wanted.new_isr_with_epochs.iter().map(|m| (m.broker_id, m.broker_epoch)).collect::<Vec<_>>(),
        false => wanted.new_isr.iter().map(|id| (*id, -1)).collect(),
    };
    IsrChange {
        topic_id,
        partition: wanted.partition_index,
        leader_epoch: wanted.leader_epoch,
        partition_epoch: wanted.partition_epoch,
        isr: isr.into_iter().map(|(broker_id, broker_epoch)| IsrMember { broker_id, broker_epoch }).collect(),
        leader_recovery_state: wanted.leader_recovery_state,
    }
}

/// The outcomes are in the order of the request, topic by topic.
fn respond(topics: &[WantedTopic], altered: Vec<Result<Partition, ErrorCode>>) -> Vec<TopicData> {
    let mut altered = altered.into_iter();
    let mut partition = |wanted: &Wanted| {
        let became = altered.next().unwrap_or(Err(ErrorCode::UnknownServerError));
        partition_data(wanted.partition_index, became)
    };
    let topic = |topic: &WantedTopic| TopicData {
        topic_id: topic.topic_id,
        partitions: topic.partitions.iter().map(&mut partition).collect(),
        ..Default::default()
    };
    topics.iter().map(topic).collect()
}

fn partition_data(partition_index: i32, became: Result<Partition, ErrorCode>) -> PartitionData {
    match became {
        Ok(partition) => PartitionData {
            partition_index,
            leader_id: partition.leader,
            leader_epoch: partition.leader_epoch,
            isr: partition.isr,
            leader_recovery_state: partition.leader_recovery_state,
            partition_epoch: partition.partition_epoch,
            ..Default::default()
        },
        Err(error) => PartitionData { partition_index, error_code: error.code(), ..Default::default() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_protocol::messages::alter_partition_request::BrokerState;

    #[test]
    fn members_have_epochs_since_version_3() {
        let state = BrokerState { broker_id: 2, broker_epoch: 9, ..Default::default() };
        let wanted = Wanted { new_isr: vec![1], new_isr_with_epochs: vec![state], ..Default::default() };
        let isr = |version| change(version, Uuid::ONE, &wanted).isr;
        assert_eq!(isr(2), [IsrMember { broker_id: 1, broker_epoch: -1 }]);
        assert_eq!(isr(3), [IsrMember { broker_id: 2, broker_epoch: 9 }]);
    }

    #[test]
    fn outcomes_go_to_the_partitions_in_order() {
        let wanted = |partition_index| Wanted { partition_index, ..Default::default() };
        let topic = |id, partitions: Vec<i32>| WantedTopic {
            topic_id: Uuid::from_bytes([id; 16]),
            partitions: partitions.into_iter().map(wanted).collect(),
            ..Default::default()
        };
        let altered = vec![
            Err(ErrorCode::FencedLeaderEpoch),
            Ok(Partition { leader: 3, ..Default::default() }),
            Err(ErrorCode::UnknownTopicId),
        ];
        let topics = respond(&[topic(1, vec![4, 5]), topic(2, vec![6])], altered);
        let shown = topics.iter().flat_map(|t| t.partitions.iter().map(|p| (p.partition_index, p.error_code, p.leader_id)));
        assert_eq!(shown.collect::<Vec<_>>(), [(4, 74, 0), (5, 0, 3), (6, 100, 0)]);
    }
}
