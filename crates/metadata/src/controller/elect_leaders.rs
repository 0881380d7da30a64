//! Leaders are elected on request, and from time to time where partitions are not led as they should be (KIP-460).

use super::change::{Change, Election, Rules};
use super::context::{Context, Decision};
use super::{PartitionError, PartitionErrors};
use crate::image::{NO_LEADER, Topic};
use crate::{ApiError, MetadataRecord};
use ottla_protocol::{ErrorCode, Str};

/// The most elections of one round; what is left waits for the next, which comes soon.
pub(super) const MAX_ELECTIONS_PER_ROUND: usize = 1_000;

/// See [`super::Event::ElectLeaders`].
#[derive(Clone, Debug)]
pub struct ElectLeaders {
    /// Who may be elected.
    pub kind: ElectionKind,
    /// The partitions by topic; none means all.
    pub topics: Option<Vec<(Str, Vec<i32>)>>,
}

/// An election as it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElectionKind {
    /// The first replica, if it is in sync.
    Preferred,
    /// Where there is no leader, any replica that lives.
    Unclean,
}

pub(super) fn decide(c: &Context<'_>, event: ElectLeaders) -> Result<Decision<PartitionErrors>, ApiError> {
    let mut records = Vec::new();
    let mut elect = |name: &Str, partition| PartitionError {
        partition,
        result: elect(c, name, partition, event.kind).map(|record| records.push(record)),
    };
    let reply = match &event.topics {
        Some(topics) => {
            let one = |(name, partitions): &(Str, Vec<i32>)| {
                (name.clone(), partitions.iter().map(|number| elect(name, *number)).collect())
            };
            topics.iter().map(one).collect()
        }
        None => {
            let not_needed =
                |p: &PartitionError| p.result.as_ref().is_err_and(|error| error.code == ErrorCode::ElectionNotNeeded);
            let one = |topic: &std::sync::Arc<Topic>| {
                let all = topic.partitions.keys().map(|number| elect(&topic.name, *number));
                (topic.name.clone(), all.filter(|p| !not_needed(p)).collect())
            };
            c.topics().iter().map(one).collect()
        }
    };
    Ok(Decision { records, reply })
}

fn elect(c: &Context<'_>, name: &Str, number: i32, kind: ElectionKind) -> Result<MetadataRecord, ApiError> {
    let unknown = |message| ApiError::new(ErrorCode::UnknownTopicOrPartition, message);
    let topic = c.topics().by_name(name).ok_or_else(|| unknown(format!("No such topic as {name}")))?;
    if !topic.partitions.contains_key(&number) {
        return Err(unknown(format!("No such partition as {name}-{number}")));
    }
    if !is_needed(topic, number, kind) {
        return Err(ApiError::new(ErrorCode::ElectionNotNeeded, "Leader election not needed for topic partition."));
    }
    let elected = change(c, topic, number, kind);
    elected.ok_or_else(|| match kind {
        ElectionKind::Preferred => {
            ApiError::new(ErrorCode::PreferredLeaderNotAvailable, "The preferred leader was not available.")
        }
        ElectionKind::Unclean => {
            let message = "Eligible topic partition leaders are not available.";
            ApiError::new(ErrorCode::EligibleLeadersNotAvailable, message)
        }
    })
}

fn is_needed(topic: &Topic, number: i32, kind: ElectionKind) -> bool {
    topic.partitions.get(&number).is_some_and(|p| match kind {
        ElectionKind::Preferred => p.replicas.first() != Some(&p.leader),
        ElectionKind::Unclean => p.leader == NO_LEADER,
    })
}

fn change(c: &Context<'_>, topic: &Topic, number: i32, kind: ElectionKind) -> Option<MetadataRecord> {
    let partition = topic.partitions.get(&number)?;
    let rules = Rules::of(c, topic);
    let mut change = Change::new(c, &rules, partition);
    change.election = match kind {
        ElectionKind::Preferred => Election::Preferred,
        ElectionKind::Unclean => Election::Unclean,
    };
    change.record(topic.id, number)
}

/// One round over all partitions that are not led as they should be: by their first replica, or by nobody where the topic
/// would rather lose records.
pub(super) fn round(c: &Context<'_>, kind: ElectionKind) -> Vec<MetadataRecord> {
    let wanted = |topic: &Topic| kind == ElectionKind::Preferred || c.unclean_leader_election(&topic.name);
    let topics = c.topics().iter().filter(|topic| wanted(topic));
    let partitions = topics.flat_map(|topic| topic.partitions.keys().map(move |number| (topic, *number)));
    let needed = partitions.filter(|(topic, number)| is_needed(topic, *number, kind));
    needed.filter_map(|(topic, number)| change(c, topic, number, kind)).take(MAX_ELECTIONS_PER_ROUND).collect()
}
