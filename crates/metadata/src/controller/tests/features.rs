//! Scenarios of features that rise and fall.

use super::{World, check, check_in};

#[test]
fn features_rise_and_fall() {
    let mut world = World::new(25);
    check_in(
        &mut world,
        "broker 1
         levels => group.version=1 metadata.version=25 transaction.version=2
         would-feature upgrade metadata.version=30
         levels => group.version=1 metadata.version=25 transaction.version=2
         feature upgrade metadata.version=29 share.version=1
         levels => group.version=1 metadata.version=29 share.version=1 transaction.version=2
         feature safe share.version=0 group.version=0
         levels => metadata.version=29 transaction.version=2
         feature safe metadata.version=24
         levels => metadata.version=24 transaction.version=2
         feature upgrade transaction.version=2
         feature upgrade kraft.version=1",
    );
    world.check_replay();
}

#[test]
fn levels_that_cannot_be_are_refused() {
    check(
        "feature upgrade metadata.version=31 => INVALID_UPDATE_VERSION: Invalid update version 31 for feature metadata.version. Local controller 1 only supports versions 7-30
         feature upgrade metadata.version=6 => INVALID_UPDATE_VERSION: Invalid update version 6 for feature metadata.version. Local controller 1 only supports versions 7-30
         feature upgrade metadata.version=29 => INVALID_UPDATE_VERSION: Invalid update version 29 for feature metadata.version. Can't downgrade the version of this feature without setting the upgrade type to either safe or unsafe downgrade.
         feature safe metadata.version=29 => INVALID_UPDATE_VERSION: Unsupported metadata.version downgrade from 30 to 29. Refusing to perform the requested downgrade because it might delete metadata information.
         feature unsafe metadata.version=7 => INVALID_UPDATE_VERSION: Unsupported metadata.version downgrade from 30 to 7. Unsafe metadata downgrade is not supported in this version.
         feature upgrade group.version=2 => INVALID_UPDATE_VERSION: Invalid update version 2 for feature group.version. Local controller 1 only supports versions 0-1
         feature upgrade group.version=-1 => INVALID_UPDATE_VERSION: Invalid update version -1 for feature group.version. A feature version cannot be less than 0.
         feature upgrade foo=1 => INVALID_UPDATE_VERSION: Invalid update version 1 for feature foo. Local controller 1 does not support this feature.
         feature upgrade foo=0 => INVALID_UPDATE_VERSION: Invalid update version 0 for feature foo. Feature foo not found.
         feature 0 group.version=1 => INVALID_UPDATE_VERSION: Invalid update version 1 for feature group.version. The controller does not support the given upgrade type.
         feature safe kraft.version=0 => INVALID_UPDATE_VERSION: Invalid update version 0 for feature kraft.version. Can't downgrade the version of this feature.
         feature safe group.version=0
         feature safe group.version=1 => INVALID_UPDATE_VERSION: Invalid update version 1 for feature group.version. Can't downgrade to a newer version.
         register 2 mv=30
         levels => eligible.leader.replicas.version=1 metadata.version=30 share.version=1 streams.version=1 transaction.version=2",
    )
    .check_replay();
}

#[test]
fn one_refusal_refuses_all() {
    let mut world = World::new(22);
    check_in(
        &mut world,
        "feature upgrade metadata.version=23 foo=1 => INVALID_UPDATE_VERSION: Invalid update version 1 for feature foo. Local controller 1 does not support this feature.
         feature upgrade eligible.leader.replicas.version=1 => INVALID_UPDATE_VERSION: Invalid update version 1 for feature eligible.leader.replicas.version. eligible.leader.replicas.version could not be set to 1 because it depends on metadata.version level 23
         levels => group.version=1 metadata.version=22",
    );
    world.check_replay();
}

#[test]
fn brokers_must_know_the_level() {
    let mut world = World::new(22);
    check_in(
        &mut world,
        "register 1 mv=25
         feature upgrade metadata.version=25
         feature upgrade metadata.version=26 => INVALID_UPDATE_VERSION: Invalid update version 26 for feature metadata.version. Broker 1 only supports versions 0-25",
    );
    world.check_replay();
}

#[test]
fn with_eligible_replicas_the_minimum_is_one_for_all_brokers() {
    let mut world = World::new(23);
    check_in(
        &mut world,
        "broker 1
         alter broker:1 min.insync.replicas=3
         feature upgrade eligible.leader.replicas.version=1
         configs broker:1 => none
         configs broker: => min.insync.replicas=1",
    );
    world.check_replay();
}
