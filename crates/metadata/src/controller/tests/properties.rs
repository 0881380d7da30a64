//! What holds whatever is decided.

use super::World;
use proptest::prelude::*;

fn topic() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "c.d", "c_d", "e"]).prop_map(str::to_owned)
}

fn config() -> impl Strategy<Value = String> {
    let changes = ["retention.ms=1", "retention.ms-", "cleanup.policy+=compact", "min.insync.replicas=2", "foo=1"];
    prop::sample::select(changes.to_vec()).prop_map(str::to_owned)
}

fn partition() -> impl Strategy<Value = String> {
    (topic(), 0..3).prop_map(|(topic, number)| format!("{topic}-{number}"))
}

fn kind() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["preferred", "unclean"])
}

/// Some of the brokers, in any order.
fn brokers() -> impl Strategy<Value = String> {
    let some = prop::sample::subsequence(vec!["1", "2", "3"], 1..4);
    some.prop_shuffle().prop_map(|ids| ids.join(","))
}

fn event() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => (topic(), 1..4, 1..4).prop_map(|(t, p, rf)| format!("create {t} p={p} rf={rf}")),
        1 => (topic(), topic()).prop_map(|(a, b)| format!("create {a} + {b} retention.ms=7")),
        2 => topic().prop_map(|t| format!("delete {t}")),
        1 => (1..20).prop_map(|id| format!("delete {id}")),
        2 => (topic(), 1..6).prop_map(|(t, n)| format!("grow {t} {n}")),
        3 => (topic(), config()).prop_map(|(t, c)| format!("alter topic:{t} {c}")),
        1 => config().prop_map(|c| format!("alter broker: {c}")),
        1 => topic().prop_map(|t| format!("replace topic:{t} retention.ms=3")),
        2 => (1..4).prop_map(|b| format!("producer-ids {b}")),
        4 => (1..4).prop_map(|b| format!("heartbeat {b}")),
        2 => (1..4, prop::sample::select(vec!["fence", "stop", "lost=0"])).prop_map(|(b, w)| format!("heartbeat {b} {w}")),
        2 => (1..4, prop::sample::select(vec!["", "clean", "dirs=2", "rack=r"])).prop_map(|(b, w)| format!("register {b} {w}")),
        1 => (1..4).prop_map(|b| format!("unregister {b}")),
        4 => (partition(), 1..4, brokers()).prop_map(|(p, b, isr)| format!("isr {p} {b} {isr}")),
        2 => (partition(), kind()).prop_map(|(p, k)| format!("elect {k} {p}")),
        1 => kind().prop_map(|k| format!("elect {k}")),
        3 => (partition(), brokers()).prop_map(|(p, to)| format!("reassign {p} {to}")),
        1 => partition().prop_map(|p| format!("reassign {p} back")),
        1 => topic().prop_map(|t| format!("alter topic:{t} unclean.leader.election.enable=true")),
        1 => Just("wait 300000".to_owned()),
        1 => (0..10_000).prop_map(|ms| format!("wait {ms}")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Whatever is decided: the log alone makes the same state, and so does a checkpoint of it; and no partition is led
    /// by one who is not in sync or may not serve.
    #[test]
    fn the_log_is_the_state(
        level in prop::sample::select(vec![7i16, 15, 21, 25, 30]),
        events in prop::collection::vec(event(), 0..60),
    ) {
        let mut world = World::new(level);
        for broker in 1..4 {
            world.run(&format!("broker {broker}"));
        }
        for event in &events {
            world.run(event);
            for topic in world.image().topics().iter() {
                for p in topic.partitions.values() {
                    prop_assert_eq!(p.directories.len(), p.replicas.len());
                    prop_assert!(p.isr.iter().all(|id| p.replicas.contains(id)), "{:?}", p);
                    prop_assert!(!p.elr.iter().any(|id| p.isr.contains(id)), "{:?}", p);
                    prop_assert!(p.elr.iter().all(|id| p.replicas.contains(id)), "{:?}", p);
                    let moving = || p.adding_replicas.iter().chain(&p.removing_replicas);
                    prop_assert!(moving().all(|id| p.replicas.contains(id)), "{:?}", p);
                    prop_assert!(!p.adding_replicas.iter().any(|id| p.removing_replicas.contains(id)), "{:?}", p);
                    let serves = world.image().cluster().broker(p.leader).is_some_and(|b| !b.fenced);
                    prop_assert!(p.leader == -1 || (p.isr.contains(&p.leader) && serves), "{} {:?}", event, p);
                }
            }
        }
        world.check_replay();
    }
}
