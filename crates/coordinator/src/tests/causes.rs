//! Why groups rebalance, as it is counted and logged.

use super::check;

#[test]
fn each_classic_rebalance_has_a_cause() {
    check(
        r#"
        > join 1 g - v=3
        > wait 3000
        1: joined c-1 gen=1 range leader=c-1 c-1:t
        > sync 2 g c-1 assign=c-1:A
        2: synced range "A"
        > join 3 g - v=3
        > join 4 g c-1
        4: joined c-1 gen=2 range leader=c-1 c-1:t c-3:t
        3: joined c-3 gen=2 range leader=c-1
        > sync 5 g c-1 gen=2 assign=c-1:A,c-3:B
        5: synced range "A"
        > sync 6 g c-3 gen=2
        6: synced range "B"
        > join 7 g c-1
        > join 8 g c-3
        7: joined c-1 gen=3 range leader=c-1 c-1:t c-3:t
        8: joined c-3 gen=3 range leader=c-1
        > sync 9 g c-1 gen=3 assign=c-1:A,c-3:B
        9: synced range "A"
        > sync 10 g c-3 gen=3
        10: synced range "B"
        > join 11 g c-3 protocols=range:t+u
        > join 12 g c-1
        12: joined c-1 gen=4 range leader=c-1 c-1:t c-3:t+u
        11: joined c-3 gen=4 range leader=c-1
        > sync 13 g c-1 gen=4 assign=c-1:A,c-3:B
        13: synced range "A"
        > leave 14 g c-3
        14: c-3=ok
        > join 15 g c-1
        15: joined c-1 gen=5 range leader=c-1 c-1:t
        > wait 10000
        > rebalances
        classic member_joined
        classic member_joined
        classic leader_rejoined
        classic subscription_changed
        classic member_left
        classic session_expired
        "#,
    );
}

#[test]
fn each_epoch_of_the_consumer_protocol_has_a_cause() {
    check(
        "
        > topics t=2
        > set assignment_interval=0
        > hb 1 g m topics=t
        1: m epoch=2 [t-0 t-1]
        > hb 2 g n topics=t
        2: n epoch=3 []
        > hb 3 g n epoch=3 topics=u
        3: n epoch=4
        > topics t=3
        > hb 4 g n epoch=4
        4: n epoch=5
        > hb 5 g m epoch=-1
        5: m epoch=-1
        > wait 45000
        > rebalances
        consumer member_joined
        consumer member_joined
        consumer subscription_changed
        consumer topics_changed
        consumer member_left
        consumer session_expired
        > log
        Epoch 2: member m joined
        Epoch 2: uniform assigned to 1 members
        Epoch 3: member n joined
        Epoch 3: uniform assigned to 2 members
        Epoch 4: member n reads other topics
        Epoch 4: uniform assigned to 2 members
        Epoch 5: its topics changed
        Epoch 5: uniform assigned to 2 members
        Epoch 6: member m left
        Epoch 7: member n is removed: its session expired
        ",
    );
}

#[test]
fn groups_are_measured() {
    check(
        r#"
        > topics t=2
        > hb 1 a m topics=t
        1: m epoch=2 [t-0 t-1]
        > commit 2 a m gen=2 t-0=5 t-1=6
        2: t-0=ok t-1=ok
        > join 3 b - v=3
        > wait 3000
        3: joined c-3 gen=1 range leader=c-3 c-3:t
        > commit 4 c - t-0=7
        4: t-0=ok
        > measure 5
        5: a:consumer:Stable:1 members [t-0=5 t-1=6] b:classic:CompletingRebalance:1 members [] c:classic:Empty:0 members [t-0=7]
        "#,
    );
}
