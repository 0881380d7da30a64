//! Groups whose members join, live, and make room for one more.

use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use nix::{time::clock_getcpuclockid, unistd::Pid};
use ottla_protocol::{ErrorCode, Str};
use serde_json::json;

use crate::figures::Figures;
use crate::members::{Connection, Member};

const PATIENCE: Duration = Duration::from_secs(300);
const LOOK: Duration = Duration::from_millis(2);
const STACK_BYTES: usize = 256 << 10;

#[derive(clap::Args, Clone)]
pub(crate) struct Groups {
    /// Partitions of the topic
    #[arg(long, default_value_t = 1)]
    partitions: i32,
    #[arg(long, default_value_t = 1)]
    groups: usize,
    /// Members of each group
    #[arg(long, default_value_t = 1)]
    members: usize,
    /// By the classic protocol
    #[arg(long)]
    classic: bool,
    /// Milliseconds from a member's heartbeat to the next while the group settles
    #[arg(long, default_value_t = 500)]
    interval: u64,
    /// How long all members send heartbeats as fast as they are answered
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Connections among which groups are shared; each member of a group has its own
    #[arg(long, default_value_t = 1)]
    lanes: usize,
    /// Members do not leave in the end
    #[arg(long)]
    stay: bool,
    /// How the names of the groups begin
    #[arg(long, default_value = "load")]
    name: String,
    /// The broker's process, of which CPU is measured
    #[arg(long)]
    pid: i32,
}

/// What a member shows of itself.
#[derive(Default)]
struct Seen {
    epoch: AtomicI32,
    owned: AtomicI32,
}

/// What all threads share.
#[derive(Default)]
struct Board {
    seen: Mutex<Vec<Vec<Arc<Seen>>>>,
    at_full_speed: AtomicBool,
    ended: AtomicBool,
    failed: Mutex<Option<anyhow::Error>>,
}

impl Board {
    fn is_settled(&self, partitions: i32) -> bool {
        let seen = self.seen.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        seen.iter().all(|group| {
            let epoch = group.first().map_or(0, |member| member.epoch.load(Ordering::Acquire));
            let same = group.iter().all(|member| member.epoch.load(Ordering::Acquire) == epoch);
            let owned: i32 = group.iter().map(|member| member.owned.load(Ordering::Acquire)).sum();
            epoch > 0 && same && owned == partitions
        })
    }

    fn wait_until_settled(&self, partitions: i32) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !self.is_settled(partitions) {
            self.check()?;
            anyhow::ensure!(Instant::now() < deadline, "the groups do not settle");
            thread::sleep(LOOK);
        }
        self.check()
    }

    fn check(&self) -> anyhow::Result<()> {
        let failed = self.failed.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
        failed.map_or(Ok(()), Err)
    }

    fn enter(&self, group: usize) -> Arc<Seen> {
        let member = Arc::new(Seen::default());
        let mut seen = self.seen.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if seen.len() <= group {
            seen.resize_with(group + 1, Vec::new);
        }
        if let Some(members) = seen.get_mut(group) {
            members.push(member.clone());
        }
        member
    }
}

/// Time and the broker's CPU since a moment.
struct Since {
    began: Instant,
    cpu_s: f64,
}

impl Groups {
    pub(crate) fn run(&self, address: &str, topic: &str) -> anyhow::Result<serde_json::Value> {
        self.wait_for_coordinator(address)?;
        let board = Arc::new(Board::default());
        let began = self.since()?;
        let mut threads = Vec::new();
        for n in 0..self.members {
            for lane in 0..self.lanes {
                let groups = (lane..self.groups).step_by(self.lanes);
                threads.push(self.spawn(&board, address, topic, n, groups.collect())?);
            }
        }
        board.wait_until_settled(self.partitions)?;
        let settled = self.told(&began)?;
        board.at_full_speed.store(true, Ordering::Release);
        let began = self.since()?;
        thread::sleep(Duration::from_secs_f64(self.seconds));
        let lived = self.told(&began)?;
        board.at_full_speed.store(false, Ordering::Release);
        thread::sleep(Duration::from_millis(self.interval * 2));
        let began = self.since()?;
        threads.push(self.spawn(&board, address, topic, self.members, vec![0])?);
        board.wait_until_settled(self.partitions)?;
        let rebalanced = self.told(&began)?;
        board.ended.store(true, Ordering::Release);
        let mut figures = Figures::new()?;
        for thread in threads {
            figures.merge(&thread.join().map_err(|_| anyhow::anyhow!("a thread panicked"))?)?;
        }
        figures.seconds = self.seconds;
        board.check()?;
        let heartbeats = figures.to_json();
        Ok(json!({ "settled": settled, "lived": lived, "heartbeats": heartbeats, "rebalanced": rebalanced }))
    }

