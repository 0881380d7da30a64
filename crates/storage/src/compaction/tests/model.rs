//! Random histories against a list of all that was ever appended.

use ottla_protocol::compression::{Compression, Level};
use proptest::prelude::*;

use super::*;

const PRODUCERS: i64 = 3;

#[derive(Clone, Debug)]
enum Step {
    /// Codec, then key and value of each record; none is a tombstone.
    Append(usize, Vec<(u8, Option<u8>)>),
    /// The same in a producer's transaction, or outside of one by an idempotent producer.
    Produce(i64, bool, usize, Vec<(u8, Option<u8>)>),
    End(i64, bool),
    Roll,
    /// How many keys fit into the map, and by how much the time moves on.
    Clean(usize, i64),
    DeleteRecords(prop::sample::Index),
    Close,
    Kill,
    PowerCut,
}

fn step() -> impl Strategy<Value = Step> {
    let records = || prop::collection::vec((0..8_u8, prop::option::weighted(0.8, any::<u8>())), 1..6);
    prop_oneof![
        6 => (0..5_usize, records()).prop_map(|(codec, records)| Step::Append(codec, records)),
        8 => (0..PRODUCERS, any::<bool>(), 0..5_usize, records()).prop_map(|(id, in_txn, codec, records)| {
            Step::Produce(id, in_txn, codec, records)
        }),
        4 => (0..PRODUCERS, any::<bool>()).prop_map(|(id, commit)| Step::End(id, commit)),
        3 => Just(Step::Roll),
        4 => (1..20_usize, prop_oneof![Just(0), Just(1), Just(RETENTION_MS)]).prop_map(|(k, ms)| Step::Clean(k, ms)),
        1 => any::<prop::sample::Index>().prop_map(Step::DeleteRecords),
        1 => Just(Step::Close),
        1 => Just(Step::Kill),
        1 => Just(Step::PowerCut),
    ]
}

/// A record that was appended, and whose transaction it is part of, while that is open.
#[derive(Clone, Debug)]
struct Appended {
    offset: i64,
    text: String,
    in_txn_of: Option<i64>,
    aborted: bool,
}

struct Model {
    fixture: Fixture,
    log: Option<Log>,
    appended: Vec<Appended>,
    sequences: [i32; PRODUCERS as usize],
    /// Last offset of each producer.
    written: [i64; PRODUCERS as usize],
    now_ms: i64,
    checkpoint: Option<i64>,
}

impl Model {
    fn new() -> Self {
        let mut fixture = Fixture::default();
        fixture.options.config.segment_bytes = 400;
        fixture.options.config.producer_id_expiration_ms = i64::MAX;
        fixture.fs.create_dir_all(&dir()).unwrap();
        let log = Some(fixture.open());
        Self { fixture, log, appended: Vec::new(), sequences: [0; 3], written: [-1; 3], now_ms: NOW, checkpoint: None }
    }

    fn log(&mut self) -> &mut Log {
        self.log.as_mut().unwrap()
    }

    fn run(&mut self, step: &Step) {
        match step {
            Step::Append(codec, records) => self.append(Builder::new(), *codec, records, None),
            Step::Produce(id, in_txn, codec, records) => self.produce(*id, *in_txn, *codec, records),
            Step::End(id, commit) => self.end(*id, *commit),
            Step::Roll => _ = self.log().roll(NOW).unwrap(),
            Step::Clean(keys, elapsed_ms) => self.clean(*keys, *elapsed_ms),
            Step::DeleteRecords(index) => self.delete_records(*index),
            Step::Close | Step::Kill | Step::PowerCut => self.restart(step),
        }
        self.check();
    }

    fn is_open(&self, id: i64) -> bool {
        self.appended.iter().any(|record| record.in_txn_of == Some(id))
    }

    fn produce(&mut self, id: i64, in_txn: bool, codec: usize, records: &[(u8, Option<u8>)]) {
        // A producer that has begun a transaction ends it before it writes anything else.
        let in_txn = in_txn || self.is_open(id);
        let sequence = self.sequences[id as usize];
        self.sequences[id as usize] += records.len() as i32;
        let builder = Builder::new().producer(id, 0, sequence).transactional(in_txn);
        self.append(builder, codec, records, in_txn.then_some(id));
        self.written[id as usize] = self.log().log_end_offset() - 1;
    }

    fn append(&mut self, builder: Builder, codec: usize, records: &[(u8, Option<u8>)], in_txn_of: Option<i64>) {
        let mut builder = builder.compression(Compression::ALL[codec], Level::Default);
        let offset = self.log().log_end_offset();
        for (offset, (key, value)) in (offset..).zip(records) {
            let (key, value) = (format!("k{key}"), value.map(|value| value.to_string()));
            builder.push(NewRecord {
                timestamp: NOW + offset,
                key: Some(key.as_bytes()),
                value: value.as_deref().map(str::as_bytes),
                headers: &[(b"offset", Some(&offset.to_be_bytes()))],
            });
            let text = value.map_or(key.clone(), |value| format!("{key}={value}"));
            self.appended.push(Appended { offset, text, in_txn_of, aborted: false });
        }
        super::append(self.log(), builder);
    }

