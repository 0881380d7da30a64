//! A classic group as it is between records: state, members, and who is waited for.

use super::member::{Member, Protocol};
use super::subscription::subscribed_topics;
use crate::Error;
use core::fmt;
use ottla_protocol::Str;
use ottla_state_machine::Ticket;
use std::collections::{BTreeMap, BTreeSet};

/// The protocol type of consumers, whose metadata the coordinator can read.
pub(crate) const CONSUMER_PROTOCOL_TYPE: &str = "consumer";

/// Where a group is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GroupState {
    /// No members; perhaps offsets.
    Empty,
    /// Members are asked to join the next generation.
    PreparingRebalance,
    /// The members are known; the leader's assignment is not.
    CompletingRebalance,
    /// Members have their assignments.
    Stable,
    /// There is no such group.
    Dead,
}

impl GroupState {
    /// Kafka's name of the state.
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
            Self::Dead => "Dead",
        }
    }
}

impl fmt::Display for GroupState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How much longer the first members of a group wait for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InitialDelay {
    pub(crate) delay_ms: i64,
    pub(crate) remaining_ms: i64,
}

/// A group.
#[derive(Clone, Debug)]
pub(crate) struct ClassicGroup {
    pub(crate) group_id: Str,
    pub(super) state: GroupState,
    pub(super) previous_state: GroupState,
    /// When the state began, in milliseconds since 1970; unknown in old records.
    pub(super) state_timestamp_ms: Option<i64>,
    pub(super) protocol_type: Option<Str>,
    pub(super) protocol_name: Option<Str>,
    pub(super) generation_id: i32,
    pub(super) leader_id: Option<Str>,
    /// Boxed, for a tree has room for eleven where most groups have few.
    members: BTreeMap<Str, Box<Member>>,
    /// Member ids by instance id.
    static_members: BTreeMap<Str, Str>,
    /// Ids handed out, whose members have yet to join with them.
    pending_join: BTreeSet<Str>,
    /// Members that have yet to ask for their assignment.
    pub(super) pending_sync: BTreeSet<Str>,
    /// Members that wait in a join.
    awaiting_join: usize,
    /// How many members know each protocol.
    supported_protocols: BTreeMap<Str, usize>,
    /// Topics the members consume, if that can be known.
    pub(super) subscribed_topics: Option<BTreeSet<Str>>,
    /// A member came during the initial delay.
    pub(super) new_member_added: bool,
    pub(super) initial_delay: Option<InitialDelay>,
}

impl ClassicGroup {
    /// A group without members that never had any.
    pub(crate) fn new(group_id: Str, state_timestamp_ms: Option<i64>) -> Self {
        Self {
            group_id,
            state: GroupState::Empty,
            previous_state: GroupState::Dead,
            state_timestamp_ms,
            protocol_type: None,
            protocol_name: None,
            generation_id: 0,
            leader_id: None,
            members: BTreeMap::new(),
            static_members: BTreeMap::new(),
            pending_join: BTreeSet::new(),
            pending_sync: BTreeSet::new(),
            awaiting_join: 0,
            supported_protocols: BTreeMap::new(),
            subscribed_topics: None,
            new_member_added: false,
            initial_delay: None,
        }
    }

    pub(crate) fn state(&self) -> GroupState {
        self.state
    }

    pub(crate) fn is(&self, state: GroupState) -> bool {
        self.state == state
    }

    pub(super) fn transition_to(&mut self, state: GroupState, now_ms: i64) {
        self.previous_state = self.state;
        self.state = state;
        self.state_timestamp_ms = Some(now_ms);
    }

    pub(crate) fn generation_id(&self) -> i32 {
        self.generation_id
    }

    pub(crate) fn state_timestamp_ms(&self) -> Option<i64> {
        self.state_timestamp_ms
    }

    pub(crate) fn has_protocol_type(&self) -> bool {
        self.protocol_type.is_some()
    }

    pub(crate) fn knows_subscribed_topics(&self) -> bool {
        self.subscribed_topics.is_some()
    }

    pub(crate) fn uses_consumer_protocol(&self) -> bool {
        self.protocol_type.as_ref().is_some_and(|t| *t == CONSUMER_PROTOCOL_TYPE)
    }

    /// Whether a member consumes the topic; a consumer group whose subscriptions cannot be read may consume any.
    pub(crate) fn is_subscribed_to(&self, topic: &Str) -> bool {
        match &self.subscribed_topics {
            Some(topics) => topics.contains(topic),
            None => self.uses_consumer_protocol(),
        }
    }

