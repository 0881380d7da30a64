//! LeaveGroup.

use super::check;

#[test]
fn the_last_to_leave_makes_the_group_empty() {
    check(
        r#"
        > join 1 g - v=3
        > wait 3000
        1: joined c-1 gen=1 range leader=c-1 c-1:t
        > sync 2 g c-1 assign=c-1:A
        2: synced range "A"
        > records
        group g gen=0 "" null leader=null
        group g gen=1 "consumer" range leader=c-1 c-1:t="A"
        > leave 3 g c-1
        3: c-1=ok
        > records
        group g gen=2 "consumer" null leader=null
        > log
        Preparing to rebalance, old generation 0 (reason: adding new member c-1 with group instance id none; client reason: not provided)
        Stabilized generation 1 with 1 members
        Assignment received from leader c-1 for generation 1 with 1 members
        Preparing to rebalance, old generation 1 (reason: explicit LeaveGroup request of c-1; client reason: not provided)
        Generation 2 is now empty
        > heartbeat 4 g c-1
        4: UNKNOWN_MEMBER_ID
        "#,
    );
}

#[test]
fn the_others_rebalance_when_one_leaves() {
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
        > leave 5 g c-1
        5: c-1=ok
        > heartbeat 6 g c-2
        6: REBALANCE_IN_PROGRESS
        > join 7 g c-2
        7: joined c-2 gen=2 range leader=c-2 c-2:t
        "#,
    );
}

#[test]
fn who_waits_and_is_removed_is_told() {
    check(
        r#"
        > join 1 g - v=3
        > join 2 g - v=3
        > wait 6000
        1: joined c-1 gen=1 range leader=c-1 c-1:t c-2:t
        2: joined c-2 gen=1 range leader=c-1
        > sync 3 g c-2
        > leave 4 g c-2
        3: UNKNOWN_MEMBER_ID
        4: c-2=ok
        > join 5 g c-1
        5: joined c-1 gen=2 range leader=c-1 c-1:t
        > join 6 g - v=3
        > leave 7 g c-6,c-1
        6: UNKNOWN_MEMBER_ID ""
        7: c-6=ok c-1=ok
        > join 8 g c-1
        8: UNKNOWN_MEMBER_ID "c-1"
        "#,
    );
}

#[test]
fn pending_members_leave_too() {
    check(
        r#"
        > join 1 g - v=3
        > wait 3000
        1: joined c-1 gen=1 range leader=c-1 c-1:t
        > join 2 g -
        2: MEMBER_ID_REQUIRED "c-2"
        > join 3 g c-1
        3: joined c-1 gen=1 range leader=c-1 c-1:t
        > leave 4 g c-2
        4: c-2=ok
        > join 5 g c-2
        5: UNKNOWN_MEMBER_ID "c-2"
        "#,
    );
}

#[test]
fn each_member_gets_its_own_answer() {
    check(
        "
        > leave 1 - c-1
        1: INVALID_GROUP_ID
        > leave 2 g c-1,c-2
        2: c-1=UNKNOWN_MEMBER_ID c-2=UNKNOWN_MEMBER_ID
        > join 3 g - v=3 instance=i
        > join 4 g - v=3
        > wait 6000
        4: joined c-4 gen=1 range leader=i-3
        3: joined i-3 gen=1 range leader=i-3 c-4:t i-3@i:t
        > leave 5 g c-9,@nobody,c-9@i,@i,c-4
        5: c-9=UNKNOWN_MEMBER_ID @nobody=UNKNOWN_MEMBER_ID c-9@i=FENCED_INSTANCE_ID @i=ok c-4=ok
        > describe 6 g
        6: g:Empty:consumer:
        ",
    );
}

#[test]
fn a_group_left_in_its_first_rebalance_ends_up_empty() {
    check(
        r#"
        > join 1 g - v=3
        > leave 2 g c-1
        1: UNKNOWN_MEMBER_ID ""
        2: c-1=ok
        > wait 3000
        > describe 3 g
        3: g:Empty:consumer:
        > records
        group g gen=0 "" null leader=null
        group g gen=1 "consumer" null leader=null
        "#,
    );
}
