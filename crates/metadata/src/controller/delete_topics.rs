//! Deletes topics.

use super::context::{Context, Decision};
use crate::ApiError;
use ottla_protocol::stored::RemoveTopicRecord;
use ottla_protocol::{ErrorCode, Str, Uuid};
use std::collections::{BTreeMap, BTreeSet};

/// See [`super::Event::DeleteTopics`].
#[derive(Clone, Debug, Default)]
pub struct DeleteTopics {
    /// The topics.
    pub topics: Vec<TopicRef>,
}

/// A topic as the caller names it: by a name, or by an id that is not zero.
#[derive(Clone, Debug, Default)]
pub struct TopicRef {
    /// Its name.
    pub name: Option<Str>,
    /// Its id.
    pub topic_id: Uuid,
}

/// What became of one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletedTopic {
    /// The topic's name, as far as known.
    pub name: Option<Str>,
    /// The topic's id, as far as known.
    pub topic_id: Uuid,
    /// What became of it.
    pub result: Result<(), ApiError>,
}

impl DeletedTopic {
    fn refused(name: Option<Str>, topic_id: Uuid, error: ApiError) -> Self {
        Self { name, topic_id, result: Err(error) }
    }
}

/// Things that were named, and which of them more than once.
struct Named<T> {
    once: BTreeSet<T>,
    repeated: BTreeSet<T>,
}

impl<T: Ord + Clone> Named<T> {
    fn new() -> Self {
        Self { once: BTreeSet::new(), repeated: BTreeSet::new() }
    }

    fn add(&mut self, thing: T) {
        if self.repeated.contains(&thing) || !self.once.insert(thing.clone()) {
            self.once.remove(&thing);
            self.repeated.insert(thing);
        }
    }
}

pub(super) fn decide(c: &Context<'_>, event: DeleteTopics) -> Result<Decision<Vec<DeletedTopic>>, ApiError> {
    let mut reply = Vec::new();
    let (names, ids) = sort_out(event.topics, &mut reply);
    let chosen = resolve(c, names, ids, &mut reply);
    let mut records = Vec::with_capacity(chosen.len());
    for (topic_id, name) in chosen {
        records.push(RemoveTopicRecord { topic_id, ..Default::default() }.into());
        reply.push(DeletedTopic { name: Some(name), topic_id, result: Ok(()) });
    }
    Ok(Decision { records, reply })
}

fn sort_out(topics: Vec<TopicRef>, reply: &mut Vec<DeletedTopic>) -> (Named<Str>, Named<Uuid>) {
    let mut names = Named::new();
    let mut ids = Named::new();
    for TopicRef { name, topic_id } in topics {
        let wrong = match (name, topic_id.is_zero()) {
            (None, false) => {
                ids.add(topic_id);
                continue;
            }
            (Some(name), true) => {
                names.add(name);
                continue;
            }
            (None, true) => (None, "Neither topic name nor id were specified."),
            (name, false) => (name, "You may not specify both topic name and topic id."),
        };
        let (name, message) = wrong;
        let error = ApiError::invalid_request(message);
        reply.push(DeletedTopic::refused(name, topic_id, error));
    }
    let duplicate = |what| ApiError::invalid_request(format!("Duplicate topic {what}."));
    reply.extend(
        names.repeated.iter().map(|name| DeletedTopic::refused(Some(name.clone()), Uuid::ZERO, duplicate("name"))),
    );
    let repeated = ids.repeated.iter();
    reply.extend(repeated.map(|id| DeletedTopic::refused(None, *id, duplicate("id"))));
    (names, ids)
}

fn resolve(
    c: &Context<'_>,
    names: Named<Str>,
    mut ids: Named<Uuid>,
    reply: &mut Vec<DeletedTopic>,
) -> BTreeMap<Uuid, Str> {
    let mut chosen = BTreeMap::new();
    for id in core::mem::take(&mut ids.once) {
        match c.topics().by_id(&id) {
            Some(topic) => {
                chosen.insert(id, topic.name.clone());
            }
            None => {
                let error = ApiError::new(ErrorCode::UnknownTopicId, "This server does not host this topic ID.");
                reply.push(DeletedTopic::refused(None, id, error));
            }
        }
    }
    for name in names.once {
        let Some(topic) = c.topics().by_name(&name) else {
            let error =
                ApiError::new(ErrorCode::UnknownTopicOrPartition, "This server does not host this topic-partition.");
            reply.push(DeletedTopic::refused(Some(name), Uuid::ZERO, error));
            continue;
        };
        let id = topic.id;
        if ids.repeated.contains(&id) || chosen.insert(id, name.clone()).is_some() {
            ids.repeated.insert(id);
            chosen.remove(&id);
            let error = ApiError::invalid_request("The provided topic name maps to an ID that was already supplied.");
            reply.push(DeletedTopic::refused(Some(name), id, error));
        }
    }
    chosen
}
