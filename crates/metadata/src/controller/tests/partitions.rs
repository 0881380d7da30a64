//! Scenarios of in-sync sets that change, leaders that are elected, and partitions that move.

use super::{World, check, check_in};

fn three_brokers() -> World {
    check("broker 1\n broker 2\n broker 3")
}

#[test]
fn a_leader_changes_its_in_sync_set() {
    let mut world = three_brokers();
    check_in(
        &mut world,
        "create a at=1,2,3
         isr a-0 1 1,2 => epoch 1 isr 1,2 ok
         show a => 1,2,3 led by 1@0 isr 1,2
         isr a-0 1 1,2 => epoch 1 isr 1,2 ok
         isr a-0 1 1,2,3 => epoch 2 isr 1,2,3 ok
         isr a-0 1 3,1 => epoch 3 isr 3,1 ok
         show a => 1,2,3 led by 1@0 isr 3,1",
    );
    world.check_replay();
}

#[test]
fn in_sync_sets_that_cannot_be_are_refused() {
    let mut world = three_brokers();
    check_in(
        &mut world,
        "create a at=1,2
         isr a-0 1 1 broker-epoch=7 => STALE_BROKER_EPOCH: Expected broker epoch 9, but got broker epoch 7
         isr b-0 1 1 => UNKNOWN_TOPIC_ID
         isr a-1 1 1 => UNKNOWN_TOPIC_OR_PARTITION
         isr a-0 1 1 leader-epoch=1 => NOT_CONTROLLER
         isr a-0 1 1 epoch=1 => NOT_CONTROLLER
         isr a-0 2 2 => INVALID_REQUEST
         isr a-0 1 1
         isr a-0 1 1,2 epoch=0 => INVALID_UPDATE_VERSION
         isr a-0 1 2 => INVALID_REQUEST
         isr a-0 1 1,1 => INVALID_REQUEST
         isr a-0 1 1,3 => INVALID_REQUEST
         isr a-0 1 1 recovering => INVALID_REQUEST
         isr a-0 1 1,2@7 => INELIGIBLE_REPLICA
         isr a-0 1 1,2@-1 => epoch 2 isr 1,2 ok
         heartbeat 2 fence => fenced ok
         isr a-0 1 1,2 => INELIGIBLE_REPLICA
         heartbeat 2
         heartbeat 1 fence => fenced ok
         isr a-0 1 1 leader-epoch=0 => FENCED_LEADER_EPOCH
         show a => 1,2 led by -1@1 isr  elr 1 last 1",
    );
    world.check_replay();
}

#[test]
fn an_old_level_has_a_new_epoch_when_the_set_shrinks() {
    let mut world = World::new(11);
    check_in(
        &mut world,
        "broker 1
         broker 2
         create a at=1,2
         isr a-0 1 1 => epoch 1 isr 1 ok
         show a => 1,2 led by 1@1 isr 1
         isr a-0 1 1,2
         show a => 1,2 led by 1@1 isr 1,2",
    );
    world.check_replay();
}

#[test]
fn who_leaves_below_the_minimum_stays_eligible() {
    let mut world = three_brokers();
    check_in(
        &mut world,
        "create a at=1,2,3 min.insync.replicas=2
         isr a-0 1 1,2
         show a => 1,2,3 led by 1@0 isr 1,2
         isr a-0 1 1
         show a => 1,2,3 led by 1@0 isr 1 elr 2
         isr a-0 1 1,3
         show a => 1,2,3 led by 1@0 isr 1,3
         create b at=1,2 min.insync.replicas=9
         isr b-0 1 1
         show b => 1,2 led by 1@0 isr 1 elr 2
         isr b-0 1 1,2
         show b => 1,2 led by 1@0 isr 1,2",
    );
    world.check_replay();
}

#[test]
fn the_preferred_leader_is_elected() {
    let mut world = three_brokers();
    check_in(
        &mut world,
        "create a at=1,2
         create b at=2,1
         elect preferred a-0 => a-0: ELECTION_NOT_NEEDED: Leader election not needed for topic partition.
         elect preferred c-0 => c-0: UNKNOWN_TOPIC_OR_PARTITION: No such topic as c
         elect preferred a-1 => a-1: UNKNOWN_TOPIC_OR_PARTITION: No such partition as a-1
         heartbeat 1 fence => fenced ok
         show a => 1,2 led by 2@1 isr 2
         elect preferred a-0 => a-0: PREFERRED_LEADER_NOT_AVAILABLE: The preferred leader was not available.
         heartbeat 1
         elect preferred a-0 => a-0: PREFERRED_LEADER_NOT_AVAILABLE: The preferred leader was not available.
         isr a-0 2 2,1
         elect preferred a-0 b-0 => a-0: ok; b-0: ELECTION_NOT_NEEDED: Leader election not needed for topic partition.
         show a => 1,2 led by 1@2 isr 2,1
         elect unclean a-0 => a-0: ELECTION_NOT_NEEDED: Leader election not needed for topic partition.",
    );
    world.check_replay();
}

