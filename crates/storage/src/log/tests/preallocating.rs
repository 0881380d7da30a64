//! Segments that have their full length on disk while they are filled.

use super::*;

const FIRST: &str = "00000000000000000000.log";

fn fixture() -> Fixture {
    let mut fixture = Fixture::default();
    fixture.options.config.preallocate = true;
    fixture
}

/// Bytes of each segment's file, in offset order.
fn lens(fixture: &Fixture) -> Vec<usize> {
    fixture.names(".log").iter().map(|name| fixture.content(name).len()).collect()
}

#[test]
fn the_active_segment_has_its_full_length_and_a_complete_one_its_own() {
    let fixture = fixture();
    let mut log = fixture.open();
    fill(&mut log, 3);
    assert_eq!((lens(&fixture), log.size() < 1000), (vec![1000], true));
    let size = log.size();
    assert!(log.roll(NOW).unwrap());
    assert_eq!(lens(&fixture), [size as usize, 0], "the next is made long by its first append");
    fill(&mut log, 1);
    assert_eq!(lens(&fixture), [size as usize, 1000]);
    assert_eq!(values(&log), filled(0..4));
    let end = log.size();
    log.close().unwrap();
    assert_eq!(lens(&fixture).iter().sum::<usize>(), end as usize);
}

#[test]
fn the_zeros_that_a_crash_leaves_are_cut_off() {
    for flushed in [false, true] {
        let mut fixture = fixture();
        let mut log = fixture.open();
        fill(&mut log, 3);
        if flushed {
            log.flush().unwrap();
        }
        fixture.options.recovery_point = log.recovery_point();
        let size = log.size();
        drop(log);
        fixture.fs.kill();
        let mut log = fixture.open();
        assert_eq!((log.size(), fixture.content(FIRST).len()), (size, size as usize), "flushed: {flushed}");
        fill(&mut log, 1);
        assert_eq!(values(&log), filled(0..4));
    }
}

#[test]
fn what_a_full_disk_takes_back_leaves_no_zeros_within_the_log() {
    let fixture = fixture();
    let mut log = fixture.open();
    fill(&mut log, 1);
    let full = |call, _: &Path| {
        let error = crate::fs::sim::Fault::Partly(10, std::io::ErrorKind::StorageFull);
        (call == crate::fs::sim::Call::Write).then_some(error)
    };
    fixture.fs.inject(full);
    assert!(matches!(append(&mut log, batch(&["lost"], NOW)), Err(AppendError::DiskFull(_))));
    fixture.fs.heal();
    fill(&mut log, 2);
    assert_eq!(values(&log), filled(0..3));
}
