//! The bytes of records, and bytes that are none.

use super::*;
use ottla_protocol::{Str, Uuid};
use proptest::prelude::*;
use std::collections::BTreeSet;

fn feature_level(name: &'static str, feature_level: i16) -> MetadataRecord {
    FeatureLevelRecord { name: Str::from_static(name), feature_level, ..Default::default() }.into()
}

fn hex(text: &str) -> Bytes {
    let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect::<Vec<u8>>().into()
}

#[track_caller]
fn check(record: MetadataRecord, at: i16, bytes: &str) {
    let at = MetadataVersion::from_level(at).unwrap();
    let encoded = record.encode(at).unwrap();
    assert_eq!(format!("{encoded:02x?}"), format!("{:02x?}", hex(bytes)), "{record:?}");
    assert_eq!(MetadataRecord::decode(encoded).unwrap(), record);
}

/// From the bootstrap checkpoint that Kafka 4.3.1 wrote.
#[test]
fn feature_levels_are_framed_as_kafka_does() {
    check(feature_level("metadata.version", 30), 30, "01 0c 00 11 6d657461646174612e76657273696f6e 001e 00");
    check(feature_level("transaction.version", 2), 30, "01 0c 00 14 7472616e73616374696f6e2e76657273696f6e 0002 00");
}

/// Worked out by hand from the schema.
#[test]
fn partitions_are_written_at_the_version_of_the_cluster() {
    let partition = |directories: Vec<Uuid>, elr| PartitionRecord {
        partition_id: 1,
        topic_id: Uuid::from_bytes([7; 16]),
        replicas: vec![1, 2],
        isr: vec![1],
        leader: 1,
        leader_epoch: 5,
        partition_epoch: 6,
        directories,
        eligible_leader_replicas: elr,
        ..Default::default()
    };
    let head =
        "00000001 07070707070707070707070707070707 03 00000001 00000002 02 00000001 01 01 00000001 00000005 00000006";
    check(partition(vec![], None).into(), 7, &format!("01 03 00 {head} 00"));
    let dirs = "03 00000000000000000000000000000001 00000000000000000000000000000002";
    let directories = vec![crate::image::DIRECTORY_UNASSIGNED, crate::image::DIRECTORY_LOST];
    check(partition(directories.clone(), None).into(), 17, &format!("01 03 01 {head} {dirs} 00"));
    let elr = "01 01 05 02 00000002";
    check(partition(directories, Some(vec![2])).into(), 30, &format!("01 03 02 {head} {dirs} {elr}"));
}

#[test]
fn records_without_fields_are_known() {
    check(NoOpRecord::default().into(), 30, "01 14 00 00");
    check(EndTransactionRecord::default().into(), 30, "01 18 00 00");
}

#[test]
fn every_metadata_record_of_the_schema_is_there() {
    let schema = include_str!("../../../protocol/data/records.tsv");
    let columns = schema.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let of_schema = columns.filter(|c| c[2] == "metadata").map(|c| (c[1].parse().unwrap(), c[0].to_owned()));
    let mut expected: BTreeSet<(i16, String)> = of_schema.collect();
    // The table has a line for each field, and these have none.
    expected.extend([(20, "NoOpRecord".to_owned()), (24, "EndTransactionRecord".to_owned())]);
    let known = ids().into_iter().map(|(id, of_message, name)| {
        assert_eq!(Some(id), of_message, "{name}");
        (id, name.to_owned())
    });
    assert_eq!(known.collect::<BTreeSet<_>>(), expected);
}

#[track_caller]
fn refused(bytes: &str) -> String {
    MetadataRecord::decode(hex(bytes)).unwrap_err().to_string()
}

#[test]
fn what_is_not_known_is_refused_by_name() {
    assert_eq!(refused("01 06 00 00"), "unknown metadata record type 6");
    assert_eq!(refused("01 ac02 00 00"), "unknown metadata record type 300");
    assert_eq!(refused("02 0c 00 00"), "metadata record has frame version 2, expected 1");
    assert_eq!(refused("01 03 03 00"), "metadata record PartitionRecord has no version 3");
    assert_eq!(refused("01 03 ffffffff0f 00"), "metadata record PartitionRecord has no version 4294967295");
    assert_eq!(refused(""), "metadata record frame: 1 more bytes wanted, 0 left");
    assert_eq!(refused("01 09 00 00"), "metadata record RemoveTopicRecord: 16 more bytes wanted, 1 left");
    assert_eq!(refused("01 14 00 00 00"), "metadata record NoOpRecord: 1 bytes are left after the message");
}

proptest! {
    #[test]
    fn any_bytes_are_a_record_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..64), key in 0u8..30) {
        let mut framed = vec![1, key, 0];
        framed.extend(&bytes);
        for value in [bytes, framed] {
            if let Ok(record) = MetadataRecord::decode(Bytes::from(value)) {
                let again = record.encode(MetadataVersion::LATEST);
                prop_assert!(again.is_ok(), "{record:?}: {again:?}");
            }
        }
    }
}
