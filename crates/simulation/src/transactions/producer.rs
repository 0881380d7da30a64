//! A producer: it takes a transactional id, and writes transactions one after the other until somebody tells it that it is over.

use super::coordinator::TOPIC;
use super::message::{Answer, Attempt, Batch, Client, Message, Refusal};
use crate::random::Random;
use ottla_coordinator::transactions::{Error, Partitions, Producer as Id};
use ottla_protocol::Str;
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
}

enum Step {
    Init,
    Add,
    Write,
    End { commits: bool },
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
    attempt: Attempt,
    /// When what was asked is asked again.
    again_at_ms: u64,
    retry_ms: u64,
    /// How many transactions it writes; then it stops in order.
    left: u64,
    pub(super) out: Vec<(Option<usize>, Message)>,
}

impl Producer {
    pub(super) fn new(client: Client, transactional_id: Str, version: i16, left: u64, retry_ms: u64) -> Self {
        Self {
            client,
            transactional_id,
            version,
            id: Id { id: -1, epoch: -1 },
            step: Step::Init,
            sequences: BTreeMap::new(),
            batches: VecDeque::new(),
            transactions: Vec::new(),
            attempt: 0,
            again_at_ms: 0,
            retry_ms,
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
    }

    /// Begins no other transaction.
    pub(super) fn finish(&mut self) {
        self.left = 0;
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
        let message = match &self.step {
            Step::Init => (None, Message::Init { client, attempt, transactional_id }),
            Step::Add => {
                let index = |(partition, _): &(usize, Vec<u64>)| {
                    (Str::from_static(TOPIC), i32::try_from(*partition).unwrap_or(i32::MAX))
                };
                let partitions: Partitions = self.batches.iter().map(index).collect();
                (None, Message::Add { client, attempt, transactional_id, producer, partitions })
            }
            Step::Write => {
                let Some((partition, values)) = self.batches.front().cloned() else { return };
                let sequence = self.sequences.get(&partition).copied().unwrap_or(0);
                let batch = Batch { producer, sequence, values };
                let version = self.version;
                (Some(partition), Message::Produce { client, attempt, transactional_id, partition, batch, version })
            }
            Step::End { commits } => {
                let (committed, version) = (*commits, self.version);
                if committed {
                    self.set(Outcome::Maybe);
                }
                (None, Message::EndTxn { client, attempt, transactional_id, producer, committed, version })
            }
            Step::Over => return,
        };
        self.out.push(message);
    }

    fn set(&mut self, outcome: Outcome) {
        if let Some(transaction) = self.transactions.last_mut() {
            transaction.outcome = outcome;
        }
    }

    fn go_on(&mut self, step: Step) {
        self.step = step;
        // What comes now is an answer to an earlier question.
        self.attempt += 1;
        self.again_at_ms = 0;
    }

    fn begin(&mut self, random: &mut Random, partitions: usize, next_value: &mut u64) {
        if self.left == 0 {
            return self.kill();
        }
        self.left -= 1;
        let mut transaction = Transaction { outcome: Outcome::Never, values: Vec::new() };
        for _ in 0..random.between(1, 4) {
            let mut values = Vec::new();
            for _ in 0..random.between(1, 3) {
                values.push(*next_value);
                *next_value += 1;
            }
            transaction.values.extend(&values);
            let partition = random.below(u64::try_from(partitions).unwrap_or(1));
            self.batches.push_back((usize::try_from(partition).unwrap_or(0), values));
        }
        self.transactions.push(transaction);
        self.go_on(if self.version >= 2 { Step::Write } else { Step::Add });
    }

    /// Takes an answer in; one that is late is none.
    pub(super) fn take(&mut self, random: &mut Random, partitions: usize, next_value: &mut u64, message: Message) {
        let (attempt, answer) = match message {
            Message::Told { attempt, answer, .. } => (attempt, answer),
            Message::Produced { attempt, answer, .. } => {
                if attempt == self.attempt && matches!(self.step, Step::Write) {
                    self.produced(random, answer);
                }
                return;
            }
            _ => return,
        };
        if attempt != self.attempt {
            return;
        }
        match (&self.step, answer) {
            (Step::Init, Answer::Producer(Ok(id))) => {
                self.become_producer(id);
                self.begin(random, partitions, next_value);
            }
            (Step::Add, Answer::Added(Ok(()))) => self.go_on(Step::Write),
            (Step::End { commits }, Answer::Producer(Ok(id))) => {
                self.set(if *commits { Outcome::Committed } else { Outcome::Never });
                self.batches.clear();
                if self.version >= 2 {
                    self.become_producer(id);
                }
                self.begin(random, partitions, next_value);
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

    fn produced(&mut self, random: &mut Random, answer: Result<(), Refusal>) {
        match answer {
            Ok(()) => {
                if let Some((partition, values)) = self.batches.pop_front() {
                    let count = i32::try_from(values.len()).unwrap_or(0);
                    *self.sequences.entry(partition).or_insert(0) += count;
                }
                match self.batches.is_empty() {
                    true => self.go_on(Step::End { commits: !random.permille(200) }),
                    false => self.go_on(Step::Write),
                }
            }
            Err(Refusal::Retry) => {}
            // Its epoch ends with the transaction, so nothing that is under way can come into the next.
            Err(Refusal::Abort) if self.version >= 2 => self.go_on(Step::End { commits: false }),
            Err(Refusal::Abort | Refusal::Fenced) => self.kill(),
        }
    }
}
