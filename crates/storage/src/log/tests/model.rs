//! Random operations against a list in memory.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Append(Vec<String>),
    Roll,
    Flush,
    Truncate(prop::sample::Index),
    DeleteRecords(prop::sample::Index),
    Close,
    Kill,
    PowerCut(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => prop::collection::vec("[a-z]{0,40}", 1..5).prop_map(Step::Append),
        1 => Just(Step::Roll),
        1 => Just(Step::Flush),
        1 => any::<prop::sample::Index>().prop_map(Step::Truncate),
        1 => any::<prop::sample::Index>().prop_map(Step::DeleteRecords),
        1 => Just(Step::Close),
        1 => Just(Step::Kill),
        1 => (0_usize..400).prop_map(Step::PowerCut),
    ]
}

/// The log and what it must hold.
struct Model {
    fixture: Fixture,
    log: Option<Log>,
    records: Vec<(i64, String)>,
    start: i64,
    end: i64,
    /// Nothing below may be lost.
    flushed: i64,
    /// What the log says is durable.
    recovery_point: i64,
}

impl Model {
    fn new() -> Self {
        let mut fixture = Fixture::default();
        fixture.options.config.segment_bytes = 400;
        fixture.fs.create_dir_all(&dir()).unwrap();
        let log = Some(fixture.open());
        Self { fixture, log, records: Vec::new(), start: 0, end: 0, flushed: 0, recovery_point: 0 }
    }

    fn log(&mut self) -> &mut Log {
        self.log.as_mut().unwrap()
    }

    fn run(&mut self, step: &Step) {
        match step {
            Step::Append(values) => self.append(values),
            Step::Roll => _ = self.log().roll(NOW).unwrap(),
            Step::Flush => {
                self.log().flush().unwrap();
                self.flushed = self.end;
            }
            Step::Truncate(index) => self.truncate(index.index((self.end - self.start + 1) as usize) as i64),
            Step::DeleteRecords(index) => {
                self.start += index.index((self.end - self.start + 1) as usize) as i64;
                let start = self.start;
                self.log().delete_records(start).unwrap().run().unwrap();
                self.flushed = self.flushed.max(start);
            }
            Step::Close => {
                self.log.take().unwrap().close().unwrap();
                self.flushed = self.end;
                self.reopen(true);
            }
            Step::Kill => {
                self.log = None;
                self.fixture.fs.kill();
                self.reopen(false);
            }
            Step::PowerCut(kept) => self.power_cut(*kept),
        }
        self.check();
    }

    fn append(&mut self, values: &[String]) {
        let strs: Vec<&str> = values.iter().map(String::as_str).collect();
        append(self.log(), batch(&strs, NOW)).unwrap();
        self.records.extend(values.iter().cloned().zip(self.end..).map(|(value, offset)| (offset, value)));
        self.end += values.len() as i64;
        let end = self.end;
        self.log().set_high_watermark(end);
    }

    /// Cuts where a batch starts, so that the model need not know batches.
    fn truncate(&mut self, above_start: i64) {
        let wanted = self.start + above_start;
        let batches = read_all(self.log.as_ref().unwrap(), self.start);
        let starts = batches.iter().map(|batch| batch.header().base_offset).filter(|offset| *offset >= self.start);
        let Some(offset) = starts.filter(|offset| *offset <= wanted).last() else { return };
        self.log().truncate_to(offset, NOW).unwrap();
        self.end = self.end.min(offset);
        self.flushed = self.flushed.min(self.end);
        let end = self.end;
        self.records.retain(|(offset, _)| *offset < end);
    }

    /// What was not flushed may be there or not; what is there is what was appended.
    fn power_cut(&mut self, kept: usize) {
        self.log = None;
        self.fixture.fs.power_cut(|_, unsynced| kept.min(unsynced));
        self.reopen(false);
        let end = self.log().log_end_offset();
        assert!(end >= self.flushed && end <= self.end, "{end} is not in {}..={}", self.flushed, self.end);
        self.end = end;
        self.records.retain(|(offset, _)| *offset < end);
    }

    fn reopen(&mut self, clean_shutdown: bool) {
        self.fixture.options.recovery_point = self.recovery_point;
        self.fixture.options.log_start_offset = self.start;
        self.fixture.options.clean_shutdown = clean_shutdown;
        let mut log = self.fixture.open();
        log.set_high_watermark(log.log_end_offset());
        self.log = Some(log);
    }

    fn check(&mut self) {
        let (start, end) = (self.start, self.end);
        let log = self.log();
        let recovery_point = log.recovery_point();
        assert_eq!((log.log_start_offset(), log.log_end_offset()), (start, end));
        let expected: Vec<_> = self.records.iter().filter(|(offset, _)| *offset >= start).cloned().collect();
        assert_eq!(values(self.log.as_ref().unwrap()), expected);
        self.recovery_point = recovery_point;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_log_is_a_list(steps in prop::collection::vec(step(), 1..40)) {
        let mut model = Model::new();
        for step in &steps {
            model.run(step);
        }
    }
}