    fn end(&mut self, id: i64, commit: bool) {
        if !self.is_open(id) {
            return;
        }
        end_transaction(self.log(), id, commit);
        for record in self.appended.iter_mut().filter(|record| record.in_txn_of == Some(id)) {
            record.in_txn_of = None;
            record.aborted = !commit;
        }
    }

    fn clean(&mut self, keys: usize, elapsed_ms: i64) {
        self.now_ms += elapsed_ms;
        let (checkpoint, now_ms) = (self.checkpoint, self.now_ms);
        let config =
            CompactionConfig { dedupe_buffer_bytes: (keys + 1) * 24, dedupe_load_factor: 1.0, ..Default::default() };
        let Some(cleaned) = clean_with(self.log(), checkpoint, now_ms, &config).unwrap() else { return };
        assert!(cleaned.next_dirty_offset > checkpoint.unwrap_or(0));
        self.checkpoint = Some(cleaned.next_dirty_offset);
        self.check_clean(cleaned.next_dirty_offset);
    }

    /// Below where the log is clean nothing aborted is left and no key is there twice.
    fn check_clean(&mut self, clean_up_to: i64) {
        let mut keys = BTreeSet::new();
        for (offset, record) in committed(self.log.as_ref().unwrap()) {
            let key = record.split('=').next().unwrap().to_owned();
            assert!(offset >= clean_up_to || keys.insert(key), "{record} at {offset} is there twice");
        }
        for batch in batches(self.log.as_ref().unwrap()) {
            let offsets = batch.records(&LIMITS).map(|record| record.unwrap().offset);
            let aborted = |offset: &i64| self.appended.iter().any(|record| record.offset == *offset && record.aborted);
            let left = offsets.filter(|offset| *offset < clean_up_to && aborted(offset)).count();
            assert_eq!(left, 0, "aborted records are left in {batch:?}");
        }
    }

    fn delete_records(&mut self, index: prop::sample::Index) {
        let (start, end) = (self.log().log_start_offset(), self.log().last_stable_offset());
        // A producer whose records are all deleted may not go on: as in Kafka, its sequence is forgotten at the next start.
        let last_batch = self.written.iter().copied().filter(|offset| *offset >= 0).min().unwrap_or(end);
        let end = end.min(last_batch).max(start);
        let offset = start + index.index((end - start + 1) as usize) as i64;
        self.log().delete_records(offset).unwrap().run().unwrap();
        self.checkpoint = self.checkpoint.map(|checkpoint| checkpoint.max(offset));
    }

    fn restart(&mut self, how: &Step) {
        let mut log = self.log.take().unwrap();
        self.fixture.options.log_start_offset = log.log_start_offset();
        self.fixture.options.clean_shutdown = matches!(how, Step::Close);
        if matches!(how, Step::PowerCut) {
            log.flush().unwrap();
        }
        self.fixture.options.recovery_point = log.recovery_point();
        match how {
            Step::Close => _ = log.close().unwrap(),
            Step::Kill => self.fixture.fs.kill(),
            _ => self.fixture.fs.power_cut(|_, _| 0),
        }
        self.log = Some(self.fixture.open());
    }

    fn check(&mut self) {
        let log = self.log.as_ref().unwrap();
        let start = log.log_start_offset();
        let below = log.last_stable_offset();
        let expected: Vec<(i64, String)> = self
            .appended
            .iter()
            .filter(|record| !record.aborted && record.in_txn_of.is_none() && (start..below).contains(&record.offset))
            .map(|record| (record.offset, record.text.clone()))
            .collect();
        let found = committed(log);
        assert!(found.iter().all(|record| expected.contains(record)), "{found:?} is not of {expected:?}");
        assert_eq!(view(&found), view(&expected));
        let dirty = |records: &[(i64, String)]| {
            let from = self.checkpoint.unwrap_or(0);
            records.iter().filter(|(offset, _)| *offset >= from).cloned().collect::<Vec<_>>()
        };
        assert_eq!(dirty(&found), dirty(&expected), "what is dirty is whole");
        for (id, sequence) in self.sequences.iter().enumerate().filter(|(_, sequence)| **sequence > 0) {
            let known = log.producer(id as i64).map_or(-1, |entry| entry.last_sequence());
            assert_eq!(known, sequence - 1, "the last sequence of producer {id}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_compacted_log_tells_what_the_whole_one_would(steps in prop::collection::vec(step(), 1..60)) {
        let mut model = Model::new();
        for step in &steps {
            model.run(step);
        }
    }
}
