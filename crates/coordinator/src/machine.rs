//! One partition of `__consumer_offsets` as a state machine: which event goes where.

use crate::context::Context;
use crate::groups;
use crate::groups::classic::{self, ClassicGroup, Deletion};
use crate::groups::consumer::{self, ConsumerGroup, ConsumerGroupRecord, Resolved, Topics};
use crate::offsets::{self, DeletedTopic, OffsetStore};
use crate::{CoordinatorRecord, Effect, Event, Reply, Settings, Timer};
use ottla_protocol::Str;
use ottla_protocol::stored::GroupMetadataValue;
use ottla_state_machine::{Now, Outcome, StateMachine};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// The machine; see the crate's documentation.
#[derive(Debug)]
pub struct GroupCoordinator;

/// What the log says of a group.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum StoredGroup {
    /// It is known by its offsets alone.
    Offsets,
    /// It has, or had, members of the classic protocol.
    Classic(Arc<GroupMetadataValue>),
    /// It is a group of the consumer protocol.
    Consumer(Box<ConsumerGroup>),
}

/// What the log says of groups and offsets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hard {
    pub(crate) groups: BTreeMap<Str, StoredGroup>,
    pub(crate) offsets: OffsetStore,
}

/// What goes on in groups between the records, and how far sweeps over all groups are.
#[derive(Debug, Default)]
pub struct Soft {
    pub(crate) settings: Settings,
    /// Whether the members that the log knows were given their times.
    has_begun: bool,
    /// Groups that something happened to since the log was loaded; the others are as `Hard` has them.
    pub(crate) groups: BTreeMap<Str, Box<ClassicGroup>>,
    /// The group with which the sweep for expired offsets goes on.
    pub(crate) expiry_cursor: Option<Str>,
    /// Groups that were warned of offsets that expire soon.
    pub(crate) warned: BTreeSet<Str>,
    /// Deletions of groups that are not done, in order.
    pub(crate) deletions: VecDeque<Deletion>,
    pub(crate) topics: Topics,
    /// The metadata at which the topics of a group of the consumer protocol were last looked at.
    pub(crate) checked: BTreeMap<Str, i64>,
    /// How it stands with the regular expressions of groups.
    pub(crate) resolved: BTreeMap<Str, Resolved>,
    /// Members of the classic protocol, in groups of the consumer protocol, that were told to join again.
    pub(crate) rejoining: BTreeSet<(Str, Str)>,
    /// Topics whose offsets are still to go.
    pub(crate) deleted_topics: Vec<DeletedTopic>,
    /// The group with which the sweep for deleted topics goes on.
    pub(crate) deleted_topics_cursor: Option<Str>,
}

impl Soft {
    /// A group is none of the consumer protocol any more.
    pub(crate) fn forget_consumer_group(&mut self, group_id: &Str) {
        self.checked.remove(group_id);
        self.resolved.remove(group_id);
        self.rejoining.retain(|(each, _)| each != group_id);
    }

    /// What a decision needs that is about no single group.
    pub(crate) fn context<'a>(&'a self, now: Now, out: &'a mut Outcome<GroupCoordinator>) -> Context<'a> {
        Context { settings: &self.settings, now, out }
    }

    /// The live group of the classic protocol, if it exists, with what a decision needs besides.
    pub(crate) fn group<'a>(
        &'a mut self,
        hard: &Hard,
        group_id: &Str,
        now: Now,
        out: &'a mut Outcome<GroupCoordinator>,
    ) -> (Option<&'a mut ClassicGroup>, Context<'a>) {
        if !self.groups.contains_key(group_id)
            && let Some((group_id, stored)) = hard.groups.get_key_value(group_id)
            && let Some(group) = ClassicGroup::of(group_id, stored)
        {
            self.groups.insert(group_id.clone(), Box::new(group));
        }
        let context = Context { settings: &self.settings, now, out };
        (self.groups.get_mut(group_id).map(Box::as_mut), context)
    }
}

impl StateMachine for GroupCoordinator {
    type Hard = Hard;
    type Soft = Soft;
    type Event = Event;
    type Record = CoordinatorRecord;
    type Reply = Reply;
    type Effect = Effect;
    type Timer = Timer;

    fn decide(hard: &Hard, soft: &mut Soft, now: Now, event: Event, out: &mut Outcome<Self>) {
        match event {
            Event::Configure(settings) => configure(hard, soft, now, settings, out),
            Event::Metadata(image) => {
                soft.topics.update(image);
                if !core::mem::replace(&mut soft.has_begun, true) {
                    begin(hard, soft, now, out);
                }
            }
            Event::ConsumerGroupHeartbeat(ticket, request) => {
                let reply = consumer::heartbeat(hard, soft, now, request, out);
                out.reply(ticket, Reply::ConsumerGroupHeartbeat(reply));
            }
            Event::ConsumerGroupDescribe(ticket, group_ids) => {
                let reply = consumer::describe(hard, soft, group_ids);
                out.reply(ticket, Reply::ConsumerGroupDescribe(reply));
            }
            Event::JoinGroup(ticket, request) => {
                classic::join(hard, soft, now, ticket, request, out);
            }
            Event::SyncGroup(ticket, request) => {
                classic::sync(hard, soft, now, ticket, request, out);
            }
            Event::Heartbeat(ticket, request) => {
                let reply = classic::heartbeat(hard, soft, now, &request, out);
                out.reply(ticket, Reply::Heartbeat(reply));
            }
            Event::LeaveGroup(ticket, request) => {
                let reply = classic::leave(hard, soft, now, request, out);
                out.reply(ticket, Reply::LeaveGroup(reply));
            }
            Event::DescribeGroups(ticket, group_ids) => {
                let reply = classic::describe(hard, soft, group_ids);
                out.reply(ticket, Reply::DescribeGroups(reply));
            }
            Event::ListGroups(ticket, request) => {
                let reply = classic::list(hard, soft, &request);
                out.reply(ticket, Reply::ListGroups(reply));
            }
            Event::MeasureGroups(ticket) => {
                out.reply(ticket, Reply::MeasureGroups(groups::measure(hard, soft)));
            }
            Event::DeleteGroups(ticket, group_ids) => classic::delete(hard, soft, now, ticket, group_ids, out),
            Event::OffsetCommit(ticket, request) => {
                let reply = offsets::commit(hard, soft, now, request, out);
                out.reply(ticket, Reply::OffsetCommit(reply));
            }
            Event::OffsetFetch(ticket, request) => {
                let reply = offsets::fetch(hard, request);
                out.reply(ticket, Reply::OffsetFetch(reply));
            }
            Event::OffsetDelete(ticket, request) => {
                let reply = offsets::delete(hard, soft, now, request, out);
                out.reply(ticket, Reply::OffsetDelete(reply));
            }
            Event::TopicsDeleted(topics) => offsets::topics_deleted(hard, soft, now, topics, out),
            Event::Timeout(timer) => timed_out(hard, soft, now, timer, out),
        }
    }

