//! The uniform assignor where members are subscribed to different topics, with the cases that Kafka tests its own with.

use super::Assignor::Uniform;
use super::*;
use crate::groups::consumer::assignor::{classes::classes, heterogeneous::balance, topics};

#[test]
fn what_leaves_least_choice_is_handed_out_first() {
    let spec = group("1=3 3=6", &["A: 1 3", "B: 3"]);
    check(Uniform, &spec, &["A: 1:0,1,2 3:4", "B: 3:0,1,2,3,5"]);
}

#[test]
fn members_get_none_where_partitions_are_few() {
    check(Uniform, &group("1=2 3=1", &["A: 3", "B: 3", "C: 1"]), &["A: 3:0", "B:", "C: 1:0,1"]);
    check(Uniform, &group("1=3", &["A: 1", "B:"]), &["A: 1:0,1,2", "B:"]);
}

#[test]
fn the_heaviest_gives_to_the_lightest() {
    let members = ["A: 1 <- 1:0,1,2", "B: 1 2 <- 1:3 2:0", "C: 1 2 3 <- 1:4,5 2:1,2,3 3:0,1,2,3"];
    let spec = group("1=6 2=4 3=4", &members);
    check(Uniform, &spec, &["A: 1:0,1,2,5", "B: 1:3 2:0,1,2,3", "C: 1:4 3:0,1,2,3"]);
}

#[test]
fn new_partitions_go_to_the_lightest() {
    let members = ["A: 1 3 <- 1:0,1,2,3 3:0,1", "B: 1 2 3 4 <- 2:0,1,2 4:0,1,2"];
    let spec = group("1=6 2=5 3=3 4=3", &members);
    check(Uniform, &spec, &["A: 1:0,1,2,3,4,5 3:0,1,2", "B: 2:0,1,2,3,4 4:0,1,2"]);
}

#[test]
fn a_new_member_gets_new_partitions() {
    let spec = group("1=6 2=7", &["A: 1 <- 1:0,2 2:0", "B: 1 2 <- 1:1 2:1,2", "C: 1 2"]);
    check(Uniform, &spec, &["A: 1:0,2,3,4,5", "B: 1:1 2:1,2,6", "C: 2:0,3,4,5"]);
}

#[test]
fn what_a_member_leaves_goes_to_the_subscribers() {
    let spec = group("1=3 2=8 3=3", &["A: 1 3 <- 1:0,1,2 3:0,1", "B: 2 <- 2:3,4,5,6"]);
    check(Uniform, &spec, &["A: 1:0,1,2 3:0,1,2", "B: 2:0,1,2,3,4,5,6,7"]);
}

#[test]
fn what_a_member_is_not_subscribed_to_any_more_is_taken_from_it() {
    let spec = group("1=3 2=5", &["A: 1 <- 1:0,2 2:1,3", "B: 1 2 <- 1:1 2:0,2,4"]);
    check(Uniform, &spec, &["A: 1:0,1,2", "B: 2:0,1,2,3,4"]);
}

#[test]
fn a_topic_that_has_no_more_to_give_is_followed_by_the_next() {
    let spec = group("1=2 2=2 3=2", &["A: 1 2 3 <- 1:0,1 2:0,1 3:0,1", "B: 1 2 3", "C:"]);
    check(Uniform, &spec, &["A: 2:0 3:0,1", "B: 1:0,1 2:1", "C:"]);
}

/// A chain, in which partitions reach the last member only through the others.
fn chain() -> GroupSpec {
    let members =
        ["A: 1 <- 1:0,1,2,3,4,5,6,7", "B: 1 2 <- 2:0,1,2,3,4,5,6,7", "C: 2 3 <- 3:0,1", "D: 3 4 <- 4:0", "E: 4"];
    group("1=8 2=8 3=2 4=1", &members)
}

#[test]
fn partitions_move_along_a_chain_of_subscriptions() {
    check(Uniform, &chain(), &["A: 1:0,1,2,3,4,5", "B: 1:6,7 2:0,1,2", "C: 2:3,4,5,6,7", "D: 3:0,1", "E: 4:0"]);
}

#[test]
fn balancing_that_is_given_up_leaves_nothing_without_an_owner() {
    let group = chain();
    let classes = classes(&group);
    for max_steps in 0..100 {
        let mut topics = topics::topics(&group, &classes);
        balance(&mut topics, &classes, max_steps);
        assert!(topics.values().flat_map(|topic| &topic.owners).all(Option::is_some));
    }
}
