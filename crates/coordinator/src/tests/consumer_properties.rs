//! What holds whatever members of both protocols do: no partition has two owners, no acknowledged commit is lost or goes
//! back, and in the end each partition has one owner.

use super::command::{subscription_of, topic_id, topics_image};
use super::world::World;
use crate::*;
use ottla_protocol::codec::Decoder;
use ottla_protocol::stored::ConsumerProtocolAssignment;
use ottla_protocol::{Bytes, Message, Str};
use ottla_state_machine::Ticket;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const GROUP: &str = "g";
const CLIENTS: usize = 4;
/// Rounds of all clients within which a group that nothing happens to must have come to rest.
const ROUNDS: usize = 60;

#[derive(Clone, Debug)]
enum Step {
    /// The client does what it does next; its answer may be lost.
    Act {
        client: usize,
        is_lost: bool,
    },
    /// The client reads some of what it owns, and commits how far it is.
    Commit {
        client: usize,
        read: i64,
        fate: Fate,
    },
    /// Commits that were under way for long arrive, if others have some of what is committed by now.
    Deliver,
    /// The client dies, and another begins in its place.
    Restart {
        client: usize,
        is_classic: bool,
        says_goodbye: bool,
    },
    Subscribe {
        client: usize,
        both: bool,
    },
    Topics {
        partitions: i32,
        both: bool,
    },
    Wait {
        ms: u64,
    },
    Hold,
    CommitAll,
    FailOver,
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![6 => Just(Fate::Answered), 1 => Just(Fate::AnswerLost), 4 => Just(Fate::Late)]
}