    pub(crate) fn member(&self, member_id: &Str) -> Option<&Member> {
        self.members.get(member_id).map(Box::as_ref)
    }

    pub(crate) fn members(&self) -> impl ExactSizeIterator<Item = &Member> {
        self.members.values().map(Box::as_ref)
    }

    pub(super) fn members_mut(&mut self) -> impl Iterator<Item = &mut Member> {
        self.members.values_mut().map(Box::as_mut)
    }

    pub(crate) fn is_leader(&self, member_id: &Str) -> bool {
        self.leader_id.as_ref() == Some(member_id)
    }

    pub(super) fn static_member_id(&self, group_instance_id: &Str) -> Option<&Str> {
        self.static_members.get(group_instance_id)
    }

    pub(super) fn is_pending(&self, member_id: &Str) -> bool {
        self.pending_join.contains(member_id)
    }

    pub(super) fn add_pending(&mut self, member_id: Str) {
        self.pending_join.insert(member_id);
    }

    pub(super) fn remove_pending(&mut self, member_id: &Str) -> bool {
        self.pending_join.remove(member_id)
    }

    pub(crate) fn pending(&self) -> &BTreeSet<Str> {
        &self.pending_join
    }

    pub(super) fn awaiting_join_count(&self) -> usize {
        self.awaiting_join
    }

    pub(super) fn has_all_members_joined(&self) -> bool {
        self.members.len() == self.awaiting_join && self.pending_join.is_empty()
    }

    /// The longest time any member wants to have for joining.
    pub(super) fn rebalance_timeout_ms(&self) -> i64 {
        let longest = self.members().map(|m| m.rebalance_timeout_ms).max();
        i64::from(longest.unwrap_or(0).max(0))
    }

    /// Who may speak for a member (KIP-345).
    pub(crate) fn validate_member(&self, member_id: &Str, group_instance_id: Option<&Str>) -> Result<(), Error> {
        if let Some(instance_id) = group_instance_id {
            match self.static_members.get(instance_id) {
                None => return Err(Error::UnknownMemberId),
                Some(id) if id != member_id => return Err(Error::FencedInstanceId),
                Some(_) => {}
            }
        }
        match self.members.contains_key(member_id) {
            true => Ok(()),
            false => Err(Error::UnknownMemberId),
        }
    }

    /// Whether a member with these protocols could be in the group.
    pub(super) fn supports_protocols(&self, protocol_type: &Str, protocols: &[Protocol]) -> bool {
        if self.is(GroupState::Empty) {
            return !protocol_type.is_empty() && !protocols.is_empty();
        }
        let everyone_knows =
            |p: &Protocol| self.supported_protocols.get(&p.name).copied().unwrap_or(0) == self.members.len();
        self.protocol_type.as_ref() == Some(protocol_type) && protocols.iter().any(everyone_knows)
    }

    /// The protocol most members vote for among those that all know; the first by name among equals.
    pub(super) fn select_protocol(&self) -> Option<Str> {
        let candidate = |name: &Str| self.supported_protocols.get(name).copied().unwrap_or(0) == self.members.len();
        let mut votes: BTreeMap<&Str, usize> = BTreeMap::new();
        for member in self.members() {
            if let Some(vote) = member.protocols.iter().find(|p| candidate(&p.name)) {
                *votes.entry(&vote.name).or_default() += 1;
            }
        }
        let most = votes.values().max()?;
        let (name, _) = votes.iter().find(|(_, count)| *count == most)?;
        Some((*name).clone())
    }

    /// Adds a member, who leads if nobody does.
    pub(super) fn add(&mut self, protocol_type: &Str, member: Member) {
        if self.members.is_empty() {
            self.protocol_type = Some(protocol_type.clone());
        }
        let member_id = member.member_id.clone();
        if let Some(instance_id) = &member.group_instance_id {
            self.static_members.insert(instance_id.clone(), member_id.clone());
        }
        self.leader_id.get_or_insert_with(|| member_id.clone());
        self.count_protocols(&member.protocols);
        self.awaiting_join += usize::from(member.is_awaiting_join());
        self.pending_join.remove(&member_id);
        // A record may name a member twice; the last counts.
        if let Some(other) = self.members.insert(member_id, Box::new(member)) {
            self.discount_protocols(&other.protocols);
        }
    }

    /// Takes a member out; the caller answers whom it left waiting. Another member leads if it did.
    pub(super) fn take(&mut self, member_id: &Str) -> Option<Member> {
        self.pending_join.remove(member_id);
        self.pending_sync.remove(member_id);
        let member = self.members.remove(member_id)?;
        self.discount_protocols(&member.protocols);
        self.awaiting_join -= usize::from(member.is_awaiting_join());
        if let Some(instance_id) = &member.group_instance_id {
            self.static_members.remove(instance_id);
        }
        if self.is_leader(member_id) {
            self.leader_id = self.members.keys().next().cloned();
        }
        Some(*member)
    }

