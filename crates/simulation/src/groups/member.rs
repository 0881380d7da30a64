//! A member: what it knows, and what it asks for next.

use super::check::History;
use super::coordinator::Offsets;
use super::message::{Caller, Message, Request};
use super::topics::{Part, Topics, from_assignment, id, name, number_of};
use crate::Violation;
use crate::random::Random;
use ottla_coordinator::{
    CommitPartition, CommitTopic, CommittedTopic, Error, FetchTopic, FetchedTopic, OffsetCommit, OffsetFetch, Reply,
};
use ottla_protocol::Str;
use std::collections::{BTreeMap, BTreeSet};

/// How long most requests are waited for.
const PATIENCE_MS: u64 = 4_000;
/// How long a join and a sync are, which are answered when the others have come.
const LONG_PATIENCE_MS: u64 = 25_000;
pub(super) const HEARTBEAT_MS: u64 = 1_000;

/// Where a member of the classic protocol is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Join,
    Sync,
    Live,
}

/// What it waits for.
#[derive(Clone, Debug)]
enum Asked {
    Membership,
    Commit(BTreeMap<Part, i64>),
    /// With what was acknowledged before.
    Fetch(Offsets),
}

/// One process that is a member of a group.
#[derive(Debug)]
pub(crate) struct Member {
    pub(super) number: usize,
    pub(super) group: Str,
    pub(super) is_classic: bool,
    /// Its name over restarts.
    pub(super) instance: Option<Str>,
    /// The topics it reads.
    pub(super) reads: BTreeSet<usize>,
    /// The same as it said when it joined, in the classic protocol.
    said: BTreeSet<usize>,
    pub(crate) id: Str,
    /// The generation, or the member epoch; 0 outside.
    pub(crate) epoch: i32,
    life: u64,
    pub(super) next: Next,
    pub(crate) owned: BTreeSet<Part>,
    /// What it was told to own, while it has not come to that.
    told: Option<BTreeSet<Part>>,
    /// How far it is.
    pub(crate) positions: BTreeMap<Part, i64>,
    /// Whether it goes on and commits by itself; else that is done for it, in transactions.
    pub(crate) commits: bool,
    /// Whether it is further than it has tried to commit.
    is_ahead: bool,
    /// What is to be said with the next heartbeat of the consumer protocol: all, or what it owns.
    pub(super) says_all: bool,
    pub(super) says_owned: bool,
    /// Whom it assigns to and what they read, as the leader of a classic group.
    pub(super) members: Vec<(Str, BTreeSet<usize>)>,
    pub(super) may_assign: bool,
    /// The topics as they were when it assigned, as long as it is the leader.
    pub(super) assigned: Option<Topics>,
    /// The same of when it last did; it outlives the process of a static member.
    pub(super) assigned_last: Option<Topics>,
    asked: Option<(u64, u64, Asked)>,
    attempts: u64,
    /// It does nothing before.
    not_before_ms: u64,
    heartbeat_ms: u64,
    commit_ms: u64,
    pub(super) paused_until_ms: Option<u64>,
    pub(crate) is_dead: bool,
    pub(crate) out: Vec<Message>,
}

impl Member {
    pub(crate) fn new(
        number: usize,
        group: Str,
        is_classic: bool,
        instance: Option<Str>,
        reads: BTreeSet<usize>,
    ) -> Self {
        // Members of the consumer protocol choose their ids.
        let id = if is_classic { Str::default() } else { Str::from(format!("m-{number}").as_str()) };
        Self {
            number,
            group,
            is_classic,
            instance,
            said: reads.clone(),
            reads,
            id,
            epoch: 0,
            life: 0,
            next: Next::Join,
            owned: BTreeSet::new(),
            told: None,
            positions: BTreeMap::new(),
            commits: true,
            is_ahead: false,
            says_all: true,
            says_owned: true,
            members: Vec::new(),
            may_assign: false,
            assigned: None,
            assigned_last: None,
            asked: None,
            attempts: 0,
            not_before_ms: 0,
            heartbeat_ms: 0,
            commit_ms: 0,
            paused_until_ms: None,
            is_dead: false,
            out: Vec::new(),
        }
    }

    /// What it is called where partitions are counted: who comes back under a name has what that had.
    fn owner(&self) -> Str {
        self.instance.clone().unwrap_or_else(|| Str::from(self.number.to_string().as_str()))
    }

    pub(crate) fn is_in(&self) -> bool {
        self.epoch > 0 && (!self.is_classic || self.next == Next::Live)
    }

    /// It is out: nothing is its own any more.
    pub(super) fn begin_anew(&mut self) {
        self.next = Next::Join;
        self.epoch = 0;
        self.owned.clear();
        self.told = None;
        self.positions.clear();
        self.is_ahead = false;
        (self.says_all, self.says_owned) = (true, true);
        self.assigned = None;
    }

