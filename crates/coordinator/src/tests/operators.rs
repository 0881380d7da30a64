//! DescribeGroups, ListGroups, DeleteGroups.

use super::check;

#[test]
fn groups_are_described_in_each_state() {
    check(
        r#"
        > describe 1 g
        1: g:Dead:: GROUP_ID_NOT_FOUND "Group g not found."
        > join 2 g - v=3 client=app
        > describe 3 g
        3: g:PreparingRebalance:consumer: app-2(app /127.0.0.1 "" "")
        > wait 3000
        2: joined app-2 gen=1 range leader=app-2 app-2:t
        > describe 4 g
        4: g:CompletingRebalance:consumer: app-2(app /127.0.0.1 "" "")
        > sync 5 g app-2 assign=app-2:A
        5: synced range "A"
        > describe 6 g,h
        6: g:Stable:consumer:range app-2(app /127.0.0.1 "t" "A") h:Dead:: GROUP_ID_NOT_FOUND "Group h not found."
        > leave 7 g app-2
        7: app-2=ok
        > describe 8 g
        8: g:Empty:consumer:
        "#,
    );
}

#[test]
fn groups_are_listed_by_state_and_type() {
    check(
        r#"
        > commit 1 simple - t-0=1
        1: t-0=ok
        > join 2 joining - v=3
        > join 3 stable - v=3 type=connect protocols=x:t
        > wait 3000
        2: joined c-2 gen=1 range leader=c-2 c-2:t
        3: joined c-3 gen=1 x leader=c-3 c-3:t
        > sync 4 stable c-3 assign=c-3:A
        4: synced x "A"
        > list 5
        5: joining:consumer:CompletingRebalance:classic simple::Empty:classic stable:connect:Stable:classic
        > list 6 states=stable,EMPTY
        6: simple::Empty:classic stable:connect:Stable:classic
        > list 7 states=CompletingRebalance types=Classic
        7: joining:consumer:CompletingRebalance:classic
        > list 8 types=consumer
        8:
        > list 9 states=dead
        9:
        > list 10 types=unknown,classic states=Empty
        10: simple::Empty:classic
        > failover
        > list 11
        11: joining::Empty:classic simple::Empty:classic stable:connect:Stable:classic
        "#,
    );
}

#[test]
fn empty_groups_are_deleted_with_their_offsets() {
    check(
        r#"
        > commit 1 g - t-0=1 t-1=2
        1: t-0=ok t-1=ok
        > join 2 h - v=3
        > join 3 pending -
        3: MEMBER_ID_REQUIRED "c-3"
        > records
        offset g t-0=1
        offset g t-1=2
        group h gen=0 "" null leader=null
        group pending gen=0 "" null leader=null
        > delete 4 g,h,nobody,g,pending
        4: g=ok h=NON_EMPTY_GROUP nobody=GROUP_ID_NOT_FOUND g=GROUP_ID_NOT_FOUND pending=ok
        > records
        offset g t-0 gone
        offset g t-1 gone
        group g gone
        group pending gone
        > fetch 5 g all
        5:
        > list 6
        6: h:consumer:PreparingRebalance:classic
        > join 7 pending c-3
        7: UNKNOWN_MEMBER_ID "c-3"
        > failover
        2: lost
        > list 8
        8: h::Empty:classic
        "#,
    );
}

#[test]
fn a_deletion_that_is_too_large_for_a_batch_takes_more() {
    check(
        "
        > set max_batch=66800
        > commit 1 g - t-0=1 t-1=2
        1: t-0=ok t-1=ok
        > commit 2 g - t-2=1 t-3=2
        2: t-2=ok t-3=ok
        > commit 3 g - t-4=1 t-5=2
        3: t-4=ok t-5=ok
        > commit 4 h - t-0=1 t-1=2
        4: t-0=ok t-1=ok
        > records
        offset g t-0=1
        offset g t-1=2
        offset g t-2=1
        offset g t-3=2
        offset g t-4=1
        offset g t-5=2
        offset h t-0=1
        offset h t-1=2
        > delete 5 g,h,nobody
        > delete 6 i
        > records
        offset g t-0 gone
        offset g t-1 gone
        offset g t-2 gone
        offset g t-3 gone
        > wait 0
        5: g=ok h=ok nobody=GROUP_ID_NOT_FOUND
        6: i=GROUP_ID_NOT_FOUND
        > records
        offset g t-4 gone
        offset g t-5 gone
        group g gone
        offset h t-0 gone
        offset h t-1 gone
        group h gone
        > list 7
        7:
        ",
    );
}
