//! Joining, living in and leaving a group of the consumer protocol (KIP-848).

use super::check;

#[test]
fn one_member_gets_all() {
    check(
        "
        > topics a=3
        > hb 1 g m topics=a
        1: m epoch=2 [a-0 a-1 a-2]
        > records
        member g m:a
        epoch g 2
        target g m a-0 a-1 a-2
        assignment g 2
        current g m 0->2 state=0 a-0@2 a-1@2 a-2@2
        > hb 2 g m epoch=2
        2: m epoch=2
        > hb 3 g m epoch=2 topics=a rebalance=60000 owned=a-0+a-1+a-2
        3: m epoch=2 [a-0 a-1 a-2]
        > records
        > consumer-describe 4 g
        4: g:Stable:2/2:uniform m(epoch=2 type=1 [a-0+a-1+a-2] [a-0+a-1+a-2])
        ",
    );
}

#[test]
fn a_member_without_an_id_is_given_one() {
    check(
        "
        > topics a=1
        > hb 1 g - topics=a
        1: new-1 epoch=2 [a-0]
        ",
    );
}

#[test]
fn what_one_gives_away_another_gets() {
    check(
        "
        > topics a=4
        > set assignment_interval=0
        > hb 1 g m topics=a
        1: m epoch=2 [a-0 a-1 a-2 a-3]
        > hb 2 g n topics=a
        2: n epoch=3 []
        > consumer-describe 3 g
        3: g:Reconciling:3/3:uniform m(epoch=2 type=1 [a-0+a-1+a-2+a-3] [a-0+a-1]) n(epoch=3 type=1 [] [a-2+a-3])
        > hb 4 g m epoch=2 owned=a-0+a-1+a-2+a-3
        4: m epoch=2 [a-0 a-1]
        > hb 5 g n epoch=3
        5: n epoch=3
        > hb 6 g m epoch=2 owned=a-0+a-1
        6: m epoch=3
        > hb 7 g n epoch=3
        7: n epoch=3 [a-2 a-3]
        > consumer-describe 8 g
        8: g:Stable:3/3:uniform m(epoch=3 type=1 [a-0+a-1] [a-0+a-1]) n(epoch=3 type=1 [a-2+a-3] [a-2+a-3])
        ",
    );
}

#[test]
fn members_that_join_soon_after_an_assignment_wait_for_the_next() {
    check(
        "
        > topics a=2
        > hb 1 g m topics=a
        1: m epoch=2 [a-0 a-1]
        > wait 500
        > hb 2 g n topics=a
        2: n epoch=2 []
        > consumer-describe 3 g
        3: g:Assigning:3/2:uniform m(epoch=2 type=1 [a-0+a-1] [a-0+a-1]) n(epoch=2 type=1 [] [])
        > wait 500
        > hb 4 g m epoch=2 owned=a-0+a-1
        4: m epoch=2 [a-0]
        ",
    );
}

#[test]
fn who_leaves_is_not_waited_for() {
    check(
        "
        > topics a=2
        > set assignment_interval=0
        > hb 1 g m topics=a
        1: m epoch=2 [a-0 a-1]
        > hb 2 g n topics=a
        2: n epoch=3 []
        > hb 3 g m epoch=-1
        3: m epoch=-1
        > hb 4 g n epoch=3
        4: n epoch=4 [a-0 a-1]
        > hb 5 g n epoch=-1
        5: n epoch=-1
        > consumer-describe 6 g
        6: g:Empty:5/4:uniform
        > list 7
        7: g:consumer:Empty:consumer
        > delete 8 g
        8: g=ok
        > list 9
        9:
        ",
    );
}

#[test]
fn who_is_silent_is_removed() {
    check(
        "
        > topics a=1
        > hb 1 g m topics=a
        1: m epoch=2 [a-0]
        > wait 44999
        > hb 2 g m epoch=2
        2: m epoch=2
        > wait 45000
        > hb 3 g m epoch=2
        3: UNKNOWN_MEMBER_ID: Member m is not a member of group g.
        > log
        Epoch 2: member m joined
        Epoch 2: uniform assigned to 1 members
        Epoch 3: member m is removed: its session expired
        ",
    );
}

#[test]
fn who_does_not_give_away_is_removed() {
    check(
        "
        > topics a=2
        > set assignment_interval=0
        > hb 1 g m topics=a rebalance=5000
        1: m epoch=2 [a-0 a-1]
        > hb 2 g n topics=a
        2: n epoch=3 []
        > hb 3 g m epoch=2 owned=a-0+a-1
        3: m epoch=2 [a-0]
        > wait 4999
        > hb 4 g m epoch=2
        4: m epoch=2
        > wait 1
        > hb 5 g m epoch=2
        5: UNKNOWN_MEMBER_ID: Member m is not a member of group g.
        > hb 6 g n epoch=3
        6: n epoch=4 [a-0 a-1]
        ",
    );
}

#[test]
fn epochs_tell_members_that_are_behind() {
    check(
        "
        > topics a=2
        > hb 1 g m topics=a
        1: m epoch=2 [a-0 a-1]
        > hb 2 g m epoch=3
        2: FENCED_MEMBER_EPOCH: The consumer group member has a greater member epoch (3) than the one known by the group coordinator (2). The member must abandon all its partitions and rejoin.
        > hb 3 g m epoch=1
        3: FENCED_MEMBER_EPOCH: The consumer group member has a smaller member epoch (1) than the one known by the group coordinator (2). The member must abandon all its partitions and rejoin.
        > hb 4 g x epoch=2
        4: UNKNOWN_MEMBER_ID: Member x is not a member of group g.
        > hb 5 h m epoch=2
        5: GROUP_ID_NOT_FOUND: Consumer group h not found.
        > hb 6 g m topics=a
        6: m epoch=2 [a-0 a-1]
        ",
    );
}