#[test]
fn leadership_goes_back_by_itself() {
    let mut world = three_brokers();
    check_in(
        &mut world,
        "create a at=1,2
         heartbeat 1 fence => fenced ok
         heartbeat 1
         isr a-0 2 2,1
         wait 8000
         heartbeat 1
         heartbeat 2
         show a => 1,2 led by 2@1 isr 2,1",
    );
    for _ in 0..37 {
        check_in(&mut world, "wait 8000\n heartbeat 1\n heartbeat 2");
    }
    check_in(&mut world, "show a => 1,2 led by 1@2 isr 2,1");
    world.check_replay();
}

#[test]
fn an_unclean_election_is_for_those_who_ask() {
    let mut world = World::new(22);
    check_in(
        &mut world,
        "broker 1
         broker 2
         create a at=1,2
         isr a-0 1 1
         heartbeat 1 fence => fenced ok
         show a => 1,2 led by -1@1 isr 1
         elect unclean => a-0: ok
         show a => 1,2 led by 2@2 isr 2 recovering
         isr a-0 2 2 recovering => epoch 3 isr 2 ok
         isr a-0 2 2 => epoch 4 isr 2 ok
         show a => 1,2 led by 2@2 isr 2
         heartbeat 2 fence => fenced ok
         elect unclean a-0 => a-0: ELIGIBLE_LEADERS_NOT_AVAILABLE: Eligible topic partition leaders are not available.",
    );
    world.check_replay();
}

#[test]
fn topics_that_would_rather_lose_records_get_a_leader_in_time() {
    let mut world = World::new(22);
    check_in(
        &mut world,
        "broker 1
         broker 2
         create a at=1,2 + b at=1,2
         isr a-0 1 1
         isr b-0 1 1
         heartbeat 1 fence => fenced ok
         alter topic:a unclean.leader.election.enable=true
         show a => 1,2 led by -1@1 isr 1",
    );
    for _ in 0..26 {
        check_in(&mut world, "wait 8000\n heartbeat 2");
    }
    check_in(&mut world, "show a => 1,2 led by 2@2 isr 2 recovering\n show b => 1,2 led by -1@1 isr 1");
    world.check_replay();
}

#[test]
fn a_partition_moves_once_the_new_replicas_are_in_sync() {
    let mut world = three_brokers();
    check_in(
        &mut world,
        "create a at=1,2
         reassigning => none
         reassign a-0 3,1 => a-0: ok
         show a => 3,1,2 led by 1@0 isr 1,2 adding 3 removing 2
         reassigning => a-0: 3,1,2 adding 3 removing 2
         reassigning a-0 b-0 => a-0: 3,1,2 adding 3 removing 2
         reassigning a-1 => none
         isr a-0 1 1,2,3 => epoch 2 isr 1,3 ok
         show a => 3,1 led by 1@1 isr 1,3
         reassigning => none",
    );
    world.check_replay();
}

#[test]
fn a_leader_that_is_moved_away_hears_of_another() {
    let mut world = three_brokers();
    check_in(
        &mut world,
        "create a at=1
         reassign a-0 2 => a-0: ok
         show a => 2,1 led by 1@0 isr 1 adding 2 removing 1
         isr a-0 1 1,2 => NEW_LEADER_ELECTED
         show a => 2 led by 2@1 isr 2",
    );
    world.check_replay();
}

#[test]
fn what_needs_no_copy_is_done_at_once() {
    let mut world = three_brokers();
    check_in(
        &mut world,
        "create a at=1,2,3
         reassign a-0 2,3,1 => a-0: ok
         show a => 2,3,1 led by 1@0 isr 1,2,3
         reassign a-0 2,3,1 => a-0: ok
         reassign a-0 2,3 => a-0: ok
         show a => 2,3 led by 2@1 isr 2,3",
    );
    world.check_replay();
}