    /// It reads other topics from now on.
    pub(super) fn changes_to(&mut self, reads: BTreeSet<usize>) {
        self.reads = reads;
        self.says_all = true;
    }

    pub(crate) fn tick(&mut self, now_ms: u64, random: &mut Random, topics: &Topics, acknowledged: &Offsets) {
        if self.is_dead || self.paused_until_ms.is_some_and(|at| at > now_ms) {
            return;
        }
        self.paused_until_ms = None;
        if self.asked.take_if(|(_, until_ms, _)| *until_ms <= now_ms).is_some() {
            self.was_not_answered();
        }
        if self.asked.is_some() || now_ms < self.not_before_ms {
            return;
        }
        let has_news = self.is_classic && self.reads != self.said;
        let must_assign = self.assigned.as_ref().is_some_and(|assigned| assigned != topics);
        if self.next == Next::Live && (has_news || must_assign) {
            self.next = Next::Join;
        }
        // What is given away is committed before.
        if self.gives_away() && self.is_ahead {
            return self.commit(now_ms);
        }
        if let Some(told) = self.told.take() {
            self.owned = told;
            self.positions.retain(|part, _| self.owned.contains(part));
            self.says_owned = true;
        }
        if !self.is_in() || self.says_owned || now_ms >= self.heartbeat_ms {
            self.heartbeat_ms = now_ms + HEARTBEAT_MS;
            self.live(now_ms, topics);
        } else if self.owned.iter().any(|part| !self.positions.contains_key(part)) {
            self.fetch(now_ms, acknowledged);
        } else if self.commits && now_ms >= self.commit_ms && !self.owned.is_empty() {
            self.commit_ms = now_ms + random.between(100, 3_000);
            self.positions.values_mut().for_each(|position| *position += i64::try_from(random.below(5)).unwrap_or(0));
            self.is_ahead = true;
            if random.permille(700) {
                self.commit(now_ms);
            }
        }
    }

    /// It says all again. A sync is not said twice, as the assignment in it could be another: consumers join anew.
    fn was_not_answered(&mut self) {
        (self.says_all, self.says_owned) = (true, true);
        if self.next == Next::Sync {
            self.next = Next::Join;
        }
    }

    fn gives_away(&self) -> bool {
        match &self.told {
            Some(told) => self.owned.iter().any(|part| !told.contains(part)),
            None => self.is_classic && self.next == Next::Join && self.epoch > 0,
        }
    }

    /// Goes a step on in its group, or says that it lives.
    fn live(&mut self, now_ms: u64, topics: &Topics) {
        let (patience_ms, request) = match (self.is_classic, self.next) {
            (false, _) => (PATIENCE_MS, self.consumer_heartbeat()),
            (true, Next::Join) => {
                // An eager consumer gives up all before it joins.
                self.owned.clear();
                self.positions.clear();
                self.said.clone_from(&self.reads);
                (LONG_PATIENCE_MS, self.join())
            }
            (true, Next::Sync) => (LONG_PATIENCE_MS, self.sync(topics)),
            (true, Next::Live) => (PATIENCE_MS, self.heartbeat()),
        };
        (self.says_all, self.says_owned) = (false, false);
        self.ask(now_ms, patience_ms, Asked::Membership, request);
    }

    fn ask(&mut self, now_ms: u64, patience_ms: u64, asked: Asked, request: Request) {
        self.attempts += 1;
        self.asked = Some((self.attempts, now_ms + patience_ms, asked));
        self.say(request);
    }

    pub(super) fn say(&mut self, request: Request) {
        let caller = Caller { member: self.number, attempt: self.attempts };
        self.out.push(Message::Asked(caller, request));
    }

    fn commit(&mut self, now_ms: u64) {
        self.is_ahead = false;
        let request = OffsetCommit {
            group_id: self.group.clone(),
            member_id: self.id.clone(),
            group_instance_id: self.instance.clone(),
            generation_id: self.epoch,
            supports_member_epochs: true,
            topics: to_commit(&self.positions, None),
            ..OffsetCommit::default()
        };
        self.ask(now_ms, PATIENCE_MS, Asked::Commit(self.positions.clone()), Request::Commit(request));
    }

    /// Asks from where to go on with what it has no position in; of the rest a late answer would be of yesterday.
    fn fetch(&mut self, now_ms: u64, acknowledged: &Offsets) {
        let missing = self.owned.iter().filter(|part| !self.positions.contains_key(*part)).copied().collect();
        let request = OffsetFetch {
            group_id: self.group.clone(),
            member_id: Some(self.id.clone()).filter(|_| !self.is_classic),
            member_epoch: if self.is_classic { -1 } else { self.epoch },
            topics: Some(to_fetch(&missing)),
            require_stable: true,
        };
        self.ask(now_ms, PATIENCE_MS, Asked::Fetch(acknowledged.clone()), Request::Fetch(request));
    }

