//! Changes of the voters (KIP-853), one at a time: begun by who asks, ended by their commit, their time, or this leadership.
//!
//! A new voter gets the log as a learner before it gets a vote. The record that says who votes is in the entry that changes it.

use super::Voter;
use crate::{
    controller::membership::{Ask, Outcome, Refusal, Situation},
    metadata_log::{upgrade_batch, voters_batch},
    metadata_quorum::ReplicaKey,
};
use bytes::Bytes;
use ottla_protocol::{
    ErrorCode,
    batch::CheckedBatch,
    stored::{VotersRecord, voters_record},
};
use ottla_quorum::{Change, ChangeError, ChangeRefused, ProposeRefused};
use std::{collections::BTreeMap, time::Duration};
use tokio::sync::oneshot;
use tracing::{debug, info};

/// A change that was begun.
pub(super) struct Pending {
    step: Step,
    /// Who is yet to hear how it ends.
    caller: Option<oneshot::Sender<Outcome>>,
    deadline: Duration,
}

enum Step {
    /// It gets the log.
    Joining { voter: voters_record::Voter, ack_when_committed: bool },
    /// The change is in the log, as the entry with this index.
    Committing(u64),
}

impl Pending {
    /// The node that is to be added.
    pub(super) fn joining(&self) -> Option<&voters_record::Voter> {
        match &self.step {
            Step::Joining { voter, .. } => Some(voter),
            Step::Committing(_) => None,
        }
    }

    fn end(self, outcome: impl Into<Outcome>) {
        if let Some(caller) = self.caller {
            // Who does not wait any more need not hear of it.
            let _ = caller.send(outcome.into());
        }
    }
}

impl Voter {
    pub(super) fn ask(&mut self, ask: Ask, caller: oneshot::Sender<Outcome>) -> anyhow::Result<()> {
        let now = self.parts.clock.monotonic();
        let (begun, patience) = match self.begin(&ask) {
            Ok(begun) => (begun, ask.patience()),
            Err(outcome) => {
                let _ = caller.send(outcome);
                return Ok(());
            }
        };
        self.pending = Some(Pending { step: begun, caller: Some(caller), deadline: now.saturating_add(patience) });
        self.tell_addresses();
        // A node that is not far behind need not wait for the next tick.
        self.settle()?;
        self.go_on_changing()
    }

    /// Begins what is asked. What is done at once, or not at all, is answered.
    fn begin(&mut self, ask: &Ask) -> Result<Step, Outcome> {
        if self.leading.is_none() {
            return Err(Refusal::bare(ErrorCode::NotLeaderOrFollower).into());
        }
        let voters = self.check(ask)?;
        match ask {
            Ask::MayAdd(_) => Err(Outcome::Done),
            Ask::Add { voter, ack_when_committed, .. } => {
                self.parts.caught_up(voter)?;
                self.add_learner(voter)?;
                Ok(Step::Joining { voter: voter.clone(), ack_when_committed: *ack_when_committed })
            }
            Ask::Remove { voter, .. } if voter.id == self.parts.node_id => match self.resign() {
                true => Err(Outcome::HandedOver),
                false => Err(Refusal::later("No other voter can lead in place of the one to be removed").into()),
            },
            Ask::Remove { voter, .. } => Ok(Step::Committing(self.change_voters(Change::Remove(voter.id), &voters)?)),
            Ask::Update(voter) if !self.parts.state.is_dynamic() => {
                if let Some(leading) = self.leading.as_mut() {
                    leading.told.insert(voter.voter_id, voter.clone());
                }
                Err(Outcome::Done)
            }
            Ask::Update(_) => {
                let now_ms = self.parts.clock.now().wall_ms;
                self.write(|at| voters_batch(&voters, at, now_ms))?;
                Err(Outcome::Done)
            }
            Ask::Upgrade { validate_only, .. } if *validate_only || voters.voters.is_empty() => Err(Outcome::Done),
            Ask::Upgrade { level, .. } => {
                let now_ms = self.parts.clock.now().wall_ms;
                Ok(Step::Committing(self.write(|at| upgrade_batch(*level, &voters, at, now_ms))?))
            }
        }
    }

    fn check(&self, ask: &Ask) -> Result<VotersRecord, Refusal> {
        let fixed: Vec<i32> = self.quorum.members().voters().map(|voter| voter.id).collect();
        let nobody = BTreeMap::new();
        let situation = Situation {
            state: &self.parts.state,
            fixed: &fixed,
            told: self.leading.as_ref().map_or(&nobody, |leading| &leading.told),
            pending: self.pending.is_some(),
            serves: self.may_decide(),
            uncommitted: self.uncommitted.is_some() || self.quorum.status().changing,
            high_watermark: self.parts.log.end_offset(),
        };
        situation.check(ask)
    }

    fn add_learner(&mut self, voter: &voters_record::Voter) -> Result<(), Refusal> {
        let member = ottla_quorum::Voter { id: voter.voter_id, directory_id: voter.voter_directory_id };
        match self.quorum.members().get(member.id) {
            // One that an earlier leader began with.
            Some(known) if known.learner && known.voter == member => Ok(()),
            // With another disk: it goes first.
            Some(_) => {
                self.remove_strays();
                Err(Refusal::later(format!("Node {} is on its way with another directory", member.id)))
            }
            None => self.quorum.change(Change::AddLearner(member), &Bytes::new()).map(drop).map_err(refusal),
        }
    }