#[test]
fn fewer_replicas_wait_for_those_who_stay() {
    let mut world = three_brokers();
    check_in(
        &mut world,
        "create a at=1,2,3
         isr a-0 1 1,2
         reassign a-0 2,3 => a-0: ok
         show a => 2,3,1 led by 1@0 isr 1,2 removing 1
         isr a-0 1 1,2,3 => NEW_LEADER_ELECTED
         show a => 2,3 led by 2@1 isr 2,3",
    );
    world.check_replay();
}

#[test]
fn moves_that_cannot_be_are_refused() {
    let mut world = three_brokers();
    check_in(
        &mut world,
        "create a at=1,2
         reassign b-0 1 => b-0: UNKNOWN_TOPIC_OR_PARTITION: Unable to find a topic named b.
         reassign a-1 1 => a-1: UNKNOWN_TOPIC_OR_PARTITION: Unable to find partition a:1.
         reassign a-0 1,9 => a-0: INVALID_REPLICA_ASSIGNMENT: The manual partition assignment includes broker 9, but no such broker is registered.
         reassign a-0 1,1 => a-0: INVALID_REPLICA_ASSIGNMENT: The manual partition assignment includes the broker 1 more than once.
         reassign a-0 , => a-0: INVALID_REPLICA_ASSIGNMENT: The manual partition assignment includes an empty replica list.
         reassign a-0 back => a-0: NO_REASSIGNMENT_IN_PROGRESS
         reassign a-0 1,2,3 same-factor => a-0: INVALID_REPLICATION_FACTOR: The replication factor is changed from 2 to 3
         reassign a-0 1,3 same-factor => a-0: ok
         reassign a-0 3 same-factor => a-0: INVALID_REPLICATION_FACTOR: The replication factor is changed from 2 to 1
         reassign a-0 2,3 same-factor => a-0: ok
         show a => 2,3,1 led by 1@0 isr 1,2 adding 3 removing 1",
    );
    world.check_replay();
}

#[test]
fn one_request_moves_a_partition_once() {
    let mut world = three_brokers();
    check_in(
        &mut world,
        "create a at=1,2
         reassign a-0 3,1 + a-0 2,1 => a-0: ok; a-0: INVALID_REQUEST: a:0 is moved twice.
         show a => 3,1,2 led by 1@0 isr 1,2 adding 3 removing 2",
    );
    world.check_replay();
}

#[test]
fn partitions_without_directories_move_too() {
    let mut world = World::new(11);
    check_in(
        &mut world,
        "broker 1
         broker 2
         create a at=1
         reassign a-0 2,1 => a-0: ok
         show a => 2,1 led by 1@0 isr 1 adding 2",
    );
    world.check_replay();
}

#[test]
fn a_move_is_taken_back() {
    let mut world = three_brokers();
    check_in(
        &mut world,
        "create a at=1,2
         reassign a-0 3,2 => a-0: ok
         show a => 3,2,1 led by 1@0 isr 1,2 adding 3 removing 1
         reassign a-0 back => a-0: ok
         show a => 2,1 led by 1@1 isr 1,2
         reassign a-0 3,2 => a-0: ok
         reassign a-0 1,2 => a-0: ok
         show a => 1,2 led by 1@2 isr 1,2
         reassign a-0 1,3 => a-0: ok
         reassign a-0 1,2,3 => a-0: ok
         show a => 1,2,3 led by 1@2 isr 1,2 adding 3
         isr a-0 1 1,2,3
         show a => 1,2,3 led by 1@2 isr 1,2,3",
    );
    world.check_replay();
}

#[test]
fn a_move_back_to_nobody_in_sync_needs_leave_to_lose_records() {
    let mut world = three_brokers();
    check_in(
        &mut world,
        "create a at=1
         reassign a-0 2,3
         isr a-0 1 1,2
         show a => 2,3,1 led by 1@0 isr 1,2 adding 2,3 removing 1
         heartbeat 1 fence => fenced ok
         show a => 2,3,1 led by 2@1 isr 2 adding 2,3 removing 1
         reassign a-0 back => a-0: INVALID_REPLICA_ASSIGNMENT: Unable to revert partition assignment for a:0 because it would require an unclean leader election.
         alter topic:a unclean.leader.election.enable=true
         reassign a-0 back => a-0: ok
         show a => 1 led by -1@2 isr 1 last 2",
    );
    world.check_replay();
}
