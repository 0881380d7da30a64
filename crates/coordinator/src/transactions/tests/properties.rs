//! Random histories: what the log gives is what was there, and nobody who was fenced changes anything.

use super::world::World;
use proptest::prelude::*;

fn command() -> impl Strategy<Value = String> {
    let id = prop_oneof![Just("a"), Just("b")];
    let by = (1000..1003i64, 0..4i16).prop_map(|(id, epoch)| format!("{id}/{epoch}"));
    let partition = prop_oneof![Just("t-0"), Just("t-1"), Just("u-0")];
    let verb = prop_oneof![
        Just("init"),
        Just("was"),
        Just("add"),
        Just("add1"),
        Just("commit"),
        Just("abort"),
        Just("commit1"),
        Just("abort1"),
        Just("written"),
        Just("written"),
        Just("wait"),
        Just("crash"),
    ];
    (verb, id, by, partition).prop_map(|(verb, id, by, partition)| match verb {
        "init" => format!("init {id} timeout=15000"),
        "was" => format!("init {id} was={by} timeout=15000"),
        "wait" => "wait 9000".to_owned(),
        "crash" => "crash".to_owned(),
        "add" | "add1" | "written" => format!("{verb} {id} {by} {partition}"),
        verb => format!("{verb} {id} {by}"),
    })
}

proptest! {
    #[test]
    fn the_log_gives_what_was_there(version in 0..3i16, commands in prop::collection::vec(command(), 1..120)) {
        let mut world = World::new(version);
        // The highest epoch of each producer id that anybody was given.
        let mut given = std::collections::BTreeMap::<i64, i16>::new();
        for command in &commands {
            let came = world.run(command);
            let verb = command.split(' ').next().unwrap_or_default();
            let is_end = verb.starts_with("commit") || verb.starts_with("abort");
            if let Some((id, epoch)) = came.split(' ').next().and_then(|first| first.split_once('/'))
                && (verb == "init" || is_end)
            {
                let (id, epoch): (i64, i16) = (id.parse().unwrap(), epoch.parse().unwrap());
                let highest = given.entry(id).or_insert(epoch);
                prop_assert!(epoch >= *highest, "{}", world.history.join("\n"));
                *highest = epoch;
            }
            // An epoch that fences is given to nobody, who may guess it all the same.
            let by = command.split(' ').nth(2).and_then(|by| by.split_once('/'));
            if let Some((id, epoch)) = by.filter(|_| verb.starts_with("add") && came == "ok") {
                let highest = given.get(&id.parse().unwrap()).copied();
                let epoch = epoch.parse().unwrap();
                prop_assert!(highest.is_some_and(|highest| highest <= epoch), "{}", world.history.join("\n"));
            }
            let before = world.shard.hard().clone();
            let mut other = World::new(version);
            other.log.clone_from(&world.log);
            other.load();
            prop_assert_eq!(other.shard.hard(), &before);
        }
    }
}
