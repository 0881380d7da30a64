//! Where a follower cuts its log.

use super::*;
use proptest::prelude::*;

/// The epoch of each record, and an epoch that began at the end without one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct History {
    records: Vec<i32>,
    begun: Option<i32>,
}

impl History {
    fn of(records: &[i32]) -> Self {
        Self { records: records.to_vec(), begun: None }
    }

    fn mend(&mut self, mend: Mend) {
        if let Mend::TruncateTo(end) = mend {
            self.records.truncate(usize::try_from(end).unwrap());
            self.begun = None;
        }
    }

    /// What a leader with this log answers to a fetch: where it parts from the follower's.
    fn parts_at(&self, at: FetchAt) -> Option<(i32, i64)> {
        if at.last_fetched_epoch < 0 {
            return None;
        }
        let (epoch, end) = self.end_offset_for_epoch(at.last_fetched_epoch)?;
        (epoch < at.last_fetched_epoch || end < at.offset).then_some((epoch, end))
    }
}

impl LogView for History {
    fn log_start_offset(&self) -> i64 {
        0
    }

    fn log_end_offset(&self) -> i64 {
        i64::try_from(self.records.len()).unwrap()
    }

    fn last_epoch(&self) -> Option<i32> {
        self.begun.or(self.records.last().copied())
    }

    fn end_offset_for_epoch(&self, epoch: i32) -> Option<(i32, i64)> {
        let last = self.last_epoch()?;
        if last <= epoch {
            return (last == epoch).then(|| (epoch, self.log_end_offset()));
        }
        let end = self.records.partition_point(|of| *of <= epoch);
        let floor = end.checked_sub(1).map(|before| self.records[before]);
        Some((floor.unwrap_or(epoch), i64::try_from(end).unwrap()))
    }
}

#[test]
fn a_follower_fetches_at_its_end() {
    let at = fetch_at(7, &History::of(&[1, 1, 3]));
    assert_eq!(at, FetchAt { current_leader_epoch: 7, offset: 3, last_fetched_epoch: 3, log_start_offset: 0 });
    assert_eq!(fetch_at(7, &History::default()).last_fetched_epoch, -1);
}

#[test]
fn it_cuts_where_the_histories_part() {
    let log = History::of(&[1, 1, 3, 3, 5]);
    // The leader ends epoch 3 earlier, or later, or has 2 and not 3.
    assert_eq!(diverged((3, 3), &log), Mend::TruncateTo(3));
    assert_eq!(diverged((3, 9), &log), Mend::TruncateTo(4));
    assert_eq!(diverged((2, 4), &log), Mend::TruncateTo(2));
    assert_eq!(diverged((0, 1), &log), Mend::TruncateTo(0));
    // An epoch that began here without a record is forgotten.
    let begun = History { begun: Some(6), ..log };
    assert_eq!(diverged((5, 5), &begun), Mend::TruncateTo(5));
}

#[test]
fn out_of_the_leaders_range_it_goes_there() {
    let log = History::of(&[1, 1, 3]);
    assert_eq!(out_of_range(0, 2, &log), Mend::TruncateTo(2));
    assert_eq!(out_of_range(5, 9, &log), Mend::StartAt(5));
    assert_eq!(out_of_range(0, 3, &log), Mend::Nothing);
}

/// Two histories of one partition: the same up to some point, and after that no epoch in common.
fn histories() -> impl Strategy<Value = (History, History, usize)> {
    let epochs = |parity: i32| {
        prop::collection::vec((0..4, 0..4usize), 0..4).prop_map(move |runs| {
            let mut epoch = 100 + parity;
            let of = |(step, count)| {
                epoch += 2 * (1 + step);
                vec![epoch; count]
            };
            runs.into_iter().flat_map(of).collect::<Vec<i32>>()
        })
    };
    let common = prop::collection::vec((0..3, 0..4usize), 0..4).prop_map(|runs| {
        let mut epoch = 0;
        let of = |(step, count)| {
            epoch += 1 + step;
            vec![epoch; count]
        };
        runs.into_iter().flat_map(of).collect::<Vec<i32>>()
    });
    (common, epochs(0), epochs(1), 0..3usize, any::<bool>(), any::<bool>()).prop_map(
        |(common, a, b, more, of_a, begun)| {
            let last = common.last().copied();
            let with = |rest: Vec<i32>, longer: bool| {
                let more = last.into_iter().flat_map(|last| vec![last; if longer { more } else { 0 }]);
                History { records: common.iter().copied().chain(more).chain(rest).collect(), begun: None }
            };
            let agree = common.len();
            let mut follower = with(b, !of_a);
            follower.begun = begun.then_some(999);
            (with(a, of_a), follower, agree)
        },
    )
}

proptest! {
    /// However the histories parted: after some answers the follower has the beginning of the leader's log, and has cut
    /// nothing that both had.
    #[test]
    fn a_follower_comes_to_agree((mut leader, mut follower, agree) in histories()) {
        leader.begun = Some(1_000);
        let mut answers = 0;
        while let Some(parts) = leader.parts_at(fetch_at(1_000, &follower)) {
            let before = follower.clone();
            let mend = diverged(parts, &follower);
            follower.mend(mend);
            prop_assert!(follower != before, "{:?} changes nothing in {:?}", parts, follower);
            answers += 1;
            prop_assert!(answers < 20);
        }
        prop_assert!(follower.records.len() >= agree);
        prop_assert!(leader.records.starts_with(&follower.records), "{:?} {:?}", leader, follower);
    }
}
