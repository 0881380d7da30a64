//! What a run has reached: a model test that never cuts a torn tail proves nothing about torn tails.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use tracing::field::{Field, Visit};
use tracing::span;

/// Each must be reached in a long run.
pub const REQUIRED: &[&str] = &[
    "append plain",
    "append idempotent",
    "append transactional",
    "append marker commit",
    "append marker abort",
    "append as coordinator",
    "append as follower",
    "append with log append time",
    "append gzip",
    "append snappy",
    "append lz4",
    "append zstd",
    "append too large",
    "append over segment.bytes",
    "follower left out an unknown epoch",
    "follower offset below the end",
    "duplicate answered",
    "refused sequence",
    "refused epoch",
    "refused outside of transaction",
    "refused coordinator",
    "roll size",
    "roll time",
    "roll index",
    "roll offset",
    "roll asked",
    "flush",
    "flush beside appends",
    "flush overtaken by a truncation",
    "truncation in the active segment",
    "truncation across segments",
    "truncation below the first segment",
    "truncation inside a batch",
    "began anew",
    "records deleted",
    "segments deleted",
    "retention by size",
    "retention by time",
    "clean stop",
    "kill",
    "power cut",
    "power cut lost records",
    "power cut kept records that were not flushed",
    "power cut in an append",
    "power cut in a truncation",
    "power cut in a flush",
    "power cut in an opening",
    "disk failed in an append",
    "disk full rolled back",
    "disk full in a roll",
    "torn tail cut",
    "preallocation cut",
    "segments after a torn one dropped",
    "index rebuilt",
    "snapshot used",
    "snapshot damaged",
    "last stable offset held back",
    "aborted transactions found",
    "timestamp found",
    "producer expired",
    "high watermark inside a batch",
];

thread_local! {
    static MARKS: RefCell<BTreeMap<&'static str, u64>> = const { RefCell::new(BTreeMap::new()) };
}

pub fn mark(what: &'static str) {
    MARKS.with_borrow_mut(|marks| *marks.entry(what).or_default() += 1);
}

/// What was reached since the last call, and how often.
pub fn take() -> BTreeMap<&'static str, u64> {
    MARKS.take()
}

/// Those that were not reached.
pub fn missing(marks: &BTreeMap<&'static str, u64>) -> Vec<&'static str> {
    REQUIRED.iter().copied().filter(|required| !marks.contains_key(required)).collect()
}

/// What the log warns of is a mark too.
const WARNINGS: &[(&str, &str)] = &[
    ("cutting a torn tail", "torn tail cut"),
    ("cutting off what was preallocated", "preallocation cut"),
    ("dropping segments after", "segments after a torn one dropped"),
    ("rebuilding indexes", "index rebuilt"),
    ("ignoring a producer snapshot", "snapshot damaged"),
    ("no room for a producer snapshot", "disk full in a snapshot"),
    ("beginning it anew", "ended below its start"),
];

/// Listens to the warnings of the log.
pub struct Listener;

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            let _written = write!(self.0, "{value:?}");
        }
    }
}

impl tracing::Subscriber for Listener {
    fn enabled(&self, _metadata: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _span: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _span: &span::Id, _values: &span::Record<'_>) {}

    fn record_follows_from(&self, _span: &span::Id, _follows: &span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut message = Message(String::new());
        event.record(&mut message);
        let known = WARNINGS.iter().find(|(text, _)| message.0.contains(text));
        known.iter().for_each(|(_, what)| mark(what));
    }

    fn enter(&self, _span: &span::Id) {}

    fn exit(&self, _span: &span::Id) {}
}
