//! The codec against bytes that Apache Kafka's own classes wrote; `compat-tests/golden/capture` makes them anew.

use crate::{registry::entry, schema};
use ottla_protocol::{ApiKey, Bytes};
use std::collections::BTreeSet;

const MESSAGES: &str = include_str!("../data/golden/messages.tsv");
const HEADERS: &str = include_str!("../data/golden/headers.tsv");
const FIELDS: &str = include_str!("../data/golden/fields.tsv");

fn rows(table: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    table.lines().skip(1).map(|line| line.split('\t').collect())
}

fn version(cell: &str) -> i16 {
    cell.parse().expect("a version")
}

/// Bytes, or `None` where Kafka refused to write.
fn hex(cell: &str) -> Option<Bytes> {
    if cell == "!" {
        return None;
    }
    let byte = |i: usize| u8::from_str_radix(&cell[i..i + 2], 16).expect("hex");
    Some((0..cell.len()).step_by(2).map(byte).collect())
}

fn assert_none(wrong: &[String]) {
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn kafkas_bytes_come_back_as_they_were() {
    let mut wrong = Vec::new();
    for row in rows(MESSAGES) {
        let Some(bytes) = hex(row[3]) else { continue };
        let back = entry(row[0]).round_trip(&bytes, version(row[1]));
        if back.as_ref() != Ok(&bytes) {
            wrong.push(format!("{} v{} {}: {}\n  {back:02x?}", row[0], row[1], row[2], row[3]));
        }
    }
    assert_none(&wrong);
}

#[test]
fn defaults_are_kafkas() {
    let mut wrong = Vec::new();
    for row in rows(MESSAGES).filter(|row| row[2] == "default") {
        let ours = (entry(row[0]).default)(version(row[1]));
        if ours.as_ref().ok() != hex(row[3]).as_ref() {
            wrong.push(format!("{} v{}: {}\n  {ours:02x?}", row[0], row[1], row[3]));
        }
    }
    assert_none(&wrong);
}

/// Whether a field is dropped or refused at a version that lacks it is a property of each field.
#[test]
fn a_field_the_version_lacks_is_dropped_or_refused_as_in_kafka() {
    let mut wrong = Vec::new();
    for row in rows(FIELDS) {
        let bytes = hex(row[3]).expect("bytes");
        let ours = (entry(row[0]).convert)(bytes, version(row[2]), version(row[4]));
        let ours = ours.expect("the carrier's bytes are valid").ok();
        if ours != hex(row[5]) {
            wrong.push(format!("{}.{} v{} as v{}: {}\n  {ours:02x?}", row[0], row[1], row[2], row[4], row[5]));
        }
    }
    assert_none(&wrong);
}

#[test]
fn apis_have_the_versions_headers_and_listeners_of_kafka() {
    let mut count = 0;
    for row in rows(HEADERS) {
        let api = ApiKey::from_key(version(row[0])).expect("an API");
        let v = version(row[1]);
        assert!(api.versions().contains(&v), "{api} v{v}");
        assert_eq!(api.request_header_version(v), version(row[2]), "{api} v{v}");
        assert_eq!(api.response_header_version(v), version(row[3]), "{api} v{v}");
        assert_eq!(api.stable_versions().contains(&v), row[4] == "true", "{api} v{v}");
        assert_eq!(api.is_on_broker(), row[5].contains("BROKER"), "{api}");
        assert_eq!(api.is_on_controller(), row[5].contains("CONTROLLER"), "{api}");
        count += 1;
    }
    assert_eq!(count, ApiKey::ALL.iter().map(|api| api.versions().count()).sum::<usize>());
}

#[test]
fn there_are_golden_bytes_of_every_version_of_every_message() {
    let golden: BTreeSet<_> = rows(MESSAGES).map(|row| (row[0], version(row[1]), row[2])).collect();
    for m in schema::all() {
        for v in m.valid.iter() {
            for filling in ["full", "sparse", "default"] {
                // Kafka has no generated class for this one.
                let there = golden.contains(&(m.name.as_str(), v, filling)) || m.name == "AbortedTxn";
                assert!(there, "{} v{v} {filling}", m.name);
            }
        }
    }
}
