//! A broker of the world: it registers, follows the metadata log, and leads or follows partitions with the machines of production.

mod fetch;
mod finder;
mod registration;
mod roles;
mod room;

use self::finder::Finder;
use self::registration::registration;
use crate::disk::{Disk, Record, Synced};
use crate::message::{Body, Message, News};
use core::time::Duration;
use ottla_metadata::controller::{BrokerHeartbeat, BrokerStatus};
use ottla_metadata::{Delta, Image};
use ottla_protocol::ErrorCode;
use ottla_replication::follower::{self, LogView};
use ottla_replication::{Admission, Leader, Limits, Proposal};
use std::collections::BTreeMap;

const HEARTBEAT: Duration = Duration::from_millis(500);
const REQUEST_TIMEOUT: Duration = Duration::from_millis(1_000);
const MAX_LAG: Duration = Duration::from_millis(3_000);
/// A follower that has everything is answered after this.
pub(crate) const FETCH_WAIT: Duration = Duration::from_millis(50);

/// What a broker wants of the world.
pub(crate) enum Act {
    Send(Message),
    /// The same, later.
    SendLater(Message, Duration),
    /// Tell it when all up to an offset is on the disk.
    Sync {
        partition: i32,
        end: i64,
        generation: u64,
    },
    /// A record is committed and its producer told.
    Acknowledged {
        partition: i32,
        offset: i64,
        value: u64,
    },
    /// This broker says that all below is committed.
    Committed {
        partition: i32,
        leader_epoch: i32,
        high_watermark: i64,
    },
    /// It leads now.
    Leads {
        partition: i32,
        leader_epoch: i32,
    },
}

enum Role {
    Leader { leader: Leader, waiting: Vec<(i64, u64)>, asked: Option<Asked> },
    Follower { leader: i32, epoch: i32, fetch: Option<(u64, Duration)>, not_before: Duration },
}

/// A wish that the controller has not answered. It is one at a time, as on one connection: an earlier attempt is not done after
/// a later one.
#[derive(Debug)]
struct Asked {
    proposal: Proposal,
    number: u64,
    since: Duration,
}

struct Replica {
    role: Role,
}

/// What a broker's process knows; gone when it ends.
struct Process {
    run: u64,
    finder: Finder,
    image: Image,
    next_metadata: i64,
    epoch: Option<i64>,
    replicas: BTreeMap<i32, Replica>,
    asked_to_register: Option<Duration>,
    last_heartbeat: Option<Duration>,
    follows_since: Option<Duration>,
    told_of_disks: Option<Duration>,
    requests: u64,
    /// It has seen its own registration: what the metadata says of its partitions is not of an earlier run.
    serves: bool,
    stopping: bool,
    /// It was told to stop, and has nothing that is not synced.
    stopped: bool,
}

pub(crate) struct Broker {
    pub(crate) id: i32,
    controllers: Vec<i32>,
    runs: u64,
    min_insync_replicas: usize,
    /// What outlives the process.
    disks: BTreeMap<i32, Disk>,
    /// What its disks are drawn from, where logs are those of storage.
    disk_seed: Option<u64>,
    clean_epoch: i64,
    truncations: usize,
    /// Whether there is no room for producers.
    short: bool,
    process: Option<Process>,
}

impl Broker {
    pub(crate) fn new(id: i32, controllers: Vec<i32>, min_insync_replicas: usize, disk_seed: Option<u64>) -> Self {
        Self {
            id,
            controllers,
            runs: 0,
            min_insync_replicas,
            disks: BTreeMap::new(),
            disk_seed,
            clean_epoch: -1,
            truncations: 0,
            short: false,
            process: None,
        }
    }

    pub(crate) fn is_up(&self) -> bool {
        self.process.is_some()
    }

    pub(crate) fn run(&self) -> Option<u64> {
        self.process.as_ref().map(|process| process.run)
    }

    pub(crate) fn has_stopped(&self) -> bool {
        self.process.as_ref().is_some_and(|process| process.stopped)
    }

    pub(crate) fn disk(&self, partition: i32) -> Option<&Disk> {
        self.disks.get(&partition)
    }

