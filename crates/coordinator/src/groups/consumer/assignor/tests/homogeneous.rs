//! The uniform assignor where all members are subscribed to the same topics, with the cases that Kafka tests its own
//! with. Kafka takes topics as they are hashed; the numbers are such that they come in the same order here.

use super::Assignor::Uniform;
use super::*;

#[test]
fn a_group_without_members_or_topics_gets_nothing() {
    check(Uniform, &group("", &[]), &[]);
    check(Uniform, &group("", &["A:", "B:"]), &["A:", "B:"]);
}

#[test]
fn the_last_member_gets_what_is_left_over() {
    let spec = group("1=2 3=3", &["A: 1 3", "B: 1 3"]);
    check(Uniform, &spec, &["A: 1:0,1", "B: 3:0,1,2"]);
}

#[test]
fn the_first_members_get_none_where_partitions_are_few() {
    check(Uniform, &group("1=2", &["A: 1", "B: 1", "C: 1"]), &["A:", "B: 1:0", "C: 1:1"]);
}

#[test]
fn a_member_with_too_many_gives_its_last() {
    let spec = group("1=3 2=3", &["A: 1 2 <- 1:0,1 2:0,1", "B: 1 2 <- 1:2 2:2"]);
    check(Uniform, &spec, &["A: 1:0,1 2:0", "B: 1:2 2:1,2"]);
}

#[test]
fn new_partitions_fill_one_member_after_the_other() {
    let spec = group("1=5 2=6", &["A: 1 2 <- 1:0 2:0,2", "B: 1 2 <- 1:1,2 2:1"]);
    check(Uniform, &spec, &["A: 1:0,3,4 2:0,2", "B: 1:1,2 2:1,3,4,5"]);
}

#[test]
fn a_new_member_gets_what_the_others_have_beyond_their_quotas() {
    let spec = group("1=3 2=3", &["A: 1 2 <- 1:0,2 2:0", "B: 1 2 <- 1:1 2:1,2", "C: 1 2"]);
    check(Uniform, &spec, &["A: 1:0,2", "B: 1:1 2:1", "C: 2:0,2"]);
}

#[test]
fn those_who_stay_share_what_a_member_leaves() {
    let spec = group("1=3 2=3", &["A: 1 2 <- 1:0 2:0", "B: 1 2 <- 1:1 2:1"]);
    check(Uniform, &spec, &["A: 1:0,2 2:0", "B: 1:1 2:1,2"]);
}

#[test]
fn what_nobody_is_subscribed_to_is_dropped() {
    let spec = group("2=2", &["A: 2 <- 1:0 2:0", "B: 2 <- 1:1 2:1"]);
    check(Uniform, &spec, &["A: 2:0", "B: 2:1"]);
}

#[test]
fn those_with_one_more_keep_it() {
    let spec = group("1=5", &["A: 1 <- 1:0", "B: 1 <- 1:1,2", "C: 1 <- 1:3,4"]);
    check(Uniform, &spec, &["A: 1:0", "B: 1:1,2", "C: 1:3,4"]);
}

#[test]
fn a_partition_of_two_members_stays_with_the_first() {
    let spec = group("1=4", &["A: 1 <- 1:1", "B: 1 <- 1:1,3"]);
    check(Uniform, &spec, &["A: 1:0,1", "B: 1:2,3"]);
}
