//! A shard with its log, its clock and a producer id for whoever needs one.

use super::super::*;
use core::time::Duration;
use ottla_protocol::{Bytes, Str};
use ottla_state_machine::{Now, Shard, Ticket};

const EPOCH_MS: i64 = 1_700_000_000_000;

pub(super) struct World {
    pub(super) shard: Shard<TransactionCoordinator>,
    pub(super) log: Vec<(Bytes, Option<Bytes>)>,
    pub(super) settings: Settings,
    pub(super) history: Vec<String>,
    now_ms: u64,
    next_producer_id: i64,
    /// Whether records are committed as soon as they are appended.
    commits_at_once: bool,
    committed: usize,
}

impl World {
    /// A world at a level of `transaction.version`.
    pub(super) fn new(transaction_version: i16) -> Self {
        let settings = Settings { transaction_version, add_partitions_wait_ms: 0, ..Settings::default() };
        let mut world = Self {
            shard: Shard::new(),
            log: Vec::new(),
            settings,
            history: Vec::new(),
            now_ms: 0,
            next_producer_id: 1000,
            commits_at_once: true,
            committed: 0,
        };
        world.load();
        world
    }

    fn now(&self) -> Now {
        let wall_ms = EPOCH_MS + i64::try_from(self.now_ms).unwrap();
        Now { monotonic: Duration::from_millis(self.now_ms), wall_ms }
    }

    /// Reads the log anew, as another broker does that takes the partition over.
    pub(super) fn load(&mut self) -> Vec<String> {
        self.shard = Shard::new();
        for (offset, (key, value)) in (0..).zip(&self.log) {
            let record = TransactionRecord::decode(key.clone(), value.clone()).unwrap().unwrap();
            self.shard.replay(offset, &record);
        }
        let end = i64::try_from(self.log.len()).unwrap();
        self.committed = self.log.len();
        let records = self.shard.activate(self.now(), end, end);
        assert!(records.is_empty());
        let mut came = self.append(&records);
        came.extend(self.send(Event::Configure(self.settings.clone())));
        came
    }

    pub(super) fn send(&mut self, event: Event) -> Vec<String> {
        let records = self.shard.decide(self.now(), event).unwrap();
        self.append(&records)
    }

    fn append(&mut self, records: &[TransactionRecord]) -> Vec<String> {
        let base = i64::try_from(self.log.len()).unwrap();
        self.log.extend(records.iter().map(|record| record.encode().unwrap()));
        self.shard.appended(base, records);
        if self.commits_at_once {
            self.committed = self.log.len();
        }
        self.commit()
    }

    fn commit(&mut self) -> Vec<String> {
        let released = self.shard.committed(i64::try_from(self.committed).unwrap());
        let mut came: Vec<String> = released.replies.iter().map(|(_, reply)| show(reply)).collect();
        for effect in released.effects {
            match effect {
                Effect::WriteMarkers(markers) => came.push(show_markers(&markers)),
                Effect::NeedProducerId { transactional_id, producer } => {
                    came.push(format!("needs an id for {transactional_id} {}", show_producer(producer)));
                }
                Effect::Log { transactional_id, message, .. } => {
                    self.history.push(format!("# {transactional_id}: {message}"));
                }
            }
        }
        came
    }

    fn ask(&mut self, event: impl Fn(Option<i64>) -> Event) -> Vec<String> {
        let came = self.send(event(None));
        if came != ["needs an id"] {
            return came;
        }
        let new = self.next_producer_id;
        self.next_producer_id += 1;
        self.send(event(Some(new)))
    }

    fn wait(&mut self, ms: u64) -> Vec<String> {
        let end = self.now_ms + ms;
        let mut came = Vec::new();
        while let Some(due) = self.shard.next_timeout() {
            let due_ms = u64::try_from(due.as_millis()).unwrap();
            if due_ms > end {
                break;
            }
            self.now_ms = self.now_ms.max(due_ms);
            if let Some(event) = self.shard.pop_timeout(self.now()) {
                came.extend(self.send(event));
            }
        }
        self.now_ms = end;
        came
    }

    /// Runs a command and tells what came of it.
    pub(super) fn run(&mut self, command: &str) -> String {
        let words: Vec<&str> = command.split_whitespace().collect();
        let came = self.dispatch(&words).join(" | ");
        self.history.push(format!("{command} => {came}"));
        came
    }

