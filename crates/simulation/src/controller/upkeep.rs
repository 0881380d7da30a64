//! Snapshots: made when they are due, fetched where entries are missing, and what is in them goes from the quorum's log.

use super::{Act, Controller, Fetching, log};
use crate::message::{Body, Message, Records};
use core::time::Duration;
use ottla_quorum::{Snapshot, SnapshotId};

/// How long it takes to write one.
const WRITING: Duration = Duration::from_millis(300);
/// How long an answer is waited for.
const TIMEOUT: Duration = Duration::from_millis(2_000);

impl Controller {
    /// Has a snapshot made of all there is now.
    pub(crate) fn want_snapshot(&mut self) {
        if let Some(process) = &mut self.process {
            process.wants_snapshot = true;
        }
    }

    /// Snapshots when they are due, and what is in them goes from the quorum's log.
    pub(super) fn upkeep(&mut self, now: Duration, acts: &mut Vec<Act>) {
        let Some(process) = &mut self.process else { return };
        if let Some(late) = process.fetching.take_if(|fetching| now.saturating_sub(fetching.since) >= TIMEOUT) {
            process.quorum.not_installed(late.id);
        }
        if let Some((_, id, records)) = process.generating.take_if(|(due, ..)| *due <= now) {
            self.disk.keep_snapshot(id, records);
        }
        let id = SnapshotId { end_offset: process.image.offset(), epoch: process.image.epoch() };
        let is_news = self.disk.latest().map_or(0, |latest| latest.end_offset) < id.end_offset;
        if process.wants_snapshot && process.generating.is_none() {
            process.wants_snapshot = false;
            if is_news {
                process.generating = Some((now.saturating_add(WRITING), id, log::records_of(&process.image)));
            }
        }
        let Some(latest) = self.disk.latest() else { return };
        let Some(index) = process.standing.index_of(latest.end_offset) else { return };
        // What the quorum forgets must be on disk here.
        self.disk.sync();
        match process.quorum.compact(index, latest) {
            Ok(_) => process.standing.forget(index),
            Err(_) => return acts.push(Act::Died),
        }
        self.disk.clean();
    }

    /// Asks for a snapshot.
    pub(super) fn fetch(&mut self, snapshot: &Snapshot, now: Duration, acts: &mut Vec<Act>) {
        let Some(process) = &mut self.process else { return };
        process.fetching = Some(Fetching { id: snapshot.id, since: now });
        let body = Body::FetchSnapshot { id: snapshot.id };
        acts.push(Act::Send(Message { from: self.id, to: snapshot.leader, run: process.run, body }));
    }

    /// A snapshot has come, or word that there is none.
    pub(super) fn install(&mut self, id: SnapshotId, records: Option<Records>, acts: &mut Vec<Act>) {
        let Some(process) = &mut self.process else { return };
        if process.fetching.take_if(|fetching| fetching.id == id).is_none() {
            return;
        }
        let Some(records) = records else { return process.quorum.not_installed(id) };
        if id.end_offset > self.disk.end() {
            let mut image = ottla_metadata::Image::default();
            if let Err(reason) = log::apply(&mut image, &records) {
                return acts.push(Act::Broken(reason));
            }
            image.advance(id.end_offset, id.epoch);
            self.disk.keep_snapshot(id, records);
            self.disk.start_at(id.end_offset);
            process.image = image;
            process.standing.clear();
            acts.push(Act::Applied(Box::new(process.image.clone())));
            if self.dying.is_some() {
                // Between the two steps.
                return acts.push(Act::Died);
            }
        }
        self.installed += usize::from(process.quorum.installed(id));
    }
}
