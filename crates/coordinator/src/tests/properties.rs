//! What holds whatever happens: callers are answered once, replay gives the same state, a generation has one assignment.

use super::command::subscription;
use super::world::World;
use crate::machine::StoredGroup;
use crate::*;
use ottla_protocol::{Bytes, Str};
use ottla_state_machine::Ticket;
use proptest::prelude::*;
use std::collections::BTreeMap;

const GROUPS: [&str; 2] = ["g", "h"];
const CLIENTS: usize = 3;
/// Longer than any session, join or rebalance can last.
const QUIET_MS: u64 = 3_600_000;

#[derive(Clone, Debug)]
enum Step {
    /// The client does what a client does next, also if it has not been answered yet if it is impatient.
    Act {
        client: usize,
        is_impatient: bool,
    },
    Join {
        client: usize,
        version: i16,
        is_anew: bool,
        protocols: u8,
    },
    Sync {
        client: usize,
        is_stale: bool,
    },
    Heartbeat {
        client: usize,
    },
    Leave {
        client: usize,
        by_instance: bool,
    },
    Commit {
        client: usize,
        in_group: bool,
    },
    DeleteOffset {
        client: usize,
    },
    Delete {
        group: usize,
    },
    Describe {
        group: usize,
    },
    Wait {
        ms: u64,
    },
    Hold,
    CommitAll,
    FailOver,
    MaxSize {
        size: i32,
    },
}

