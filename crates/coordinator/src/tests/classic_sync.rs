//! SyncGroup and Heartbeat.

use super::check;

#[test]
fn members_wait_for_their_leader() {
    check(
        r#"
        > join 1 g - v=3
        > join 2 g - v=3
        > wait 6000
        1: joined c-1 gen=1 range leader=c-1 c-1:t c-2:t
        2: joined c-2 gen=1 range leader=c-1
        > sync 3 g c-2
        > sync 4 g c-1 assign=c-1:A,c-2:B type=consumer protocol=range
        4: synced range "A"
        3: synced range "B"
        > sync 5 g c-2
        5: synced range "B"
        > records
        group g gen=0 "" null leader=null
        group g gen=1 "consumer" range leader=c-1 c-1:t="A" c-2:t="B"
        > log
        Preparing to rebalance, old generation 0 (reason: adding new member c-1 with group instance id none; client reason: not provided)
        Stabilized generation 1 with 2 members
        Assignment received from leader c-1 for generation 1 with 2 members
        "#,
    );
}

#[test]
fn who_is_assigned_nothing_gets_an_empty_assignment() {
    check(
        r#"
        > join 1 g - v=3
        > join 2 g - v=3
        > wait 6000
        1: joined c-1 gen=1 range leader=c-1 c-1:t c-2:t
        2: joined c-2 gen=1 range leader=c-1
        > sync 3 g c-1 assign=c-1:A,c-9:X
        3: synced range "A"
        > sync 4 g c-2
        4: synced range ""
        "#,
    );
}

#[test]
fn the_assignment_is_told_once_it_is_stored() {
    check(
        r#"
        > join 1 g - v=3
        > wait 3000
        1: joined c-1 gen=1 range leader=c-1 c-1:t
        > hold
        > sync 2 g c-1 assign=c-1:A
        > heartbeat 3 g c-1
        > describe 4 g
        > commit-all
        2: synced range "A"
        3: ok
        4: g:Stable:consumer:range c-1(c /127.0.0.1 "t" "A")
        "#,
    );
}

#[test]
fn who_may_not_sync() {
    check(
        r#"
        > sync 1 - c-1
        1: INVALID_GROUP_ID
        > sync 2 g c-1
        2: UNKNOWN_MEMBER_ID
        > join 3 g - v=3
        > sync 4 g c-3 gen=0
        4: REBALANCE_IN_PROGRESS
        > wait 3000
        3: joined c-3 gen=1 range leader=c-3 c-3:t
        > sync 5 g c-9
        5: UNKNOWN_MEMBER_ID
        > sync 6 g c-3 gen=0
        6: ILLEGAL_GENERATION
        > sync 7 g c-3 gen=2
        7: ILLEGAL_GENERATION
        > sync 8 g c-3 type=connect
        8: INCONSISTENT_GROUP_PROTOCOL
        > sync 9 g c-3 protocol=other
        9: INCONSISTENT_GROUP_PROTOCOL
        > sync 10 g c-3 instance=i
        10: UNKNOWN_MEMBER_ID
        > sync 11 g c-3 assign=c-3:A
        11: synced range "A"
        "#,
    );
}

#[test]
fn a_sync_sent_twice_ends_the_first_one() {
    check(
        r#"
        > join 1 g - v=3
        > join 2 g - v=3
        > wait 6000
        1: joined c-1 gen=1 range leader=c-1 c-1:t c-2:t
        2: joined c-2 gen=1 range leader=c-1
        > sync 3 g c-2
        > sync 4 g c-2
        3: REBALANCE_IN_PROGRESS
        > sync 5 g c-1 assign=c-1:A,c-2:B
        5: synced range "A"
        4: synced range "B"
        "#,
    );
}

#[test]
fn a_rebalance_ends_the_waiting_for_assignments() {
    check(
        "
        > join 1 g - v=3
        > join 2 g - v=3
        > wait 6000
        1: joined c-1 gen=1 range leader=c-1 c-1:t c-2:t
        2: joined c-2 gen=1 range leader=c-1
        > sync 3 g c-2
        > join 4 g - v=3
        3: REBALANCE_IN_PROGRESS
        > sync 5 g c-1 assign=c-1:A,c-2:B
        5: REBALANCE_IN_PROGRESS
        > heartbeat 6 g c-1
        6: REBALANCE_IN_PROGRESS
        > join 7 g c-1
        > join 8 g c-2
        7: joined c-1 gen=2 range leader=c-1 c-1:t c-2:t c-4:t
        8: joined c-2 gen=2 range leader=c-1
        4: joined c-4 gen=2 range leader=c-1
        ",
    );
}

