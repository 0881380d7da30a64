//! Frames by hand-made bytes: whole, in pieces, hostile.

use super::*;
use crate::{
    Bytes, Codec, ErrorCode, Message, Records, Str,
    codec::Decoder,
    messages::{ApiVersionsResponse, MetadataRequest, fetch_response},
};

fn frame_of(body: &[u8]) -> Vec<u8> {
    let mut out = i32::try_from(body.len()).expect("short").to_be_bytes().to_vec();
    out.extend_from_slice(body);
    out
}

fn feed(decoder: &mut FrameDecoder, bytes: &[u8]) {
    decoder.read_buf().extend_from_slice(bytes);
}

#[test]
fn frames_come_out_as_they_went_in_whatever_the_pieces() {
    let bodies: [&[u8]; 4] = [b"first", b"", b"x", &[7; 3000]];
    let stream: Vec<u8> = bodies.iter().flat_map(|b| frame_of(b)).collect();
    for piece in [1, 2, 3, 4, 5, 7, 1000, stream.len()] {
        let mut decoder = FrameDecoder::new(3000);
        let mut got = Vec::new();
        for chunk in stream.chunks(piece) {
            feed(&mut decoder, chunk);
            while let Some(frame) = decoder.next_frame().expect("valid") {
                got.push(frame);
            }
        }
        assert_eq!(got, bodies, "pieces of {piece}");
        assert_eq!(decoder.buffered(), 0);
    }
}

#[test]
fn lengths_out_of_range_are_errors_at_the_fourth_byte() {
    let error = |length: i32| {
        let mut decoder = FrameDecoder::new(100);
        feed(&mut decoder, &length.to_be_bytes());
        decoder.next_frame().expect_err("refused")
    };
    assert_eq!(error(-1), FrameError::NegativeLength(-1));
    assert_eq!(error(i32::MIN), FrameError::NegativeLength(i32::MIN));
    assert_eq!(error(101), FrameError::TooLarge { length: 101, max: 100 });
    assert!(error(i32::MAX).to_string().contains("socket.request.max.bytes"));
}

#[test]
fn a_frame_of_the_very_limit_passes() {
    let mut decoder = FrameDecoder::new(100);
    feed(&mut decoder, &frame_of(&[1; 100]));
    assert_eq!(decoder.next_frame().expect("valid").map(|frame| frame.len()), Some(100));
}

#[test]
fn memory_follows_what_came_not_what_was_announced() {
    let mut decoder = FrameDecoder::new(100 << 20);
    feed(&mut decoder, &(100i32 << 20).to_be_bytes());
    assert!(decoder.read_buf().capacity() <= 32 * 1024);
    for received in 1..300usize {
        feed(&mut decoder, &[0; 1024]);
        assert_eq!(decoder.next_frame(), Ok(None));
        let capacity = decoder.read_buf().capacity();
        assert!(
            capacity <= (2 * received * 1024 + 2 * 16 * 1024).max(32 * 1024),
            "{capacity} bytes held for {received} KiB"
        );
    }
}

#[test]
fn there_is_always_room_to_read_into() {
    let mut decoder = FrameDecoder::new(1000);
    for byte in frame_of(&[9; 1000]) {
        let buf = decoder.read_buf();
        assert!(buf.capacity() > buf.len());
        buf.extend_from_slice(&[byte]);
    }
    assert!(decoder.next_frame().expect("valid").is_some());
}

fn metadata_request(version: i16) -> Bytes {
    let frame = request(ApiKey::Metadata, version, 7, Some(&Str::from("me")), &MetadataRequest::default());
    frame.expect("encodes").into_bytes()
}

#[test]
fn requests_of_either_header_version_are_read() {
    for version in ApiKey::Metadata.versions() {
        let mut decoder = FrameDecoder::new(1000);
        feed(&mut decoder, &metadata_request(version));
        let frame = decoder.next_frame().expect("valid").expect("whole");
        let parsed = RequestFrame::parse(frame).expect("valid");
        assert_eq!(parsed.api_key, ApiKey::Metadata);
        assert_eq!(parsed.version, version);
        assert_eq!(parsed.correlation_id, 7);
        assert_eq!(parsed.client_id, Some(Str::from("me")));
        let body = MetadataRequest::from_bytes(parsed.body, version).expect("valid");
        assert_eq!(body, MetadataRequest::default());
    }
}

fn header(key: i16, version: i16) -> Bytes {
    let mut out = key.to_be_bytes().to_vec();
    out.extend_from_slice(&version.to_be_bytes());
    out.extend_from_slice(&5i32.to_be_bytes());
    out.extend_from_slice(b"\xff\xff\0body");
    Bytes::from(out)
}

#[test]
fn unknown_apis_and_versions_are_told_apart() {
    assert_eq!(RequestFrame::parse(header(9999, 0)), Err(FrameError::UnknownApiKey(9999)));
    assert_eq!(RequestFrame::parse(header(4, 0)), Err(FrameError::UnknownApiKey(4)), "LeaderAndIsr is gone since 4.0");
    for (api_key, version) in [(ApiKey::ApiVersions, 99), (ApiKey::Produce, 2), (ApiKey::InitProducerId, 6)] {
        assert_eq!(
            RequestFrame::parse(header(api_key.key(), version)),
            Err(FrameError::UnsupportedVersion { api_key, version, correlation_id: 5 })
        );
    }
    for short in 0..8 {
        assert!(matches!(RequestFrame::parse(header(18, 3).slice(..short)), Err(FrameError::Header(_))));
    }
}

#[test]
fn a_response_counts_its_splices() {
    let records = Records::External { id: 1, size: 9000 };
    let body = fetch_response::FetchResponse {
        responses: vec![fetch_response::FetchableTopicResponse {
            partitions: vec![fetch_response::PartitionData { records: Some(records), ..Default::default() }],
            ..Default::default()
        }],
        ..Default::default()
    };
    let frame = response(ApiKey::Fetch, 12, 3, &body).expect("encodes");
    assert_eq!(frame.splices.len(), 1);
    let declared = i32::from_be_bytes(*frame.buf.first_chunk().expect("4 bytes"));
    assert_eq!(declared as usize, frame.len() - 4);
    assert_eq!(frame.len(), frame.buf.len() + 9000);
}

#[test]
fn an_api_versions_response_has_the_old_header_at_every_version() {
    for version in ApiKey::ApiVersions.versions() {
        let body = ApiVersionsResponse { error_code: ErrorCode::UnsupportedVersion.code(), ..Default::default() };
        let frame = response(ApiKey::ApiVersions, version, 3, &body).expect("encodes");
        let mut bytes = frame.into_bytes();
        assert_eq!(&bytes[4..10], b"\0\0\0\x03\0\x23");
        let bytes = bytes.split_off(4);
        let parsed = ResponseFrame::parse(bytes, ApiKey::ApiVersions, version).expect("valid");
        assert_eq!(parsed.correlation_id, 3);
        let mut d = Decoder::new(parsed.body);
        assert_eq!(ApiVersionsResponse::decode(&mut d, version), Ok(body));
    }
}