fn step() -> impl Strategy<Value = Step> {
    // Most of it happens in one group.
    let client = prop_oneof![4 => 0..CLIENTS, 1 => 0..CLIENTS * GROUPS.len()];
    prop_oneof![
        60 => (client.clone(), prop::bool::weighted(0.1))
            .prop_map(|(client, is_impatient)| Step::Act { client, is_impatient }),
        4 => (client.clone(), prop_oneof![Just(3), Just(8), Just(9)], prop::bool::weighted(0.3), 0..4u8)
            .prop_map(|(client, version, is_anew, protocols)| Step::Join { client, version, is_anew, protocols }),
        3 => (client.clone(), prop::bool::weighted(0.3)).prop_map(|(client, is_stale)| Step::Sync { client, is_stale }),
        2 => client.clone().prop_map(|client| Step::Heartbeat { client }),
        2 => (client.clone(), any::<bool>()).prop_map(|(client, by_instance)| Step::Leave { client, by_instance }),
        3 => (client.clone(), any::<bool>()).prop_map(|(client, in_group)| Step::Commit { client, in_group }),
        1 => client.prop_map(|client| Step::DeleteOffset { client }),
        1 => (0..GROUPS.len()).prop_map(|group| Step::Delete { group }),
        1 => (0..GROUPS.len()).prop_map(|group| Step::Describe { group }),
        8 => prop_oneof![6 => Just(1), 8 => Just(3_000), 2 => Just(9_000), 2 => Just(31_000), 1 => Just(700_000)]
            .prop_map(|ms| Step::Wait { ms }),
        1 => Just(Step::Hold),
        2 => Just(Step::CommitAll),
        1 => Just(Step::FailOver),
        1 => prop_oneof![1 => Just(1), 1 => Just(2), 4 => Just(100)].prop_map(|size| Step::MaxSize { size }),
    ]
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Next {
    #[default]
    Join,
    Sync,
    Heartbeat,
}

#[derive(Clone, Default)]
struct Client {
    next: Next,
    member_id: Str,
    generation_id: i32,
    /// Whom it has to assign to, as the leader.
    members: Vec<Str>,
}

enum Asked {
    Join(usize),
    /// A sync of a generation, in a life of the group.
    Sync(usize, i32, usize),
    Heartbeat(usize),
    Other,
}

impl Asked {
    fn client(&self) -> Option<usize> {
        match self {
            Self::Join(client) | Self::Sync(client, ..) | Self::Heartbeat(client) => Some(*client),
            Self::Other => None,
        }
    }
}

struct Run {
    world: World,
    clients: Vec<Client>,
    asked: BTreeMap<u64, Asked>,
    next_ticket: u64,
    /// Whose assignment it is, by group, its life and generation.
    assignments: BTreeMap<(usize, usize, i32), Bytes>,
}

fn group_of(client: usize) -> usize {
    client / CLIENTS
}

/// Half of the clients are static members.
fn instance_of(client: usize) -> Option<Str> {
    client.is_multiple_of(2).then(|| Str::from(format!("i{client}")))
}

impl Run {
    fn new() -> Self {
        Self {
            world: World::new(),
            clients: vec![Client::default(); CLIENTS * GROUPS.len()],
            asked: BTreeMap::new(),
            next_ticket: 1,
            assignments: BTreeMap::new(),
        }
    }

    fn ask(&mut self, asked: Asked, event: impl FnOnce(Ticket) -> Event) {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.asked.insert(ticket, asked);
        self.world.ask(ticket, event(Ticket(ticket)));
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Act { client, is_impatient } => self.act(client, is_impatient),
            Step::Join { client, version, is_anew, protocols } => self.join(client, version, is_anew, protocols),
            Step::Sync { client, is_stale } => self.sync(client, is_stale),
            Step::Heartbeat { client } => self.heartbeat(client),
            Step::Leave { client, by_instance } => {
                let member_id = if by_instance { Str::default() } else { self.clients[client].member_id.clone() };
                let member = LeavingMember { member_id, group_instance_id: instance_of(client), reason: None };
                let group_id = Str::from(GROUPS[group_of(client)]);
                self.ask(Asked::Other, |t| Event::LeaveGroup(t, LeaveGroup { group_id, members: vec![member] }));
            }
            Step::Commit { client, in_group } => self.commit(client, in_group),
            Step::DeleteOffset { client } => {
                let topics = vec![TopicPartitions { name: Str::from("t"), partition_indexes: vec![0, 1] }];
                let request = OffsetDelete { group_id: Str::from(GROUPS[group_of(client)]), topics };
                self.ask(Asked::Other, |t| Event::OffsetDelete(t, request));
            }
            Step::Delete { group } => {
                self.ask(Asked::Other, |t| Event::DeleteGroups(t, vec![Str::from(GROUPS[group])]));
            }
            Step::Describe { group } => {
                self.ask(Asked::Other, |t| Event::DescribeGroups(t, vec![Str::from(GROUPS[group])]));
            }
            Step::Wait { ms } => self.world.wait(ms),
            Step::Hold => self.world.commits_at_once = false,
            Step::CommitAll => self.commit_all(),
            Step::FailOver => {
                for ticket in self.world.fail_over() {
                    self.asked.remove(&ticket);
                }
                self.check_replay();
            }
            Step::MaxSize { size } => {
                self.world.settings.group_max_size = size;
                self.world.send(Event::Configure(self.world.settings.clone()));
            }
        }
        self.hear();
    }

    fn act(&mut self, client: usize, is_impatient: bool) {
        let is_waiting = self.asked.values().any(|asked| asked.client() == Some(client));
        if is_waiting && !is_impatient {
            return;
        }
        match self.clients[client].next {
            Next::Join => self.join(client, 9, false, 0),
            Next::Sync => self.sync(client, false),
            Next::Heartbeat => self.heartbeat(client),
        }
    }

    fn heartbeat(&mut self, client: usize) {
        let Client { member_id, generation_id, .. } = self.clients[client].clone();
        let group_id = Str::from(GROUPS[group_of(client)]);
        let request = Heartbeat { group_id, member_id, generation_id, group_instance_id: instance_of(client) };
        self.ask(Asked::Heartbeat(client), |t| Event::Heartbeat(t, request));
    }

    fn commit_all(&mut self) {
        self.world.commits_at_once = true;
        self.world.commit(self.world.log.len());
    }

    fn join(&mut self, client: usize, version: i16, is_anew: bool, protocols: u8) {
        let names: &[&str] = [&["a", "b"][..], &["b", "a"], &["b"], &["a"]][usize::from(protocols)];
        let protocol = |name: &&str| Protocol { name: Str::from(*name), metadata: subscription("t") };
        let request = JoinGroup {
            group_id: Str::from(GROUPS[group_of(client)]),
            member_id: if is_anew { Str::default() } else { self.clients[client].member_id.clone() },
            group_instance_id: instance_of(client),
            client_id: Str::from("c"),
            client_host: Str::from("/127.0.0.1"),
            member_id_suffix: Str::from(self.next_ticket.to_string()),
            session_timeout_ms: 20_000,
            rebalance_timeout_ms: 30_000,
            protocol_type: Str::from("consumer"),
            protocols: names.iter().map(protocol).collect(),
            reason: None,
            require_known_member_id: version >= 4,
            supports_skipping_assignment: version >= 9,
        };
        self.ask(Asked::Join(client), |t| Event::JoinGroup(t, request));
    }

    fn sync(&mut self, client: usize, is_stale: bool) {
        let group = group_of(client);
        let Client { member_id, generation_id, members, .. } = self.clients[client].clone();
        let generation_id = if is_stale { generation_id - 1 } else { generation_id };
        let tag = Bytes::from(self.next_ticket.to_string());
        let assign = |member_id| GroupAssignment { member_id, assignment: tag.clone() };
        let request = SyncGroup {
            group_id: Str::from(GROUPS[group]),
            generation_id,
            member_id,
            group_instance_id: instance_of(client),
            protocol_type: None,
            protocol_name: None,
            assignments: members.into_iter().map(assign).collect(),
        };
        let life = self.life_of(group);
        self.ask(Asked::Sync(client, generation_id, life), |t| Event::SyncGroup(t, request));
    }

    /// How often the group was deleted: its generations begin anew each time.
    fn life_of(&self, group: usize) -> usize {
        let gone = CoordinatorRecord::Group { group_id: Str::from(GROUPS[group]), value: None };
        let (key, _) = gone.encode().unwrap();
        self.world.log.iter().filter(|(k, value, _)| *k == key && value.is_none()).count()
    }

    fn commit(&mut self, client: usize, in_group: bool) {
        let Client { member_id, generation_id, .. } = self.clients[client].clone();
        let committed_offset = i64::try_from(self.next_ticket).unwrap();
        let partition = CommitPartition { partition_index: 0, committed_offset, ..CommitPartition::default() };
        let topic = CommitTopic { name: Str::from("t"), partitions: vec![partition], ..CommitTopic::default() };
        let request = OffsetCommit {
            group_id: Str::from(GROUPS[group_of(client)]),
            member_id: if in_group { member_id } else { Str::default() },
            generation_id: if in_group { generation_id } else { -1 },
            group_instance_id: in_group.then(|| instance_of(client)).flatten(),
            topics: vec![topic],
            ..OffsetCommit::default()
        };
        self.ask(Asked::Other, |t| Event::OffsetCommit(t, request));
    }

    fn hear(&mut self) {
        for (ticket, reply) in core::mem::take(&mut self.world.replies) {
            let asked = self.asked.remove(&ticket).expect("who is answered has asked");
            match (asked, reply) {
                (Asked::Join(client), Reply::JoinGroup(joined)) => self.joined(client, joined),
                (Asked::Sync(client, generation, life), Reply::SyncGroup(Ok(synced))) => {
                    self.synced((group_of(client), life, generation), synced.assignment);
                    self.clients[client].next = Next::Heartbeat;
                }
                (Asked::Sync(client, ..), Reply::SyncGroup(Err(error))) => self.refused(client, error),
                (Asked::Heartbeat(_), Reply::Heartbeat(Ok(()))) => {}
                (Asked::Heartbeat(client), Reply::Heartbeat(Err(error))) => self.refused(client, error),
                (Asked::Other, Reply::JoinGroup(_) | Reply::SyncGroup(_)) => panic!("an answer of another kind"),
                (Asked::Other, _) => {}
                (_, reply) => panic!("an answer of another kind: {reply:?}"),
            }
        }
    }

    fn synced(&mut self, generation: (usize, usize, i32), assignment: Bytes) {
        if !assignment.is_empty() {
            let known = self.assignments.entry(generation).or_insert(assignment.clone());
            assert_eq!(*known, assignment, "generation {generation:?} has two assignments");
        }
    }

    fn refused(&mut self, client: usize, error: Error) {
        match error {
            Error::RebalanceInProgress => self.clients[client].next = Next::Join,
            _ => self.clients[client] = Client::default(),
        }
    }

    fn joined(&mut self, client: usize, joined: Result<Joined, JoinRefused>) {
        match joined {
            Ok(joined) => {
                let is_leader = joined.leader == joined.member_id;
                assert!(is_leader || joined.members.is_empty(), "only leaders learn of others");
                let members = joined.members.into_iter().map(|m| m.member_id).collect();
                let Joined { member_id, generation_id, .. } = joined;
                self.clients[client] = Client { next: Next::Sync, member_id, generation_id, members };
            }
            Err(refused) if refused.error == Error::MemberIdRequired => {
                self.clients[client].member_id = refused.member_id;
            }
            Err(refused) => self.refused(client, refused.error),
        }
    }

    fn check_replay(&self) {
        assert_eq!(self.world.replayed(), *self.world.shard.hard(), "replay gives another state");
        let compacted = self.world.compacted();
        assert_eq!(compacted.offsets, self.world.shard.hard().offsets, "compaction loses offsets");
        let stored = |hard: &Hard| -> Vec<_> {
            hard.groups.clone().into_iter().filter(|(_, v)| *v != StoredGroup::Offsets).collect()
        };
        assert_eq!(stored(&compacted), stored(self.world.shard.hard()), "compaction loses groups");
    }

    fn describe(&mut self) -> Vec<DescribedGroup> {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.world.ask(ticket, Event::DescribeGroups(Ticket(ticket), GROUPS.map(Str::from).to_vec()));
        match self.world.replies.pop() {
            Some((_, Reply::DescribeGroups(groups))) => groups,
            other => panic!("{other:?}"),
        }
    }

    /// A group that is stable or gone is the same for another coordinator.
    fn check_failover(&mut self) {
        self.commit_all();
        self.hear();
        let before = self.describe();
        for ticket in self.world.fail_over() {
            self.asked.remove(&ticket);
        }
        for (before, after) in before.iter().zip(self.describe()) {
            // A coordinator with a smaller maximum rebalances at once.
            let max_size = self.world.settings.group_max_size;
            let is_oversized = before.members.len() > usize::try_from(max_size).unwrap();
            let is_settled = matches!(before.state, GroupState::Stable | GroupState::Dead);
            if is_settled && !is_oversized {
                assert_eq!(*before, after, "a failover changes the group");
            }
        }
    }

    /// When nothing happens any more, nobody waits and everyone is gone.
    fn check_quiescence(&mut self) {
        self.commit_all();
        self.world.wait(QUIET_MS);
        self.hear();
        assert!(self.world.waiting.is_empty(), "tickets {:?} are not answered", self.world.waiting);
        for group in self.describe() {
            let is_done = matches!(group.state, GroupState::Empty | GroupState::Dead);
            assert!(is_done && group.members.is_empty(), "{group:?} is not empty");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn callers_are_answered_once_and_the_log_tells_all(
        steps in prop::collection::vec(step(), 1..150),
        ends_with_failover in any::<bool>(),
    ) {
        let mut run = Run::new();
        for step in steps {
            run.take(step);
        }
        if ends_with_failover {
            run.check_failover();
        }
        run.check_quiescence();
        run.check_replay();
    }
}
