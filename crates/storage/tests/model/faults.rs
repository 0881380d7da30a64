//! What befalls the disk while a step is taken.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ottla_storage::fs::sim::{self, Call};

use super::marks::mark;
use super::world::World;

#[derive(Clone, Debug)]
pub struct Fault {
    pub kind: Kind,
    /// Whether it happened.
    pub fired: Arc<AtomicBool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Writes fail for want of room.
    Full,
    /// One call fails.
    Io,
    /// All calls fail from one on: after it the power is cut.
    Power,
}

/// Notes what is read, to tell whether a snapshot was of use.
pub fn observe(call: Call, path: &Path) {
    if call == Call::Read && path.extension().is_some_and(|extension| extension == "snapshot") {
        mark("snapshot used");
    }
}

impl World {
    pub fn draw_fault(&mut self) {
        let kind = match self.rng.below(100) {
            0..=2 => Kind::Full,
            3 => Kind::Io,
            4..=6 => Kind::Power,
            _ => {
                self.fault = None;
                return;
            }
        };
        let at = self.rng.pick(&[0, 0, 1, 2, 3, 5, 8, 13, 20]);
        self.set_fault(kind, at);
    }

    pub fn set_fault(&mut self, kind: Kind, at: usize) {
        let fired = Arc::new(AtomicBool::new(false));
        self.fault = Some(Fault { kind, fired: Arc::clone(&fired) });
        self.say(|_| format!("  [{kind:?} from call {at} on]"));
        let partly = self.rng.pick(&[0, 1, 30, 61, 70]);
        let mut calls = 0;
        self.fs.inject(move |call, path| {
            observe(call, path);
            let counted = if kind == Kind::Full { call == Call::Write } else { true };
            calls += usize::from(counted);
            let hit = counted && if kind == Kind::Io { calls == at + 1 } else { calls > at };
            if !hit {
                return None;
            }
            fired.store(true, Ordering::Relaxed);
            let error = if kind == Kind::Full { ErrorKind::StorageFull } else { ErrorKind::Other };
            Some(if call == Call::Write { sim::Fault::Partly(partly, error) } else { sim::Fault::Error(error) })
        });
    }

    pub fn has_fired(&self) -> bool {
        self.fault.as_ref().is_some_and(|fault| fault.fired.load(Ordering::Relaxed))
    }

    pub fn is_full_fault(&self) -> bool {
        self.has_fired() && self.fault.as_ref().is_some_and(|fault| fault.kind == Kind::Full)
    }

    pub fn is_power_fault(&self) -> bool {
        self.has_fired() && self.fault.as_ref().is_some_and(|fault| fault.kind == Kind::Power)
    }

    pub fn end_fault(&mut self) {
        self.fault = None;
        self.fs.inject(|call, path| {
            observe(call, path);
            None
        });
    }
}
