//! Transactions get partitions and end.

use super::world::World;
use super::{check, check_in};

#[test]
fn a_transaction_is_committed() {
    check(
        "init a => 1000/0
         add a 1000/0 t-0 => ok
         wait 5
         add a 1000/0 t-0 u-1 => ok
         describe a => Ongoing 1000/0 timeout=60000 start=0 t-0 u-1
         commit a 1000/0 => 1000/1 | tell a 1000/1 commit v2 t-0 u-1
         describe a => PrepareCommit 1000/1 timeout=60000 start=0 t-0 u-1
         add a 1000/1 t-0 => CONCURRENT_TRANSACTIONS
         commit a 1000/0 => CONCURRENT_TRANSACTIONS
         abort a 1000/0 => CONCURRENT_TRANSACTIONS
         commit a 1000/1 => CONCURRENT_TRANSACTIONS
         written a 1000/1 t-0
         written a 1000/0 u-1
         describe a => PrepareCommit 1000/1 timeout=60000 start=0 u-1
         written a 1000/1 u-1
         describe a => CompleteCommit 1000/1 timeout=60000 start=0
         commit a 1000/0 => 1000/1
         add a 1000/0 t-0 => PRODUCER_FENCED
         add a 1000/1 t-0 => ok
         describe a => Ongoing 1000/1 timeout=60000 start=5 t-0",
    );
}

#[test]
fn how_a_transaction_ends_by_state_and_epoch() {
    // Kafka's table of KIP-890: the epoch before is that of a request sent again.
    check(
        "init a => 1000/0
         commit a 1000/0 => INVALID_TXN_STATE
         abort a 1000/0 => 1000/1
         describe a => CompleteAbort 1000/1 timeout=60000 start=0
         abort a 1000/0 => 1000/1
         commit a 1000/0 => INVALID_TXN_STATE
         commit a 1000/1 => INVALID_TXN_STATE
         abort a 1000/1 => 1000/2
         add a 1000/2 t-0 => ok
         commit a 1000/1 => PRODUCER_FENCED
         commit a 1000/3 => PRODUCER_FENCED
         commit a 1000/2 => 1000/3 | tell a 1000/3 commit v2 t-0
         written a 1000/3 t-0
         abort a 1000/2 => INVALID_TXN_STATE
         commit a 1000/2 => 1000/3
         commit a 1000/3 => INVALID_TXN_STATE
         abort a 1000/3 => 1000/4
         abort a 999/3 => INVALID_PRODUCER_ID_MAPPING
         abort b 1000/4 => INVALID_PRODUCER_ID_MAPPING
         init a => 1000/5
         abort a 1000/4 => PRODUCER_FENCED",
    );
}

#[test]
fn how_it_ended_before_kip_890() {
    for version in [0, 1, 2] {
        check_in(
            &mut World::new(version),
            "init a => 1000/0
             commit1 a 1000/0 => INVALID_TXN_STATE
             abort1 a 1000/0 => INVALID_TXN_STATE
             add1 a 1000/0 t-0 => ok
             commit1 a 1000/1 => PRODUCER_FENCED
             commit1 a 1001/0 => INVALID_PRODUCER_ID_MAPPING
             commit1 a 1000/0 => 1000/0 | tell a 1000/0 commit v0 t-0
             commit1 a 1000/0 => CONCURRENT_TRANSACTIONS
             abort1 a 1000/0 => CONCURRENT_TRANSACTIONS
             commit1 a 1000/1 => PRODUCER_FENCED
             written a 1000/0 t-0
             commit1 a 1000/0 => 1000/0
             abort1 a 1000/0 => INVALID_TXN_STATE
             add1 a 1000/0 t-0 => ok
             abort1 a 1000/0 => 1000/0 | tell a 1000/0 abort v0 t-0
             written a 1000/0 t-0
             abort1 a 1000/0 => 1000/0
             describe a => CompleteAbort 1000/0 timeout=60000 start=0",
        );
    }
}

#[test]
fn a_transaction_that_nobody_has_heard_of_is_aborted_after_the_one_before() {
    check(
        "init a => 1000/0
         add a 1000/0 t-0 => ok
         commit a 1000/0 => 1000/1 | tell a 1000/1 commit v2 t-0
         abort a 1000/1 => CONCURRENT_TRANSACTIONS
         written a 1000/1 t-0
         abort a 1000/1 => 1000/2
         describe a => CompleteAbort 1000/2 timeout=60000 start=0",
    );
}