    pub(crate) fn start(&mut self) {
        self.runs += 1;
        let first = usize::try_from(self.runs).unwrap_or(0);
        self.process = Some(Process {
            run: self.runs,
            finder: Finder::new(self.controllers.clone(), first),
            image: Image::default(),
            next_metadata: 0,
            epoch: None,
            replicas: BTreeMap::new(),
            asked_to_register: None,
            last_heartbeat: None,
            follows_since: None,
            told_of_disks: None,
            requests: 0,
            serves: false,
            stopping: false,
            stopped: false,
        });
    }

    pub(crate) fn crash(&mut self, random: &mut crate::random::Random) {
        self.process = None;
        self.clean_epoch = -1;
        self.disks.values_mut().for_each(|disk| disk.crash(random));
    }

    pub(crate) fn begin_stop(&mut self) {
        if let Some(process) = &mut self.process {
            process.stopping = true;
        }
    }

    /// The process ends in order, once it was allowed to.
    pub(crate) fn end(&mut self) {
        let process = self.process.take();
        let clean_epoch = process.and_then(|process| process.epoch).unwrap_or(-1);
        let mut all_closed = true;
        for disk in self.disks.values_mut() {
            all_closed &= disk.close();
        }
        self.clean_epoch = if all_closed { clean_epoch } else { -1 };
    }

    fn limits(&self) -> Limits {
        Limits { min_insync_replicas: self.min_insync_replicas, max_lag: MAX_LAG }
    }

    pub(crate) fn tick(&mut self, now: Duration, acts: &mut Vec<Act>) {
        let (id, limits, clean_epoch) = (self.id, self.limits(), self.clean_epoch);
        let Some(process) = &mut self.process else { return };
        let due = |since: Option<Duration>, wait| since.is_none_or(|since| now.saturating_sub(since) >= wait);
        let mut bodies = Vec::new();
        process.finder.tick(now);
        match process.epoch {
            None if due(process.asked_to_register, REQUEST_TIMEOUT) => {
                process.asked_to_register = Some(now);
                bodies.push(Body::Register(registration(id, process.run, clean_epoch)));
            }
            Some(epoch) if due(process.last_heartbeat, HEARTBEAT) => {
                process.last_heartbeat = Some(now);
                bodies.push(Body::Heartbeat(BrokerHeartbeat {
                    broker_id: id,
                    broker_epoch: epoch,
                    current_metadata_offset: process.next_metadata - 1,
                    want_shut_down: process.stopping,
                    ..BrokerHeartbeat::default()
                }));
            }
            _ => {}
        }
        if due(process.follows_since, REQUEST_TIMEOUT) {
            process.follows_since = Some(now);
            bodies.push(Body::Follow(process.next_metadata));
        }
        if due(process.told_of_disks, room::EVERY) {
            process.told_of_disks = Some(now);
            bodies.extend(process.assignments(id, self.short).map(Body::Assign));
        }
        let run = process.run;
        let to_controller =
            |process: &mut Process, body| Act::Send(Message { from: id, to: process.finder.ask(now), run, body });
        acts.extend(bodies.into_iter().map(|body| to_controller(process, body)));
        for replica in process.replicas.values_mut() {
            if let Role::Leader { leader, asked, .. } = &mut replica.role {
                leader.shrink(&limits, now);
                let late = |asked: &mut Asked| now.saturating_sub(asked.since) >= REQUEST_TIMEOUT;
                if let Some(asked) = asked.take_if(late) {
                    leader.answered(&asked.proposal, Err(ErrorCode::RequestTimedOut));
                }
            }
        }
        for partition in self.partitions() {
            self.follow(partition, now, acts);
            self.lead(partition, now, acts);
        }
    }

    fn partitions(&self) -> Vec<i32> {
        self.process.iter().flat_map(|process| process.replicas.keys().copied()).collect()
    }

    /// A follower fetches if it does not wait for an answer, and has synced what it was sent before.
    fn follow(&mut self, partition: i32, now: Duration, acts: &mut Vec<Act>) {
        let (Some(process), Some(disk)) = (&mut self.process, self.disks.get(&partition)) else { return };
        let Some(broker_epoch) = process.epoch else { return };
        let Some(Replica { role }) = process.replicas.get_mut(&partition) else { return };
        let Role::Follower { leader, epoch, fetch, not_before } = role else { return };
        let waits = fetch.is_some_and(|(_, since)| now.saturating_sub(since) < REQUEST_TIMEOUT);
        if waits || !disk.is_synced() || now < *not_before || *leader < 0 {
            return;
        }
        process.requests += 1;
        let number = process.requests;
        *fetch = Some((number, now));
        let at = follower::fetch_at(*epoch, disk);
        let body = Body::Fetch { partition, broker_epoch, number, at };
        acts.push(Act::Send(Message { from: self.id, to: *leader, run: process.run, body }));
    }