fn step() -> impl Strategy<Value = Step> {
    let client = 0..CLIENTS;
    prop_oneof![
        60 => (client.clone(), prop::bool::weighted(0.1)).prop_map(|(client, is_lost)| Step::Act { client, is_lost }),
        10 => (client.clone(), 0..5_i64, fate()).prop_map(|(client, read, fate)| Step::Commit { client, read, fate }),
        2 => Just(Step::Deliver),
        3 => (client.clone(), any::<bool>(), any::<bool>())
            .prop_map(|(client, is_classic, says_goodbye)| Step::Restart { client, is_classic, says_goodbye }),
        2 => (client, any::<bool>()).prop_map(|(client, both)| Step::Subscribe { client, both }),
        1 => (1..5, any::<bool>()).prop_map(|(partitions, both)| Step::Topics { partitions, both }),
        10 => prop_oneof![6 => Just(100), 6 => Just(1_000), 3 => Just(3_000), 1 => Just(11_000), 1 => Just(50_000)]
            .prop_map(|ms| Step::Wait { ms }),
        1 => Just(Step::Hold),
        2 => Just(Step::CommitAll),
        1 => Just(Step::FailOver),
    ]
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Answered,
    AnswerLost,
    /// It arrives when its sender has given it up.
    Late,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Next {
    Join,
    Sync,
    Heartbeat,
}

type Positions = BTreeMap<(ottla_protocol::Uuid, i32), i64>;

/// A consumer, as it sees itself.
#[derive(Clone, Debug)]
struct Client {
    is_classic: bool,
    reads_both: bool,
    next: Next,
    member_id: Str,
    /// The member epoch, or the generation.
    epoch: i32,
    owned: Assignment,
    /// How far it is in what it owns.
    positions: Positions,
    /// What it waits to be told is committed.
    committing: Positions,
    /// Whether it has said since that it owns no more than that.
    has_changed: bool,
    /// Whom it has to assign to, as the leader of a classic group.
    members: Vec<Str>,
    waits_for: Option<(u64, bool)>,
    /// How often it began anew.
    lives: u32,
}

impl Client {
    fn new(is_classic: bool, member_id: Str) -> Self {
        Self {
            is_classic,
            reads_both: false,
            next: Next::Join,
            member_id,
            epoch: 0,
            owned: Assignment::new(),
            positions: Positions::new(),
            committing: Positions::new(),
            has_changed: true,
            members: Vec::new(),
            waits_for: None,
            lives: 0,
        }
    }

    fn topics(&self) -> Vec<Str> {
        if self.reads_both { vec![Str::from("a"), Str::from("b")] } else { vec![Str::from("a")] }
    }

    /// It is out: nothing is its own any more.
    fn begin_anew(&mut self) {
        self.next = Next::Join;
        self.epoch = 0;
        self.owned.clear();
        self.has_changed = true;
        self.lives += 1;
    }
}

struct Test {
    world: World,
    clients: Vec<Client>,
    next_ticket: u64,
    topics: (i32, bool),
    /// The furthest that a client was told is committed.
    acknowledged: Positions,
    /// Commits under way, each with the life of its sender. One that begins anew keeps its id, and a group that was
    /// empty meanwhile may count from one again, as in Kafka: then nothing tells the old commit from a new one.
    late: Vec<(u32, OffsetCommit)>,
}

impl Test {
    fn new(are_classic: [bool; CLIENTS]) -> Self {
        let clients = are_classic.iter().map(|is_classic| Client::new(*is_classic, Str::default())).collect();
        let acknowledged = Positions::new();
        let mut test =
            Self { world: World::new(), clients, next_ticket: 0, topics: (3, true), acknowledged, late: Vec::new() };
        test.set_topics();
        for (n, is_classic) in are_classic.into_iter().enumerate() {
            test.restart(n, is_classic);
        }
        test
    }

    fn set_topics(&mut self) {
        let (partitions, both) = self.topics;
        let mut topics = vec![("a", partitions)];
        if both {
            topics.push(("b", 2));
        }
        topics_image(&mut self.world, &topics);
    }

    fn restart(&mut self, client: usize, is_classic: bool) {
        let ticket = self.next_ticket;
        let member_id = if is_classic { Str::default() } else { Str::from(format!("m-{client}-{ticket}")) };
        self.clients[client] = Client::new(is_classic, member_id);
    }

    fn ask(&mut self, client: Option<(usize, bool)>, event: impl FnOnce(Ticket) -> Event) {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        if let Some((client, is_lost)) = client {
            self.clients[client].waits_for = Some((ticket, is_lost));
        }
        self.world.ask(ticket, event(Ticket(ticket)));
        self.hear();
    }

    fn act(&mut self, n: usize, is_lost: bool) {
        let client = self.clients[n].clone();
        if client.waits_for.is_some() {
            return;
        }
        let to = Some((n, is_lost));
        match (client.is_classic, client.next) {
            (false, _) => {
                let request = self.consumer_heartbeat(&client);
                self.clients[n].has_changed = false;
                self.ask(to, |ticket| Event::ConsumerGroupHeartbeat(ticket, request));
            }
            (true, Next::Join) => {
                // An eager consumer gives up all before it joins.
                self.clients[n].owned.clear();
                let request = self.join(&client);
                self.ask(to, |ticket| Event::JoinGroup(ticket, request));
            }
            (true, Next::Sync) => {
                let request = self.sync(&client);
                self.ask(to, |ticket| Event::SyncGroup(ticket, request));
            }
            (true, Next::Heartbeat) => {
                let request = Heartbeat {
                    group_id: Str::from(GROUP),
                    generation_id: client.epoch,
                    member_id: client.member_id,
                    group_instance_id: None,
                };
                self.ask(to, |ticket| Event::Heartbeat(ticket, request));
            }
        }
    }

    fn commit(&mut self, n: usize, read: i64, fate: Fate) {
        self.look_up_positions(n);
        let client = &mut self.clients[n];
        if client.waits_for.is_some() || client.positions.is_empty() {
            return;
        }
        client.positions.values_mut().for_each(|position| *position += read);
        client.committing = client.positions.clone();
        let topic = |((topic_id, partition), position): (&(ottla_protocol::Uuid, i32), &i64)| CommitTopic {
            topic_id: *topic_id,
            name: name_of(*topic_id),
            partitions: vec![CommitPartition {
                partition_index: *partition,
                committed_offset: *position,
                ..CommitPartition::default()
            }],
        };
        let request = OffsetCommit {
            group_id: Str::from(GROUP),
            member_id: client.member_id.clone(),
            generation_id: client.epoch,
            supports_member_epochs: true,
            topics: client.committing.iter().map(topic).collect(),
            ..OffsetCommit::default()
        };
        match fate {
            Fate::Late => self.late.push((self.clients[n].lives, request)),
            _ => self.ask(Some((n, fate == Fate::AnswerLost)), |ticket| Event::OffsetCommit(ticket, request)),
        }
    }

    /// A commit that comes when others own some of what it is about changes nothing; unless its sender, that gives away
    /// twice in a row, is still in the epoch that it was in, which is all that counts, as in Kafka.
    fn deliver(&mut self) {
        let current: Vec<Client> = self.clients.clone().into_iter().filter(|client| self.is_current(client)).collect();
        let is_others = |at: &(ottla_protocol::Uuid, i32), sender: &Str| {
            current.iter().any(|client| client.member_id != *sender && pairs(&client.owned).contains(at))
        };
        let is_same = |client: &Client, life: u32, id: &Str| client.member_id != *id || client.lives == life;
        let mut late = core::mem::take(&mut self.late);
        late.retain(|(life, request)| self.clients.iter().all(|client| is_same(client, *life, &request.member_id)));
        let hard = self.world.shard.hard();
        let is_due = |(_, request): &(u32, OffsetCommit)| {
            let stands = match hard.groups.get(&request.group_id) {
                Some(crate::machine::StoredGroup::Consumer(group)) => {
                    group.members.get(&request.member_id).is_some_and(|member| member.epoch() == request.generation_id)
                }
                _ => false,
            };
            !stands && partitions_of(request).iter().any(|at| is_others(at, &request.member_id))
        };
        let (due, late) = late.into_iter().partition(is_due);
        self.late = late;
        for (_, request) in due {
            let at = partitions_of(&request);
            let all = |hard: &Hard| -> Vec<i64> { at.iter().map(|at| committed(hard, *at)).collect() };
            let before = all(self.world.shard.hard());
            self.ask(None, |ticket| Event::OffsetCommit(ticket, request));
            assert_eq!(all(self.world.shard.hard()), before, "a late commit counts: {:#?}", self.clients);
        }
    }

    /// A client begins where the one before it committed.
    fn look_up_positions(&mut self, n: usize) {
        let owned: BTreeSet<_> = pairs(&self.clients[n].owned).into_iter().collect();
        let committed = |at: &(ottla_protocol::Uuid, i32)| committed(self.world.shard.hard(), *at);
        let begun: Positions = owned.iter().map(|at| (*at, committed(at))).collect();
        let positions = &mut self.clients[n].positions;
        positions.retain(|at, _| owned.contains(at));
        for (at, position) in begun {
            positions.entry(at).or_insert(position);
        }
    }

    fn consumer_heartbeat(&self, client: &Client) -> ConsumerHeartbeat {
        let joins = client.epoch == 0;
        ConsumerHeartbeat {
            group_id: Str::from(GROUP),
            member_id: client.member_id.clone(),
            member_epoch: client.epoch,
            client_id: Str::from("c"),
            client_host: Str::from("/h"),
            rebalance_timeout_ms: if joins { 20_000 } else { -1 },
            subscribed_topic_names: Some(client.topics()),
            topic_partitions: (joins || client.has_changed).then(|| client.owned.clone()),
            ..ConsumerHeartbeat::default()
        }
    }

    fn join(&self, client: &Client) -> JoinGroup {
        JoinGroup {
            group_id: Str::from(GROUP),
            member_id: client.member_id.clone(),
            client_id: Str::from("c"),
            client_host: Str::from("/h"),
            member_id_suffix: Str::from(self.next_ticket.to_string()),
            session_timeout_ms: 10_000,
            rebalance_timeout_ms: 20_000,
            protocol_type: Str::from("consumer"),
            protocols: vec![Protocol { name: Str::from("range"), metadata: subscription_of(client.topics()) }],
            require_known_member_id: true,
            ..JoinGroup::default()
        }
    }

    fn sync(&self, client: &Client) -> SyncGroup {
        let assignments = client.members.iter().enumerate().map(|(n, member_id)| GroupAssignment {
            member_id: member_id.clone(),
            assignment: self.share(n, &client.members),
        });
        SyncGroup {
            group_id: Str::from(GROUP),
            member_id: client.member_id.clone(),
            generation_id: client.epoch,
            assignments: assignments.collect(),
            ..SyncGroup::default()
        }
    }

    /// What the n-th of so many members of a classic group is given by its leader.
    fn share(&self, n: usize, members: &[Str]) -> Bytes {
        let is_member = |client: &&Client| members.contains(&client.member_id);
        let read: BTreeSet<Str> = self.clients.iter().filter(is_member).flat_map(Client::topics).collect();
        let all = self.partitions().into_iter().filter(|(name, _)| read.contains(&Str::from(*name)));
        let mut assigned = ConsumerProtocolAssignment::default();
        for (name, partition) in all.skip(n).step_by(members.len()) {
            assigned.assigned_partitions.push(ottla_protocol::stored::consumer_protocol_assignment::TopicPartition {
                topic: Str::from(name),
                partitions: vec![partition],
            });
        }
        assigned.to_versioned_bytes(0).unwrap()
    }

    fn partitions(&self) -> Vec<(&'static str, i32)> {
        let a = (0..self.topics.0).map(|p| ("a", p));
        let b = (0..2).map(|p| ("b", p)).filter(|_| self.topics.1);
        a.chain(b).collect()
    }

    /// Gives the answers there are to those who wait for them.
    fn hear(&mut self) {
        for (ticket, reply) in core::mem::take(&mut self.world.replies) {
            let waits = |client: &Client| client.waits_for.is_some_and(|(waits_for, _)| waits_for == ticket);
            let Some(n) = self.clients.iter().position(waits) else { continue };
            let is_lost = self.clients[n].waits_for.take().is_some_and(|(_, is_lost)| is_lost);
            if is_lost {
                self.clients[n].has_changed = true;
            } else {
                self.answered(n, reply);
                // What it has no more it is nowhere in; what is new to it was committed by others until now.
                self.look_up_positions(n);
            }
        }
        self.check_owners();
        self.check_commits();
    }

    fn answered(&mut self, n: usize, reply: Reply) {
        let client = &mut self.clients[n];
        match reply {
            Reply::OffsetCommit(Ok(topics)) => {
                let done = topics.iter().flat_map(|topic| topic.partitions.iter().map(|p| (topic.topic_id, p)));
                let done = done.filter(|(_, partition)| partition.result.is_ok());
                let done: Vec<_> = done.map(|(topic_id, p)| (topic_id, p.partition_index)).collect();
                for at in done {
                    let told = client.committing[&at];
                    let furthest = self.acknowledged.entry(at).or_insert(told);
                    *furthest = told.max(*furthest);
                }
            }
            // It learns with its next heartbeat where it stands.
            Reply::OffsetCommit(Err(_)) => {}
            Reply::ConsumerGroupHeartbeat(Ok(answer)) => {
                client.epoch = answer.member_epoch;
                if let Some(assignment) = answer.assignment {
                    client.has_changed |= client.owned != assignment;
                    client.owned = assignment;
                }
            }
            Reply::ConsumerGroupHeartbeat(Err(_)) => client.begin_anew(),
            Reply::JoinGroup(Ok(joined)) => {
                client.member_id = joined.member_id;
                client.epoch = joined.generation_id;
                client.members = joined.members.into_iter().map(|member| member.member_id).collect();
                client.next = Next::Sync;
            }
            Reply::JoinGroup(Err(refused)) => {
                client.begin_anew();
                client.member_id = match refused.error {
                    Error::MemberIdRequired => refused.member_id,
                    // As Java's clients: the id they have is still theirs.
                    Error::RebalanceInProgress => client.member_id.clone(),
                    _ => Str::default(),
                };
            }
            Reply::SyncGroup(Ok(synced)) => {
                client.owned = read(&synced.assignment);
                client.next = Next::Heartbeat;
            }
            Reply::Heartbeat(Ok(())) => {}
            Reply::SyncGroup(Err(error)) | Reply::Heartbeat(Err(error)) => {
                client.next = Next::Join;
                if error != Error::RebalanceInProgress {
                    client.begin_anew();
                    client.member_id = Str::default();
                }
            }
            Reply::LeaveGroup(_) => {}
            other => panic!("{other:?}"),
        }
    }

    /// Whether the coordinator takes the client for a member that has heard of what it knows itself.
    fn is_current(&self, client: &Client) -> bool {
        let group_id = Str::from(GROUP);
        let hard = self.world.shard.hard();
        match hard.groups.get(&group_id) {
            Some(crate::machine::StoredGroup::Consumer(group)) => {
                group.members.get(&client.member_id).is_some_and(|member| client.epoch <= member.epoch())
            }
            Some(crate::machine::StoredGroup::Classic(group)) => {
                let is_member = group.members.iter().any(|member| member.member_id == client.member_id);
                is_member && group.generation == client.epoch
            }
            _ => false,
        }
    }

    fn check_commits(&self) {
        for (at, acknowledged) in &self.acknowledged {
            let committed = committed(self.world.shard.hard(), *at);
            assert!(
                committed >= *acknowledged,
                "{at:?} went from {acknowledged} back to {committed}: {:#?}",
                self.clients
            );
        }
    }

    fn check_owners(&mut self) {
        // What is not committed may be undone, and nobody has heard of it.
        if !self.world.commits_at_once {
            return;
        }
        let mut owners: BTreeMap<(ottla_protocol::Uuid, i32), usize> = BTreeMap::new();
        for n in 0..CLIENTS {
            let client = self.clients[n].clone();
            if !self.is_current(&client) {
                continue;
            }
            for (topic, partition) in client.owned.iter().flat_map(|(t, ps)| ps.iter().map(|p| (*t, *p))) {
                let before = owners.insert((topic, partition), n);
                assert_eq!(before, None, "{topic}-{partition} has two owners: {:#?}", self.clients);
            }
        }
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Act { client, is_lost } => self.act(client, is_lost),
            Step::Commit { client, read, fate } => self.commit(client, read, fate),
            Step::Deliver => self.deliver(),
            Step::Restart { client, is_classic, says_goodbye } => {
                let dies = self.clients[client].clone();
                if says_goodbye {
                    self.say_goodbye(&dies);
                }
                self.restart(client, is_classic);
            }
            Step::Subscribe { client, both } => {
                self.clients[client].reads_both = both;
                if self.clients[client].is_classic && self.clients[client].waits_for.is_none() {
                    self.clients[client].next = Next::Join;
                }
            }
            Step::Topics { partitions, both } => {
                self.topics = (self.topics.0.max(partitions), self.topics.1 || both);
                self.set_topics();
            }
            Step::Wait { ms } => self.world.wait(ms),
            Step::Hold => self.world.commits_at_once = false,
            Step::CommitAll => self.commit_all(),
            Step::FailOver => {
                let lost = self.world.fail_over();
                for client in &mut self.clients {
                    if client.waits_for.is_some_and(|(ticket, _)| lost.contains(&ticket)) {
                        client.waits_for = None;
                        client.has_changed = true;
                    }
                }
            }
        }
        self.hear();
    }

    fn commit_all(&mut self) {
        self.world.commits_at_once = true;
        let end = self.world.log.len();
        self.world.commit(end);
    }

    fn say_goodbye(&mut self, client: &Client) {
        let (group_id, member_id) = (Str::from(GROUP), client.member_id.clone());
        if client.is_classic {
            let members = vec![LeavingMember { member_id, ..LeavingMember::default() }];
            self.ask(None, |ticket| Event::LeaveGroup(ticket, LeaveGroup { group_id, members }));
        } else {
            let request = ConsumerHeartbeat { group_id, member_id, member_epoch: -1, ..ConsumerHeartbeat::default() };
            self.ask(None, |ticket| Event::ConsumerGroupHeartbeat(ticket, request));
        }
    }

    fn go_on(&mut self, rounds: usize) {
        for _ in 0..rounds {
            for n in 0..CLIENTS {
                self.act(n, false);
            }
            self.world.wait(1_500);
            self.hear();
        }
    }

    /// Once nothing happens any more, each partition that somebody reads has one owner.
    fn settle(&mut self) {
        self.commit_all();
        self.hear();
        self.go_on(ROUNDS / 4);
        self.deliver();
        self.world.wait(60_000);
        self.hear();
        self.go_on(ROUNDS);
        let read: BTreeSet<Str> = self.clients.iter().flat_map(Client::topics).collect();
        let all = self.partitions().into_iter().filter(|(name, _)| read.contains(&Str::from(*name)));
        let all: BTreeSet<_> = all.map(|(name, partition)| (topic_id(name), partition)).collect();
        let owned: Vec<_> = self.clients.iter().flat_map(|client| pairs(&client.owned)).collect();
        let distinct: BTreeSet<_> = owned.iter().copied().collect();
        assert_eq!(distinct, all, "what is owned: {:#?}", self.clients);
        assert_eq!(owned.len(), all.len(), "what has more than one owner: {:#?}", self.clients);
        self.check_replay();
    }

    fn check_replay(&self) {
        assert_eq!(self.world.replayed(), *self.world.shard.hard(), "replay gives another state");
        assert_eq!(self.world.compacted(), *self.world.shard.hard(), "compaction gives another state");
    }
}

