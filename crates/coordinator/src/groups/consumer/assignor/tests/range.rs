//! The range assignor, with the cases that Kafka tests its own with.

use super::Assignor::Range;
use super::*;

#[test]
fn a_group_without_members_or_topics_gets_nothing() {
    check(Range, &group("", &[]), &[]);
    check(Range, &group("1=3", &["A:"]), &["A:"]);
}

#[test]
fn the_first_members_get_what_is_left_over() {
    let spec = group("1=3 3=2", &["A: 1 3", "B: 1 3"]);
    check(Range, &spec, &["A: 1:0,1 3:0", "B: 1:2 3:1"]);
}

#[test]
fn topics_are_split_among_their_own_subscribers() {
    let spec = group("1=3 2=3 3=2", &["A: 1 2", "B: 3", "C: 2 3"]);
    check(Range, &spec, &["A: 1:0,1,2 2:0,1", "B: 3:0", "C: 2:2 3:1"]);
}

#[test]
fn members_beyond_the_partitions_get_none() {
    let spec = group("1=3 3=2", &["A: 1 3", "B: 1 3", "C: 1 3"]);
    check(Range, &spec, &["A: 1:0 3:0", "B: 1:1 3:1", "C: 1:2"]);
    let spec = group("1=2 2=2", &["A: 1 2 <- 1:0 2:0", "B: 1 2 <- 1:1 2:1", "C: 1 2"]);
    check(Range, &spec, &["A: 1:0 2:0", "B: 1:1 2:1", "C:"]);
}

#[test]
fn a_static_member_comes_back_to_its_range() {
    check(Range, &group("1=3", &["A@iA: 1", "B@iB: 1"]), &["A: 1:0,1", "B: 1:2"]);
    check(Range, &group("1=3", &["Z@iA: 1", "B@iB: 1"]), &["B: 1:2", "Z: 1:0,1"]);
}

#[test]
fn static_members_come_first() {
    check(Range, &group("1=5", &["A@iA: 1", "B: 1", "C@iC: 1"]), &["A: 1:0,1", "B: 1:4", "C: 1:2,3"]);
    check(Range, &group("1=5", &["Z@iA: 1", "B: 1", "C@iC: 1"]), &["B: 1:4", "C: 1:2,3", "Z: 1:0,1"]);
}

#[test]
fn a_new_partition_goes_to_the_range_that_is_shorter() {
    let spec = group("1=4 2=4", &["A: 1 2 <- 1:0,1 2:0,1", "B: 1 2 <- 1:2 2:2"]);
    check(Range, &spec, &["A: 1:0,1 2:0,1", "B: 1:2,3 2:2,3"]);
}

#[test]
fn a_new_member_takes_the_last_range() {
    let old = ["A: 1 2 <- 1:0,1 2:0,1", "B: 1 2 <- 1:2 2:2"];
    let spec = group("1=3 2=3", &[old[0], old[1], "C: 1 2"]);
    check(Range, &spec, &["A: 1:0 2:0", "B: 1:1 2:1", "C: 1:2 2:2"]);
    let spec = group("1=4 2=3", &[old[0], old[1], "C: 1"]);
    check(Range, &spec, &["A: 1:0,1 2:0,1", "B: 1:2 2:2", "C: 1:3"]);
}

#[test]
fn the_last_member_takes_all() {
    check(Range, &group("1=3 2=3", &["B: 1 2 <- 1:2 2:2"]), &["B: 1:0,1,2 2:0,1,2"]);
}

#[test]
fn other_subscriptions_make_other_ranges() {
    let members = ["A: 1 <- 1:0,1,2 2:0", "B: 1 2 3 <- 2:1", "C: 2 <- 2:2 3:0,1"];
    let spec = group("1=3 2=3 3=2", &members);
    check(Range, &spec, &["A: 1:0,1", "B: 1:2 2:0,1 3:0,1", "C: 2:2"]);
}
