//! Scenarios of configs that are set, replaced and refused.

use super::check;
use crate::MetadataRecord;

#[test]
fn configs_of_topics_are_set_and_taken_back() {
    let world = check(
        "broker 1
         create a
         alter topic:a retention.ms=1 cleanup.policy=compact => a: ok
         alter topic:a retention.ms=1 => a: ok
         configs topic:a => cleanup.policy=compact retention.ms=1
         would-alter topic:a retention.ms=2 => a: ok
         alter topic:a retention.ms- cleanup.policy- => a: ok
         alter topic:a retention.ms- => a: ok
         configs topic:a => none",
    );
    let configs = world.log().iter().filter(|r| matches!(r, MetadataRecord::Config(c) if c.resource_type == 2));
    assert_eq!(configs.count(), 4, "what does not change is not written");
    world.check_replay();
}

#[test]
fn lists_grow_and_shrink() {
    check(
        "broker 1
         create a
         alter topic:a cleanup.policy+=compact => a: ok
         configs topic:a => cleanup.policy=delete,compact
         alter topic:a cleanup.policy+=compact,delete => a: ok
         configs topic:a => cleanup.policy=delete,compact
         alter topic:a cleanup.policy-=delete,foo => a: ok
         configs topic:a => cleanup.policy=compact
         alter topic:a retention.ms+=1 => a: INVALID_CONFIG: Can't APPEND to key retention.ms because its type is not LIST.
         alter topic:a retention.ms-=1 => a: INVALID_CONFIG: Can't SUBTRACT to key retention.ms because its type is not LIST.
         alter broker:1 foo+=1 => 1: INVALID_CONFIG: Config value append is not allowed for config key: foo",
    );
}

#[test]
fn a_resource_is_changed_whole_or_not_at_all() {
    check(
        "broker 1
         create a + b
         alter topic:a retention.ms=1 foo=1 + topic:b retention.ms=2 => a: INVALID_CONFIG: Unknown topic config name: foo; b: ok
         configs topic:a => none
         configs topic:b => retention.ms=2
         alter topic:x retention.ms=1 => x: UNKNOWN_TOPIC_OR_PARTITION: The topic 'x' does not exist.
         alter topic:a*b retention.ms=1 => a*b: INVALID_TOPIC_EXCEPTION: Topic name is invalid: 'a*b' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'
         alter topic: retention.ms=1 => : INVALID_REQUEST: Default topic resources are not allowed.
         alter group: x=1 => : INVALID_REQUEST: Default group resources are not allowed.
         alter group:g x=1 => g: ok
         alter metrics:m x=1 => m: ok
         alter logger:1 x=1 => 1: INVALID_REQUEST: Unknown resource type 8
         alter 3:a x=1 => a: INVALID_REQUEST: Unknown resource type 3
         alter topic:a retention.ms=1 + topic:a retention.ms=2 => a: INVALID_REQUEST: Each resource must appear at most once.; a: INVALID_REQUEST: Each resource must appear at most once.
         alter topic:a retention.ms=1 retention.ms=2 => a: INVALID_REQUEST: Error due to duplicate config keys
         alter topic:a retention.ms=null cleanup.policy=null => a: INVALID_REQUEST: Null value not supported for : retention.ms, cleanup.policy
         alter topic:a retention.ms?=1 => a: INVALID_REQUEST: Unknown operations type 7",
    )
    .check_replay();
}

#[test]
fn values_have_an_end() {
    let long = "x".repeat(32_768);
    let refused = "The configuration value cannot be added because it exceeds the maximum value size of 32767 bytes.";
    let fits = "x".repeat(32_767);
    check(&format!(
        "broker 1
         create a
         alter topic:a retention.ms={long} => a: INVALID_CONFIG: {refused}
         alter topic:a retention.ms={fits} => a: ok"
    ));
}

