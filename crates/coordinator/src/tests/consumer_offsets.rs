//! Offsets of groups of the consumer protocol: who may commit, and until when they are kept.

use super::check;

#[test]
fn who_may_commit() {
    check(
        "
        > topics a=2
        > hb 1 g m topics=a
        1: m epoch=2 [a-0 a-1]
        > commit 2 g m gen=2 a-0=5
        2: a-0=ok
        > commit 3 g x gen=2 a-0=6
        3: UNKNOWN_MEMBER_ID
        > commit 4 g - gen=-1 a-0=6
        4: UNKNOWN_MEMBER_ID
        > commit 5 g m gen=3 a-0=6
        5: STALE_MEMBER_EPOCH
        > commit 6 g m gen=1 a-0=6
        6: STALE_MEMBER_EPOCH
        > commit 7 g m gen=2 v=8 a-0=6
        7: UNSUPPORTED_VERSION
        > fetch 8 g a-0 member=m epoch=2
        8: a-0=5@5
        > fetch 9 g a-0
        9: a-0=5@5
        > fetch 10 g a-0 member=m epoch=1
        10: STALE_MEMBER_EPOCH
        > fetch 11 g a-0 member=x epoch=2
        11: UNKNOWN_MEMBER_ID
        > offset-delete 12 g a-0,b-0
        12: a-0=GROUP_SUBSCRIBED_TO_TOPIC b-0=ok
        > hb 13 g m epoch=-1
        13: m epoch=-1
        > commit 14 g - gen=-1 a-0=9
        14: a-0=ok
        ",
    );
}

#[test]
fn a_member_that_has_not_heard_of_its_epoch_commits_what_it_keeps() {
    check(
        "
        > topics a=2 b=1
        > set assignment_interval=0
        > hb 1 g m topics=a
        1: m epoch=2 [a-0 a-1]
        > hb 2 g m epoch=2 topics=a+b owned=a-0+a-1
        2: m epoch=3 [a-0 a-1 b-0]
        > commit 3 g m gen=2 a-0=5
        3: a-0=ok
        > commit 4 g m gen=2 b-0=5
        4: STALE_MEMBER_EPOCH
        ",
    );
}

#[test]
fn offsets_expire_when_nobody_reads_the_topic() {
    check(
        "
        > topics a=1 b=1
        > hb 1 g m topics=a
        1: m epoch=2 [a-0]
        > commit 2 g m gen=2 a-0=5 b-0=6
        2: a-0=ok b-0=ok
        > hb 3 g m epoch=-1
        3: m epoch=-1
        > hb 4 g n instance=i topics=a
        4: n epoch=2 []
        > hb 5 g n instance=i epoch=-1
        5: n epoch=-1
        > records
        member g m:a
        epoch g 2
        target g m a-0
        assignment g 2
        current g m 0->2 state=0 a-0@2
        offset g a-0=5
        offset g b-0=6
        current g m gone
        target g m gone
        member g m gone
        epoch g 3
        member g n:a
        epoch g 4
        current g n 0->2 state=0
        current g n gone
        target g n gone
        member g n gone
        epoch g 5
        > wait 604800000
        > wait 600000
        > records
        offset g a-0 gone
        offset g b-0 gone
        assignment g gone
        partitions g gone
        epoch g gone
        > list 6
        6:
        ",
    );
}
