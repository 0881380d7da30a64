//! Offsets.

use super::check;

#[test]
fn a_consumer_in_no_group_commits_and_fetches() {
    check(
        "
        > fetch 1 g t-0
        1: t-0=-1@-1
        > fetch 2 g all
        2:
        > commit 3 g - t-0=5:note t-1=6
        3: t-0=ok t-1=ok
        > fetch 4 g t-0,t-1,t-2,u-0
        4: t-0=5@5:note t-1=6@5 t-2=-1@-1 u-0=-1@-1
        > fetch 5 g all
        5: t-0=5@5:note t-1=6@5
        > list 6
        6: g::Empty:classic
        > describe 7 g
        7: g:Empty::
        > commit 8 - - t-0=1
        8: t-0=ok
        > fetch 9 - t-0
        9: t-0=1@5
        > records
        offset g t-0=5
        offset g t-1=6
        offset  t-0=1
        ",
    );
}

#[test]
fn members_commit_in_their_generation_only() {
    check(
        r#"
        > commit 1 g c-1 gen=1 t-0=1
        1: GROUP_ID_NOT_FOUND
        > join 2 g - v=3
        > commit 3 g c-2 gen=0 t-0=1
        3: t-0=ok
        > wait 3000
        2: joined c-2 gen=1 range leader=c-2 c-2:t
        > commit 4 g c-2 gen=1 t-0=1
        4: REBALANCE_IN_PROGRESS
        > sync 5 g c-2 assign=c-2:A
        5: synced range "A"
        > commit 6 g c-2 gen=1 t-0=1
        6: t-0=ok
        > commit 7 g c-2 gen=0 t-0=2
        7: ILLEGAL_GENERATION
        > commit 8 g c-9 gen=1 t-0=2
        8: UNKNOWN_MEMBER_ID
        > commit 9 g - t-0=2
        9: UNKNOWN_MEMBER_ID
        > commit 10 g c-2 t-0=2
        10: ILLEGAL_GENERATION
        > commit 11 g c-2 gen=1 instance=i t-0=2
        11: UNKNOWN_MEMBER_ID
        > join 12 g c-2
        12: joined c-2 gen=2 range leader=c-2 c-2:t
        > commit 13 g c-2 gen=2 t-0=2
        13: REBALANCE_IN_PROGRESS
        > fetch 14 g t-0
        14: t-0=1@5
        > leave 15 g c-2
        15: c-2=ok
        > commit 16 g - t-0=3
        16: t-0=ok
        > fetch 17 g t-0
        17: t-0=3@5
        "#,
    );
}

#[test]
fn metadata_has_a_limit_for_each_partition() {
    check(
        "
        > set max_metadata=3
        > commit 1 g - t-0=1:abcd t-1=2:abc t-2=3:äöü t-3=4:𝄞𝄞
        1: t-0=OFFSET_METADATA_TOO_LARGE t-1=ok t-2=ok t-3=OFFSET_METADATA_TOO_LARGE
        > fetch 2 g all
        2: t-1=2@5:abc t-2=3@5:äöü
        ",
    );
}

#[test]
fn an_offset_of_a_deleted_and_recreated_topic_is_not_found() {
    check(
        "
        > commit 1 g - id=1 t-0=5
        1: t-0=ok
        > fetch 2 g t-0 id=1
        2: t-0=5@5
        > fetch 3 g t-0 id=2
        3: t-0=-1@-1
        > fetch 4 g t-0
        4: t-0=5@5
        > fetch 5 g all
        5: t-0=5@5
        ",
    );
}

#[test]
fn offsets_are_deleted_where_nobody_consumes() {
    check(
        r#"
        > offset-delete 1 - t-0
        1: INVALID_GROUP_ID
        > offset-delete 2 g t-0
        2: GROUP_ID_NOT_FOUND
        > join 3 g - v=3 protocols=range:t
        > wait 3000
        3: joined c-3 gen=1 range leader=c-3 c-3:t
        > sync 4 g c-3 assign=c-3:A
        4: synced range "A"
        > commit 5 g c-3 gen=1 t-0=1 u-0=2
        5: t-0=ok u-0=ok
        > records
        group g gen=0 "" null leader=null
        group g gen=1 "consumer" range leader=c-3 c-3:t="A"
        offset g t-0=1
        offset g u-0=2
        > offset-delete 6 g t-0,u-0,u-1
        6: t-0=GROUP_SUBSCRIBED_TO_TOPIC u-0=ok u-1=ok
        > records
        offset g u-0 gone
        > fetch 7 g all
        7: t-0=1@5
        > leave 8 g c-3
        8: c-3=ok
        > offset-delete 9 g t-0
        9: t-0=ok
        > fetch 10 g all
        10:
        > join 11 h - v=3 type=connect protocols=x:t
        > commit 12 h - t-0=1
        12: UNKNOWN_MEMBER_ID
        > offset-delete 13 h t-0
        13: NON_EMPTY_GROUP
        "#,
    );
}

