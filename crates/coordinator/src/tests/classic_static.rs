//! Static membership (KIP-345).

use super::check;

#[test]
fn a_restarted_member_takes_its_place_without_a_rebalance() {
    check(
        r#"
        > join 1 g - instance=i
        > join 2 g - instance=j
        > wait 6000
        1: joined i-1 gen=1 range leader=i-1 i-1@i:t j-2@j:t
        2: joined j-2 gen=1 range leader=i-1
        > sync 3 g i-1 instance=i assign=i-1:A,j-2:B
        3: synced range "A"
        > sync 4 g j-2 instance=j
        4: synced range "B"
        > records
        group g gen=0 "" null leader=null
        group g gen=1 "consumer" range leader=i-1 i-1@i:t="A" j-2@j:t="B"
        > join 5 g - instance=j
        5: joined j-5 gen=1 range leader=i-1
        > sync 6 g j-5 instance=j
        6: synced range "B"
        > heartbeat 7 g j-2 instance=j
        7: FENCED_INSTANCE_ID
        > heartbeat 8 g j-2
        8: UNKNOWN_MEMBER_ID
        > heartbeat 9 g j-5 instance=j
        9: ok
        > records
        group g gen=1 "consumer" range leader=i-1 i-1@i:t="A" j-5@j:t="B"
        "#,
    );
}

#[test]
fn a_restarted_leader_skips_the_assignment_if_it_can() {
    check(
        r#"
        > join 1 g - instance=i
        > wait 3000
        1: joined i-1 gen=1 range leader=i-1 i-1@i:t
        > sync 2 g i-1 instance=i assign=i-1:A
        2: synced range "A"
        > join 3 g - instance=i
        3: joined i-3 gen=1 range leader=i-3 skip-assignment i-3@i:t
        > sync 4 g i-3 instance=i
        4: synced range "A"
        > join 5 g - instance=i v=8
        5: joined i-5 gen=1 range leader=i-3
        > sync 6 g i-5 instance=i
        6: synced range "A"
        "#,
    );
}

#[test]
fn a_restart_with_another_protocol_rebalances() {
    check(
        r#"
        > join 1 g - instance=i protocols=a:t,b:t
        > join 2 g - instance=j protocols=a:t,b:t
        > wait 6000
        1: joined i-1 gen=1 a leader=i-1 i-1@i:t j-2@j:t
        2: joined j-2 gen=1 a leader=i-1
        > sync 3 g i-1 instance=i assign=i-1:A,j-2:B
        3: synced a "A"
        > sync 4 g j-2 instance=j
        4: synced a "B"
        > join 5 g - instance=j protocols=b:t
        > heartbeat 6 g i-1 instance=i
        6: REBALANCE_IN_PROGRESS
        > join 7 g i-1 instance=i protocols=a:t,b:t
        7: joined i-1 gen=2 b leader=i-1 i-1@i:t j-5@j:t
        5: joined j-5 gen=2 b leader=i-1
        "#,
    );
}

#[test]
fn a_restart_during_the_assignment_rebalances() {
    check(
        "
        > join 1 g - instance=i
        > join 2 g - instance=j
        > wait 6000
        1: joined i-1 gen=1 range leader=i-1 i-1@i:t j-2@j:t
        2: joined j-2 gen=1 range leader=i-1
        > sync 3 g j-2 instance=j
        > join 4 g - instance=j
        3: FENCED_INSTANCE_ID
        > sync 5 g i-1 instance=i assign=i-1:A,j-2:B
        5: REBALANCE_IN_PROGRESS
        > join 6 g i-1 instance=i
        6: joined i-1 gen=2 range leader=i-1 i-1@i:t j-4@j:t
        4: joined j-4 gen=2 range leader=i-1
        ",
    );
}

#[test]
fn a_restart_while_it_joins_fences_the_first() {
    check(
        r#"
        > join 1 g - instance=i
        > join 2 g - instance=i
        1: FENCED_INSTANCE_ID "i-1"
        > join 3 g i-1 instance=i
        3: FENCED_INSTANCE_ID "i-1"
        > join 4 g i-2 instance=k
        4: UNKNOWN_MEMBER_ID "i-2"
        > wait 3000
        2: joined i-2 gen=1 range leader=i-2 i-2@i:t
        "#,
    );
}

#[test]
fn a_static_member_that_neither_joins_nor_syncs_is_out() {
    check(
        r#"
        > join 1 g - instance=i session=60000 rebalance=10000
        > join 2 g - instance=j session=30000 rebalance=10000
        > wait 6000
        1: joined i-1 gen=1 range leader=i-1 i-1@i:t j-2@j:t
        2: joined j-2 gen=1 range leader=i-1
        > sync 3 g i-1 instance=i assign=i-1:A,j-2:B
        3: synced range "A"
        > sync 4 g j-2 instance=j
        4: synced range "B"
        > join 5 g i-1 instance=i session=60000 rebalance=10000
        > wait 10000
        5: joined i-1 gen=2 range leader=i-1 i-1@i:t j-2@j:t
        > sync 6 g i-1 instance=i gen=2 assign=i-1:A,j-2:B
        6: synced range "A"
        > wait 10000
        > describe 7 g
        7: g:PreparingRebalance:consumer: i-1@i(c /127.0.0.1 "" "A")
        "#,
    );
}

#[test]
fn when_no_static_member_rejoins_the_rebalance_waits() {
    check(
        r#"
        > join 1 g - instance=i session=20000 rebalance=10000
        > join 2 g - v=3 session=60000 rebalance=10000
        > wait 6000
        2: joined c-2 gen=1 range leader=i-1
        1: joined i-1 gen=1 range leader=i-1 c-2:t i-1@i:t
        > sync 3 g i-1 instance=i assign=i-1:A,c-2:B
        3: synced range "A"
        > sync 4 g c-2
        4: synced range "B"
        > leave 5 g c-2
        5: c-2=ok
        > wait 10000
        > describe 6 g
        6: g:PreparingRebalance:consumer: i-1@i(c /127.0.0.1 "" "A")
        > wait 10000
        > describe 7 g
        7: g:Empty:consumer:
        > log
        Preparing to rebalance, old generation 0 (reason: adding new member i-1 with group instance id i; client reason: not provided)
        Stabilized generation 1 with 2 members
        Assignment received from leader i-1 for generation 1 with 2 members
        Preparing to rebalance, old generation 1 (reason: explicit LeaveGroup request of c-2; client reason: not provided)
        Could not complete the rebalance because no members rejoined
        Generation 2 is now empty
        "#,
    );
}

#[test]
fn a_restart_before_the_sync_does_not_leave_the_old_id_behind() {
    check(
        r#"
        > join 1 g - instance=i session=60000 rebalance=10000
        > join 2 g - instance=j session=60000 rebalance=10000
        > wait 6000
        1: joined i-1 gen=1 range leader=i-1 i-1@i:t j-2@j:t
        2: joined j-2 gen=1 range leader=i-1
        > sync 3 g i-1 instance=i assign=i-1:A,j-2:B
        3: synced range "A"
        > join 4 g - instance=j session=60000 rebalance=10000
        4: joined j-4 gen=1 range leader=i-1
        > sync 5 g j-4 instance=j
        5: synced range "B"
        > wait 10000
        > describe 6 g
        6: g:Stable:consumer:range i-1@i(c /127.0.0.1 "t" "A") j-4@j(c /127.0.0.1 "t" "B")
        "#,
    );
}
