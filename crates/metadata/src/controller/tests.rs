//! Decisions told as scenarios: one line an event and what it is answered.

mod brokers;
mod configs;
mod features;
mod kafka;
mod partitions;
mod properties;
mod topics;
mod world;

use self::world::World;

/// Runs `event => answer` lines, each on what those before left; a line without an answer is one that must succeed.
#[track_caller]
pub(super) fn check(scenario: &str) -> World {
    let mut world = World::new(30);
    check_in(&mut world, scenario);
    world
}

#[track_caller]
pub(super) fn check_in(world: &mut World, scenario: &str) {
    for line in scenario.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
        let (event, expected) = line.split_once(" => ").unwrap_or((line, "ok"));
        let found = world.run(event);
        let matches = found == expected || (expected == "ok" && found.split("; ").all(|f| f.ends_with("ok")));
        assert!(matches, "{event}\n  expected {expected}\n  found    {found}");
    }
}
