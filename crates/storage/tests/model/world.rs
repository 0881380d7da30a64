//! A log on a simulated disk beside its model, and the steps that both take.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ottla_protocol::Uuid;
use ottla_storage::fs::SimFs;
use ottla_storage::log_dir::{Checkpoint, LogDir, PartitionDir, PartitionOffsets};
use ottla_storage::{FlushTask, Log, LogConfig, Removal};

use super::draw;
use super::faults::Fault;
use super::rng::Rng;
use super::state::Model;

pub const LOG_DIR: &str = "/data";
pub const NOW: i64 = 1_700_000_000_000;

pub struct World {
    pub fs: SimFs,
    pub dir: Option<LogDir>,
    /// None only while it is being opened.
    pub log: Option<Log>,
    pub model: Model,
    pub config: LogConfig,
    pub now: i64,
    pub rng: Rng,
    /// A flush that was begun, the end of the log then, and whether a truncation came since.
    pub flushing: Option<(FlushTask, i64, bool)>,
    pub removals: Vec<Removal>,
    /// What the checkpoints may hold.
    pub starts: Vec<i64>,
    pub high_watermarks: Vec<i64>,
    /// What befalls the disk in this step.
    pub fault: Option<Fault>,
    pub leader_epoch: i32,
    /// The log has a hole that the model cannot follow.
    pub over: bool,
    /// An index or a snapshot was damaged once.
    pub damaged: bool,
    pub trace: Option<Vec<String>>,
}

impl World {
    pub fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let compact = rng.percent(25);
        let config = draw::config(&mut rng, compact);
        let fs = SimFs::new();
        let dir = LogDir::open(Path::new(LOG_DIR), Arc::new(fs.clone())).unwrap();
        let log = dir.create_log("t", 0, Uuid::from_bytes([7; 16]), config.clone(), NOW).unwrap();
        dir.sync_all().unwrap();
        Self {
            fs,
            dir: Some(dir),
            log: Some(log),
            model: Model::new(NOW),
            config,
            now: NOW,
            rng,
            flushing: None,
            removals: Vec::new(),
            starts: vec![0],
            high_watermarks: vec![0],
            fault: None,
            leader_epoch: 0,
            over: false,
            damaged: false,
            trace: None,
        }
    }

    pub fn log(&mut self) -> &mut Log {
        self.log.as_mut().unwrap()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        Path::new(LOG_DIR).join("t-0").join(name)
    }

    pub fn partition(&self) -> PartitionDir {
        PartitionDir { topic: "t".to_owned(), partition: 0, path: Path::new(LOG_DIR).join("t-0") }
    }

    pub fn say(&mut self, text: impl FnOnce(&Self) -> String) {
        let text = self.trace.is_some().then(|| text(self));
        self.trace.as_mut().into_iter().for_each(|trace| trace.extend(text.clone()));
    }

    /// Takes the step that a seed stands for and compares.
    pub fn step(&mut self, seed: u64) {
        if self.over {
            return;
        }
        self.rng = Rng::new(seed);
        self.now += self.rng.pick(&[0, 1, 10, 200, 2_000]);
        self.draw_fault();
        match self.rng.below(100) {
            0..=18 => self.append_plain(),
            19..=33 => self.append_idempotent(),
            34..=47 => self.append_transactional(),
            48..=57 => self.append_marker(),
            58..=60 => self.append_as_coordinator(),
            61..=66 => self.append_as_follower(),
            67 => self.start_leader_epoch(),
            68..=69 => self.roll(),
            70..=73 => self.flush(),
            74..=76 => self.flush_beside(),
            77..=81 => self.move_high_watermark(),
            82..=83 => self.delete_records(),
            84 => self.retention(),
            85..=86 => self.truncate(),
            87 => self.start_anew(),
            88..=91 => self.checkpoint(),
            92 => self.change_config(),
            93 => self.expire_producers(),
            94 => self.close(),
            95..=96 => self.kill(),
            _ => self.cut_power(),
        }
        self.fault = None;
        self.fs.heal();
        self.check_some();
    }

    fn change_config(&mut self) {
        let compact = self.config.compact;
        self.config = draw::config(&mut self.rng, compact);
        let config = self.config.clone();
        self.say(|world| format!("config {:?}", world.config));
        self.log().set_config(config);
    }

    fn expire_producers(&mut self) {
        self.say(|world| format!("expire producers at {}", world.now));
        let (now, expiration_ms) = (self.now, self.config.producer_id_expiration_ms);
        self.log().remove_expired_producers(now);
        let end = self.model.end;
        self.model.producers.expire(end, now, expiration_ms);
    }

    fn move_high_watermark(&mut self) {
        let (start, end) = (self.model.start, self.model.end);
        let wanted = if self.rng.percent(50) { end } else { self.rng.within(start - 1, end + 1) };
        self.say(|_| format!("high watermark {wanted}"));
        let set = self.log().set_high_watermark(wanted);
        self.model.set_high_watermark(wanted);
        assert_eq!(set, self.model.high_watermark);
    }

    fn checkpoint(&mut self) {
        self.say(|_| "checkpoint".to_owned());
        let which = self.rng.below(3);
        if which != 0 {
            self.write_recovery_point();
        }
        if which != 1 {
            self.write_start();
        }
        if which != 2 {
            self.write_high_watermark();
        }
    }

    pub fn write_recovery_point(&mut self) {
        let point = self.log().recovery_point();
        let _written = self.write(Checkpoint::RecoveryPoint, point);
    }

    /// False if the disk failed over it.
    pub fn lower_recovery_point(&mut self, to: i64) -> bool {
        let point = self.log().recovery_point().min(to);
        self.write(Checkpoint::RecoveryPoint, point)
    }

    pub fn write_start(&mut self) {
        let start = self.model.start;
        self.starts.push(start);
        if self.write(Checkpoint::LogStartOffset, start) {
            self.starts = vec![start];
        }
    }

    fn write_high_watermark(&mut self) {
        let high_watermark = self.model.high_watermark;
        self.high_watermarks.push(high_watermark);
        if self.write(Checkpoint::HighWatermark, high_watermark) {
            self.high_watermarks = vec![high_watermark];
        }
    }

    /// A failed checkpoint takes the log dir offline, unless the disk was only full.
    fn write(&mut self, which: Checkpoint, offset: i64) -> bool {
        let offsets = PartitionOffsets::from([(("t".to_owned(), 0), offset)]);
        let Some(dir) = &self.dir else { return false };
        let written = dir.write_checkpoint(which, &offsets).is_ok();
        if !written && !self.is_full_fault() {
            self.crash(super::opening::Doubt::default());
        }
        written
    }
}
