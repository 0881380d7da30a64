//! What members of both protocols say, and how those of the classic one take what they hear.

use super::coordinator::SESSION_MS;
use super::member::{Member, Next};
use super::message::Request;
use super::topics::{Part, Topics, from_bytes, name, subscribed, subscription, to_assignment, to_bytes};
use ottla_coordinator::{
    ConsumerHeartbeat, Error, GroupAssignment, Heartbeat, JoinGroup, LeaveGroup, LeavingMember, Protocol, Reply,
    SyncGroup,
};
use ottla_protocol::Str;
use std::collections::{BTreeMap, BTreeSet};

const REBALANCE_MS: i32 = 20_000;

impl Member {
    pub(super) fn join(&self) -> Request {
        Request::Join(JoinGroup {
            group_id: self.group.clone(),
            member_id: self.id.clone(),
            group_instance_id: self.instance.clone(),
            client_id: Str::from_static("c"),
            client_host: Str::from_static("/h"),
            member_id_suffix: Str::from(self.number.to_string().as_str()),
            session_timeout_ms: SESSION_MS,
            rebalance_timeout_ms: REBALANCE_MS,
            protocol_type: Str::from_static("consumer"),
            protocols: vec![Protocol { name: Str::from_static("range"), metadata: subscription(&self.reads) }],
            reason: None,
            require_known_member_id: true,
            supports_skipping_assignment: true,
        })
    }

    pub(super) fn sync(&mut self, topics: &Topics) -> Request {
        let mut assignments = Vec::new();
        if self.may_assign {
            self.assigned = Some(topics.clone());
            self.assigned_last.clone_from(&self.assigned);
            let shares = self.shares(topics);
            assignments = shares
                .into_iter()
                .map(|(member_id, parts)| GroupAssignment { member_id, assignment: to_bytes(&parts) })
                .collect();
        }
        Request::Sync(SyncGroup {
            group_id: self.group.clone(),
            generation_id: self.epoch,
            member_id: self.id.clone(),
            group_instance_id: self.instance.clone(),
            protocol_type: None,
            protocol_name: None,
            assignments,
        })
    }

    /// Each partition goes to one of those who read its topic, in turn.
    fn shares(&self, topics: &Topics) -> BTreeMap<Str, BTreeSet<Part>> {
        let mut shares: BTreeMap<Str, BTreeSet<Part>> =
            self.members.iter().map(|(id, _)| (id.clone(), BTreeSet::new())).collect();
        let read: BTreeSet<usize> = self.members.iter().flat_map(|(_, reads)| reads).copied().collect();
        for (turn, part) in topics.of(&read).into_iter().enumerate() {
            let readers: Vec<&Str> =
                self.members.iter().filter(|(_, reads)| reads.contains(&part.0)).map(|(id, _)| id).collect();
            let reader = turn.checked_rem(readers.len()).and_then(|at| readers.get(at));
            if let Some(share) = reader.and_then(|id| shares.get_mut(*id)) {
                share.insert(part);
            }
        }
        shares
    }

    pub(super) fn heartbeat(&self) -> Request {
        Request::Heartbeat(Heartbeat {
            group_id: self.group.clone(),
            generation_id: self.epoch,
            member_id: self.id.clone(),
            group_instance_id: self.instance.clone(),
        })
    }

    pub(super) fn consumer_heartbeat(&self) -> Request {
        let all = self.says_all || self.epoch == 0;
        Request::ConsumerHeartbeat(ConsumerHeartbeat {
            rebalance_timeout_ms: if all { REBALANCE_MS } else { -1 },
            subscribed_topic_names: Some(self.reads.iter().map(|topic| name(*topic)).collect()),
            topic_partitions: (all || self.says_owned).then(|| to_assignment(&self.owned)),
            ..self.of_epoch(self.epoch)
        })
    }

    fn of_epoch(&self, member_epoch: i32) -> ConsumerHeartbeat {
        ConsumerHeartbeat {
            group_id: self.group.clone(),
            member_id: self.id.clone(),
            member_epoch,
            instance_id: self.instance.clone(),
            client_id: Str::from_static("c"),
            client_host: Str::from_static("/h"),
            rebalance_timeout_ms: -1,
            ..ConsumerHeartbeat::default()
        }
    }

    /// Its last words; for a while if it is static and another process is to come under its name.
    pub(crate) fn leave(&mut self, for_a_while: bool) {
        if self.epoch > 0 && self.is_classic {
            let members = vec![LeavingMember {
                member_id: self.id.clone(),
                group_instance_id: self.instance.clone(),
                reason: None,
            }];
            self.say(Request::Leave(LeaveGroup { group_id: self.group.clone(), members }));
        } else if self.epoch > 0 {
            let epoch = if for_a_while && self.instance.is_some() { -2 } else { -1 };
            self.say(Request::ConsumerHeartbeat(self.of_epoch(epoch)));
        }
        self.is_dead = true;
    }

    /// Takes in what it was told; false if it was refused.
    pub(super) fn answered_classic(&mut self, reply: Reply) -> bool {
        let error = match reply {
            Reply::JoinGroup(Ok(joined)) => {
                self.id = joined.member_id;
                self.epoch = joined.generation_id;
                self.may_assign = !joined.members.is_empty() && !joined.skip_assignment;
                self.members =
                    joined.members.into_iter().map(|member| (member.member_id, subscribed(&member.metadata))).collect();
                // Who is told to keep what it assigned looks whether that is still right.
                self.assigned = self.assigned_last.clone().filter(|_| joined.skip_assignment);
                self.next = Next::Sync;
                return true;
            }
            Reply::JoinGroup(Err(refused)) if refused.error == Error::MemberIdRequired => {
                self.id = refused.member_id;
                return true;
            }
            Reply::SyncGroup(Ok(synced)) => {
                self.owned = from_bytes(&synced.assignment);
                self.next = Next::Live;
                return true;
            }
            Reply::Heartbeat(Ok(())) => return true,
            Reply::JoinGroup(Err(refused)) => refused.error,
            Reply::SyncGroup(Err(error)) | Reply::Heartbeat(Err(error)) => error,
            _ => return true,
        };
        match error {
            Error::RebalanceInProgress => self.next = Next::Join,
            Error::IllegalGeneration => self.begin_anew(),
            _ => {
                self.is_dead |= error == Error::FencedInstanceId;
                self.begin_anew();
                self.id = Str::default();
            }
        }
        error == Error::RebalanceInProgress
    }
}
