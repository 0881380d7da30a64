//! Scenarios: each is a script whose commands begin with `>`, followed by what comes of them, written by one world.

mod causes;
mod classic_join;
mod classic_leave;
mod classic_static;
mod classic_sync;
mod command;
mod consumer_join;
mod consumer_migration;
mod consumer_offsets;
mod consumer_properties;
mod consumer_static;
mod failover;
mod limits;
mod offsets;
mod operators;
mod properties;
mod records;
mod show;
mod stored;
mod transactions;
mod world;

use self::world::World;

/// Runs the commands of a script and compares all of what comes of them.
fn check(script: &str) {
    let script: Vec<&str> = script.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let mut world = World::new();
    let mut transcript = Vec::new();
    for command in script.iter().filter_map(|line| line.strip_prefix('>')) {
        transcript.push(format!(">{command}"));
        transcript.extend(command::run(&mut world, command.trim()));
    }
    let expected = script.join("\n");
    let actual = transcript.join("\n");
    assert!(actual == expected, "what came of the script:\n{actual}\n\nwhat was expected:\n{expected}");
}
