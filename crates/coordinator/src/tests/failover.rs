//! A new coordinator goes on with what was committed.

use super::check;

#[test]
fn members_live_on_with_another_coordinator() {
    check(
        r#"
        > join 1 g - v=3
        > join 2 g - v=3
        > wait 6000
        1: joined c-1 gen=1 range leader=c-1 c-1:t c-2:t
        2: joined c-2 gen=1 range leader=c-1
        > sync 3 g c-1 assign=c-1:A,c-2:B
        3: synced range "A"
        > sync 4 g c-2
        4: synced range "B"
        > commit 5 g c-1 gen=1 t-0=4
        5: t-0=ok
        > failover
        > heartbeat 6 g c-1
        6: ok
        > sync 7 g c-2
        7: synced range "B"
        > fetch 8 g t-0
        8: t-0=4@5
        > describe 9 g
        9: g:Stable:consumer:range c-1(c /127.0.0.1 "t" "A") c-2(c /127.0.0.1 "t" "B")
        > wait 9999
        > heartbeat 10 g c-1
        10: ok
        > wait 1
        > heartbeat 11 g c-1
        11: REBALANCE_IN_PROGRESS
        "#,
    );
}

#[test]
fn a_generation_that_was_not_stored_is_forgotten() {
    check(
        r#"
        > join 1 g - v=3
        > wait 3000
        1: joined c-1 gen=1 range leader=c-1 c-1:t
        > sync 2 g c-1 assign=c-1:A
        2: synced range "A"
        > join 3 g - v=3
        > join 4 g c-1
        4: joined c-1 gen=2 range leader=c-1 c-1:t c-3:t
        3: joined c-3 gen=2 range leader=c-1
        > hold
        > sync 5 g c-1 gen=2 assign=c-1:B,c-3:C
        > sync 6 g c-3 gen=2
        > failover
        5: lost
        6: lost
        > commit-all
        > heartbeat 7 g c-1 gen=2
        7: ILLEGAL_GENERATION
        > heartbeat 8 g c-1 gen=1
        8: ok
        > sync 9 g c-1 gen=1
        9: synced range "A"
        > sync 10 g c-3 gen=2
        10: UNKNOWN_MEMBER_ID
        "#,
    );
}

#[test]
fn callers_who_wait_for_others_are_the_drivers() {
    check(
        r#"
        > join 1 g - v=3
        > failover
        1: lost
        > list 2
        2: g::Empty:classic
        > join 3 g c-1
        3: UNKNOWN_MEMBER_ID "c-1"
        "#,
    );
}

#[test]
fn a_group_over_the_limit_at_loading_must_rejoin() {
    check(
        r#"
        > join 1 g - v=3
        > join 2 g - v=3
        > wait 6000
        1: joined c-1 gen=1 range leader=c-1 c-1:t c-2:t
        2: joined c-2 gen=1 range leader=c-1
        > sync 3 g c-1 assign=c-1:A,c-2:B
        3: synced range "A"
        > sync 4 g c-2
        4: synced range "B"
        > set max_size=2
        > heartbeat 5 g c-1
        5: ok
        > failover
        > heartbeat 6 g c-1
        6: ok
        > set max_size=1
        > failover
        > heartbeat 7 g c-1
        7: REBALANCE_IN_PROGRESS
        "#,
    );
}
