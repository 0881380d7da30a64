//! What others ask of a controller: answered when what it led to is committed, or with where the active controller is.

use super::{Act, Caller, Controller, Rest};
use crate::message::{Body, Message};
use core::time::Duration;
use ottla_metadata::controller::{AlterPartition, Event, IsrChange, Reply};
use ottla_protocol::{ErrorCode, Uuid};
use ottla_quorum::{Change, Role};
use ottla_replication::Proposal;
use ottla_state_machine::Ticket;

impl Controller {
    pub(crate) fn take(&mut self, message: Message, now: Duration, acts: &mut Vec<Act>) {
        let (from, run) = (message.from, message.run);
        let Some(process) = &mut self.process else { return };
        match message.body {
            Body::Raft(bytes) => self.refused += usize::from(process.quorum.receive(bytes).is_err()),
            Body::FetchSnapshot { id } => {
                let records = self.disk.snapshot(id).cloned();
                acts.push(self.send(from, run, Body::Snapshot { id, records }));
            }
            Body::Snapshot { id, records } if run == process.run => self.install(id, records, acts),
            body => self.asked(from, run, body, now, acts),
        }
        self.settle(now, acts);
    }

    fn send(&self, to: i32, run: u64, body: Body) -> Act {
        Act::Send(Message { from: self.id, to, run, body })
    }

    /// What a broker asks.
    fn asked(&mut self, from: i32, run: u64, body: Body, now: Duration, acts: &mut Vec<Act>) {
        let altering = match &body {
            Body::AlterPartition { partition, number, .. } => Some((*partition, *number)),
            _ => None,
        };
        let Some(process) = &self.process else { return };
        if !self.may_decide() {
            let active = match process.quorum.role() {
                Role::Follower { leader, epoch } => Some((leader, epoch)),
                Role::Leader { .. } | Role::Unattached { .. } => None,
            };
            return acts.push(self.send(from, run, Body::NotController { active, altering }));
        }
        if let (Some((_, number)), Some(process)) = (altering, &mut self.process) {
            let last = process.asked.entry((from, run)).or_default();
            if number < *last {
                return;
            }
            *last = number;
        }
        let caller = Some(Caller { id: from, run, altering });
        match body {
            Body::Follow(offset) => acts.push(self.send(from, run, Body::Metadata(self.disk.news(offset)))),
            Body::Register(event) => self.submit(now, caller, |ticket| Event::RegisterBroker(ticket, event), acts),
            Body::Heartbeat(event) => self.submit(now, caller, |ticket| Event::BrokerHeartbeat(ticket, event), acts),
            Body::Assign(event) => self.submit(now, caller, |ticket| Event::AssignReplicas(ticket, event), acts),
            Body::AlterPartition { broker_epoch, partition, proposal, .. } => {
                let event = self.alter(from, broker_epoch, partition, &proposal);
                self.submit(now, caller, |ticket| Event::AlterPartition(ticket, event), acts);
            }
            _ => {}
        }
    }

    fn submit(
        &mut self,
        now: Duration,
        caller: Option<Caller>,
        event: impl FnOnce(Ticket) -> Event,
        acts: &mut Vec<Act>,
    ) {
        let ticket = self.new_ticket(caller);
        self.decide(now, Some(ticket), event(ticket), acts);
    }

    /// What an operator asks, if this controller is active.
    pub(crate) fn operate(&mut self, now: Duration, event: impl FnOnce(Ticket) -> Event, acts: &mut Vec<Act>) {
        if self.may_decide() {
            self.submit(now, None, event, acts);
            self.settle(now, acts);
        }
    }

    /// Has the members changed, if this controller is active. Answers whether that is on its way.
    pub(crate) fn change(&mut self, change: Change, now: Duration, acts: &mut Vec<Act>) -> bool {
        if !self.may_decide() {
            return false;
        }
        let Some(process) = &mut self.process else { return false };
        let leading = process.leading.as_mut();
        let changes = leading.is_some_and(|leading| leading.change(&mut process.quorum, change).is_ok());
        self.settle(now, acts);
        changes
    }

    /// Has another voter lead.
    pub(crate) fn hand_over(&mut self, to: i32, now: Duration, acts: &mut Vec<Act>) {
        if let Some(process) = &mut self.process {
            process.quorum.transfer_leadership(to).ok();
            self.settle(now, acts);
        }
    }

    fn alter(&self, broker_id: i32, broker_epoch: i64, partition: i32, proposal: &Proposal) -> AlterPartition {
        let process = self.process.as_ref();
        let topic = process.and_then(|process| process.image.topics().iter().next());
        let change = IsrChange {
            topic_id: topic.map_or(Uuid::ZERO, |topic| topic.id),
            partition,
            leader_epoch: proposal.leader_epoch,
            partition_epoch: proposal.partition_epoch,
            isr: proposal.isr.clone(),
            leader_recovery_state: 0,
        };
        AlterPartition { broker_id, broker_epoch, partitions: vec![change] }
    }

    /// Answers what rests on what is committed.
    pub(super) fn answer(&mut self, acts: &mut Vec<Act>) {
        let end = self.disk.end();
        let Some(process) = &mut self.process else { return };
        let Some(leading) = &mut process.leading else { return };
        let replies: Vec<(Ticket, Reply, Option<Rest>)> = leading.committed(end);
        for (ticket, reply, rest) in replies {
            acts.extend(rest.map(Act::Told));
            let caller = self.process.as_mut().and_then(|process| process.callers.remove(&ticket)).flatten();
            if let Some((caller, body)) = caller.and_then(|caller| body(reply, &caller).map(|body| (caller, body))) {
                acts.push(self.send(caller.id, caller.run, body));
            }
        }
    }
}

fn body(reply: Reply, caller: &Caller) -> Option<Body> {
    Some(match reply {
        Reply::RegisterBroker(result) => Body::Registered(result.map_err(|error| error.code)),
        Reply::BrokerHeartbeat(result) => Body::Status(result.map_err(|error| error.code)),
        Reply::AlterPartition(result) => {
            let (partition, number) = caller.altering?;
            let answer = match result {
                Ok(mut all) => all.pop().unwrap_or(Err(ErrorCode::UnknownServerError)),
                Err(error) => Err(error.code),
            };
            Body::AlteredPartition { partition, number, answer }
        }
        _ => return None,
    })
}
