//! JoinGroup.

use super::check;

#[test]
fn a_new_member_must_come_back_with_its_id() {
    check(
        r#"
        > join 1 g -
        1: MEMBER_ID_REQUIRED "c-1"
        > join 2 g c-1
        > wait 2999
        > wait 1
        2: joined c-1 gen=1 range leader=c-1 c-1:t
        > records
        group g gen=0 "" null leader=null
        "#,
    );
}

#[test]
fn before_version_4_a_new_member_is_in_at_once() {
    check(
        "
        > join 1 g - v=3
        > wait 3000
        1: joined c-1 gen=1 range leader=c-1 c-1:t
        ",
    );
}

#[test]
fn the_first_rebalance_waits_longer_while_members_come() {
    check(
        "
        > join 1 g - v=3 rebalance=7000
        > wait 2000
        > join 2 g - v=3 rebalance=7000
        > wait 1000
        > wait 2000
        > join 3 g - v=3 rebalance=7000
        > wait 1000
        > wait 1000
        1: joined c-1 gen=1 range leader=c-1 c-1:t c-2:t c-3:t
        2: joined c-2 gen=1 range leader=c-1
        3: joined c-3 gen=1 range leader=c-1
        ",
    );
}

#[test]
fn who_may_not_join() {
    check(
        r#"
        > join 1 - -
        1: INVALID_GROUP_ID ""
        > join 2 g - session=5999
        2: INVALID_SESSION_TIMEOUT ""
        > join 3 g - session=1800001
        3: INVALID_SESSION_TIMEOUT ""
        > join 4 g c-9
        4: UNKNOWN_MEMBER_ID "c-9"
        > join 5 g - type= protocols=range:t
        5: INCONSISTENT_GROUP_PROTOCOL ""
        > join 6 g - protocols=
        6: INCONSISTENT_GROUP_PROTOCOL ""
        > join 7 g - v=3 protocols=range:t
        > wait 3000
        7: joined c-7 gen=1 range leader=c-7 c-7:t
        > join 8 g - v=3 protocols=roundrobin:t
        8: INCONSISTENT_GROUP_PROTOCOL ""
        > join 9 g - v=3 type=connect protocols=range:t
        9: INCONSISTENT_GROUP_PROTOCOL ""
        > join 10 g c-9
        10: UNKNOWN_MEMBER_ID "c-9"
        > records
        group g gen=0 "" null leader=null
        "#,
    );
}

#[test]
fn members_vote_for_a_protocol_all_of_them_know() {
    check(
        "
        > join 1 g - v=3 protocols=a:t,b:t,x:t
        > join 2 g - v=3 protocols=y:t,b:t,a:t
        > join 3 g - v=3 protocols=b:t,a:t
        > wait 6000
        1: joined c-1 gen=1 b leader=c-1 c-1:t c-2:t c-3:t
        2: joined c-2 gen=1 b leader=c-1
        3: joined c-3 gen=1 b leader=c-1
        ",
    );
}

#[test]
fn a_rejoin_without_news_gets_the_current_generation() {
    check(
        r#"
        > join 1 g - v=3
        > join 2 g - v=3
        > wait 6000
        1: joined c-1 gen=1 range leader=c-1 c-1:t c-2:t
        2: joined c-2 gen=1 range leader=c-1
        > join 3 g c-2
        3: joined c-2 gen=1 range leader=c-1
        > join 4 g c-1
        4: joined c-1 gen=1 range leader=c-1 c-1:t c-2:t
        > sync 5 g c-1 assign=c-1:A,c-2:B
        5: synced range "A"
        > sync 6 g c-2
        6: synced range "B"
        > join 7 g c-2
        7: joined c-2 gen=1 range leader=c-1
        > heartbeat 8 g c-1
        8: ok
        "#,
    );
}

#[test]
fn a_rejoining_leader_or_new_metadata_begin_a_rebalance() {
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
        > log
        Preparing to rebalance, old generation 0 (reason: adding new member c-1 with group instance id none; client reason: not provided)
        Stabilized generation 1 with 2 members
        Assignment received from leader c-1 for generation 1 with 2 members
        > join 5 g c-1 reason=topics
        > heartbeat 6 g c-2
        6: REBALANCE_IN_PROGRESS
        > join 7 g c-2
        5: joined c-1 gen=2 range leader=c-1 c-1:t c-2:t
        7: joined c-2 gen=2 range leader=c-1
        > sync 8 g c-2 gen=2
        > join 9 g c-2 protocols=range:u
        8: REBALANCE_IN_PROGRESS
        > join 10 g c-1
        10: joined c-1 gen=3 range leader=c-1 c-1:t c-2:u
        9: joined c-2 gen=3 range leader=c-1
        > log
        Preparing to rebalance, old generation 1 (reason: rejoining leader c-1 during Stable; client reason: topics)
        Stabilized generation 2 with 2 members
        Preparing to rebalance, old generation 2 (reason: updated metadata of member c-2 during CompletingRebalance; client reason: not provided)
        Stabilized generation 3 with 2 members
        "#,
    );
}

