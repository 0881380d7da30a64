//! Time passes, and operators look on.

use super::world::World;
use super::{check, check_in};

#[test]
fn a_transaction_that_lasts_too_long_is_aborted() {
    check(
        "init a timeout=25000 => 1000/0
         init b => 1001/0
         add a 1000/0 t-0 => ok
         add b 1001/0 t-0 => ok
         wait 29999
         wait 1 => tell a 1000/1 abort v2 t-0
         commit a 1000/0 => CONCURRENT_TRANSACTIONS
         written a 1000/1 t-0
         commit a 1000/0 => INVALID_TXN_STATE
         abort a 1000/0 => 1000/1
         wait 30000
         wait 10000 => tell b 1001/1 abort v2 t-0",
    );
}

#[test]
fn before_version_2_its_producer_is_fenced() {
    check_in(
        &mut World::new(1),
        "init a timeout=1 => 1000/0
         add1 a 1000/0 t-0 => ok
         wait 10000 => tell a 1000/1 abort v0 t-0
         written a 1000/1 t-0
         commit1 a 1000/0 => PRODUCER_FENCED
         init a was=1000/0 => PRODUCER_FENCED
         init a => 1000/2",
    );
}

#[test]
fn a_timeout_may_need_another_producer_id() {
    let mut world = World::new(2);
    check_in(&mut world, "init a => 1000/0");
    for _ in 0..32766 {
        world.run("init a");
        world.history.clear();
    }
    check_in(
        &mut world,
        "add a 1000/32766 t-0 => ok
         wait 69999
         wait 1 => needs an id for a 1000/32766
         wait 10000 => needs an id for a 1000/32766
         bring a 1000/5 77
         bring a 1000/32766 77 => tell a 1000/32767 abort v2 t-0
         bring a 1000/32766 78
         written a 1000/32767 t-0
         describe a => CompleteAbort 77/0 timeout=60000 start=0",
    );
}

#[test]
fn many_that_last_too_long_are_aborted_batch_by_batch() {
    let mut world = World::new(2);
    world.settings.max_batch_bytes = 400;
    world.settings.abort_interval_ms = 1_000_000;
    world.run("crash");
    for (id, producer) in (0..5).zip(1000..) {
        check_in(&mut world, &format!("init a{id} => {producer}/0\nadd a{id} {producer}/0 t-0 => ok"));
    }
    let aborted: Vec<String> = (0..5).map(|id| format!("tell a{id} {}/1 abort v2 t-0", 1000 + id)).collect();
    check_in(&mut world, &format!("wait 1000000 => {}", aborted.join(" | ")));
}

#[test]
fn ids_that_nobody_uses_are_forgotten() {
    let mut world = World::new(2);
    world.settings.id_expiration_ms = 7_200_000;
    world.settings.max_batch_bytes = 400;
    check_in(
        &mut world,
        "crash
         init a => 1000/0
         init b => 1001/0
         init c => 1002/0
         add c 1002/0 t-0 => ok
         commit c 1002/0 => 1002/1 | tell c 1002/1 commit v2 t-0
         init d => 1003/0
         init e => 1004/0
         wait 3600000
         init b => 1001/1
         wait 3600000
         list => b:1001:Empty c:1002:PrepareCommit
         crash => tell c 1002/1 commit v2 t-0
         list => b:1001:Empty c:1002:PrepareCommit
         init a => 1005/0",
    );
}

#[test]
fn ids_are_listed_by_what_is_asked() {
    check(
        "init app-1 => 1000/0
         init app-2 => 1001/0
         init other => 1002/0
         add app-1 1000/0 t-0 => ok
         wait 100
         add app-2 1001/0 t-0 => ok
         commit app-2 1001/0 => 1001/1 | tell app-2 1001/1 commit v2 t-0
         list => app-1:1000:Ongoing app-2:1001:PrepareCommit other:1002:Empty
         list producer=1001 => app-2:1001:PrepareCommit
         list state=Ongoing => app-1:1000:Ongoing
         list longer=99 => app-1:1000:Ongoing other:1002:Empty
         list longer=100 => other:1002:Empty
         list like=app-. => app-1:1000:Ongoing app-2:1001:PrepareCommit
         list like=app => 
         list like=app.*|o state=PrepareCommit => app-2:1001:PrepareCommit",
    );
}
