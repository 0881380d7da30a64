//! Offsets in transactions: who may commit them, and what becomes of them.

use super::{check as run, show};
use crate::{CoordinatorRecord, Event, FetchTopic, GroupCoordinator, OffsetAndMetadata, OffsetFetch};
use ottla_protocol::{Str, Uuid};
use ottla_state_machine::{Now, Shard, Ticket};

fn offset(producer_id: Option<i64>, committed_offset: i64) -> CoordinatorRecord {
    CoordinatorRecord::Offset {
        group_id: Str::from("g"),
        topic: Str::from("t"),
        partition: 0,
        value: Some(OffsetAndMetadata {
            committed_offset,
            leader_epoch: -1,
            metadata: Str::default(),
            commit_timestamp_ms: 0,
            expire_timestamp_ms: None,
            topic_id: Uuid::ZERO,
            record_offset: 0,
        }),
        producer_id,
    }
}

fn tombstone() -> CoordinatorRecord {
    CoordinatorRecord::offset_tombstone(&Str::from("g"), &Str::from("t"), 0)
}

fn end(producer_id: i64, committed: bool) -> CoordinatorRecord {
    CoordinatorRecord::TransactionEnd { producer_id, committed }
}

/// Replays records and fetches the offset, as it is and as stable.
fn check(records: &[CoordinatorRecord], expected: &str, expected_stable: &str) {
    let mut shard = Shard::<GroupCoordinator>::new();
    for (offset, record) in (0..).zip(records) {
        shard.replay(offset, record);
    }
    shard.activate(Now::default(), 0, 100);
    for (require_stable, expected) in [(false, expected), (true, expected_stable)] {
        let topic = FetchTopic { name: Str::from("t"), partition_indexes: vec![0], ..FetchTopic::default() };
        let request = OffsetFetch {
            group_id: Str::from("g"),
            member_id: None,
            member_epoch: -1,
            topics: Some(vec![topic]),
            require_stable,
        };
        shard.decide(Now::default(), Event::OffsetFetch(Ticket(1), request)).unwrap();
        shard.appended(0, &[]);
        let replies = shard.committed(100).replies;
        let shown: Vec<String> = replies.iter().map(|(_, reply)| show::reply(1, reply)).collect();
        assert_eq!(shown, [format!("1: {expected}")], "of {records:?}");
    }
}

#[test]
fn an_offset_counts_when_its_transaction_is_committed() {
    let (none, open) = ("t-0=-1@-1", "t-0=-1@-1 UNSTABLE_OFFSET_COMMIT");
    check(&[offset(Some(1), 5)], none, open);
    check(&[offset(Some(1), 5), end(1, true)], "t-0=5@-1", "t-0=5@-1");
    check(&[offset(Some(1), 5), end(1, false)], none, none);
    check(&[offset(Some(1), 5), end(2, true)], none, open);
    check(&[offset(None, 3), offset(Some(1), 5)], "t-0=3@-1", open);
    check(&[offset(None, 3), offset(Some(1), 5), end(1, false)], "t-0=3@-1", "t-0=3@-1");
    // Two producers, one done.
    check(&[offset(Some(1), 5), offset(Some(2), 6), end(2, true)], "t-0=6@-1", open);
    check(&[offset(Some(1), 5), offset(Some(2), 6), end(2, true), end(1, true)], "t-0=6@-1", "t-0=6@-1");
    // What was committed after it, outside of the transaction, stays.
    check(&[offset(Some(1), 5), offset(None, 3), end(1, true)], "t-0=3@-1", "t-0=3@-1");
    // A tombstone takes it out of the transaction as well.
    check(&[offset(Some(1), 5), tombstone(), end(1, true)], none, none);
    check(&[end(1, true)], none, none);
}

#[test]
fn offsets_of_a_transaction_are_looked_at_less_closely() {
    run(r#"
        > commit 1 g c-1 gen=1 txn=7 t-0=1
        1: ILLEGAL_GENERATION
        > commit 2 g - txn=7 t-0=1
        2: t-0=ok
        > fetch 3 g t-0 stable
        3: t-0=-1@-1 UNSTABLE_OFFSET_COMMIT
        > fetch 4 g t-0
        4: t-0=-1@-1
        > join 5 g - v=3
        > wait 3000
        5: joined c-5 gen=1 range leader=c-5 c-5:t
        > commit 6 g c-5 gen=1 txn=7 t-0=2
        6: t-0=ok
        > commit 7 g - txn=7 t-0=2
        7: t-0=ok
        > commit 8 g c-5 gen=0 txn=7 t-0=2
        8: ILLEGAL_GENERATION
        > commit 9 g c-9 gen=1 txn=7 t-0=2
        9: UNKNOWN_MEMBER_ID
        "#);
}