#[test]
fn a_join_sent_twice_ends_the_first_one() {
    check(
        r#"
        > join 1 g -
        1: MEMBER_ID_REQUIRED "c-1"
        > join 2 g c-1
        > join 3 g c-1
        2: REBALANCE_IN_PROGRESS "c-1"
        > wait 3000
        3: joined c-1 gen=1 range leader=c-1 c-1:t
        "#,
    );
}

#[test]
fn who_does_not_rejoin_in_time_is_out_and_another_leads() {
    check(
        r#"
        > join 1 g - v=3 session=30000 rebalance=20000
        > join 2 g - v=3 session=30000 rebalance=20000
        > wait 6000
        1: joined c-1 gen=1 range leader=c-1 c-1:t c-2:t
        2: joined c-2 gen=1 range leader=c-1
        > sync 3 g c-1 assign=c-1:A,c-2:B
        3: synced range "A"
        > sync 4 g c-2
        4: synced range "B"
        > join 5 g c-2 protocols=range:u session=30000 rebalance=20000
        > wait 20000
        5: joined c-2 gen=2 range leader=c-2 c-2:u
        > heartbeat 6 g c-1
        6: UNKNOWN_MEMBER_ID
        > log
        Preparing to rebalance, old generation 0 (reason: adding new member c-1 with group instance id none; client reason: not provided)
        Stabilized generation 1 with 2 members
        Assignment received from leader c-1 for generation 1 with 2 members
        Preparing to rebalance, old generation 1 (reason: updated metadata of member c-2 during Stable; client reason: not provided)
        Removed dynamic members who have not joined: c-1
        Stabilized generation 2 with 1 members
        "#,
    );
}

#[test]
fn a_new_member_waits_at_most_five_minutes() {
    check(
        r#"
        > join 1 g - v=3 session=1800000 rebalance=900000
        > wait 3000
        1: joined c-1 gen=1 range leader=c-1 c-1:t
        > sync 2 g c-1 assign=c-1:A
        2: synced range "A"
        > join 3 g - v=3 rebalance=900000
        > wait 299999
        > wait 1
        3: UNKNOWN_MEMBER_ID ""
        > wait 599999
        > wait 1
        > log
        Preparing to rebalance, old generation 0 (reason: adding new member c-1 with group instance id none; client reason: not provided)
        Stabilized generation 1 with 1 members
        Assignment received from leader c-1 for generation 1 with 1 members
        Preparing to rebalance, old generation 1 (reason: adding new member c-3 with group instance id none; client reason: not provided)
        Removed dynamic members who have not joined: c-1
        Generation 2 is now empty
        "#,
    );
}

#[test]
fn a_pending_member_has_its_session_to_come_back() {
    check(
        r#"
        > join 1 g - v=3
        > wait 3000
        1: joined c-1 gen=1 range leader=c-1 c-1:t
        > sync 2 g c-1 assign=c-1:A
        2: synced range "A"
        > join 3 g - session=6000
        3: MEMBER_ID_REQUIRED "c-3"
        > join 4 g c-1
        > wait 5999
        > wait 1
        4: joined c-1 gen=2 range leader=c-1 c-1:t
        > join 5 g c-3
        5: UNKNOWN_MEMBER_ID "c-3"
        "#,
    );
}

#[test]
fn a_full_group_takes_nobody_more() {
    check(
        r#"
        > set max_size=2
        > join 1 g - v=3
        > join 2 g - v=3
        > join 3 g - v=3
        3: GROUP_MAX_SIZE_REACHED ""
        > wait 6000
        1: joined c-1 gen=1 range leader=c-1 c-1:t c-2:t
        2: joined c-2 gen=1 range leader=c-1
        > join 4 g - v=3
        4: GROUP_MAX_SIZE_REACHED ""
        > join 5 g -
        5: GROUP_MAX_SIZE_REACHED ""
        > join 6 g c-2
        6: joined c-2 gen=1 range leader=c-1
        "#,
    );
}

#[test]
fn a_group_that_became_too_large_keeps_those_who_come_first() {
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
        > set max_size=1
        > heartbeat 5 g c-1
        5: REBALANCE_IN_PROGRESS
        > join 6 g c-2
        > join 7 g c-1
        7: GROUP_MAX_SIZE_REACHED ""
        > heartbeat 8 g c-2 gen=1
        8: REBALANCE_IN_PROGRESS
        > wait 60000
        6: joined c-2 gen=2 range leader=c-2 c-2:t
        "#,
    );
}

#[test]
fn a_member_that_asks_twice_is_one_member() {
    check(
        r#"
        > join 1 g - v=3
        > join 2 g - v=3
        > wait 6000
        1: joined c-1 gen=1 range leader=c-1 c-1:t c-2:t
        2: joined c-2 gen=1 range leader=c-1
        > sync 3 g c-1 assign=c-1:A,c-2:B
        3: synced range "A"
        > join 4 g c-1
        > join 5 g c-1
        4: REBALANCE_IN_PROGRESS "c-1"
        > join 6 g c-2
        5: joined c-1 gen=2 range leader=c-1 c-1:t c-2:t
        6: joined c-2 gen=2 range leader=c-1
        "#,
    );
}