#[test]
fn brokers_take_their_own_configs_and_the_clusters() {
    let world = check(
        "broker 1
         alter broker:1 foo=1 => 1: ok
         alter broker:1 foo=1 => 1: ok
         alter broker: bar=2 => : ok
         alter broker:2 foo=1 => 2: INVALID_REQUEST: Unexpected broker id, expected 1, but received 2
         alter broker:x foo=1 => x: INVALID_REQUEST: Node id must be an integer, but it is: x
         configs broker:1 => foo=1
         configs broker: => bar=2 min.insync.replicas=1",
    );
    let same = world.log().iter().filter(|r| matches!(r, MetadataRecord::Config(c) if c.name == "foo"));
    assert_eq!(same.count(), 2, "a broker reads a config again even if it is the same");
    world.check_replay();
}

#[test]
fn eligible_leader_replicas_bind_min_insync_replicas() {
    let world = check(
        "broker 1
         create a
         alter broker:1 min.insync.replicas=1 => 1: INVALID_CONFIG: Broker-level min.insync.replicas cannot be altered while ELR is enabled.
         alter broker: min.insync.replicas- => : INVALID_CONFIG: Cluster-level min.insync.replicas cannot be removed while ELR is enabled.
         alter broker: min.insync.replicas=2 => : ok
         alter topic:a min.insync.replicas=2 => a: ok",
    );
    let cleared = world.log().iter().filter_map(|r| match r {
        MetadataRecord::ClearElr(r) => Some(r.topic_name.as_str()),
        _ => None,
    });
    assert_eq!(cleared.collect::<Vec<_>>(), ["", "a"]);
    world.check_replay();
}

#[test]
fn all_configs_may_be_replaced() {
    check(
        "broker 1
         create a retention.ms=1 cleanup.policy=compact
         replace topic:a retention.ms=2 => a: ok
         configs topic:a => retention.ms=2
         replace topic:a retention.ms=null => a: INVALID_REQUEST: Null value not supported for : retention.ms
         replace topic:a foo=1 => a: INVALID_CONFIG: Unknown topic config name: foo
         replace topic:x retention.ms=2 => x: UNKNOWN_TOPIC_OR_PARTITION: The topic 'x' does not exist.
         replace topic:a => a: ok
         configs topic:a => none
         replace logger:1 => 1: INVALID_REQUEST: Unknown resource type 8",
    )
    .check_replay();
}

#[test]
fn cordons_need_a_cluster_that_knows_them() {
    let mut world = super::World::new(29);
    super::check_in(
        &mut world,
        "broker 1 mv=30
         alter broker:1 cordoned.log.dirs=/a => 1: INVALID_CONFIG: The cordoned.log.dirs configuration value cannot be set because it requires metadata.version >= 4.3-IV0",
    );
    check("broker 1\n alter broker:1 cordoned.log.dirs=/a => 1: ok");
}

#[test]
fn the_controller_itself_only_ends_cordons() {
    let refused = "INVALID_CONFIG: When updating cordoned.log.dirs via controllers,  the new value must be a subset of the current configuration value.";
    check(&format!(
        "broker 1
         alter-here broker:1 cordoned.log.dirs=/a => 1: {refused}
         alter-here broker: cordoned.log.dirs=* => : {refused}
         alter broker:1 cordoned.log.dirs=/a,/b,/c => 1: ok
         alter-here broker:1 cordoned.log.dirs=/a,/d => 1: {refused}
         alter-here broker:1 cordoned.log.dirs=/c,/b => 1: ok
         configs broker:1 => cordoned.log.dirs=/c,/b
         replace-here broker:1 cordoned.log.dirs=/d => 1: {refused}
         replace-here broker:1 cordoned.log.dirs=/c => 1: ok
         alter-here broker:1 cordoned.log.dirs= => 1: ok
         alter broker:1 cordoned.log.dirs=* => 1: ok
         alter-here broker:1 cordoned.log.dirs- => 1: ok"
    ));
}

#[test]
fn one_request_changes_so_many_configs_and_no_more() {
    let configs = |count: usize| (0..count).map(|i| format!(" c{i}=1")).collect::<String>();
    let (fits, too_many) = (configs(10_000), configs(10_001));
    check(&format!(
        "alter group:g{too_many} => all: POLICY_VIOLATION: Unable to perform excessively large batch operation.
         would-alter group:g{too_many} => all: POLICY_VIOLATION: Unable to perform excessively large batch operation.
         configs group:g => none
         alter group:g{fits} => g: ok"
    ));
}
