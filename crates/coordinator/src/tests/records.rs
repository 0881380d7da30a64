//! Records beside those that Apache Kafka 4.3.1 writes and has written before.

use crate::{ConsumerGroupRecord, CoordinatorRecord, Decoded, OffsetAndMetadata};
use ottla_protocol::stored::group_metadata_value::MemberMetadata;
use ottla_protocol::stored::{ConsumerGroupMetadataValue, GroupMetadataValue};
use ottla_protocol::{Bytes, Str, Uuid};
use std::sync::Arc;

const OFFSET_KEY: &str = "000100036772700005746f70696300000003";
const GROUP_KEY: &str = "00020003677270";

fn bytes(hex: &str) -> Bytes {
    let digits: Vec<u8> = hex.chars().map(|c| c.to_digit(16).unwrap() as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn decode(key: &str, value: Option<&str>) -> Decoded {
    CoordinatorRecord::decode(bytes(key), value.map(bytes), None).unwrap()
}

/// Reads Kafka's bytes.
fn check_read(key: &str, value: Option<&str>, expected: &CoordinatorRecord) {
    assert_eq!(decode(key, value), Decoded::Record(expected.clone()));
}

/// Reads Kafka's bytes and writes the same.
fn check(key: &str, value: Option<&str>, expected: &CoordinatorRecord) {
    check_read(key, value, expected);
    assert_eq!(expected.encode(), Ok((bytes(key), value.map(bytes))));
    let (written_key, written_value) = expected.encode().unwrap();
    let size = written_key.len() + written_value.map_or(0, |value| value.len());
    assert!(size <= expected.max_bytes(), "{size} bytes are more than {} at most", expected.max_bytes());
}

fn offset() -> OffsetAndMetadata {
    OffsetAndMetadata {
        committed_offset: 42,
        leader_epoch: -1,
        metadata: Str::from("meta"),
        commit_timestamp_ms: 1_700_000_000_000,
        expire_timestamp_ms: None,
        topic_id: Uuid::ZERO,
        record_offset: 0,
    }
}

fn offset_record(value: Option<OffsetAndMetadata>) -> CoordinatorRecord {
    CoordinatorRecord::Offset {
        group_id: Str::from("grp"),
        topic: Str::from("topic"),
        partition: 3,
        value,
        producer_id: None,
    }
}

fn group_record(value: Option<GroupMetadataValue>) -> CoordinatorRecord {
    CoordinatorRecord::Group { group_id: Str::from("grp"), value: value.map(Arc::new) }
}

#[test]
fn offsets_are_as_kafka_writes_them() {
    let topic_id = Uuid::from_bytes([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
    let with_id = "0004000000000000002a00000007056d6574610000018bcfe568000100100102030405060708090a0b0c0d0e0f10";
    check(OFFSET_KEY, Some(with_id), &offset_record(Some(OffsetAndMetadata { leader_epoch: 7, topic_id, ..offset() })));
    let bare = "0004000000000000002affffffff010000018bcfe5680000";
    check(OFFSET_KEY, Some(bare), &offset_record(Some(OffsetAndMetadata { metadata: Str::default(), ..offset() })));
    let expiring = "0001000000000000002a00046d6574610000018bcfe568000000018bcfe56be8";
    let expires = Some(1_700_000_001_000);
    check(
        OFFSET_KEY,
        Some(expiring),
        &offset_record(Some(OffsetAndMetadata { expire_timestamp_ms: expires, ..offset() })),
    );
    check(OFFSET_KEY, None, &offset_record(None));
}

#[test]
fn old_offsets_are_read() {
    let legacy_key = "000000036772700005746f70696300000003";
    let version_0 = "0000000000000000002a00046d6574610000018bcfe56800";
    let version_2 = "0002000000000000002a00046d6574610000018bcfe56800";
    let version_3 = "0003000000000000002a0000000700046d6574610000018bcfe56800";
    check_read(legacy_key, Some(version_0), &offset_record(Some(offset())));
    check_read(OFFSET_KEY, Some(version_0), &offset_record(Some(offset())));
    check_read(OFFSET_KEY, Some(version_2), &offset_record(Some(offset())));
    check_read(OFFSET_KEY, Some(version_3), &offset_record(Some(OffsetAndMetadata { leader_epoch: 7, ..offset() })));
}

fn group(rebalance_timeout: i32, instance_id: Option<&str>, current_state_timestamp: i64) -> GroupMetadataValue {
    GroupMetadataValue {
        protocol_type: Str::from("consumer"),
        generation: 5,
        protocol: Some(Str::from("range")),
        leader: Some(Str::from("m-1")),
        current_state_timestamp,
        members: vec![MemberMetadata {
            member_id: Str::from("m-1"),
            group_instance_id: instance_id.map(Str::from),
            client_id: Str::from("c"),
            client_host: Str::from("/127.0.0.1"),
            rebalance_timeout,
            session_timeout: 10_000,
            subscription: Bytes::from_static(&[1, 2]),
            assignment: Bytes::from_static(&[3]),
            ..MemberMetadata::default()
        }],
        ..GroupMetadataValue::default()
    }
}

#[test]
fn groups_are_as_kafka_writes_them() {
    let full = "00030008636f6e73756d657200000005000572616e676500036d2d310000018bcfe568000000000100036d2d3100016900016300\
                0a2f3132372e302e302e310000ea60000027100000000201020000000103";
    check(GROUP_KEY, Some(full), &group_record(Some(group(60_000, Some("i"), 1_700_000_000_000))));
    let empty = "0003000000000000ffffffff0000018bcfe5680000000000";
    let value = GroupMetadataValue {
        protocol: None,
        leader: None,
        current_state_timestamp: 1_700_000_000_000,
        ..GroupMetadataValue::default()
    };
    check(GROUP_KEY, Some(empty), &group_record(Some(value)));
    check(GROUP_KEY, None, &group_record(None));
}

#[test]
fn old_and_newer_groups_are_read() {
    let version_0 = "00000008636f6e73756d657200000005000572616e676500036d2d310000000100036d2d31000163000a2f3132372e302e30\
                     2e31000027100000000201020000000103";
    check_read(GROUP_KEY, Some(version_0), &group_record(Some(group(-1, None, -1))));
    let version_1 = "00010008636f6e73756d657200000005000572616e676500036d2d310000000100036d2d31000163000a2f3132372e302e30\
                     2e310000ea60000027100000000201020000000103";
    check_read(GROUP_KEY, Some(version_1), &group_record(Some(group(60_000, None, -1))));
    let version_2 = "00020008636f6e73756d657200000005000572616e676500036d2d310000018bcfe568000000000100036d2d31000163000a\
                     2f3132372e302e302e310000ea60000027100000000201020000000103";
    check_read(GROUP_KEY, Some(version_2), &group_record(Some(group(60_000, None, 1_700_000_000_000))));
    let version_4 = "000409636f6e73756d6572000000050672616e6765046d2d310000018bcfe5680002046d2d31026902630b2f3132372e302e\
                     302e310000ea600000271003010202030000";
    check_read(GROUP_KEY, Some(version_4), &group_record(Some(group(60_000, Some("i"), 1_700_000_000_000))));
}

#[test]
fn groups_of_the_consumer_protocol() {
    let value = ConsumerGroupMetadataValue { epoch: 3, metadata_hash: 0, ..Default::default() };
    let record =
        |value| CoordinatorRecord::Consumer { group_id: Str::from("grp"), record: ConsumerGroupRecord::Group(value) };
    check("00030003677270", Some("00000000000300"), &record(Some(value)));
    check("00030003677270", None, &record(None));
    // As Apache Kafka 4.3.1 writes a member, with the tagged field that it does not have.
    let key = "0005000367727000016d".to_owned();
    let value = "000000000872646b61666b610b2f3132372e302e302e310207636f6465637301000493e00001000100";
    let decoded = decode(&key, Some(value));
    let is_member = |record: &CoordinatorRecord| match record {
        CoordinatorRecord::Consumer { record: ConsumerGroupRecord::Member(id, Some(value)), .. } => {
            *id == "m" && value.classic_member_metadata.is_none() && value.rebalance_timeout_ms == 300_000
        }
        _ => false,
    };
    assert!(matches!(&decoded, Decoded::Record(record) if is_member(record)), "{decoded:?}");
}

#[test]
fn records_of_other_protocols_are_left_alone() {
    let ignored = |record_type| Decoded::Ignored { record_type };
    assert_eq!(decode("00090003677270", Some("00000000000300")), ignored(9));
    assert_eq!(decode("00090003677270", None), ignored(9));
    assert_eq!(decode("7fff", Some("")), ignored(i16::MAX));
    assert_eq!(decode("ffff", None), ignored(-1));
}

#[test]
fn broken_records_are_errors() {
    for (key, value) in [
        ("", None),
        ("00", None),
        ("0001", None),
        ("0002000467", None),
        (GROUP_KEY, Some("")),
        (GROUP_KEY, Some("0005")),
        (GROUP_KEY, Some("ffff")),
        (GROUP_KEY, Some("00030000000000007fffffff")),
        (OFFSET_KEY, Some("0004000000")),
    ] {
        let decoded = CoordinatorRecord::decode(bytes(key), value.map(bytes), None);
        assert!(decoded.is_err(), "{key} {value:?} gives {decoded:?}");
    }
}
