//! The codec against bytes that Apache Kafka's own classes wrote; `compat-tests/golden/capture` makes them anew.

use crate::{registry::entry, schema};
use ottla_protocol::Bytes;
use std::collections::BTreeSet;

const MESSAGES: &str = include_str!("../data/golden/messages.tsv");
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
