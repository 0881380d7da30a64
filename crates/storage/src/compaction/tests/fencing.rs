//! What happens to a log while it is cleaned.

use super::*;

/// Segments of one record each for keys 0 to 9, twice, and a task that would clean them.
fn fixture() -> (Fixture, Log, crate::compaction::CleanTask) {
    let mut fixture = Fixture::default();
    fixture.options.config.segment_bytes = 90;
    let mut log = fixture.open();
    for n in 0..20 {
        append(&mut log, records(&format!("key{}={n}", n % 10)));
    }
    log.roll(NOW).unwrap();
    let cleanable = log.cleanable(None, NOW).unwrap();
    let task = log.clean_task(&cleanable, NOW, &CompactionConfig::default()).unwrap();
    (fixture, log, task)
}

fn go_on(_bytes: u64) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Runs `meanwhile` before a cleaned segment is installed, or between the halves of that, and checks that it is found out.
fn check(meanwhile: impl Fn(&mut Log), between_halves: bool) {
    let (fixture, mut log, task) = fixture();
    let mut cleaning = task.learn_keys(&mut go_on).unwrap();
    let cleaned = cleaning.next_segment(&mut go_on).unwrap().unwrap();
    let installed = match between_halves {
        true => {
            let swap = log.begin_swap(cleaned).unwrap();
            swap.sync().unwrap();
            meanwhile(&mut log);
            log.finish_swap(swap)
        }
        false => {
            meanwhile(&mut log);
            log.install(cleaned)
        }
    };
    assert!(matches!(installed, Err(Error::Stale)), "{installed:?}");
    assert!(fixture.names(".cleaned").is_empty() && fixture.names(".swap").is_empty());
    let left = committed(&log);
    drop(log);
    fixture.fs.power_cut(|_, unsynced| unsynced);
    let mut options = fixture.options.clone();
    options.log_start_offset = left.first().map_or(0, |(offset, _)| *offset);
    let log = Fixture { options, ..fixture }.open();
    assert_eq!(committed(&log), left);
}

#[test]
fn a_log_that_changed_takes_no_cleaned_segment() {
    for between_halves in [false, true] {
        check(|log| assert!(log.truncate_to(0, NOW).unwrap()), between_halves);
        check(|log| log.truncate_fully_and_start_at(100, None, NOW).unwrap(), between_halves);
        check(|log| log.delete_records(3).unwrap().run().unwrap(), between_halves);
    }
}

#[test]
fn what_happens_elsewhere_in_the_log_does_not_matter() {
    let (_, mut log, task) = fixture();
    let mut cleaning = task.learn_keys(&mut go_on).unwrap();
    let cleaned = cleaning.next_segment(&mut go_on).unwrap().unwrap();
    append(&mut log, records("key1=new key2=new"));
    log.flush().unwrap();
    let swap = log.begin_swap(cleaned).unwrap();
    append(&mut log, records("key3=new"));
    log.roll(NOW).unwrap();
    swap.sync().unwrap();
    log.truncate_to(22, NOW).unwrap();
    append(&mut log, records("key3=newer"));
    // The truncation took the swap back; the segment is cleaned another time.
    assert!(matches!(log.finish_swap(swap), Err(Error::Stale)));
    clean(&mut log, None, NOW).unwrap();
    let view = view(&committed(&log));
    let values: Vec<&str> = view.values().map(String::as_str).collect();
    assert_eq!(values.join(" "), "10 new new newer 14 15 16 17 18 19");
}

#[test]
fn a_cleaning_can_be_stopped_anywhere() {
    let (_, _, task) = fixture();
    let mut calls = 0;
    let mut install = |_| Ok(());
    let mut count = |_| {
        calls += 1;
        ControlFlow::Continue(())
    };
    task.run(&mut count, &mut install).unwrap();
    for stop_at in 1..=calls {
        let (fixture, mut log, task) = self::fixture();
        let before = view(&committed(&log));
        let mut call = 0;
        let mut stop = |_| {
            call += 1;
            if call == stop_at { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let stopped = task.run(&mut stop, &mut |segment| log.install(segment).map(|removal| removal.run().unwrap()));
        assert!(matches!(stopped, Err(Error::Stopped)));
        assert!(fixture.names(".cleaned").is_empty(), "what was begun is removed");
        assert_eq!(view(&committed(&log)), before);
    }
}

/// A reader that found its segments before the swap reads what they held, not what took their names.
#[test]
fn readers_of_replaced_segments_go_on() {
    let (_, mut log, task) = fixture();
    let segments = task.segments.clone();
    for segment in &segments {
        segment.files().into_iter().for_each(|file| file.close());
    }
    let mut cleaning = task.learn_keys(&mut go_on).unwrap();
    let mut removals = Vec::new();
    while let Some(cleaned) = cleaning.next_segment(&mut go_on).unwrap() {
        for segment in &cleaned.replaced {
            segment.log.close();
        }
        removals.push(log.install(cleaned).unwrap());
    }
    for (n, segment) in segments.iter().enumerate().take(20) {
        let place = segment.find(n as i64, segment.size()).unwrap().unwrap();
        assert_eq!((place.header.base_offset, place.header.records_count), (n as i64, 1));
    }
    removals.into_iter().for_each(|removal| removal.run().unwrap());
    // What is gone from the disk is found in the new segments.
    assert_eq!(committed(&log).len(), 10);
}

#[test]
fn a_disk_that_fails_changes_nothing_or_ends_appends() {
    for failing in 0.. {
        let (fixture, mut log, task) = fixture();
        let before = view(&committed(&log));
        let mut calls = 0;
        fixture.fs.inject(move |_, _| {
            calls += 1;
            (calls == failing).then_some(crate::fs::sim::Fault::Error(std::io::ErrorKind::StorageFull))
        });
        let run = task.run(&mut go_on, &mut |segment| log.install(segment).map(|removal| _ = removal.run()));
        fixture.fs.heal();
        assert_eq!(view(&committed(&log)), before, "call {failing}");
        drop(log);
        fixture.fs.kill();
        let mut log = fixture.open();
        assert_eq!(view(&committed(&log)), before, "call {failing}");
        clean(&mut log, None, NOW).unwrap();
        assert_eq!(committed(&log).len(), 10, "call {failing}");
        if failing > 0 && run.is_ok() {
            break;
        }
    }
}
