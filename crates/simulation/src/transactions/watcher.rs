//! Who looks at the group's offsets from outside, and what must hold of what it is told.

use super::check::{aborted, stable, together};
use super::copier::{GROUP, Input};
use super::message::{Attempt, Client, Message};
use super::producer::Producer;
use crate::Violation;
use crate::groups::{self, Caller, Offsets, Part, name, number_of, offset_goes_on, to_fetch};
use crate::random::Random;
use ottla_coordinator::{Error, FetchedPartition, OffsetFetch, Reply};
use ottla_protocol::Str;
use std::collections::{BTreeMap, BTreeSet};

/// What it is called where others are numbers of producers.
pub(super) const WATCHER: Client = Client::MAX;

/// A transaction: whose, and which of theirs.
pub(super) type Author = (Client, usize);

/// An offset, and the transaction in which it was committed if it ever was.
pub(super) type Fetched = (i64, Option<Author>);

/// What it asked, and what was known then.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) require_stable: bool,
    /// Up to where copies had been read.
    pub(super) copied: BTreeMap<Part, i64>,
    /// Transactions in which offsets had been taken, and nobody was asked to end them.
    pub(super) pending: BTreeMap<Part, BTreeSet<Author>>,
}

#[derive(Default)]
pub(super) struct Watcher {
    asked: BTreeMap<Attempt, Question>,
    attempts: Attempt,
    committed: Offsets,
    suspects: Vec<stable::Suspect>,
    /// What it was told last of stable offsets; none of those that were not.
    pub(super) stable: BTreeMap<Part, Option<i64>>,
    /// How many offsets it was told that they are not stable.
    pub(super) unstable: usize,
}

impl Watcher {
    /// Asks for all offsets of the group.
    pub(super) fn ask(
        &mut self,
        random: &mut Random,
        input: &Input,
        producers: &[Producer],
        copied: BTreeMap<Part, i64>,
    ) -> Message {
        let require_stable = random.permille(500);
        let mut pending = BTreeMap::<Part, BTreeSet<Author>>::new();
        for producer in producers {
            let last = producer.transactions.len().saturating_sub(1);
            for part in producer.transactions.last().iter().filter(|it| it.is_pending).flat_map(|it| it.ranges.keys()) {
                pending.entry(*part).or_default().insert((producer.client, last));
            }
        }
        self.attempts += 1;
        self.asked.insert(self.attempts, Question { require_stable, copied, pending });
        let request = OffsetFetch {
            group_id: Str::from_static(GROUP),
            member_id: None,
            member_epoch: -1,
            topics: Some(to_fetch(&input.topics.of(&BTreeSet::from([0])))),
            require_stable,
        };
        let caller = Caller { member: WATCHER, attempt: self.attempts };
        Message::Group(groups::Message::Asked(caller, groups::Request::Fetch(request)))
    }

    /// Takes an answer in.
    pub(super) fn take(
        &mut self,
        attempt: Attempt,
        reply: Option<Reply>,
        producers: &[Producer],
    ) -> Result<(), Violation> {
        let Some(question) = self.asked.remove(&attempt) else { return Ok(()) };
        let Some(Reply::OffsetFetch(Ok(topics))) = reply else { return Ok(()) };
        for topic in topics {
            let number = number_of(|it| name(it) == topic.name).unwrap_or_default();
            for partition in topic.partitions {
                let part = (number, partition.partition_index);
                let fetched = fetched(&partition);
                if question.require_stable {
                    self.stable.insert(part, fetched.map(|(offset, _)| offset));
                }
                let Some((offset, author)) = fetched else {
                    self.unstable += 1;
                    continue;
                };
                let at = (Str::from_static(GROUP), part);
                offset_goes_on(&mut self.committed, at, Some(offset)).map_or(Ok(()), Err)?;
                aborted::check(part, (offset, author), producers)?;
                if question.require_stable {
                    together::check(part, offset, &question)?;
                    self.suspects.extend(stable::suspects(part, offset, &question, producers));
                }
            }
        }
        Ok(())
    }

    /// Looks whether any offset was told too early.
    pub(super) fn look_back(&self, producers: &[Producer]) -> Result<(), Violation> {
        self.suspects.iter().try_for_each(|suspect| stable::check(suspect, producers))
    }
}

fn fetched(partition: &FetchedPartition) -> Option<Fetched> {
    if partition.error == Some(Error::UnstableOffsetCommit) {
        return None;
    }
    let author = partition.metadata.split_once('/').and_then(|(client, number)| {
        let (client, number) = (client.parse().ok()?, number.parse().ok()?);
        Some((client, number))
    });
    Some((partition.committed_offset.max(0), author))
}