#[test]
fn offsets_of_a_simple_consumer_expire_after_their_last_commit() {
    check(
        r#"
        > commit 1 g - t-0=1
        1: t-0=ok
        > wait 604200000
        > commit 2 g - t-1=1
        2: t-1=ok
        > records
        offset g t-0=1
        offset g t-1=1
        > wait 600000
        > records
        offset g t-0 gone
        > wait 604200000
        > records
        offset g t-1 gone
        group g gone
        > describe 3 g
        3: g:Dead:: GROUP_ID_NOT_FOUND "Group g not found."
        "#,
    );
}

#[test]
fn offsets_expire_when_their_group_has_been_empty_for_long() {
    check(
        r#"
        > join 1 g - v=3 session=1800000
        > wait 3000
        1: joined c-1 gen=1 range leader=c-1 c-1:t
        > sync 2 g c-1 assign=c-1:A
        2: synced range "A"
        > commit 3 g c-1 gen=1 t-0=1 u-0=2
        3: t-0=ok u-0=ok
        > records
        group g gen=0 "" null leader=null
        group g gen=1 "consumer" range leader=c-1 c-1:t="A"
        offset g t-0=1
        offset g u-0=2
        > wait 1800000
        > records
        group g gen=2 "consumer" null leader=null
        > wait 604797000
        > records
        > wait 600000
        > records
        offset g t-0 gone
        offset g u-0 gone
        group g gone
        "#,
    );
}

#[test]
fn a_group_is_warned_once_before_its_offsets_expire() {
    check(
        "
        > commit 1 g - t-0=1 t-1=2
        1: t-0=ok t-1=ok
        > wait 543600000
        > log
        > wait 1200000
        > log
        Offsets of 2 partitions expire within 1008 minutes (offsets.retention.minutes) unless the group commits them or reads these topics: t-0, t-1
        > wait 50000000
        > log
        > commit 2 g - t-0=1
        2: t-0=ok
        > records
        offset g t-0=1
        offset g t-1=2
        offset g t-0=1
        > wait 20000000
        > records
        offset g t-1 gone
        > log
        ",
    );
}

#[test]
fn a_living_group_loses_offsets_of_topics_it_no_longer_consumes() {
    check(
        r#"
        > join 1 g - v=3 session=1800000 protocols=range:t
        > wait 3000
        1: joined c-1 gen=1 range leader=c-1 c-1:t
        > sync 2 g c-1 assign=c-1:A
        2: synced range "A"
        > commit 3 g c-1 gen=1 t-0=1 u-0=2 retention=1200000
        3: t-0=ok u-0=ok
        > wait 900000
        > heartbeat 4 g c-1
        4: ok
        > records
        group g gen=0 "" null leader=null
        group g gen=1 "consumer" range leader=c-1 c-1:t="A"
        offset g t-0=1
        offset g u-0=2
        > wait 300000
        > heartbeat 5 g c-1
        5: ok
        > wait 600000
        > records
        offset g u-0 gone
        > fetch 6 g all
        6: t-0=1@-1
        "#,
    );
}

#[test]
fn offsets_go_with_their_topic() {
    check(
        "
        > commit 1 g - id=7 t-0=1
        1: t-0=ok
        > commit 2 g - id=6 t-1=2 u-0=3
        2: t-1=ok u-0=ok
        > commit 3 h - t-0=4
        3: t-0=ok
        > records
        offset g t-0=1
        offset g t-1=2
        offset g u-0=3
        offset h t-0=4
        > topics-deleted t
        > records
        offset g t-0 gone
        offset h t-0 gone
        ",
    );
}

#[test]
fn a_time_to_keep_offsets_is_stored_in_the_old_version() {
    check(
        "
        > commit 1 g - retention=1000 t-0=5
        1: t-0=ok
        > fetch 2 g t-0
        2: t-0=5@-1
        > failover
        > fetch 3 g t-0
        3: t-0=5@-1
        > wait 600000
        > records
        offset g t-0=5
        offset g t-0 gone
        group g gone
        ",
    );
}

#[test]
fn nothing_expires_during_a_rebalance() {
    check(
        r#"
        > join 1 g - v=3 session=1800000 rebalance=900000
        > wait 3000
        1: joined c-1 gen=1 range leader=c-1 c-1:t
        > sync 2 g c-1 assign=c-1:A
        2: synced range "A"
        > commit 3 g c-1 gen=1 u-0=1 retention=1000
        3: u-0=ok
        > wait 590000
        > join 4 g - v=3 rebalance=900000 session=1800000
        > wait 8000
        > join 5 g c-1 rebalance=900000 session=1800000
        5: joined c-1 gen=2 range leader=c-1 c-1:t c-4:t
        4: joined c-4 gen=2 range leader=c-1
        > sync 6 g c-1 gen=2
        6: synced range ""
        > records
        group g gen=0 "" null leader=null
        group g gen=1 "consumer" range leader=c-1 c-1:t="A"
        offset g u-0=1
        group g gen=2 "consumer" range leader=c-1 c-1:t="" c-4:t=""
        > wait 600000
        > records
        offset g u-0 gone
        "#,
    );
}