    /// What follows from whatever the leader learned.
    fn lead(&mut self, partition: i32, now: Duration, acts: &mut Vec<Act>) {
        let limits = self.limits();
        let (Some(process), Some(disk)) = (&mut self.process, self.disks.get_mut(&partition)) else { return };
        let Some(Replica { role: Role::Leader { leader, waiting, asked } }) = process.replicas.get_mut(&partition)
        else {
            return;
        };
        if let Some(high_watermark) = leader.advance(&limits, process.image.cluster(), now) {
            disk.set_high_watermark(high_watermark);
            acts.push(Act::Committed { partition, leader_epoch: leader.leader_epoch(), high_watermark });
        }
        waiting.retain(|(offset, value)| match leader.admission(offset + 1, &limits) {
            Admission::Waiting => true,
            Admission::TooFewInSync => false,
            Admission::Committed => {
                acts.push(Act::Acknowledged { partition, offset: *offset, value: *value });
                false
            }
        });
        if let Some((proposal, broker_epoch)) = leader.proposal().zip(process.epoch) {
            process.requests += 1;
            let number = process.requests;
            *asked = Some(Asked { proposal: proposal.clone(), number, since: now });
            let body = Body::AlterPartition { broker_epoch, partition, number, proposal };
            let (run, to) = (process.run, process.finder.ask(now));
            acts.push(Act::Send(Message { from: self.id, to, run, body }));
        }
    }

    /// A producer's value, if this broker leads the partition.
    pub(crate) fn produce(&mut self, partition: i32, value: u64, now: Duration, acts: &mut Vec<Act>) {
        let limits = self.limits();
        let (Some(process), Some(disk)) = (&mut self.process, self.disks.get_mut(&partition)) else { return };
        let Some(Replica { role: Role::Leader { leader, waiting, .. } }) = process.replicas.get_mut(&partition) else {
            return;
        };
        if self.short || !leader.admits(&limits) {
            return;
        }
        let offset = disk.log_end_offset();
        if !disk.append_as_leader(Record { epoch: leader.leader_epoch(), value }) {
            return;
        }
        leader.appended(offset + 1);
        waiting.push((offset, value));
        acts.push(Act::Sync { partition, end: offset + 1, generation: disk.generation });
        self.lead(partition, now, acts);
    }

    pub(crate) fn synced(&mut self, partition: i32, end: i64, generation: u64, now: Duration, acts: &mut Vec<Act>) {
        let Some(disk) = self.disks.get_mut(&partition) else { return };
        if self.process.is_none() {
            return;
        }
        match disk.sync(end, generation) {
            Synced::Done => {}
            Synced::TooLate => return,
            Synced::NotYet => return acts.push(Act::Sync { partition, end, generation }),
        }
        let synced = disk.synced();
        let process = self.process.as_mut().and_then(|process| process.replicas.get_mut(&partition));
        if let Some(Replica { role: Role::Leader { leader, .. } }) = process {
            leader.synced(synced);
        }
        self.lead(partition, now, acts);
        self.follow(partition, now, acts);
    }

