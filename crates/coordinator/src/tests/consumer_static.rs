//! Static members of the consumer protocol: their place outlives them for a session.

use super::check;

#[test]
fn a_member_that_comes_back_gets_what_it_had() {
    check(
        "
        > topics a=2
        > set assignment_interval=0
        > hb 1 g m topics=a instance=i
        1: m epoch=2 [a-0 a-1]
        > hb 2 g m epoch=-2 instance=i
        2: m epoch=-2
        > hb 3 g n topics=a instance=i
        3: n epoch=2 [a-0 a-1]
        > records
        member g m:a
        epoch g 2
        target g m a-0 a-1
        assignment g 2
        current g m 0->2 state=0 a-0@2 a-1@2
        current g m 0->-2 state=0 a-0@0 a-1@0
        current g m gone
        target g m gone
        member g m gone
        member g n:a
        target g n a-0 a-1
        current g n 0->0 state=0 a-0@0 a-1@0
        current g n 0->2 state=0 a-0@0 a-1@0
        ",
    );
}

#[test]
fn an_instance_id_has_one_member() {
    check(
        "
        > topics a=2
        > hb 1 g m topics=a instance=i
        1: m epoch=2 [a-0 a-1]
        > hb 2 g n topics=a instance=i
        2: UNRELEASED_INSTANCE_ID: Static member n with instance id i cannot join the group because the instance id is owned by m member.
        > hb 3 g n epoch=2 instance=i
        3: FENCED_INSTANCE_ID: Static member n with instance id i was fenced by member m.
        > hb 4 g m epoch=2 instance=j
        4: UNKNOWN_MEMBER_ID: Instance id j is unknown.
        > hb 5 g m epoch=-1 instance=i
        5: m epoch=-1
        ",
    );
}

#[test]
fn a_member_that_does_not_come_back_is_removed() {
    check(
        "
        > topics a=1
        > hb 1 g m topics=a instance=i
        1: m epoch=2 [a-0]
        > hb 2 g m epoch=-2 instance=i
        2: m epoch=-2
        > wait 45000
        > consumer-describe 3 g
        3: g:Empty:3/2:uniform
        ",
    );
}
