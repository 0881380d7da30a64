//! Scenarios of topics that are made, grown, deleted and refused.

use super::{check, check_in};
use crate::MetadataRecord;

#[test]
fn topics_are_created_with_defaults_and_without() {
    let world = check(
        "broker 1
         create a => a: 2x1 ok
         create b p=3 rf=1 retention.ms=5 => b: 3x1 ok
         would-create c => c: 2x1 ok
         show c => none
         show a => 1 led by 1@0 isr 1; 1 led by 1@0 isr 1
         configs topic:b => retention.ms=5",
    );
    let of_b = world.log().iter().rev().take(5).rev().map(MetadataRecord::name);
    let expected = ["TopicRecord", "ConfigRecord", "PartitionRecord", "PartitionRecord", "PartitionRecord"];
    assert_eq!(of_b.collect::<Vec<_>>(), expected);
    let dir = world.image().topics().partition("a", 0).unwrap().directories.clone();
    assert_eq!(dir, world.image().cluster().broker(1).unwrap().log_dirs);
    world.check_replay();
}

#[test]
fn topics_that_cannot_be_are_refused_one_by_one() {
    check(
        "broker 1
         create a.b => a.b: 2x1 ok
         create a.b + c + c p=1 => a.b: TOPIC_ALREADY_EXISTS: Topic 'a.b' already exists.; c: INVALID_REQUEST: Duplicate topic name.
         create a_b => a_b: INVALID_TOPIC_EXCEPTION: Topic 'a_b' collides with existing topic: a.b
         create a*b + d => a*b: INVALID_TOPIC_EXCEPTION: Topic name is invalid: 'a*b' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'; d: 2x1 ok
         create '' => : INVALID_TOPIC_EXCEPTION: Topic name is invalid: the empty string is not allowed
         create __cluster_metadata => __cluster_metadata: INVALID_REQUEST: Creation of internal topic __cluster_metadata is prohibited.
         create e p=0 => e: INVALID_PARTITIONS: Number of partitions was set to an invalid non-positive value.
         create e p=-2 => e: INVALID_PARTITIONS: Number of partitions was set to an invalid non-positive value.
         create e rf=0 => e: INVALID_REPLICATION_FACTOR: Replication factor must be larger than 0, or -1 to use the default value.
         create e rf=2 => e: INVALID_REPLICATION_FACTOR: Unable to replicate the partition 2 time(s): The target replication factor of 2 cannot be reached because only 1 broker(s) are registered or some brokers have all their log directories cordoned.
         create e foo=1 => e: INVALID_CONFIG: Unknown topic config name: foo
         create e retention.ms=null foo=null => e: INVALID_CONFIG: Null value not supported for topic configs: retention.ms,foo
         delete a.b
         create a_b => a_b: 2x1 ok",
    );
}

#[test]
fn brokers_of_partitions_may_be_chosen() {
    check(
        "broker 1
         broker 2
         register 3
         create a at=2,1/1,2 => a: 2x2 ok
         show a => 2,1 led by 2@0 isr 2,1; 1,2 led by 1@0 isr 1,2
         create b at=3,1 => b: 1x2 ok
         show b => 3,1 led by 1@0 isr 1
         create c at=1 p=1 => c: INVALID_REQUEST: A manual partition assignment was specified, but numPartitions was not set to -1.
         create c at=1 rf=1 => c: INVALID_REQUEST: A manual partition assignment was specified, but replication factor was not set to -1.
         create c at=1 from=1 => c: INVALID_REPLICA_ASSIGNMENT: partitions should be a consecutive 0-based integer sequence
         create c at= => c: INVALID_REPLICA_ASSIGNMENT: The manual partition assignment includes an empty replica list.
         create c at=9 => c: INVALID_REPLICA_ASSIGNMENT: The manual partition assignment includes broker 9, but no such broker is registered.
         create c at=1,1 => c: INVALID_REPLICA_ASSIGNMENT: The manual partition assignment includes the broker 1 more than once.
         create c at=1,2/1 => c: INVALID_REPLICA_ASSIGNMENT: The manual partition assignment includes a partition with 1 replica(s), but this is not consistent with previous partitions, which have 2 replica(s).
         create c at=3 => c: INVALID_REPLICA_ASSIGNMENT: All brokers specified in the manual partition assignment for partition 0 are fenced or in controlled shutdown.",
    )
    .check_replay();
}

