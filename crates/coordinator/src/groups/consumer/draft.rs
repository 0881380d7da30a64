//! A group as it will be once the records of a decision are applied.

use super::group::ConsumerGroup;
use super::record::ConsumerGroupRecord;
use super::topics::Topics;
use crate::CoordinatorRecord;
use crate::context::Context;
use ottla_protocol::Str;
use ottla_protocol::stored::ConsumerGroupMetadataValue;
use std::borrow::Cow;
use std::collections::BTreeSet;

/// A group in the making. It is copied when the first record changes it, so a decision that only looks costs nothing.
pub(super) struct Draft<'a> {
    pub(super) group_id: Str,
    group: Cow<'a, ConsumerGroup>,
    records: Vec<CoordinatorRecord>,
}

impl<'a> Draft<'a> {
    pub(super) fn of(group_id: Str, group: &'a ConsumerGroup) -> Self {
        Self { group_id, group: Cow::Borrowed(group), records: Vec::new() }
    }

    /// A group that does not exist yet.
    pub(super) fn new(group_id: Str) -> Self {
        Self { group_id, group: Cow::Owned(ConsumerGroup::default()), records: Vec::new() }
    }

    pub(super) fn group(&self) -> &ConsumerGroup {
        &self.group
    }

    pub(super) fn write(&mut self, record: ConsumerGroupRecord) {
        self.group.to_mut().apply(&record);
        self.write_last(record);
    }

    /// Writes a record that nothing of the decision looks at any more.
    pub(super) fn write_last(&mut self, record: ConsumerGroupRecord) {
        self.records.push(CoordinatorRecord::Consumer { group_id: self.group_id.clone(), record });
    }

    pub(super) fn write_all(&mut self, records: impl IntoIterator<Item = ConsumerGroupRecord>) {
        records.into_iter().for_each(|record| self.write(record));
    }

    /// All topics that the group reads, whether they exist or not.
    pub(super) fn topic_names(&self) -> BTreeSet<Str> {
        let group = self.group();
        let matched = group.regex_subscribers.keys().filter_map(|regex| group.regexes.get(regex));
        let matched = matched.flat_map(|resolved| resolved.topics.iter().cloned());
        group.topics.keys().cloned().chain(matched).collect()
    }

    /// The number that stands for the topics of the group as they are.
    pub(super) fn metadata_hash(&self, topics: &mut Topics) -> i64 {
        topics.hash(&self.topic_names())
    }

    /// The next epoch of the group.
    pub(super) fn bump(&mut self, metadata_hash: i64) {
        let value = ConsumerGroupMetadataValue {
            epoch: self.group.epoch.saturating_add(1),
            metadata_hash,
            ..ConsumerGroupMetadataValue::default()
        };
        self.write(ConsumerGroupRecord::Group(Some(value)));
    }

    /// Whether a batch can hold the records.
    pub(super) fn fits(&self, cx: &Context<'_>) -> bool {
        cx.fits(self.records.iter().map(CoordinatorRecord::max_bytes).sum())
    }

    /// Hands the records over.
    pub(super) fn finish(self, cx: &mut Context<'_>) {
        self.records.into_iter().for_each(|record| cx.record(record));
    }
}
