//! Disks that are full or fail under a journal: what was committed is there, and a full disk is waited for.

use std::io::ErrorKind;

use super::*;

/// Commits and settles, and tries again what found no room once the disk is healed; answers how many batches were
/// settled at most and committed.
fn live(fs: &SimFs, journal: &mut Journal) -> (i64, i64) {
    let (mut settled, mut committed) = (0, 0);
    for n in 0..24 {
        while let Err(error) = journal.commit(&[entry(n)]) {
            match error {
                Error::Full => {
                    settled = committed;
                    settle(fs, journal, 0);
                }
                Error::NoRoom { .. } => fs.heal(),
                _ => return (settled, committed),
            }
        }
        committed = n + 1;
        if n % 10 == 9 {
            settled = committed;
            settle(fs, journal, 3);
        }
    }
    (settled, committed)
}

/// Settles all but the last frames. If that fails for good the next commit does.
fn settle(fs: &SimFs, journal: &mut Journal, but: u64) {
    match journal.settle(journal.committed_seq() - but) {
        Ok(()) => {}
        Err(Error::NoRoom { .. }) => fs.heal(),
        Err(error) => assert!(matches!(error, Error::Io { .. }), "{error}"),
    }
}

/// The offsets that the journal would put back, in order.
fn offsets(fs: &SimFs) -> Vec<i64> {
    let (_, mut recovered) = reopened(fs).unwrap();
    let path = Path::new(DIR).join("saved");
    let Some(entries) = recovered.take(&key(0)) else { return Vec::new() };
    entries.save(fs, &path).unwrap();
    let saved = fs.content(&path).unwrap_or_default();
    let _ = fs.remove_file(&path);
    let batches = ottla_protocol::batch::CheckedBatches::parse(saved.into());
    batches.map(|batches| batches.iter().map(|batch| batch.header().base_offset).collect()).unwrap_or_default()
}

/// What was committed and not settled is there; a batch that failed after it was written may be.
fn check(fault: Fault, at: u32) -> bool {
    let fs = SimFs::new();
    let mut journal = filled_journal(&fs, 0);
    let hit = Arc::new(Mutex::new(None));
    let (seen, mut calls) = (hit.clone(), 0);
    fs.inject(move |call, _| {
        let counts = call != Call::Read && (call == Call::Write || matches!(fault, Fault::Error(_)));
        calls += u32::from(counts);
        let fails = counts && calls == at;
        if fails {
            *seen.lock() = Some(call);
        }
        fails.then_some(fault)
    });
    let (settled, committed) = live(&fs, &mut journal);
    fs.heal();
    let Some(call) = *hit.lock() else { return false };
    let is_full = matches!(fault, Fault::Error(ErrorKind::StorageFull) | Fault::Partly(_, ErrorKind::StorageFull));
    let is_final = !is_full || matches!(call, Call::Sync | Call::SyncDir);
    assert!(committed == 24 || is_final, "{fault:?} at call {at} ({call:?}) ended the journal at {committed}");
    drop(journal);
    fs.power_cut(|_, unsynced| unsynced / 2);
    let found = offsets(&fs);
    assert!(found.windows(2).all(|pair| pair[1] == pair[0] + 1), "{found:?}");
    let start = found.first().copied().unwrap_or(settled);
    let end = found.last().map_or(settled, |last| last + 1);
    let context = format!("{found:?}, settled {settled}, committed {committed}, {fault:?} at call {at} ({call:?})");
    assert!(start <= settled && (committed..=committed + 1).contains(&end), "{context}");
    true
}

#[test]
fn a_fault_at_any_call_loses_nothing_that_was_committed() {
    let kinds = [ErrorKind::StorageFull, ErrorKind::ReadOnlyFilesystem, ErrorKind::Other];
    let faults =
        kinds.into_iter().flat_map(|kind| [Fault::Error(kind), Fault::Partly(100, kind), Fault::Partly(5000, kind)]);
    for fault in faults {
        let calls = (1..).take_while(|at| check(fault, *at)).count();
        assert!(calls > 25, "{fault:?}: {calls} calls");
    }
}

#[test]
fn a_journal_on_a_full_disk_goes_on_in_the_files_it_has() {
    for pages in 1..20 {
        let fs = SimFs::new();
        let mut journal = filled_journal(&fs, 0);
        fs.set_capacity(pages * ALIGNMENT as usize + 100);
        let mut next = 0;
        let mut commit_all = |journal: &mut Journal| loop {
            match journal.commit(&[entry(next)]) {
                Ok(_) => next += 1,
                Err(Error::NoRoom { .. } | Error::Full) => return next,
                Err(error) => panic!("{error}"),
            }
        };
        let committed = commit_all(&mut journal);
        // A frame takes a page, and one is kept for the frame that settles.
        assert_eq!(committed > 0, pages > 1, "{committed} in {pages} pages");
        fs.set_capacity(1 << 30);
        assert_eq!(offsets(&fs).len() as i64, committed);
        fs.set_capacity(pages * ALIGNMENT as usize + 100);
        if committed > 0 {
            journal.settle(journal.committed_seq()).unwrap();
        }
        let more = commit_all(&mut journal);
        // With a file beside the current one there is somewhere to go on.
        assert!(more > committed || pages <= 7, "{more} after {committed} in {pages} pages");
        fs.set_capacity(1 << 30);
        journal.settle(journal.committed_seq()).unwrap();
        journal.commit(&[entry(more)]).unwrap();
        fs.kill();
        assert_eq!(offsets(&fs).last(), Some(&more), "{pages} pages");
    }
}
