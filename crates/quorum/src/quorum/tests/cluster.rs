//! A cluster in one thread, with a driver that uses the quorum as the broker does, and checks what must always hold.

use super::network::{Network, Random};
use crate::{Committed, Founding, MemoryStore, Quorum, Role, Settings, Snapshot, SnapshotId, Voter};
use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use ottla_protocol::{Str, Uuid};
use std::collections::BTreeMap;

pub(super) const ELECTION_TICKS: u32 = 10;

/// The metadata log of a node: a batch is at the offset that is its place.
#[derive(Clone, Default)]
pub(super) struct Driver {
    pub(super) batches: Vec<Bytes>,
    synced: usize,
    /// The epoch of the last entry that was handed out.
    epoch: i32,
    applied: u64,
    /// The snapshot files that this node keeps: the one before its log, and later ones.
    files: BTreeMap<i64, Vec<Bytes>>,
}

pub(super) struct Node {
    pub(super) id: i32,
    pub(super) directory_id: Uuid,
    pub(super) store: MemoryStore,
    pub(super) quorum: Option<Quorum<MemoryStore>>,
    pub(super) driver: Driver,
    pub(super) role: Option<Role>,
    pub(super) founder: bool,
    /// A snapshot that is being fetched, and when it is there.
    pub(super) fetching: Option<(Snapshot, usize)>,
    pub(super) installed: usize,
    pub(super) refused: Vec<super::super::Refused>,
}

pub(super) struct Cluster {
    pub(super) nodes: Vec<Node>,
    pub(super) network: Network,
    pub(super) random: Random,
    pub(super) now: usize,
    pub(super) seed: u64,
    voters: Vec<Voter>,
    leaders: BTreeMap<i32, i32>,
    pub(super) committed: BTreeMap<u64, (i32, Bytes)>,
    pub(super) proposed: u64,
    pub(super) changes: usize,
    /// How long a snapshot is fetched; 0 leaves that to chance.
    pub(super) snapshots_take: usize,
    /// Snapshots that nodes are not given any more are there for a while.
    pub(super) keeps_snapshots: bool,
}

impl Node {
    /// The epoch of the last entry that was handed out.
    pub(super) fn driver_epoch(&self) -> i32 {
        self.driver.epoch
    }
}

/// The seeds of a test: as many as it says, or as `OTTLA_QUORUM_SEEDS` does for a longer run.
#[allow(clippy::disallowed_methods)] // A longer run is asked for from outside.
pub(super) fn seeds(many: u64) -> std::ops::Range<u64> {
    let asked = std::env::var("OTTLA_QUORUM_SEEDS").ok().and_then(|seeds| seeds.parse().ok());
    0..asked.unwrap_or(many)
}

pub(super) fn directory(id: i32, turn: u8) -> Uuid {
    let mut bytes = [turn; 16];
    bytes[0] = u8::try_from(id + 1).unwrap();
    Uuid::from_bytes(bytes)
}

pub(super) fn settings(id: i32, directory_id: Uuid, seed: u64) -> Settings {
    Settings {
        node_id: id,
        directory_id,
        cluster_id: Str::from_static("cluster"),
        election_ticks: ELECTION_TICKS,
        heartbeat_ticks: 2,
        seed,
    }
}

impl Cluster {
    /// `voters` nodes that found a quorum, ids from 0 on, and as many more that are not in it.
    pub(super) fn new(seed: u64, voters: i32, spare: i32) -> Self {
        Self::of(seed, (0..voters).map(|id| Voter { id, directory_id: directory(id, 1) }).collect(), spare)
    }

    /// The same of voters whose directories may not be known.
    pub(super) fn of(seed: u64, set: Vec<Voter>, spare: i32) -> Self {
        let voters = i32::try_from(set.len()).unwrap();
        let mut cluster = Self {
            nodes: Vec::new(),
            network: Network::default(),
            random: Random(seed),
            now: 0,
            seed,
            voters: set,
            leaders: BTreeMap::new(),
            committed: BTreeMap::new(),
            proposed: 0,
            changes: 0,
            snapshots_take: 0,
            keeps_snapshots: false,
        };
        for id in 0..voters + spare {
            cluster.nodes.push(Node {
                id,
                directory_id: directory(id, 1),
                store: MemoryStore::new(),
                quorum: None,
                driver: Driver::default(),
                role: None,
                founder: id < voters,
                fetching: None,
                installed: 0,
                refused: Vec::new(),
            });
            cluster.start(cluster.nodes.len() - 1);
        }
        cluster
    }