    /// Takes an answer in; one that it does not wait for any more changes nothing.
    pub(crate) fn take(
        &mut self,
        now_ms: u64,
        (attempt, reply, life): (u64, Option<Reply>, u64),
        history: &mut History,
        committed: &Offsets,
    ) -> Result<(), Violation> {
        let Some((_, _, asked)) = self.asked.take_if(|(asked, ..)| *asked == attempt) else { return Ok(()) };
        match (asked, reply) {
            (_, None) => {
                self.not_before_ms = now_ms + 100;
                self.was_not_answered();
                Ok(())
            }
            (Asked::Commit(told), Some(Reply::OffsetCommit(Ok(topics)))) => {
                let done = committed_parts(&topics);
                let told = told.into_iter().filter(|(part, _)| done.contains(part));
                history.acknowledge(&self.group, told, committed)
            }
            (Asked::Fetch(before), Some(Reply::OffsetFetch(Ok(topics)))) => self.fetched(&before, &topics),
            // It learns with its next heartbeat where it stands.
            (Asked::Commit(_) | Asked::Fetch(_), _) => {
                history.refusals += 1;
                self.not_before_ms = now_ms + 50;
                Ok(())
            }
            (Asked::Membership, Some(reply)) => {
                self.life = life;
                if self.answered(reply) {
                    return self.claim(history);
                }
                history.refusals += 1;
                self.not_before_ms = now_ms + 200;
                Ok(())
            }
        }
    }

    /// What it has from now on by what it was told.
    fn claim(&self, history: &mut History) -> Result<(), Violation> {
        if !self.is_in() {
            return Ok(());
        }
        let parts: BTreeSet<Part> = self.told.iter().flatten().chain(&self.owned).copied().collect();
        history.owns(&self.owner(), (&self.group, self.life, self.epoch), parts)
    }

    fn fetched(&mut self, before: &Offsets, topics: &[FetchedTopic]) -> Result<(), Violation> {
        for topic in topics {
            let Some(number) = number_of(|it| name(it) == topic.name) else { continue };
            for partition in topic.partitions.iter().filter(|it| it.error.is_none()) {
                let part = (number, partition.partition_index);
                let offset = partition.committed_offset.max(0);
                let acknowledged = before.get(&(self.group.clone(), part)).copied().unwrap_or(0);
                if offset < acknowledged {
                    let seen = format!("{part:?} of {}: {offset} was fetched, {acknowledged} acknowledged", self.group);
                    return Err(super::check::violation("what is acknowledged is fetched", seen));
                }
                if self.owned.contains(&part) {
                    self.positions.entry(part).or_insert(offset);
                }
            }
        }
        Ok(())
    }

    /// Takes in what it was told of its membership; false if it was refused.
    fn answered(&mut self, reply: Reply) -> bool {
        match reply {
            Reply::ConsumerGroupHeartbeat(Ok(answer)) => {
                self.epoch = answer.member_epoch;
                if let Some(told) = answer.assignment {
                    self.told = Some(from_assignment(&told)).filter(|told| *told != self.owned);
                }
                true
            }
            Reply::ConsumerGroupHeartbeat(Err(refused)) => {
                self.is_dead |= refused.error == Error::FencedInstanceId;
                self.begin_anew();
                false
            }
            reply => self.answered_classic(reply),
        }
    }
}

/// Offsets, as they are committed.
pub(crate) fn to_commit(offsets: &BTreeMap<Part, i64>, metadata: Option<&Str>) -> Vec<CommitTopic> {
    let topic = |((topic, partition), offset): (&Part, &i64)| CommitTopic {
        topic_id: id(*topic),
        name: name(*topic),
        partitions: vec![CommitPartition {
            partition_index: *partition,
            committed_offset: *offset,
            committed_leader_epoch: -1,
            committed_metadata: metadata.cloned(),
        }],
    };
    offsets.iter().map(topic).collect()
}

/// Partitions, as their offsets are asked for.
pub(crate) fn to_fetch(parts: &BTreeSet<Part>) -> Vec<FetchTopic> {
    let topic = |(topic, partition): &Part| FetchTopic {
        topic_id: id(*topic),
        name: name(*topic),
        partition_indexes: vec![*partition],
    };
    parts.iter().map(topic).collect()
}

fn committed_parts(topics: &[CommittedTopic]) -> BTreeSet<Part> {
    let of = |topic: &CommittedTopic| {
        let number = number_of(|it| name(it) == topic.name);
        let done = topic.partitions.iter().filter(|partition| partition.result.is_ok());
        done.filter_map(|partition| Some((number?, partition.partition_index))).collect::<Vec<_>>()
    };
    topics.iter().flat_map(of).collect()
}