    /// Has members and record change with one entry, and answers its index.
    fn change_voters(&mut self, change: Change, voters: &VotersRecord) -> Result<u64, Refusal> {
        let now_ms = self.parts.clock.now().wall_ms;
        let leading = self.leading.as_mut().ok_or(Refusal::bare(ErrorCode::NotLeaderOrFollower))?;
        let batch = voters_batch(voters, leading.next(), now_ms).map_err(unwritable)?;
        let index = leading.change_members(&mut self.quorum, change, &batch).map_err(refusal)?;
        self.uncommitted = Some(index);
        Ok(index)
    }

    /// Has what the log says of the voters change alone, and answers the entry's index.
    fn write(&mut self, batch: impl FnOnce((i64, i32)) -> anyhow::Result<CheckedBatch>) -> Result<u64, Refusal> {
        let leading = self.leading.as_mut().ok_or(Refusal::bare(ErrorCode::NotLeaderOrFollower))?;
        let at = leading.next();
        let batch = batch(at).map_err(unwritable)?;
        let proposed = leading.propose_batch(&mut self.quorum, at.0, batch);
        let index = proposed.map_err(|error| Refusal::later(error.to_string()))?;
        self.uncommitted = Some(index);
        Ok(index)
    }

    /// Goes on with the change that was begun, as far as it can.
    pub(super) fn go_on_changing(&mut self) -> anyhow::Result<()> {
        let now = self.parts.clock.monotonic();
        let Some(pending) = self.pending.take() else {
            self.remove_strays();
            self.identify();
            return Ok(());
        };
        if now >= pending.deadline {
            return self.give_up(pending);
        }
        let Step::Joining { voter, ack_when_committed } = &pending.step else {
            self.pending = Some(pending);
            return Ok(());
        };
        let voters = self.parts.state.with_added(voter);
        let promoted = self.change_voters(Change::Promote(voter.voter_id), &voters);
        let ack_when_committed = *ack_when_committed;
        self.pending = Some(match promoted {
            // It is behind, or what made it a learner is not committed yet.
            Err(refusal) => {
                debug!(?refusal, "a new voter waits for its vote");
                pending
            }
            Ok(index) if ack_when_committed => Pending { step: Step::Committing(index), ..pending },
            Ok(index) => {
                let deadline = pending.deadline;
                pending.end(Outcome::Done);
                Pending { step: Step::Committing(index), caller: None, deadline }
            }
        });
        self.settle()
    }

    fn give_up(&mut self, pending: Pending) -> anyhow::Result<()> {
        let outcome = match pending.joining() {
            Some(voter) => {
                info!("node {} is not made a voter: it does not catch up", voter.voter_id);
                self.parts.lags_behind(voter)
            }
            // Whether it will be done is open, as after any timeout.
            None => Refusal::bare(ErrorCode::RequestTimedOut),
        };
        pending.end(outcome);
        self.remove_strays();
        self.tell_addresses();
        Ok(())
    }

    /// A learner that nobody waits for goes: whoever asked for it was told that it would not be, or will ask again.
    fn remove_strays(&mut self) {
        if !self.may_decide() || self.quorum.status().changing {
            return;
        }
        let stray = self.quorum.members().iter().find(|member| member.learner).map(|member| member.voter.id);
        if let Some(id) = stray
            && let Err(refused) = self.quorum.change(Change::Remove(id), &Bytes::new())
        {
            debug!(id, %refused, "a controller that was to be a voter remains as a learner");
        }
    }

    /// Where voters were fixed the quorum does not know their directories: it hears of them one by one when the log names them.
    fn identify(&mut self) {
        if !self.may_decide() || self.quorum.status().changing {
            return;
        }
        let named = {
            let mut unknown = self.quorum.members().voters().filter(|voter| voter.directory_id.is_zero());
            unknown.find_map(|voter| self.parts.state.voter(voter.id)).map(ReplicaKey::of)
        };
        if let Some(ReplicaKey { id, directory_id }) = named
            && let Err(refused) =
                self.quorum.change(Change::Identify(ottla_quorum::Voter { id, directory_id }), &Bytes::new())
        {
            debug!(id, %refused, "the directory of a voter is not known to the quorum yet");
        }
    }

    /// An entry is committed: perhaps the one that is waited for.
    pub(super) fn changed(&mut self, index: u64) {
        self.uncommitted.take_if(|uncommitted| *uncommitted <= index);
        let is_done = |pending: &mut Pending| matches!(pending.step, Step::Committing(at) if at <= index);
        if let Some(pending) = self.pending.take_if(is_done) {
            pending.end(Outcome::Done);
        }
    }

    /// This node does not lead any more.
    pub(super) fn forget_change(&mut self) {
        self.uncommitted = None;
        if let Some(pending) = self.pending.take() {
            pending.end(Refusal::bare(ErrorCode::NotLeaderOrFollower));
        }
    }
}

fn unwritable(error: anyhow::Error) -> Refusal {
    Refusal::new(ErrorCode::UnknownServerError, format!("{error:#}"))
}

/// Why the quorum does not take a change, to who asked for it.
fn refusal(refused: ChangeRefused) -> Refusal {
    match refused {
        ChangeRefused::Propose(ProposeRefused::NotLeader | ProposeRefused::Failed) => {
            Refusal::bare(ErrorCode::NotLeaderOrFollower)
        }
        ChangeRefused::Change(ChangeError::Many | ChangeError::Id(_)) => {
            Refusal::new(ErrorCode::InvalidRequest, refused.to_string())
        }
        _ => Refusal::later(refused.to_string()),
    }
}
