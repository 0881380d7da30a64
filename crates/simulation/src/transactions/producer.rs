//! A producer: it takes a transactional id, and writes transactions one after the other until somebody tells it that it is over.
//! One that copies writes what it has read, and how far it has read, as a member of a group.

use super::copier::{Copier, Input, Ranges};
use super::message::{Answer, Attempt, Batch, Client, Content, Message, Refusal};
use super::partition::{OFFSETS, PARTITIONS, topic_partition};
use crate::random::Random;
use ottla_coordinator::transactions::{Error, Partitions, Producer as Id};
use ottla_protocol::Str;
use ottla_protocol::batch::NO_SEQUENCE;
use std::collections::{BTreeMap, VecDeque};

/// What a producer knows of one of its transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is not to count: its end was not asked for, or only that it be aborted.
    Never,
    /// It may count: that it be committed was asked for.
    Maybe,
    /// It counts.
    Committed,
}

/// A transaction as its producer has it.
#[derive(Clone, Debug)]
pub(super) struct Transaction {
    pub(super) outcome: Outcome,
    /// The values, each in one partition.
    pub(super) values: Vec<u64>,
    /// What it copies.
    pub(super) ranges: Ranges,
    /// Whether the group's coordinator has taken the offsets, and nobody was asked to end it.
    pub(super) is_pending: bool,
}

#[derive(Clone, Copy)]
enum Step {
    Init,
    /// There is nothing to copy.
    Read,
    Add,
    Write,
    AddOffsets,
    Offsets,
    End {
        commits: bool,
    },
    Over,
}

pub(super) struct Producer {
    pub(super) client: Client,
    pub(super) transactional_id: Str,
    version: i16,
    id: Id,
    step: Step,
    sequences: BTreeMap<usize, i32>,
    /// What is still to be written of the transaction.
    batches: VecDeque<(usize, Vec<u64>)>,
    pub(super) transactions: Vec<Transaction>,
    pub(super) copier: Option<Copier>,
    attempt: Attempt,
    /// When what was asked is asked again.
    again_at_ms: u64,
    retry_ms: u64,
    /// It stands still before.
    pub(super) paused_until_ms: u64,
    /// How many transactions it writes; then it stops in order.
    left: u64,
    pub(super) out: Vec<Message>,
}