fn partitions_of(request: &OffsetCommit) -> Vec<(ottla_protocol::Uuid, i32)> {
    let of_topic = |topic: &CommitTopic| {
        let topic_id = topic.topic_id;
        topic.partitions.iter().map(move |partition| (topic_id, partition.partition_index)).collect::<Vec<_>>()
    };
    request.topics.iter().flat_map(of_topic).collect()
}

fn name_of(id: ottla_protocol::Uuid) -> Str {
    Str::from(if id == topic_id("a") { "a" } else { "b" })
}

/// The offset that is committed, zero if none is.
fn committed(hard: &Hard, (id, partition): (ottla_protocol::Uuid, i32)) -> i64 {
    hard.offsets.get(&Str::from(GROUP), &name_of(id), partition).map_or(0, |offset| offset.committed_offset)
}

fn pairs(assignment: &Assignment) -> Vec<(ottla_protocol::Uuid, i32)> {
    assignment.iter().flat_map(|(topic, partitions)| partitions.iter().map(|p| (*topic, *p))).collect()
}

fn read(assignment: &Bytes) -> Assignment {
    let mut owned = Assignment::new();
    if assignment.is_empty() {
        return owned;
    }
    let mut decoder = Decoder::new(assignment.clone());
    decoder.int16().unwrap();
    let assignment = ConsumerProtocolAssignment::read(&mut decoder, 0).unwrap();
    for topic in assignment.assigned_partitions {
        owned.entry(topic_id(&topic.topic)).or_default().extend(topic.partitions);
    }
    owned
}

proptest! {
    #[test]
    fn a_partition_has_one_owner(
        are_classic in prop_oneof![Just([true; CLIENTS]), any::<[bool; CLIENTS]>()],
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut test = Test::new(are_classic);
        for step in steps {
            test.run(step);
        }
        test.settle();
    }
}