    pub(super) fn start(&mut self, at: usize) {
        let (voters, snapshot) = (self.voters.clone(), SnapshotId::default());
        let founding = Founding { voters, epoch: 0, snapshot, inherited: Vec::new() };
        let node = &mut self.nodes[at];
        let settings = settings(node.id, node.directory_id, self.seed);
        let founding = node.founder.then_some(&founding);
        node.quorum = Some(Quorum::open(settings, node.store.clone(), founding).unwrap());
        node.role = None;
    }

    /// Power fails at a node: some of what was not synced is lost, of the quorum's log and of the driver's.
    pub(super) fn crash(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        node.quorum = None;
        node.fetching = None;
        node.store.crash(self.random.below(node.store.unsynced() + 1));
        let lost = self.random.below(node.driver.batches.len() - node.driver.synced + 1);
        node.driver.batches.truncate(node.driver.batches.len() - lost);
        node.driver.synced = node.driver.batches.len();
        node.driver.applied = 0;
        node.driver.epoch = 0;
    }

    /// The disk of a node is replaced.
    pub(super) fn wipe(&mut self, at: usize, turn: u8) {
        self.crash(at);
        let node = &mut self.nodes[at];
        node.store = MemoryStore::new();
        node.driver = Driver::default();
        node.directory_id = directory(node.id, turn);
        node.founder = false;
        self.start(at);
    }

    pub(super) fn is_up(&self, at: usize) -> bool {
        self.nodes[at].quorum.is_some()
    }

    pub(super) fn quorum(&mut self, at: usize) -> &mut Quorum<MemoryStore> {
        self.nodes[at].quorum.as_mut().unwrap()
    }

    /// The node that leads in the highest epoch.
    pub(super) fn leader(&self) -> Option<usize> {
        let epoch = |at: &usize| match self.nodes[*at].quorum.as_ref()?.role() {
            Role::Leader { epoch } => Some(epoch),
            _ => None,
        };
        (0..self.nodes.len()).filter(|at| epoch(at).is_some()).max_by_key(epoch)
    }

    /// One tick of every node, and what arrives.
    pub(super) fn step(&mut self) {
        self.now += 1;
        for (to, bytes) in self.network.arrive(&mut self.random, self.now) {
            let node = &mut self.nodes[usize::try_from(to).unwrap()];
            if let Some(Err(refused)) = node.quorum.as_mut().map(|quorum| quorum.receive(bytes)) {
                node.refused.push(refused);
            }
        }
        for at in 0..self.nodes.len() {
            if let Some(quorum) = &mut self.nodes[at].quorum {
                quorum.tick();
                self.advance(at);
            }
        }
    }

    pub(super) fn run(&mut self, ticks: usize) {
        (0..ticks).for_each(|_| self.step());
    }