#[test]
fn an_answer_that_was_lost_is_given_again() {
    check(
        "
        > topics a=2 b=1
        > set assignment_interval=0
        > hb 1 g m topics=a
        1: m epoch=2 [a-0 a-1]
        > hb 2 g m epoch=2 topics=a+b owned=a-0+a-1
        2: m epoch=3 [a-0 a-1 b-0]
        > hb 3 g m epoch=2 topics=a+b owned=a-0+a-1
        3: m epoch=3
        > hb 4 g m epoch=2
        4: FENCED_MEMBER_EPOCH: The consumer group member has a smaller member epoch (2) than the one known by the group coordinator (3). The member must abandon all its partitions and rejoin.
        ",
    );
}

#[test]
fn topics_that_change_are_assigned_anew() {
    check(
        "
        > topics a=1
        > set assignment_interval=0
        > hb 1 g m topics=a+b
        1: m epoch=2 [a-0]
        > topics a=2
        > hb 2 g m epoch=2
        2: m epoch=3 [a-0 a-1]
        > topics a=2 b=1
        > hb 3 g m epoch=3
        3: m epoch=4 [a-0 a-1 b-0]
        > topics a=2 b=1 c=1
        > hb 4 g m epoch=4
        4: m epoch=4
        > topics b=1
        > hb 5 g m epoch=4 owned=a-0+a-1+b-0
        5: m epoch=4 [b-0]
        > hb 6 g m epoch=4 owned=b-0
        6: m epoch=5
        ",
    );
}

#[test]
fn regular_expressions_are_resolved_here() {
    check(
        r"
        > topics foo=1
        > set assignment_interval=0
        > hb 1 g m regex=f.*
        1: m epoch=1 []
        > wait 0
        > records
        member g m:
        current g m 0->1 state=0
        regex g f.* foo
        epoch g 2
        > hb 2 g m epoch=1
        2: m epoch=2 [f-0]
        > hb 3 g n regex=(
        3: INVALID_REGULAR_EXPRESSION: SubscribedTopicRegex `(` is not a valid regular expression: unclosed group.
        ",
    );
}

#[test]
fn the_first_expression_after_none_is_resolved_at_once() {
    check(
        r"
        > topics foo=1 bar=1
        > set assignment_interval=0
        > hb 1 g m regex=f.*
        1: m epoch=1 []
        > wait 0
        > hb 2 g m epoch=1
        2: m epoch=2 [f-0]
        > hb 3 g m epoch=-1
        3: m epoch=-1
        > hb 4 g n regex=b.*
        4: n epoch=3 []
        > wait 0
        > hb 5 g n epoch=3
        5: n epoch=4 [b-0]
        ",
    );
}

#[test]
fn a_full_group_takes_nobody_in() {
    check(
        "
        > topics a=1
        > set consumer_max_size=1
        > hb 1 g m topics=a
        1: m epoch=2 [a-0]
        > hb 2 g n topics=a
        2: GROUP_MAX_SIZE_REACHED: The consumer group has reached its maximum capacity of 1 members.
        > hb 3 g m topics=a
        3: m epoch=2 [a-0]
        ",
    );
}

#[test]
fn a_new_coordinator_knows_the_group() {
    check(
        "
        > topics a=2
        > set assignment_interval=0
        > hb 1 g m topics=a
        1: m epoch=2 [a-0 a-1]
        > hb 2 g n topics=a
        2: n epoch=3 []
        > hb 3 g m epoch=2 owned=a-0+a-1
        3: m epoch=2 [a-0]
        > failover
        > hb 4 g m epoch=2 owned=a-0
        4: m epoch=3
        > hb 5 g n epoch=3
        5: n epoch=3 [a-1]
        > wait 45000
        > consumer-describe 6 g
        6: g:Empty:5/3:uniform
        ",
    );
}

#[test]
fn who_describes_what_is_no_such_group_hears_so() {
    check(
        "
        > topics t=1
        > join 1 c - v=3
        > hb 2 g m topics=t
        2: m epoch=2 [t-0]
        > consumer-describe 3 c,x
        3: c:Dead:0/0: GROUP_ID_NOT_FOUND: Group c is not a consumer group.  x:Dead:0/0: GROUP_ID_NOT_FOUND: Group x not found.
        > describe 4 g
        4: g:Dead:: GROUP_ID_NOT_FOUND \"Group g is not a classic group.\"
        > delete 5 g
        5: g=NON_EMPTY_GROUP
        ",
    );
}

#[test]
fn a_new_coordinator_gives_members_the_sessions_that_are_configured() {
    check(
        "
        > topics t=1
        > set session=3000
        > hb 1 g m topics=t
        1: m epoch=2 [t-0]
        > failover
        > wait 2999
        > log
        Epoch 2: member m joined
        Epoch 2: uniform assigned to 1 members
        > wait 1
        > log
        Epoch 3: member m is removed: its session expired
        ",
    );
}
