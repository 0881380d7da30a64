//! Producers take a transactional id.

use super::world::World;
use super::{check, check_in};

#[test]
fn each_that_begins_gets_the_next_epoch() {
    check(
        "init a => 1000/0
         init a => 1000/1
         init b => 1001/0
         describe a => Empty 1000/1 timeout=60000 start=-1
         init a timeout=0 => INVALID_TRANSACTION_TIMEOUT
         init a timeout=900001 => INVALID_TRANSACTION_TIMEOUT
         init a timeout=900000 => 1000/2
         describe a => Empty 1000/2 timeout=900000 start=-1
         describe c => none",
    );
}

#[test]
fn one_that_goes_on_must_be_the_last() {
    check(
        "init a => 1000/0
         init a was=1000/0 => 1000/1
         # sent again
         init a was=1000/0 => 1000/1
         init a was=1000/1 => 1000/2
         init a was=1000/0 => PRODUCER_FENCED
         init a was=7/2 => PRODUCER_FENCED
         # another producer came: the one before is not let on by an epoch that it had
         init a => 1000/3
         init a was=1000/2 => PRODUCER_FENCED
         # of an id that nobody knows any producer may go on
         init b was=7/3 => 1001/0"
            .lines()
            .filter(|line| !line.trim().starts_with('#'))
            .collect::<Vec<_>>()
            .join("\n")
            .as_str(),
    );
}

#[test]
fn after_a_failover_a_request_that_is_sent_again_is_fenced() {
    // The epoch before is not in the log, as in Kafka.
    check(
        "init a => 1000/0
         init a was=1000/0 => 1000/1
         crash
         init a was=1000/0 => PRODUCER_FENCED
         init a was=1000/1 => 1000/2",
    );
}

#[test]
fn a_transaction_that_is_open_is_aborted_first() {
    check(
        "init a => 1000/0
         add a 1000/0 t-0 t-1 => ok
         init a => CONCURRENT_TRANSACTIONS | tell a 1000/1 abort v2 t-0 t-1
         init a => CONCURRENT_TRANSACTIONS
         commit a 1000/0 => CONCURRENT_TRANSACTIONS
         add a 1000/0 t-2 => PRODUCER_FENCED
         written a 1000/1 t-1
         describe a => PrepareAbort 1000/1 timeout=60000 start=0 t-0
         written a 1000/1 t-0
         describe a => CompleteAbort 1000/1 timeout=60000 start=0
         init a => 1000/2",
    );
}

#[test]
fn one_whose_transaction_was_aborted_goes_on_unless_another_came() {
    check(
        "init a => 1000/0
         add a 1000/0 t-0 => ok
         init a was=1000/0 => CONCURRENT_TRANSACTIONS | tell a 1000/1 abort v2 t-0
         written a 1000/1 t-0
         init a was=1000/0 => 1000/1
         init a => 1000/2
         init a was=1000/1 => PRODUCER_FENCED",
    );
}

#[test]
fn before_version_2_the_fencing_epoch_is_one_more() {
    for version in [0, 1] {
        check_in(
            &mut World::new(version),
            "init a => 1000/0
             add1 a 1000/0 t-0 => ok
             init a => CONCURRENT_TRANSACTIONS | tell a 1000/1 abort v0 t-0
             commit1 a 1000/0 => PRODUCER_FENCED
             written a 1000/1 t-0
             init a => 1000/2",
        );
    }
}

#[test]
fn a_producer_whose_epochs_are_used_up_gets_another_id() {
    let mut world = World::new(2);
    check_in(&mut world, "init a => 1000/0");
    for _ in 0..32766 {
        world.run("init a");
        world.history.clear();
    }
    check_in(
        &mut world,
        "describe a => Empty 1000/32766 timeout=60000 start=-1
         init a was=1000/32766 => 1001/0
         init a was=1000/32766 => 1001/0
         init a was=1000/3 => PRODUCER_FENCED
         init a was=1001/0 => 1001/1",
    );
}

#[test]
fn an_id_must_fit_into_a_record() {
    let long = "x".repeat(32768);
    check(&format!("init {long} => INVALID_REQUEST\ninit {} => 1000/0", &long[1..]));
}
