//! What follows from the calls: raft's rounds, each made durable by one batch before anything that rests on it leaves.

use super::{Committed, Error, Progress, Quorum, Role};
use crate::{
    codec::epoch,
    log::{Base, LogError},
    members::{Change, ChangeError, node_id, raft_id},
    message::{self, Envelope},
    store::Store,
};
use bytes::Bytes;
use ottla_protocol::Uuid;
use raft::{
    StateRole,
    eraftpb::{Entry, EntryType, Message, Snapshot},
};

/// Bytes of old entries that are handed out at a time after a start.
const REPLAY_BYTES: u64 = 1 << 20;

/// Where messages go.
type Send<'a> = &'a mut dyn FnMut(i32, Bytes);

impl<S: Store> Quorum<S> {
    /// Makes durable what came since the last call and says what follows. A message may be sent as soon as `send` gets it: a
    /// leader's entries leave before they are on its own disk, as it counts itself only when they are; all else leaves after.
    pub fn advance(&mut self, send: Send<'_>) -> Result<Progress, Error> {
        self.alive()?;
        for (to, bytes) in std::mem::take(&mut self.messages) {
            send(to, bytes);
        }
        self.settle(send)?;
        let mut progress = Progress { role: self.changed_role(), ..Progress::default() };
        progress.snapshot_wanted = self.node.store().take_newer_wanted() && self.is_leader();
        if let Some(installing) = self.installing.as_mut().filter(|installing| !installing.announced) {
            installing.announced = true;
            progress.install = Some(installing.snapshot.clone());
        }
        if self.replay.0 <= self.replay.1 {
            let replayed = self.replay();
            progress.committed = self.outcome(replayed)?;
            progress.more = self.replay.0 <= self.replay.1 || !self.committed.is_empty();
        } else {
            progress.committed = std::mem::take(&mut self.committed);
        }
        if let Some(last) = progress.committed.last() {
            self.handed = last.index;
        }
        Ok(progress)
    }

    /// The next of the entries that were committed when the log was opened.
    fn replay(&mut self) -> Result<Vec<Committed>, Error> {
        let (next, last) = self.replay;
        let entries = self.node.store().read(next, last + 1, REPLAY_BYTES)?;
        self.replay.0 = entries.last().map_or(last, |entry| entry.index) + 1;
        let mut committed = Vec::with_capacity(entries.len());
        for entry in entries {
            let members = self.node.store().members_from(entry.index).cloned();
            let data = match entry.get_entry_type() {
                EntryType::EntryNormal => entry.data,
                _ => decode_change(&entry)?.1,
            };
            committed.push(Committed { index: entry.index, epoch: epoch(entry.term), data, members });
        }
        Ok(committed)
    }

    fn changed_role(&mut self) -> Option<Role> {
        let role = self.role();
        (self.told.replace(role) != Some(role)).then_some(role)
    }

    /// The rounds that must be done before raft is told more; what follows from them waits for [`Quorum::advance`].
    pub(super) fn settle_inside(&mut self) -> Result<(), Error> {
        let mut messages = std::mem::take(&mut self.messages);
        let settled = self.settle(&mut |to, bytes| messages.push((to, bytes)));
        if settled.is_ok() {
            self.messages = messages;
        }
        settled
    }

    fn settle(&mut self, send: Send<'_>) -> Result<(), Error> {
        let settled = self.rounds(send);
        self.outcome(settled)
    }

    fn rounds(&mut self, send: Send<'_>) -> Result<(), Error> {
        self.check_reads()?;
        while self.node.has_ready() {
            self.round(send)?;
            self.observe();
        }
        // A commit index that moved with nothing else to write need not outlive a power cut: it is learned again.
        Ok(self.node.mut_store().persist(None, &[], false)?)
    }

