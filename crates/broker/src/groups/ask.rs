//! How handlers ask coordinators.

use super::{Groups, Shard};
use crate::{broker::Broker, shards::Unavailable};
use ottla_coordinator::{Event, Reply};
use ottla_protocol::{ErrorCode, Str};
use ottla_state_machine::Ticket;
use std::{collections::BTreeMap, sync::Arc};

/// The answer to a request of this kind, or why there is none.
macro_rules! reply {
    ($reply:expr, $kind:ident) => {
        match $reply {
            Ok(ottla_coordinator::Reply::$kind(reply)) => Ok(reply),
            Ok(_) => Err(ottla_protocol::ErrorCode::UnknownServerError),
            Err(error) => Err(error),
        }
    };
}
pub(crate) use reply;

/// Has the coordinator of a group decide, and waits for its answer.
pub(crate) async fn submit(
    broker: &Broker,
    group_id: &Str,
    event: impl FnOnce(Ticket) -> Event,
) -> Result<Reply, ErrorCode> {
    let shard = broker.groups.shard_for(&broker.image(), group_id)?;
    submit_to(&shard, event).await
}

/// Has a coordinator decide, and waits for its answer.
pub(crate) async fn submit_to(shard: &Shard, event: impl FnOnce(Ticket) -> Event) -> Result<Reply, ErrorCode> {
    shard.submit(event).await.map_err(Unavailable::code)
}

/// A group's place in the request, and its id.
type Place = (usize, Str);

/// Asks each coordinator about its groups at once; the answers are in the order of the groups.
pub(crate) async fn by_coordinator<T, F>(
    broker: &Broker,
    group_ids: Vec<Str>,
    ask: impl Fn(Arc<Shard>, Vec<Str>) -> F,
) -> Vec<(Str, Result<T, ErrorCode>)>
where
    F: Future<Output = Result<Vec<T>, ErrorCode>>,
{
    let mut answers = Vec::with_capacity(group_ids.len());
    let mut asked: BTreeMap<i32, Vec<Place>> = BTreeMap::new();
    let image = broker.image();
    for (place, group_id) in group_ids.into_iter().enumerate() {
        match Groups::partition_for(&image, &group_id) {
            Ok(partition) => asked.entry(partition).or_default().push((place, group_id)),
            Err(error) => answers.push(((place, group_id), Err(error))),
        }
    }
    drop(image);
    for (partition, groups) in asked {
        let group_ids = groups.iter().map(|(_, group_id)| group_id.clone()).collect();
        let answer = match broker.groups.shard(partition) {
            Ok(shard) => ask(shard, group_ids).await,
            Err(error) => Err(error),
        };
        answers.extend(pair(groups, answer));
    }
    in_order(answers)
}

/// Coordinators answer in the order they are asked in.
fn pair<T>(groups: Vec<Place>, answer: Result<Vec<T>, ErrorCode>) -> Vec<(Place, Result<T, ErrorCode>)> {
    match answer {
        Ok(answers) => groups.into_iter().zip(answers.into_iter().map(Ok)).collect(),
        Err(error) => groups.into_iter().map(|group| (group, Err(error))).collect(),
    }
}

fn in_order<T>(mut answers: Vec<(Place, T)>) -> Vec<(Str, T)> {
    answers.sort_by_key(|((place, _), _)| *place);
    answers.into_iter().map(|((_, group_id), answer)| (group_id, answer)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_several_coordinators_come_in_the_order_of_the_request() {
        let group = |place: usize, name: &str| (place, Str::from(name));
        let mut answers = pair(vec![group(1, "b"), group(3, "d")], Ok(vec!["B", "D"]));
        answers.extend(pair(vec![group(0, "a"), group(2, "c")], Err(ErrorCode::NotCoordinator)));
        let expected = [
            ("a".into(), Err(ErrorCode::NotCoordinator)),
            ("b".into(), Ok("B")),
            ("c".into(), Err(ErrorCode::NotCoordinator)),
            ("d".into(), Ok("D")),
        ];
        assert_eq!(in_order(answers), expected);
    }
}