    fn since(&self) -> anyhow::Result<Since> {
        Ok(Since { began: Instant::now(), cpu_s: self.cpu_s()? })
    }

    fn told(&self, since: &Since) -> anyhow::Result<serde_json::Value> {
        Ok(json!({ "seconds": since.began.elapsed().as_secs_f64(), "cpu_s": self.cpu_s()? - since.cpu_s }))
    }

    /// What the broker's process used, of user and system.
    fn cpu_s(&self) -> anyhow::Result<f64> {
        let clock = clock_getcpuclockid(Pid::from_raw(self.pid)).context("no such process")?;
        Ok(Duration::from(clock.now()?).as_secs_f64())
    }

    fn group(&self, n: usize) -> Str {
        Str::from(format!("{}-{n}", self.name))
    }

    fn wait_for_coordinator(&self, address: &str) -> anyhow::Result<()> {
        let mut connection = Connection::to(address)?;
        let deadline = Instant::now() + PATIENCE;
        while connection.find_coordinator(&self.group(0))? != ErrorCode::None {
            anyhow::ensure!(Instant::now() < deadline, "there is no coordinator");
            thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// The n-th members of some groups, on a connection.
    fn spawn(
        &self,
        board: &Arc<Board>,
        address: &str,
        topic: &str,
        n: usize,
        groups: Vec<usize>,
    ) -> anyhow::Result<thread::JoinHandle<Figures>> {
        let mut connection = Connection::to(address)?;
        let member = |group: usize| {
            let id = Str::from(format!("member-{n}"));
            (Member::new(self.classic, self.group(group), id, topic, self.partitions), board.enter(group))
        };
        let mut members: Vec<_> = groups.into_iter().map(member).collect();
        let (board, interval, stays) = (board.clone(), Duration::from_millis(self.interval), self.stay);
        let mut figures = Figures::new()?;
        let run = move || {
            let lived = live(&board, &mut connection, &mut members, interval, &mut figures);
            let leaves = |()| match stays {
                true => Ok(()),
                false => members.iter().try_for_each(|(member, _)| member.leave(&mut connection)),
            };
            if let Err(error) = lived.and_then(leaves) {
                board.failed.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).get_or_insert(error);
            }
            figures
        };
        Ok(thread::Builder::new().stack_size(STACK_BYTES).spawn(run)?)
    }
}

fn live(
    board: &Board,
    connection: &mut Connection,
    members: &mut [(Member, Arc<Seen>)],
    interval: Duration,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    while !board.ended.load(Ordering::Acquire) {
        let mut has_moved = false;
        let began = Instant::now();
        for (member, seen) in &mut *members {
            let (sent, counts) = (Instant::now(), board.at_full_speed.load(Ordering::Acquire));
            let is_quiet = member.step(connection)?;
            has_moved |= !is_quiet;
            seen.owned.store(i32::try_from(member.owned.len())?, Ordering::Release);
            seen.epoch.store(member.epoch, Ordering::Release);
            if counts && is_quiet {
                figures.add(sent.elapsed(), 0, 0);
            }
        }
        if !has_moved && !board.at_full_speed.load(Ordering::Acquire) {
            thread::sleep(interval.saturating_sub(began.elapsed()));
        }
    }
    Ok(())
}