    /// Gives a static member another id, and with it the old one's place (KIP-345).
    pub(super) fn rename(&mut self, old_member_id: &Str, new_member_id: &Str) {
        let Some(mut member) = self.members.remove(old_member_id) else {
            return;
        };
        member.member_id = new_member_id.clone();
        member.is_new = false;
        if let Some(instance_id) = &member.group_instance_id {
            self.static_members.insert(instance_id.clone(), new_member_id.clone());
        }
        if self.is_leader(old_member_id) {
            self.leader_id = Some(new_member_id.clone());
        }
        if self.pending_sync.remove(old_member_id) {
            self.pending_sync.insert(new_member_id.clone());
        }
        self.members.insert(new_member_id.clone(), member);
    }

    /// Takes over what a member says in a new join.
    pub(super) fn update(
        &mut self,
        member_id: &Str,
        protocols: Vec<Protocol>,
        rebalance_timeout_ms: i32,
        session_timeout_ms: i32,
    ) {
        let Some(member) = self.members.get_mut(member_id) else {
            return;
        };
        member.rebalance_timeout_ms = rebalance_timeout_ms;
        member.session_timeout_ms = session_timeout_ms;
        let old = core::mem::replace(&mut member.protocols, protocols.clone());
        self.discount_protocols(&old);
        self.count_protocols(&protocols);
    }

    /// Lets a caller wait for the next generation; returns the one who waited before.
    pub(super) fn await_join(&mut self, member_id: &Str, ticket: Ticket) -> Option<Ticket> {
        let member = self.members.get_mut(member_id)?;
        let before = member.awaiting_join.replace(ticket);
        self.awaiting_join += usize::from(before.is_none());
        before
    }

    /// Whoever waits in a join of the member no longer does.
    pub(super) fn take_join(&mut self, member_id: &Str) -> Option<Ticket> {
        let ticket = self.members.get_mut(member_id)?.awaiting_join.take();
        self.awaiting_join -= usize::from(ticket.is_some());
        ticket
    }

    /// Lets a caller wait for the assignment; returns the one who waited before.
    pub(super) fn await_sync(&mut self, member_id: &Str, ticket: Ticket) -> Option<Ticket> {
        self.members.get_mut(member_id)?.awaiting_sync.replace(ticket)
    }

    /// Whoever waits for the assignment of the member no longer does.
    pub(super) fn take_sync(&mut self, member_id: &Str) -> Option<Ticket> {
        self.members.get_mut(member_id)?.awaiting_sync.take()
    }

    /// If the leader has not joined, one who has becomes the leader; false if nobody has.
    pub(super) fn elect_joined_leader(&mut self) -> bool {
        let has_joined = |id: &Str| self.member(id).is_some_and(Member::is_awaiting_join);
        if self.leader_id.as_ref().is_some_and(has_joined) {
            return true;
        }
        let joined = self.members().find(|m| m.is_awaiting_join());
        match joined.map(|m| m.member_id.clone()) {
            Some(member_id) => {
                self.leader_id = Some(member_id);
                true
            }
            None => false,
        }
    }

    /// Begins a generation with the members there are.
    pub(super) fn init_next_generation(&mut self, now_ms: i64) {
        // A group that rebalances each second gets here after 68 years; 0 is as good as a new group.
        self.generation_id = self.generation_id.checked_add(1).unwrap_or(0);
        self.protocol_name = self.select_protocol();
        self.update_subscribed_topics();
        self.pending_sync.clear();
        let state = match self.members.is_empty() {
            true => GroupState::Empty,
            false => GroupState::CompletingRebalance,
        };
        self.transition_to(state, now_ms);
    }

    pub(super) fn update_subscribed_topics(&mut self) {
        self.subscribed_topics = match self.uses_consumer_protocol() {
            true => subscribed_topics(self),
            false => None,
        };
    }

    fn count_protocols(&mut self, protocols: &[Protocol]) {
        for protocol in protocols {
            *self.supported_protocols.entry(protocol.name.clone()).or_default() += 1;
        }
    }

    fn discount_protocols(&mut self, protocols: &[Protocol]) {
        for protocol in protocols {
            if let Some(count) = self.supported_protocols.get_mut(&protocol.name) {
                *count -= 1;
                if *count == 0 {
                    self.supported_protocols.remove(&protocol.name);
                }
            }
        }
    }
}