#[test]
fn who_does_not_sync_in_time_is_out() {
    check(
        r#"
        > join 1 g - v=3 rebalance=10000 session=30000
        > join 2 g - v=3 rebalance=10000 session=30000
        > wait 6000
        1: joined c-1 gen=1 range leader=c-1 c-1:t c-2:t
        2: joined c-2 gen=1 range leader=c-1
        > sync 3 g c-1 assign=c-1:A,c-2:B
        3: synced range "A"
        > wait 9999
        > heartbeat 4 g c-2
        4: ok
        > wait 1
        > heartbeat 5 g c-2
        5: UNKNOWN_MEMBER_ID
        > heartbeat 6 g c-1
        6: REBALANCE_IN_PROGRESS
        > log
        Preparing to rebalance, old generation 0 (reason: adding new member c-1 with group instance id none; client reason: not provided)
        Stabilized generation 1 with 2 members
        Assignment received from leader c-1 for generation 1 with 2 members
        Preparing to rebalance, old generation 1 (reason: removing c-2 on pending sync request expiration)
        "#,
    );
}

#[test]
fn a_leader_that_never_assigns_is_out() {
    check(
        "
        > join 1 g - v=3 rebalance=10000 session=30000
        > join 2 g - v=3 rebalance=10000 session=30000
        > wait 6000
        1: joined c-1 gen=1 range leader=c-1 c-1:t c-2:t
        2: joined c-2 gen=1 range leader=c-1
        > sync 3 g c-2
        > wait 10000
        3: REBALANCE_IN_PROGRESS
        > join 4 g c-2
        4: joined c-2 gen=2 range leader=c-2 c-2:t
        ",
    );
}

#[test]
fn heartbeats_keep_a_member() {
    check(
        r#"
        > heartbeat 1 - c-1
        1: INVALID_GROUP_ID
        > heartbeat 2 g c-1
        2: UNKNOWN_MEMBER_ID
        > join 3 g - v=3
        > wait 3000
        3: joined c-3 gen=1 range leader=c-3 c-3:t
        > heartbeat 4 g c-3
        4: ok
        > heartbeat 5 g c-9
        5: UNKNOWN_MEMBER_ID
        > heartbeat 6 g c-3 gen=2
        6: ILLEGAL_GENERATION
        > heartbeat 7 g c-3 instance=i
        7: UNKNOWN_MEMBER_ID
        > sync 8 g c-3 assign=c-3:A
        8: synced range "A"
        > wait 9999
        > heartbeat 9 g c-3
        9: ok
        > wait 9999
        > heartbeat 10 g c-3
        10: ok
        > wait 10000
        > heartbeat 11 g c-3
        11: UNKNOWN_MEMBER_ID
        > records
        group g gen=0 "" null leader=null
        group g gen=1 "consumer" range leader=c-3 c-3:t="A"
        group g gen=2 "consumer" null leader=null
        > log
        Preparing to rebalance, old generation 0 (reason: adding new member c-3 with group instance id none; client reason: not provided)
        Stabilized generation 1 with 1 members
        Assignment received from leader c-3 for generation 1 with 1 members
        Preparing to rebalance, old generation 1 (reason: removing member c-3 on heartbeat expiration)
        Generation 2 is now empty
        "#,
    );
}

#[test]
fn a_commit_keeps_a_member_too() {
    check(
        r#"
        > join 1 g - v=3
        > wait 3000
        1: joined c-1 gen=1 range leader=c-1 c-1:t
        > sync 2 g c-1 assign=c-1:A
        2: synced range "A"
        > wait 9000
        > commit 3 g c-1 gen=1 t-0=7
        3: t-0=ok
        > wait 9000
        > heartbeat 4 g c-1
        4: ok
        "#,
    );
}

#[test]
fn a_session_begins_anew_with_each_generation() {
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
        > join 5 g c-2 protocols=range:u
        > wait 9000
        > heartbeat 6 g c-1
        6: REBALANCE_IN_PROGRESS
        > wait 9000
        > join 7 g c-1
        7: joined c-1 gen=2 range leader=c-1 c-1:t c-2:u
        5: joined c-2 gen=2 range leader=c-1
        > sync 8 g c-1 gen=2 assign=c-1:A,c-2:B
        8: synced range "A"
        > sync 9 g c-2 gen=2
        9: synced range "B"
        > wait 9999
        > heartbeat 10 g c-1 gen=2
        10: ok
        > wait 1
        > heartbeat 13 g c-1 gen=2
        13: REBALANCE_IN_PROGRESS
        > heartbeat 14 g c-2 gen=2
        14: UNKNOWN_MEMBER_ID
        "#,
    );
}