    fn round(&mut self, send: Send<'_>) -> Result<(), Error> {
        let mut ready = self.node.ready();
        self.check_reads()?;
        self.post(ready.take_messages(), send);
        if let Some(hard) = ready.hs() {
            self.node.mut_store().set_hard(hard.clone());
        }
        let restored = self.restored(ready.snapshot())?;
        let entries = ready.take_entries();
        self.node.mut_store().persist(restored, &entries, ready.must_sync())?;
        self.post(ready.take_persisted_messages(), send);
        let mut committed = ready.take_committed_entries();
        let mut light = self.node.advance_append(ready);
        self.check_reads()?;
        if let Some(commit) = light.commit_index() {
            self.node.mut_store().set_commit(commit);
        }
        self.post(light.take_messages(), send);
        committed.append(&mut light.take_committed_entries());
        self.take_in(committed)?;
        self.node.advance_apply();
        Ok(())
    }

    /// A read that failed gave raft nothing in place of what it asked for: what it makes of that must not be believed.
    fn check_reads(&self) -> Result<(), Error> {
        self.node.store().take_failure().map_or(Ok(()), |failure| Err(failure.into()))
    }

    /// The log after a snapshot that is in place.
    fn restored(&mut self, snapshot: &Snapshot) -> Result<Option<Base>, Error> {
        if snapshot.is_empty() {
            return Ok(None);
        }
        let damaged = |error| LogError::Damaged { what: "snapshot", error };
        let (members, id) = message::snapshot_data(snapshot).map_err(damaged)?;
        let (index, term) = (snapshot.get_metadata().index, snapshot.get_metadata().term);
        self.replay = (index + 1, index);
        // The snapshot has what these say.
        self.committed.clear();
        self.handed = index;
        Ok(Some(Base { index, term, members, id }))
    }

    fn take_in(&mut self, entries: Vec<Entry>) -> Result<(), Error> {
        for entry in entries {
            let (index, epoch) = (entry.index, epoch(entry.term));
            if entry.get_entry_type() == EntryType::EntryNormal {
                self.committed.push(Committed { index, epoch, data: entry.data, members: None });
                continue;
            }
            let (change, data) = decode_change(&entry)?;
            let contradiction = |error: ChangeError| LogError::Contradiction(error.to_string());
            let members = self.members().changed(change).map_err(contradiction)?;
            // That the change is committed is known after a crash too: a node never acts by fewer changes than before.
            self.node.mut_store().sync_hard()?;
            self.node.apply_conf_change(&change.to_raft()).map_err(|error| Error::Raft(error.to_string()))?;
            self.node.mut_store().set_members(index, members.clone());
            let present: Vec<u64> = members.iter().filter_map(|member| raft_id(member.voter.id)).collect();
            self.heard.retain(|id, _| present.contains(id));
            // Raft leaves a leader that is no voter any more to lead, and panics when it then counts itself.
            if self.node.raft.state == StateRole::Leader && !members.is_voter(self.settings.node_id) {
                let term = self.node.raft.term;
                self.node.raft.become_follower(term, raft::INVALID_ID);
            }
            self.committed.push(Committed { index, epoch, data, members: Some(members) });
        }
        Ok(())
    }

    fn post(&self, messages: Vec<Message>, send: Send<'_>) {
        for message in messages {
            let Some(to) = node_id(message.to) else {
                continue;
            };
            // An answer goes to whoever asked. A request is for the member that is known, not for one that took its place.
            let known = self.members().get(to).map_or(Uuid::ZERO, |member| member.voter.directory_id);
            let answer = message::is_response(message.get_msg_type());
            let envelope = Envelope {
                cluster_id: self.settings.cluster_id.clone(),
                from: self.settings.node_id,
                from_directory: self.settings.directory_id,
                to,
                to_directory: if answer { Uuid::ZERO } else { known },
            };
            if let Some(bytes) = message::encode(&envelope, &message) {
                send(to, bytes);
            }
        }
    }
}

fn decode_change(entry: &Entry) -> Result<(Change, Bytes), Error> {
    let damaged = |error| LogError::Damaged { what: "change of members", error };
    Ok(Change::decode(&entry.context).map_err(damaged)?)
}
