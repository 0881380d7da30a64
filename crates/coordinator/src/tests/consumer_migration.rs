//! Groups that change their protocol while they have members.

use super::check;

#[test]
fn an_empty_group_changes_at_once() {
    check(
        "
        > topics t=2
        > commit 1 g - t-0=5
        1: t-0=ok
        > hb 2 g m topics=t
        2: m epoch=2 [t-0 t-1]
        > fetch 3 g t-0
        3: t-0=5@5
        > hb 4 g m epoch=-1
        4: m epoch=-1
        > join 5 g - v=3
        > wait 3000
        5: joined c-5 gen=1 range leader=c-5 c-5:t
        > fetch 6 g t-0
        6: t-0=5@5
        ",
    );
}

#[test]
fn groups_stay_what_they_are_if_migration_is_disabled() {
    check(
        "
        > topics t=2
        > set migration=disabled
        > join 1 c - v=3
        > wait 3000
        1: joined c-1 gen=1 range leader=c-1 c-1:t
        > hb 2 c m topics=t
        2: GROUP_ID_NOT_FOUND: Cannot upgrade classic group c to consumer group because online upgrade is disabled.
        > hb 3 g m topics=t
        3: m epoch=2 [t-0 t-1]
        > join 4 g - v=3
        4: INCONSISTENT_GROUP_PROTOCOL \"\"
        ",
    );
}

#[test]
fn who_has_not_joined_again_keeps_its_partitions_through_two_migrations() {
    check(
        "
        > topics t=3
        > set assignment_interval=0
        > join 1 g - v=3
        > wait 3000
        1: joined c-1 gen=1 range leader=c-1 c-1:t
        > sync 2 g c-1 share=c-1:t-0+t-1+t-2
        2: synced range [t-0 t-1 t-2]
        > hb 3 g m topics=t
        3: m epoch=2 []
        > hb 4 g m epoch=-1
        4: m epoch=-1
        > hb 5 g n topics=t
        5: n epoch=3 []
        ",
    );
}

#[test]
fn a_downgrade_goes_on_with_another_coordinator() {
    check(
        "
        > topics t=2
        > set assignment_interval=0
        > hb 1 g m topics=t
        1: m epoch=2 [t-0 t-1]
        > join 2 g - v=3
        2: joined 2 gen=3 range leader=
        > hb 3 g m epoch=-1
        3: m epoch=-1
        > failover
        > heartbeat 4 g 2 gen=3
        4: REBALANCE_IN_PROGRESS
        ",
    );
}