    fn timeout(timer: Timer) -> Event {
        Event::Timeout(timer)
    }

    fn apply(hard: &mut Hard, offset: i64, record: &CoordinatorRecord) {
        match record {
            CoordinatorRecord::Group { group_id, value: Some(value) } => {
                hard.groups.insert(group_id.clone(), StoredGroup::Classic(Arc::clone(value)));
            }
            CoordinatorRecord::Group { group_id, value: None } => {
                hard.groups.remove(group_id);
            }
            CoordinatorRecord::Consumer { group_id, record } => apply_consumer(hard, group_id, record),
            CoordinatorRecord::Offset { group_id, topic, partition, value: Some(value), producer_id } => {
                // A group that commits without ever having joined is known by that.
                if !hard.groups.contains_key(group_id) {
                    hard.groups.insert(group_id.clone(), StoredGroup::Offsets);
                }
                let value = value.at(offset);
                hard.offsets.put(group_id, topic, *partition, value, *producer_id);
            }
            CoordinatorRecord::Offset { group_id, topic, partition, value: None, .. } => {
                hard.offsets.remove(group_id, topic, *partition)
            }
            CoordinatorRecord::TransactionEnd { producer_id, committed } => {
                hard.offsets.end_transaction(*producer_id, *committed)
            }
        }
    }
}

/// Gives the members that the log knows their times, now that the settings and the configs of groups are known.
fn begin(hard: &Hard, soft: &mut Soft, now: Now, out: &mut Outcome<GroupCoordinator>) {
    let mut context = soft.context(now, out);
    for (group_id, stored) in &hard.groups {
        match stored {
            StoredGroup::Offsets => {}
            StoredGroup::Classic(stored) => classic::loaded(group_id, stored, &mut context),
            StoredGroup::Consumer(group) => consumer::loaded(group_id, group, &soft.topics, &mut context),
        }
    }
    classic::resume_downgrades(hard, soft, now, out);
}

/// A tombstone of a group that is not there has done its work.
fn apply_consumer(hard: &mut Hard, group_id: &Str, record: &ConsumerGroupRecord) {
    if let Some(StoredGroup::Consumer(group)) = hard.groups.get_mut(group_id) {
        match record {
            ConsumerGroupRecord::Group(None) => {
                hard.groups.remove(group_id);
            }
            record => group.apply(record),
        }
    } else if !record.is_tombstone() {
        let mut group = ConsumerGroup::default();
        group.apply(record);
        hard.groups.insert(group_id.clone(), StoredGroup::Consumer(Box::new(group)));
    }
}

fn configure(hard: &Hard, soft: &mut Soft, now: Now, settings: Settings, out: &mut Outcome<GroupCoordinator>) {
    let shrunk = settings.group_max_size < soft.settings.group_max_size;
    soft.settings = settings;
    let interval_ms = soft.settings.offsets_retention_check_interval_ms;
    soft.context(now, out).set_timer(Timer::Expiry, interval_ms);
    if shrunk {
        classic::rebalance_oversized(hard, soft, now, out);
    }
}

fn timed_out(hard: &Hard, soft: &mut Soft, now: Now, timer: Timer, out: &mut Outcome<GroupCoordinator>) {
    match timer {
        Timer::Session { group_id, member_id } => {
            if !consumer::session_expired(hard, soft, now, &group_id, &member_id, out) {
                classic::session_expired(hard, soft, now, &group_id, &member_id, out);
            }
        }
        Timer::Rebalance { group_id, member_id } => {
            consumer::rebalance_timed_out(hard, soft, now, &group_id, &member_id, out)
        }
        Timer::ClassicJoin { group_id, member_id } | Timer::ClassicSync { group_id, member_id } => {
            consumer::classic_timed_out(hard, soft, now, &group_id, &member_id, out)
        }
        Timer::Regexes { group_id } => consumer::resolve_regexes(hard, soft, now, &group_id, out),
        Timer::Join { group_id } => classic::join_timed_out(hard, soft, now, &group_id, out),
        Timer::Sync { group_id } => classic::sync_timed_out(hard, soft, now, &group_id, out),
        Timer::Expiry => offsets::expire(hard, soft, now, out),
        Timer::DeleteGroups => classic::go_on_deleting(hard, soft, now, out),
        Timer::TopicsDeleted => offsets::topics_deleted(hard, soft, now, Vec::new(), out),
    }
}