    fn dispatch(&mut self, words: &[&str]) -> Vec<String> {
        match *words {
            ["init", id, ref rest @ ..] => {
                let find = |name: &str| rest.iter().find_map(|word| word.strip_prefix(name));
                let request = |new_producer_id| InitProducerId {
                    transactional_id: Str::from(id),
                    timeout_ms: find("timeout=").map_or(60_000, |ms| ms.parse().unwrap()),
                    expected: find("was=").map(producer),
                    new_producer_id,
                };
                self.ask(|new| Event::InitProducerId(Ticket(0), request(new)))
            }
            [add @ ("add" | "add1"), id, by, ref rest @ ..] => self.send(Event::AddPartitions(
                Ticket(0),
                AddPartitions {
                    transactional_id: Str::from(id),
                    producer: producer(by),
                    partitions: partitions(rest),
                    client_version: if add == "add" { 2 } else { 0 },
                },
            )),
            ["verify", id, by, ref rest @ ..] => self.send(Event::VerifyPartitions(
                Ticket(0),
                VerifyPartitions {
                    transactional_id: Str::from(id),
                    producer: producer(by),
                    partitions: partitions(rest),
                },
            )),
            [end @ ("commit" | "abort" | "commit1" | "abort1"), id, by] => {
                let request = |new_producer_id| EndTransaction {
                    transactional_id: Str::from(id),
                    producer: producer(by),
                    committed: end.starts_with("commit"),
                    client_version: if end.ends_with('1') { 0 } else { 2 },
                    new_producer_id,
                };
                self.ask(|new| Event::EndTransaction(Ticket(0), request(new)))
            }
            ["written", id, by, ref rest @ ..] => self.send(Event::MarkersWritten {
                transactional_id: Str::from(id),
                producer: producer(by),
                partitions: partitions(rest),
            }),
            ["bring", id, by, new] => self.send(Event::Abort {
                transactional_id: Str::from(id),
                producer: producer(by),
                new_producer_id: new.parse().unwrap(),
            }),
            ["describe", id] => self.send(Event::Describe(Ticket(0), Str::from(id))),
            ["list", ref rest @ ..] => {
                let find = |name: &str| rest.iter().find_map(|word| word.strip_prefix(name));
                let state = |name: &str| State::ALL.into_iter().find(|state| state.name() == name).unwrap();
                let request = ListTransactions {
                    producer_ids: find("producer=").into_iter().map(|id| id.parse().unwrap()).collect(),
                    states: find("state=").map(|name| [state(name)].into()),
                    duration_ms: find("longer=").map_or(-1, |ms| ms.parse().unwrap()),
                    pattern: find("like=").map(|pattern| Pattern::parse(pattern).unwrap()),
                };
                self.send(Event::List(Ticket(0), request))
            }
            ["wait", ms] => self.wait(ms.parse().unwrap()),
            ["crash"] => {
                self.log.truncate(self.committed);
                self.commits_at_once = true;
                self.load()
            }
            ["hold"] => {
                self.commits_at_once = false;
                Vec::new()
            }
            ["commit"] => {
                self.commits_at_once = true;
                self.committed = self.log.len();
                self.commit()
            }
            _ => panic!("no command {words:?}"),
        }
    }
}

pub(super) fn producer(text: &str) -> Producer {
    let (id, epoch) = text.split_once('/').unwrap();
    Producer { id: id.parse().unwrap(), epoch: epoch.parse().unwrap() }
}

pub(super) fn partitions(words: &[&str]) -> Partitions {
    let one = |word: &&str| {
        let (topic, partition) = word.rsplit_once('-').unwrap();
        (Str::from(topic), partition.parse().unwrap())
    };
    words.iter().map(one).collect()
}

fn show_producer(producer: Producer) -> String {
    format!("{}/{}", producer.id, producer.epoch)
}

fn show_partitions(partitions: &Partitions) -> String {
    partitions.iter().map(|(topic, partition)| format!(" {topic}-{partition}")).collect()
}

fn show_markers(markers: &Markers) -> String {
    let Markers { transactional_id, producer, committed, partitions, transaction_version } = markers;
    let end = if *committed { "commit" } else { "abort" };
    let partitions = show_partitions(partitions);
    format!("tell {transactional_id} {} {end} v{transaction_version}{partitions}", show_producer(*producer))
}

fn show_error(error: Error) -> String {
    if error == Error::NeedsProducerId { "needs an id".to_owned() } else { error.code().name().to_owned() }
}

fn show(reply: &Reply) -> String {
    match reply {
        Reply::InitProducerId(Ok(producer)) | Reply::EndTransaction(Ok(producer)) => show_producer(*producer),
        Reply::AddPartitions(Ok(())) => "ok".to_owned(),
        Reply::VerifyPartitions(Ok(missing)) if missing.is_empty() => "ok".to_owned(),
        Reply::VerifyPartitions(Ok(missing)) => format!("missing{}", show_partitions(missing)),
        Reply::InitProducerId(Err(error))
        | Reply::EndTransaction(Err(error))
        | Reply::AddPartitions(Err(error))
        | Reply::VerifyPartitions(Err(error)) => show_error(*error),
        Reply::Describe(None) => "none".to_owned(),
        Reply::Describe(Some(it)) => {
            let start = if it.start_ms < 0 { it.start_ms } else { it.start_ms - EPOCH_MS };
            let (name, by) = (it.state.name(), show_producer(it.producer));
            format!("{name} {by} timeout={} start={start}{}", it.timeout_ms, show_partitions(&it.partitions))
        }
        Reply::List(listed) => {
            let one =
                |it: &ListedTransaction| format!("{}:{}:{}", it.transactional_id, it.producer_id, it.state.name());
            listed.iter().map(one).collect::<Vec<_>>().join(" ")
        }
    }
}