    pub(crate) fn take(&mut self, message: Message, now: Duration, acts: &mut Vec<Act>) {
        let answered_run = message.run;
        let Some(process) = &mut self.process else { return };
        if let Body::Fetch { partition, broker_epoch, number, at } = message.body {
            return self.serve(message.from, message.run, (partition, broker_epoch, number, at), now, acts);
        }
        if answered_run != process.run {
            return;
        }
        match message.body {
            Body::Registered(_) | Body::Status(_) | Body::Metadata(_) | Body::AlteredPartition { .. } => {
                process.finder.answered(message.from);
            }
            _ => {}
        }
        match message.body {
            Body::NotController { active, altering } => self.go_elsewhere(message.from, active, altering, now),
            Body::Registered(Ok(epoch)) => process.epoch = Some(epoch),
            Body::Status(Ok(BrokerStatus { should_shut_down: true, .. })) if process.stopping => process.stopped = true,
            Body::Status(Ok(BrokerStatus { is_caught_up: true, .. })) if !process.serves => {
                process.serves = true;
                self.change_roles(None, now, acts);
            }
            // What its earlier run asked came after what this one did, and was done: it registers anew.
            Body::Status(Err(ErrorCode::StaleBrokerEpoch)) if !process.serves => process.epoch = None,
            Body::Metadata(news) => self.apply(&news, now, acts),
            Body::AlteredPartition { partition, number, answer } => {
                if let Some(Replica { role: Role::Leader { leader, asked, .. } }) = process.replicas.get_mut(&partition)
                    && let Some(asked) = asked.take_if(|asked| asked.number == number)
                {
                    leader.answered(&asked.proposal, answer.as_ref().map_err(|code| *code));
                }
                self.lead(partition, now, acts);
            }
            Body::Fetched { partition, number, leader_epoch, answer } => {
                self.fetched(partition, number, leader_epoch, answer, now, acts);
            }
            _ => {}
        }
    }

    /// Who was asked is not the active controller: another one is asked soon.
    fn go_elsewhere(&mut self, by: i32, active: Option<(i32, i32)>, altering: Option<(i32, u64)>, now: Duration) {
        let Some(process) = &mut self.process else { return };
        if process.finder.refused(by, active) {
            (process.asked_to_register, process.last_heartbeat, process.follows_since) = (None, None, None);
        }
        if let Some((partition, number)) = altering
            && let Some(Replica { role: Role::Leader { asked, .. } }) = process.replicas.get_mut(&partition)
            && let Some(asked) = asked.as_mut().filter(|asked| asked.number == number)
        {
            asked.since = asked.since.min(now.saturating_add(FETCH_WAIT).saturating_sub(REQUEST_TIMEOUT));
        }
    }

    fn apply(&mut self, news: &News, now: Duration, acts: &mut Vec<Act>) {
        let Some(process) = &mut self.process else { return };
        if news.from.map_or(news.end <= process.next_metadata, |from| from != process.next_metadata) {
            return;
        }
        process.follows_since = match news.end > process.next_metadata {
            // Asks again soon, but not at once.
            false => Some(now.saturating_sub(REQUEST_TIMEOUT).saturating_add(FETCH_WAIT)),
            true => None,
        };
        if news.from.is_none() {
            process.image = Image::default();
        }
        let mut delta = Delta::default();
        for record in news.records.iter().flat_map(|records| records.iter()) {
            process.image.apply_noting(record, &mut delta).ok();
        }
        process.next_metadata = news.end;
        if process.image.in_transaction() || !process.serves {
            return;
        }
        self.change_roles(news.from.map(|_| &delta), now, acts);
        for partition in self.partitions() {
            self.lead(partition, now, acts);
            self.follow(partition, now, acts);
        }
    }

    /// What it is to a partition, for who looks into a violation.
    pub(crate) fn describe(&self, partition: i32) -> String {
        let Some(process) = &self.process else { return "down".to_owned() };
        let role = match process.replicas.get(&partition).map(|replica| &replica.role) {
            Some(Role::Leader { leader, asked, .. }) => format!("{leader:?}, asked {asked:?}"),
            Some(Role::Follower { leader, epoch, fetch, .. }) => {
                format!("follows {leader} in epoch {epoch}, fetch {fetch:?}")
            }
            None => "no replica".to_owned(),
        };
        let disk = self.disks.get(&partition);
        let ends = disk.map(|disk| (disk.log_end_offset(), disk.synced(), disk.high_watermark()));
        format!(
            "run {} epoch {:?} serves {}, {role}, end, synced, high watermark {ends:?}, metadata {}, {:?}",
            process.run, process.epoch, process.serves, process.next_metadata, process.finder
        )
    }

    /// What a log did that it should not have.
    pub(crate) fn broken(&self) -> Option<&str> {
        self.disks.values().find_map(Disk::broken)
    }

    /// How often a log was cut to agree with a leader's.
    pub(crate) fn truncations(&self) -> usize {
        self.truncations
    }

    /// Whether it leads the partition, as far as it knows.
    pub(crate) fn leads(&self, partition: i32) -> bool {
        let replica = self.process.as_ref().and_then(|process| process.replicas.get(&partition));
        matches!(replica, Some(Replica { role: Role::Leader { .. } }))
    }
}
