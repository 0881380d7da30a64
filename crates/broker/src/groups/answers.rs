//! Collects what becomes of partitions, topic by topic, when some fail before the coordinator is asked.

use ottla_protocol::ErrorCode;
use std::collections::BTreeMap;

/// What became of the partitions of one topic.
pub(crate) type TopicAnswer<K> = (K, Vec<(i32, ErrorCode)>);

/// Topics that failed, in whole or in part, in the request's order. Each is there once.
pub(crate) struct Answers<K> {
    topics: Vec<TopicAnswer<K>>,
    places: BTreeMap<K, usize>,
}

impl<K: Ord + Clone> Answers<K> {
    pub(crate) fn new() -> Self {
        Self { topics: Vec::new(), places: BTreeMap::new() }
    }

    /// Partitions that have one error in common. A topic without partitions is in the answer too.
    pub(crate) fn fail(&mut self, topic: K, partitions: impl IntoIterator<Item = i32>, error: ErrorCode) {
        let failed = partitions.into_iter().map(|partition| (partition, error)).collect();
        self.add((topic, failed));
    }

    fn add(&mut self, (topic, partitions): TopicAnswer<K>) {
        let next = self.topics.len();
        match self.places.get(&topic).and_then(|place| self.topics.get_mut(*place)) {
            Some((_, known)) => known.extend(partitions),
            None => {
                self.places.insert(topic.clone(), next);
                self.topics.push((topic, partitions));
            }
        }
    }

    /// What failed before with what the coordinator answered, as Kafka puts them together: topics that failed come
    /// first, and where none did the answer is left as it is.
    pub(crate) fn merge(mut self, answered: Vec<TopicAnswer<K>>) -> Vec<TopicAnswer<K>> {
        if self.topics.is_empty() {
            return answered;
        }
        answered.into_iter().for_each(|topic| self.add(topic));
        self.topics
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNKNOWN: ErrorCode = ErrorCode::UnknownTopicOrPartition;

    #[test]
    fn topics_that_failed_come_first_and_take_in_the_rest_of_their_partitions() {
        let mut answers = Answers::new();
        answers.fail("b", [7], UNKNOWN);
        answers.fail("c", [], UNKNOWN);
        answers.fail("b", [8], UNKNOWN);
        let merged = answers.merge(vec![("a", vec![(0, ErrorCode::None)]), ("b", vec![(1, ErrorCode::None)])]);
        let expected = vec![
            ("b", vec![(7, UNKNOWN), (8, UNKNOWN), (1, ErrorCode::None)]),
            ("c", vec![]),
            ("a", vec![(0, ErrorCode::None)]),
        ];
        assert_eq!(merged, expected);
    }

    #[test]
    fn without_failures_the_answer_is_left_as_it_is() {
        let answered = vec![("a", vec![(0, ErrorCode::None)]), ("a", vec![(1, ErrorCode::None)])];
        assert_eq!(Answers::new().merge(answered.clone()), answered);
    }
}