    /// Steps until something holds; it must within a bound that no healthy cluster needs.
    pub(super) fn run_until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        for _ in 0..2000 {
            if holds(self) {
                return;
            }
            self.step();
        }
        panic!("seed {}: {what}: {:?}", self.seed, self.describe());
    }

    pub(super) fn describe(&self) -> Vec<String> {
        let status = |node: &Node| {
            let Some(quorum) = &node.quorum else { return format!("\n{} down", node.id) };
            let status = quorum.status();
            let log = (status.compacted_index, status.commit_index, status.last_index);
            let peers = status.peers.iter().map(|peer| (peer.member.voter.id, peer.member.learner, peer.matched));
            let peers: Vec<_> = peers.collect();
            let (batches, refused) = (node.driver.batches.len(), node.refused.last());
            let fetching = node.fetching.as_ref().map(|(snapshot, due)| (snapshot.index, snapshot.leader, *due));
            format!("\n{} {:?} {log:?} {batches} {fetching:?} {peers:?} {refused:?}", node.id, status.role)
        };
        self.nodes.iter().map(status).collect()
    }

    /// Has a node do what follows; a failed store leaves it down.
    pub(super) fn advance(&mut self, at: usize) {
        loop {
            let node = &mut self.nodes[at];
            let Some(quorum) = node.quorum.as_mut() else { return };
            let (id, now) = (node.id, self.now);
            let (network, random) = (&mut self.network, &mut self.random);
            let advanced = quorum.advance(&mut |to, bytes| network.send(random, now, id, to, bytes));
            let Ok(progress) = advanced else {
                self.crash(at);
                return;
            };
            let role = quorum.role();
            assert_eq!(progress.role.or(node.role), Some(role), "a role that changes is told");
            node.role = Some(role);
            if let Role::Leader { epoch } = role {
                let known = *self.leaders.entry(epoch).or_insert(id);
                assert_eq!(known, id, "seed {}: two leaders in epoch {epoch}", self.seed);
            }
            for entry in progress.committed {
                self.take(at, &entry);
            }
            if let Some(snapshot) = progress.install {
                let due = self.now + if self.snapshots_take > 0 { self.snapshots_take } else { self.random.below(30) };
                self.nodes[at].fetching = Some((snapshot, due));
            }
            if progress.snapshot_wanted && self.random.chance(50) {
                self.compact(at);
            }
            if !progress.more {
                break;
            }
        }
        if self.is_up(at) {
            self.fetch(at);
            let needed = if self.keeps_snapshots { 0 } else { self.quorum(at).status().snapshot.end_offset };
            self.nodes[at].driver.files.retain(|end_offset, _| *end_offset >= needed);
        }
    }

    /// Takes a committed entry as the broker does: a batch that is there already is passed over.
    fn take(&mut self, at: usize, entry: &Committed) {
        let seed = self.seed;
        let seen = self.committed.entry(entry.index).or_insert((entry.epoch, entry.data.clone()));
        assert_eq!(*seen, (entry.epoch, entry.data.clone()), "seed {seed}: entry {} at node {at}", entry.index);
        self.changes += usize::from(entry.members.is_some());
        let driver = &mut self.nodes[at].driver;
        assert!(driver.applied == 0 || driver.applied + 1 == entry.index, "seed {seed}: order at node {at}");
        driver.applied = entry.index;
        driver.epoch = entry.epoch;
        if entry.data.is_empty() {
            return;
        }
        let offset = usize::try_from(entry.data.clone().get_u64()).unwrap();
        assert!(offset <= driver.batches.len(), "seed {seed}: a gap before offset {offset} at node {at}");
        match driver.batches.get(offset) {
            Some(present) => assert_eq!(*present, entry.data, "seed {seed}: offset {offset} at node {at}"),
            None => driver.batches.push(entry.data.clone()),
        }
    }

    /// Puts a fetched snapshot in place, if its leader can be reached and still has it.
    fn fetch(&mut self, at: usize) {
        let Some((snapshot, _)) = self.nodes[at].fetching.take_if(|(_, due)| *due <= self.now) else { return };
        let (leader, id) = (snapshot.leader, self.nodes[at].id);
        let source = &self.nodes[usize::try_from(leader).unwrap()];
        let cut = self.network.cuts.contains(&(leader, id)) || self.network.cuts.contains(&(id, leader));
        let file = source.driver.files.get(&snapshot.id.end_offset).cloned();
        let file = if snapshot.id.end_offset == 0 { Some(Vec::new()) } else { file };
        let Some(file) = file.filter(|_| source.quorum.is_some() && !cut) else {
            self.quorum(at).not_installed(snapshot.id);
            return;
        };
        let node = &mut self.nodes[at];
        if node.driver.batches.len() < file.len() {
            assert_eq!(node.driver.batches[..], file[..node.driver.batches.len()], "what was applied is a prefix");
            node.driver.batches = file.clone();
        }
        node.driver.synced = node.driver.batches.len();
        node.driver.files.insert(snapshot.id.end_offset, file);
        if self.quorum(at).installed(snapshot.id) {
            let node = &mut self.nodes[at];
            node.installed += 1;
            node.driver.applied = 0;
        }
    }

    /// Proposes a batch at a node, if it leads and has committed an entry of its epoch.
    pub(super) fn propose(&mut self, at: usize) -> bool {
        let Some(Role::Leader { epoch }) = self.nodes[at].role else { return false };
        let node = &mut self.nodes[at];
        if node.driver.epoch != epoch || node.quorum.is_none() {
            return false;
        }
        let data = self.batch(at);
        self.quorum(at).propose(data).is_ok()
    }

    /// The next batch of a leader, which may have several under way: their offsets follow one another.
    pub(super) fn batch(&mut self, at: usize) -> Bytes {
        self.proposed += 1;
        let proposed = self.proposed;
        let under_way = self.under_way(at);
        let mut data = BytesMut::new();
        data.put_u64(u64::try_from(self.nodes[at].driver.batches.len() + under_way).unwrap());
        data.put_u64(proposed);
        data.freeze()
    }

    /// How many batches of a leader are not committed: those behind its own first entry all have data.
    fn under_way(&mut self, at: usize) -> usize {
        let applied = self.nodes[at].driver.applied;
        let last = self.quorum(at).status().last_index;
        usize::try_from(last - applied).unwrap()
    }

    /// Drops what was handed out at a node, with a snapshot in its place.
    pub(super) fn compact(&mut self, at: usize) {
        let driver = &mut self.nodes[at].driver;
        if driver.applied == 0 {
            return;
        }
        driver.synced = driver.batches.len();
        let end_offset = i64::try_from(driver.batches.len()).unwrap();
        driver.files.insert(end_offset, driver.batches.clone());
        let (applied, epoch) = (driver.applied, driver.epoch);
        match self.quorum(at).compact(applied, SnapshotId { end_offset, epoch }) {
            Ok(_) => {}
            Err(_) => self.crash(at),
        }
    }

    /// Everything works again; the cluster must come to agree and to go on.
    pub(super) fn heal(&mut self) {
        self.network.weather = Default::default();
        self.network.cuts.clear();
        for at in 0..self.nodes.len() {
            self.nodes[at].store.set_failing(false);
            if !self.is_up(at) {
                self.start(at);
            }
        }
        self.run(5 * usize::try_from(ELECTION_TICKS).unwrap());
        for _ in 0..3 {
            self.run_until("a leader takes a proposal", |cluster| {
                cluster.leader().is_some_and(|at| {
                    let node = &cluster.nodes[at];
                    matches!(node.role, Some(Role::Leader { epoch }) if node.driver.epoch == epoch)
                })
            });
            let leader = self.leader().unwrap();
            assert!(self.propose(leader), "seed {}: the leader refuses", self.seed);
            self.run(5);
        }
        self.run_until("all members have the same log", |cluster| {
            let Some(leader) = cluster.leader() else { return false };
            let last = cluster.nodes[leader].quorum.as_ref().unwrap().status().last_index;
            let members = cluster.nodes[leader].quorum.as_ref().unwrap().members().clone();
            let has_all = |id: i32| {
                let node = &cluster.nodes[usize::try_from(id).unwrap()];
                let status = node.quorum.as_ref().unwrap().status();
                status.commit_index == last && node.driver.batches == cluster.nodes[leader].driver.batches
            };
            // A disk may have been replaced while its node was being added: such a member waits to be removed.
            let there = |voter: &Voter| {
                let node = &cluster.nodes[usize::try_from(voter.id).unwrap()];
                node.directory_id == voter.directory_id
            };
            members.iter().all(|member| !there(&member.voter) || has_all(member.voter.id))
        });
        self.check_nothing_lost();
    }

    /// Every entry that any node ever handed out is in the log of the leader, in its order.
    fn check_nothing_lost(&self) {
        let leader = &self.nodes[self.leader().unwrap()];
        let handed = self.committed.values().filter(|(_, data)| !data.is_empty()).map(|(_, data)| data);
        assert!(handed.eq(leader.driver.batches.iter()), "seed {}: something committed is lost", self.seed);
    }
}
