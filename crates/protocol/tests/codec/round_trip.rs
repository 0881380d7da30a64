//! Random valid bytes of every message and record at every version come back as they were.

use crate::{random::Random, registry::entry, schema, wire};

/// Messages a type and version.
const ROUNDS: u64 = 64;

#[test]
fn every_message_and_record_round_trips_at_every_version() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for m in schema::all() {
        let entry = entry(&m.name);
        for version in m.valid.iter() {
            for round in 0..ROUNDS {
                let mut random = Random::named(round, &m.name, version);
                let bytes = wire::message(&mut random, m, version, wire::SMALL).bytes;
                count += 1;
                let back = entry.round_trip(&bytes, version);
                if back.as_deref() != Ok(&bytes[..]) {
                    wrong.push(format!("{} v{version}: {bytes:02x?} -> {back:02x?}", m.name));
                    break;
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count > 40_000, "{count}");
}

#[test]
fn what_the_types_say_of_themselves_is_what_the_tables_say() {
    for m in schema::all() {
        let entry = entry(&m.name);
        assert_eq!(entry.name, m.name);
        assert_eq!(entry.id, m.id, "{}", m.name);
        assert_eq!(entry.versions, m.valid.0, "{}", m.name);
        let flexible = m.valid.iter().find(|version| m.flexible.has(*version));
        let since = entry.flexible_since.filter(|v| *v <= *m.valid.0.end());
        assert_eq!(since.map(|v| v.max(*m.valid.0.start())), flexible, "{}", m.name);
    }
}

#[test]
fn versions_that_do_not_exist_are_refused() {
    for m in schema::all() {
        let entry = entry(&m.name);
        for version in [m.valid.0.start() - 1, m.valid.0.end() + 1, i16::MIN, i16::MAX] {
            assert!((entry.default)(version).is_err(), "{} v{version}", m.name);
            let read = (entry.decode)(ottla_protocol::Bytes::from_static(&[0; 64]), version);
            assert!(read.is_err(), "{} v{version}", m.name);
        }
    }
}
