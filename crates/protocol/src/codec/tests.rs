//! The wire types by hand-computed bytes, and what hostile lengths do.

use super::*;
use crate::messages::{FetchRequest, MetadataRequest, RequestHeader};

fn bytes(text: &[u8]) -> Bytes {
    Bytes::copy_from_slice(text)
}

#[test]
fn uuid_text_is_kafkas() {
    // Uuid.ONE_UUID and MAX-ish values as Java's Uuid.toString prints them.
    assert_eq!(Uuid::ONE.to_string(), "AAAAAAAAAAAAAAAAAAAAAQ");
    let id: Uuid = "MkU3OEVBNTcwNTJENDM2Qg".parse().expect("valid");
    assert_eq!(id.to_string(), "MkU3OEVBNTcwNTJENDM2Qg");
    assert_eq!(id.as_bytes(), b"2E78EA57052D436B");
    assert!("short".parse::<Uuid>().is_err());
    assert!("MkU3OEVBNTcwNTJENDM2Q!".parse::<Uuid>().is_err());
}

#[test]
fn a_metadata_request_at_both_encodings() {
    let request = MetadataRequest {
        topics: Some(vec![crate::messages::metadata_request::MetadataRequestTopic {
            name: Some(Str::from("ab")),
            ..Default::default()
        }]),
        ..Default::default()
    };
    assert_eq!(&request.to_bytes(1).expect("v1")[..], b"\0\0\0\x01\0\x02ab");
    let flexible = request.to_bytes(9).expect("v9");
    assert_eq!(&flexible[..], b"\x02\x03ab\0\x01\0\0\0");
    for version in [1, 9, 12] {
        let encoded = request.to_bytes(version).expect("encodes");
        assert_eq!(MetadataRequest::from_bytes(encoded, version).expect("decodes"), request);
    }
}

#[test]
fn null_where_the_version_has_none_is_an_error() {
    let request = MetadataRequest { topics: None, ..Default::default() };
    assert!(request.to_bytes(1).is_ok());
    assert!(matches!(request.to_bytes(0), Err(EncodeError::Null { .. })));
}

#[test]
fn a_field_the_version_lacks_is_an_error_unless_ignorable() {
    let request = MetadataRequest { include_topic_authorized_operations: true, ..Default::default() };
    assert!(matches!(request.to_bytes(1), Err(EncodeError::Field { .. })));
    let ignorable = FetchRequest { rack_id: Str::from("r"), ..Default::default() };
    assert!(ignorable.to_bytes(4).is_ok());
}

#[test]
fn the_header_keeps_the_client_id_in_its_old_form() {
    let header = RequestHeader {
        request_api_key: 3,
        request_api_version: 9,
        correlation_id: 7,
        client_id: Some(Str::from("c")),
        ..Default::default()
    };
    assert_eq!(&header.to_bytes(2).expect("v2")[..], b"\0\x03\0\x09\0\0\0\x07\0\x01c\0");
}

#[test]
fn claimed_lengths_are_not_believed() {
    let huge = bytes(&i32::MAX.to_be_bytes());
    assert!(matches!(MetadataRequest::from_bytes(huge, 4), Err(DecodeError::Underflow { .. })));
    let negative = bytes(&(-2i32).to_be_bytes());
    assert!(matches!(MetadataRequest::from_bytes(negative, 1), Err(DecodeError::Length { .. })));
}

#[test]
fn small_elements_cannot_buy_much_memory() {
    // 60,000 topics of 3 bytes each: more than 16 times the bytes in memory, and past the base budget.
    let mut body = 1_000_000i32.to_be_bytes().to_vec();
    body.resize(4 + 2_000_000, 0);
    assert!(matches!(MetadataRequest::from_bytes(Bytes::from(body), 4), Err(DecodeError::Budget(_))));
}

#[test]
fn unknown_tags_survive_a_round_trip() {
    let mut request = MetadataRequest::default();
    request.unknown_tagged_fields.push(77, bytes(b"later"));
    let encoded = request.to_bytes(12).expect("encodes");
    assert_eq!(MetadataRequest::from_bytes(encoded, 12).expect("decodes"), request);
    assert!(request.to_bytes(1).is_err());
}

#[test]
fn long_records_are_spliced_and_read_back_the_same() {
    let mut e = Encoder::new();
    e.records(true, &Records::Bytes(Bytes::from(vec![7; 5000]))).expect("fits");
    e.int8(1);
    let out = e.finish();
    assert_eq!(out.splices.len(), 1);
    assert_eq!(out.len(), 5003);
    assert_eq!(out.into_bytes()[5002], 1);
}
