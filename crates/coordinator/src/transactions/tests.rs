//! Histories of transactions, as text: a line is a command and what comes of it.

mod ending;
mod expiring;
mod initializing;
mod properties;
mod records;
mod world;

use self::world::World;

/// Runs commands, each with what is expected after `=>`.
fn check(script: &str) {
    check_in(&mut World::new(2), script);
}

fn check_in(world: &mut World, script: &str) {
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (command, expected) = line.split_once("=>").unwrap_or((line, ""));
        let came = world.run(command.trim());
        assert_eq!(came, expected.trim(), "of {line:?}\n{}", world.history.join("\n"));
    }
}