#[test]
fn without_brokers_there_are_no_topics() {
    check(
        "create a => a: INVALID_REPLICATION_FACTOR: Unable to replicate the partition 1 time(s): All brokers are currently fenced, or have all their log directories cordoned.
         register 1
         create a => a: INVALID_REPLICATION_FACTOR: Unable to replicate the partition 1 time(s): All brokers are currently fenced, or have all their log directories cordoned.",
    );
}

#[test]
fn one_request_makes_so_many_partitions_and_no_more() {
    let world = check(
        "broker 1
         create a p=10000 => all: POLICY_VIOLATION: Unable to perform excessively large batch operation.
         would-create a p=10000 => all: POLICY_VIOLATION: Unable to perform excessively large batch operation.
         create a p=9999 => a: 9999x1 ok
         create b p=10001 => all: POLICY_VIOLATION: Excessively large number of partitions per request.
         create b p=2147483647 + c p=2147483647 => all: POLICY_VIOLATION: Excessively large number of partitions per request.
         create b p=5000 + c p=4999 => all: POLICY_VIOLATION: Unable to perform excessively large batch operation.
         grow a 2147483647 => all: POLICY_VIOLATION: Unable to perform excessively large batch operation.
         show b => none",
    );
    assert_eq!(world.image().topics().partition_count(), 9999);
}

#[test]
fn topics_are_deleted_by_name_or_id() {
    let world = check(
        "broker 1
         create a retention.ms=1 + b + c + d => ok
         delete a 2 => a/1: ok; b/2: ok
         show a => none
         configs topic:a => none",
    );
    drop(world);
    check(
        "broker 1
         create a + b + c + d
         delete a 1 => a/1: INVALID_REQUEST: The provided topic name maps to an ID that was already supplied.
         delete x 99 => 99: UNKNOWN_TOPIC_ID: This server does not host this topic ID.; x: UNKNOWN_TOPIC_OR_PARTITION: This server does not host this topic-partition.
         delete a a b => a: INVALID_REQUEST: Duplicate topic name.; b/2: ok
         delete 3 3 3 => 3: INVALID_REQUEST: Duplicate topic id.
         delete 3 3 c => 3: INVALID_REQUEST: Duplicate topic id.; c/3: INVALID_REQUEST: The provided topic name maps to an ID that was already supplied.
         delete a/1 => a/1: INVALID_REQUEST: You may not specify both topic name and topic id.
         delete 0 => 0: INVALID_REQUEST: Neither topic name nor id were specified.
         delete a => a/1: ok
         create a => a: 2x1 ok",
    )
    .check_replay();
}

#[test]
fn topics_get_more_partitions() {
    check(
        "broker 1
         broker 2
         create a p=2 rf=2 + b p=1
         grow a 3 => a: ok
         would-grow a 4 => a: ok
         grow a 3 => a: INVALID_PARTITIONS: Topic already has 3 partition(s).
         grow a 2 => a: INVALID_PARTITIONS: The topic a currently has 3 partition(s); 2 would not be an increase.
         grow a -1 => a: INVALID_PARTITIONS: The topic a currently has 3 partition(s); -1 would not be an increase.
         grow x 3 => x: UNKNOWN_TOPIC_OR_PARTITION
         grow a 4 + b 4 + b 5 => b: INVALID_REQUEST: Duplicate topic name.; a: ok
         grow a 6 at=1,2 => a: INVALID_REPLICA_ASSIGNMENT: Attempted to add 2 additional partition(s), but only 1 assignment(s) were specified.
         grow a 5 at=1 => a: INVALID_REPLICA_ASSIGNMENT: The manual partition assignment includes a partition with 1 replica(s), but this is not consistent with previous partitions, which have 2 replica(s).
         grow b 3 at=2/1 => b: ok
         grow b 4 at=7 => b: INVALID_REPLICA_ASSIGNMENT: The manual partition assignment includes broker 7, but no such broker is registered.",
    )
    .check_replay();
}

#[test]
fn older_clusters_get_older_records() {
    for level in [7, 16, 17, 22, 23, 30] {
        let mut world = super::World::new(level);
        check_in(&mut world, "broker 1\n create a retention.ms=1\n grow a 3\n delete a\n create b");
        world.check_replay();
    }
}