impl Producer {
    pub(super) fn new(
        client: Client,
        transactional_id: Str,
        version: i16,
        left: u64,
        retry_ms: u64,
        copier: Option<Copier>,
    ) -> Self {
        Self {
            client,
            transactional_id,
            version,
            id: Id { id: -1, epoch: -1 },
            step: Step::Init,
            sequences: BTreeMap::new(),
            batches: VecDeque::new(),
            transactions: Vec::new(),
            copier,
            attempt: 0,
            again_at_ms: 0,
            retry_ms,
            paused_until_ms: 0,
            left,
            out: Vec::new(),
        }
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self.step, Step::Over)
    }

    /// The process is killed.
    pub(super) fn kill(&mut self) {
        self.step = Step::Over;
        if let Some(copier) = &mut self.copier {
            copier.member.is_dead = true;
        }
    }

    /// Begins no other transaction, but copies what there is.
    pub(super) fn finish(&mut self) {
        self.left = if self.copier.is_some() { u64::MAX } else { 0 };
        self.paused_until_ms = 0;
    }

    /// A copier lives in its group, and begins a transaction when there is something to copy.
    pub(super) fn consume(&mut self, now_ms: u64, random: &mut Random, input: &mut Input) {
        let Some(copier) = &mut self.copier else { return };
        copier.member.tick(now_ms, random, &input.topics, &input.acknowledged);
        if let Step::Read = self.step
            && let Some((ranges, values)) = copier.read(random, input)
        {
            self.write(random, ranges, values);
        }
    }

    /// Asks, or asks again.
    pub(super) fn tick(&mut self, now_ms: u64) {
        if now_ms < self.again_at_ms || self.is_over() {
            return;
        }
        self.again_at_ms = now_ms + self.retry_ms;
        self.attempt += 1;
        let (client, attempt, transactional_id, producer) =
            (self.client, self.attempt, self.transactional_id.clone(), self.id);
        let message = match self.step {
            Step::Init => Message::Init { client, attempt, transactional_id },
            Step::Add => {
                let partitions = self.batches.iter().map(|(partition, _)| topic_partition(*partition)).collect();
                Message::Add { client, attempt, transactional_id, producer, partitions }
            }
            Step::AddOffsets => {
                let partitions = Partitions::from_iter([topic_partition(OFFSETS)]);
                Message::Add { client, attempt, transactional_id, producer, partitions }
            }
            Step::Write | Step::Offsets => {
                let Some((partition, sequence, content)) = self.next_batch() else { return };
                let (batch, version) = (Batch { producer, sequence, content }, self.version);
                Message::Produce { client, attempt, transactional_id, partition, batch, version }
            }
            Step::End { commits: committed } => {
                self.ends(committed);
                let version = self.version;
                Message::EndTxn { client, attempt, transactional_id, producer, committed, version }
            }
            Step::Read | Step::Over => return,
        };
        self.out.push(message);
    }

    /// Where what is next belongs, its sequence there, and what it is.
    fn next_batch(&self) -> Option<(usize, i32, Content)> {
        if let Some((partition, values)) = self.batches.front() {
            let sequence = self.sequences.get(partition).copied().unwrap_or(0);
            return Some((*partition, sequence, Content::Values(values.clone())));
        }
        let metadata = format!("{}/{}", self.client, self.transactions.len().saturating_sub(1));
        let ranges = &self.transactions.last()?.ranges;
        let commit = self.copier.as_ref()?.commit(self.id, ranges, &Str::from(metadata.as_str()));
        Some((OFFSETS, NO_SEQUENCE, Content::Offsets(commit)))
    }

    fn ends(&mut self, commits: bool) {
        if let Some(transaction) = self.transactions.last_mut() {
            transaction.is_pending = false;
            if commits {
                transaction.outcome = Outcome::Maybe;
            }
        }
    }

    /// Its transaction has ended.
    fn ended(&mut self, commits: bool, input: &mut Input) {
        self.batches.clear();
        let Some(transaction) = self.transactions.last_mut() else { return };
        transaction.outcome = if commits { Outcome::Committed } else { Outcome::Never };
        match (&mut self.copier, commits) {
            (Some(copier), true) => copier.committed(&transaction.ranges, &mut input.acknowledged),
            (Some(copier), false) => copier.aborted(&transaction.ranges),
            (None, _) => {}
        }
    }

    fn go_on(&mut self, step: Step) {
        self.step = step;
        // What comes now is an answer to an earlier question.
        self.attempt += 1;
        self.again_at_ms = 0;
    }

    fn begin(&mut self, random: &mut Random, input: &mut Input) {
        if self.left == 0 {
            if let Some(copier) = &mut self.copier {
                copier.member.leave(false);
            }
            return self.kill();
        }
        self.left -= 1;
        if self.copier.is_some() {
            return self.go_on(Step::Read);
        }
        let mut batches = Vec::new();
        for _ in 0..random.between(1, 4) {
            batches.push((0..random.between(1, 3)).map(|_| input.value()).collect());
        }
        self.write(random, Ranges::new(), batches);
    }

    /// Begins a transaction with these values, each batch somewhere.
    fn write(&mut self, random: &mut Random, ranges: Ranges, batches: Vec<Vec<u64>>) {
        let values = batches.iter().flatten().copied().collect();
        self.transactions.push(Transaction { outcome: Outcome::Never, values, ranges, is_pending: false });
        for values in batches {
            let partition = random.below(u64::try_from(PARTITIONS).unwrap_or(1));
            self.batches.push_back((usize::try_from(partition).unwrap_or(0), values));
        }
        self.go_on(if self.version >= 2 { Step::Write } else { Step::Add });
    }

    /// Takes an answer in; one that is late is none.
    pub(super) fn take(&mut self, now_ms: u64, random: &mut Random, input: &mut Input, message: Message) {
        let (attempt, answer) = match message {
            Message::Told { attempt, answer, .. } => (attempt, answer),
            Message::Produced { attempt, answer, .. } => {
                if attempt == self.attempt && matches!(self.step, Step::Write | Step::Offsets) {
                    self.produced(now_ms, random, answer);
                }
                return;
            }
            _ => return,
        };
        if attempt != self.attempt {
            return;
        }
        match (self.step, answer) {
            (Step::Init, Answer::Producer(Ok(id))) => {
                self.become_producer(id);
                self.begin(random, input);
            }
            (Step::Add, Answer::Added(Ok(()))) => self.go_on(Step::Write),
            (Step::AddOffsets, Answer::Added(Ok(()))) => self.go_on(Step::Offsets),
            (Step::End { commits }, Answer::Producer(Ok(id))) => {
                self.ended(commits, input);
                if self.version >= 2 {
                    self.become_producer(id);
                }
                self.begin(random, input);
            }
            (_, Answer::Producer(Err(error)) | Answer::Added(Err(error))) => self.refused(error),
            _ => {}
        }
    }

    fn become_producer(&mut self, id: Id) {
        if id != self.id {
            self.sequences.clear();
        }
        self.id = id;
    }

    fn refused(&mut self, error: Error) {
        match Refusal::from(error) {
            // When its time has come it asks again.
            Refusal::Retry => {}
            Refusal::Abort | Refusal::Fenced => self.kill(),
        }
    }

    fn produced(&mut self, now_ms: u64, random: &mut Random, answer: Result<(), Refusal>) {
        let was_offsets = matches!(self.step, Step::Offsets);
        match answer {
            Ok(()) => {
                if let Some((partition, values)) = self.batches.pop_front() {
                    let count = i32::try_from(values.len()).unwrap_or(0);
                    *self.sequences.entry(partition).or_insert(0) += count;
                }
                if let Some(transaction) = self.transactions.last_mut() {
                    transaction.is_pending = was_offsets;
                }
                self.go_on(match (self.batches.is_empty(), was_offsets || self.copier.is_none()) {
                    (false, _) => Step::Write,
                    (true, false) if self.version >= 2 => Step::Offsets,
                    (true, false) => Step::AddOffsets,
                    (true, true) => Step::End { commits: !random.permille(200) },
                });
                if was_offsets {
                    self.again_at_ms = now_ms + random.below(400);
                }
            }
            Err(Refusal::Retry) => {}
            // Its epoch ends with the transaction, so nothing that is under way can come into the next.
            Err(Refusal::Abort) if self.version >= 2 || was_offsets => self.go_on(Step::End { commits: false }),
            Err(Refusal::Abort | Refusal::Fenced) => self.kill(),
        }
    }
}