#[test]
fn partitions_are_looked_up() {
    check(
        "verify a 1000/0 t-0 => INVALID_PRODUCER_ID_MAPPING
         init a => 1000/0
         verify a 1000/0 t-0 => missing t-0
         add1 a 1000/0 t-0 => ok
         verify a 1000/0 t-0 t-1 => missing t-1
         verify a 1000/0 t-0 => ok
         verify a 1000/1 t-0 => PRODUCER_FENCED
         verify a 999/0 t-0 => INVALID_PRODUCER_ID_MAPPING
         commit1 a 1000/0 => 1000/0 | tell a 1000/0 commit v0 t-0
         verify a 1000/0 t-0 => CONCURRENT_TRANSACTIONS
         written a 1000/0 t-0
         verify a 1000/0 t-0 => missing t-0",
    );
}

#[test]
fn a_transaction_without_partitions_ends_at_once() {
    check(
        "init a => 1000/0
         add a 1000/0 => ok
         commit a 1000/0 => 1000/1
         describe a => CompleteCommit 1000/1 timeout=60000 start=0",
    );
}

#[test]
fn whoever_takes_over_has_the_rest_told() {
    check(
        "init a => 1000/0
         add a 1000/0 t-0 t-1 => ok
         commit a 1000/0 => 1000/1 | tell a 1000/1 commit v2 t-0 t-1
         written a 1000/1 t-0
         crash => tell a 1000/1 commit v2 t-0 t-1
         written a 1000/1 t-0 t-1
         crash
         describe a => CompleteCommit 1000/1 timeout=60000 start=0",
    );
}

#[test]
fn nobody_is_told_before_it_is_committed() {
    check(
        "init a => 1000/0
         hold
         add a 1000/0 t-0
         commit a 1000/0
         commit => ok | 1000/1 | tell a 1000/1 commit v2 t-0
         written a 1000/1 t-0
         hold
         add a 1000/1 t-0
         commit a 1000/1
         crash
         describe a => CompleteCommit 1000/1 timeout=60000 start=0",
    );
}

#[test]
fn an_end_uses_up_the_epochs_too() {
    let mut world = World::new(2);
    check_in(&mut world, "init a => 1000/0");
    for _ in 0..32766 {
        world.run("init a");
        world.history.clear();
    }
    check_in(
        &mut world,
        "add a 1000/32766 t-0 => ok
         commit a 1000/32766 => 1001/0 | tell a 1000/32767 commit v2 t-0
         commit a 1000/32766 => CONCURRENT_TRANSACTIONS
         add a 1001/0 t-0 => CONCURRENT_TRANSACTIONS
         abort a 1001/0 => CONCURRENT_TRANSACTIONS
         init a was=1001/0 => CONCURRENT_TRANSACTIONS
         crash => tell a 1000/32767 commit v2 t-0
         written a 1000/32767 t-0
         describe a => CompleteCommit 1001/0 timeout=60000 start=0
         commit a 1000/32766 => 1001/0
         abort a 1000/32766 => INVALID_TXN_STATE
         add a 1001/0 t-0 => ok
         abort a 1001/0 => 1001/1 | tell a 1001/1 abort v2 t-0",
    );
}

#[test]
fn a_transaction_must_fit_into_a_record() {
    let mut world = World::new(2);
    world.settings.max_batch_bytes = 400;
    check_in(
        &mut world,
        "crash
         init a => 1000/0
         add a 1000/0 t-0 => ok
         add a 1000/0 a-0 b-0 c-0 d-0 e-0 f-0 g-0 h-0 i-0 j-0 k-0 l-0 m-0 n-0 o-0 p-0 => UNKNOWN_SERVER_ERROR
         commit a 1000/0 => 1000/1 | tell a 1000/1 commit v2 t-0",
    );
}

#[test]
fn the_next_transaction_waits_for_the_end_of_the_one_before() {
    let mut world = World::new(2);
    world.settings.add_partitions_wait_ms = 100;
    check_in(
        &mut world,
        "crash
         init a => 1000/0
         add a 1000/0 t-0 => ok
         commit a 1000/0 => 1000/1 | tell a 1000/1 commit v2 t-0
         add a 1000/1 t-0 =>
         wait 99
         wait 1 => CONCURRENT_TRANSACTIONS
         add a 1000/1 t-0
         add a 1000/1 t-1 => CONCURRENT_TRANSACTIONS
         written a 1000/1 t-0
         wait 0 => ok
         wait 1000
         describe a => Ongoing 1000/1 timeout=60000 start=100 t-1
         add a 1000/0 t-1 => PRODUCER_FENCED",
    );
}
