//! What the fuzzer calls with bytes of its own: each panics where a promise is broken. The crate in `fuzz/` includes this
//! file, and `cargo test` runs it over the corpus.

use crate::{
    heap::peak_of,
    registry::{NAMES, entry},
};
use ottla_protocol::{
    ApiKey, Bytes,
    any::{AnyRequest, AnyResponse},
    batch::{CheckedBatch, CheckedBatches, HEADER_LEN, Header, Origin, Rules, TimestampType},
    codec::{DecodeError, Decoder, EncodeError, Encoder},
    compression::{Compression, Limits},
    frame::{FrameDecoder, RequestFrame},
};
use std::io::Read;

pub(crate) type Target = fn(&[u8]);

/// A target's name, which is its corpus' folder, and what it does.
pub(crate) const TARGETS: [(&str, Target); 6] = [
    ("any_request", any_request),
    ("any_response", any_response),
    ("stored", stored),
    ("frames", frames),
    ("record_batches", record_batches),
    ("decompress", decompress),
];

/// What may come out of compressed bytes here.
const OUTPUT: usize = 256 * 1024;
/// What decompressing may take besides: growing vectors, and the codecs' own buffers.
const CODEC_HEAP: usize = 4 * OUTPUT + 512 * 1024;

/// Runs `call`, which may take the memory that `input` bytes buy and `more`.
fn bounded<T>(input: usize, more: usize, call: impl FnOnce() -> T) -> T {
    let (result, peak) = peak_of(call);
    assert!(peak <= 16 * input + 64 * 1024 + more, "{peak} bytes of heap for {input} bytes");
    result
}

/// The API and version of the first two bytes, and the rest.
fn api(data: &[u8]) -> Option<(ApiKey, i16, Bytes)> {
    let [key, version, body @ ..] = data else { return None };
    let (api, version) = (ApiKey::from_key((*key).into())?, i16::from(*version));
    api.versions().contains(&version).then(|| (api, version, Bytes::copy_from_slice(body)))
}

fn any_request(data: &[u8]) {
    let Some((api, version, body)) = api(data) else { return };
    let read = |bytes: Bytes| AnyRequest::decode(api, &mut Decoder::new(bytes), version);
    any(body, read, |message, e| message.encode(e, version));
}

fn any_response(data: &[u8]) {
    let Some((api, version, body)) = api(data) else { return };
    let read = |bytes: Bytes| AnyResponse::decode(api, &mut Decoder::new(bytes), version);
    any(body, read, |message, e| message.encode(e, version));
}

/// What was read can be written, and reads as what is written the same again.
fn any<T>(
    body: Bytes,
    read: impl Fn(Bytes) -> Result<T, DecodeError>,
    write: impl Fn(&T, &mut Encoder) -> Result<(), EncodeError>,
) {
    let bytes_of = |message: &T| {
        let mut e = Encoder::new();
        write(message, &mut e).expect("what was read can be written");
        e.finish().into_bytes()
    };
    match bounded(body.len(), 0, || read(body.clone())) {
        Ok(message) => {
            let canonical = bytes_of(&message);
            let again = read(canonical.clone()).expect("what was written can be read");
            assert_eq!(bytes_of(&again), canonical);
        }
        Err(error) => drop(error.to_string()),
    }
}

fn stored(data: &[u8]) {
    let [index, version, body @ ..] = data else { return };
    let [_, records] = NAMES;
    let Some(name) = records.get(usize::from(*index)) else { return };
    let (entry, version) = (entry(name), i16::from(*version));
    let input = Bytes::copy_from_slice(body);
    if entry.versions.contains(&version) && bounded(body.len(), 0, || (entry.decode)(input, version)).is_ok() {
        let canonical = entry.rewrite(body, version);
        assert_eq!(entry.rewrite(&canonical, version), canonical);
    }
}

fn frames(data: &[u8]) {
    let [piece, stream @ ..] = data else { return };
    bounded(stream.len(), 0, || {
        let mut decoder = FrameDecoder::new(1 << 20);
        for chunk in stream.chunks(usize::from(*piece) + 1) {
            decoder.read_buf().extend_from_slice(chunk);
            loop {
                match decoder.next_frame() {
                    Ok(Some(frame)) => drop(RequestFrame::parse(frame).map_err(|error| error.to_string())),
                    Ok(None) => break,
                    Err(error) => return drop(error.to_string()),
                }
            }
        }
    });
}

fn record_batches(data: &[u8]) {
    let [options, bytes @ ..] = data else { return };
    let bytes = match options & 1 {
        0 => Bytes::copy_from_slice(bytes),
        _ => sealed(bytes),
    };
    let limits = Limits { max_output: OUTPUT as u64, ..Limits::default() };
    let rules = Rules {
        partition: ("topic", 0),
        origin: if options & 2 == 0 { Origin::Client } else { Origin::Broker },
        compacted: options & 4 != 0,
        timestamp_type: if options & 8 == 0 { TimestampType::CreateTime } else { TimestampType::LogAppendTime },
        timestamp_before_max_ms: i64::MAX,
        timestamp_after_max_ms: 3_600_000,
        now_ms: 1_700_000_000_000,
        limits,
    };
    bounded(bytes.len(), CODEC_HEAP, || {
        drop(CheckedBatch::parse_produced(bytes.clone()).map(|batch| walk(batch.into(), &rules)));
        drop(CheckedBatches::parse(bytes.clone()));
        drop(CheckedBatches::parse_whole(bytes).map(|(batches, _)| walk(batches, &rules)));
    });
}

/// The first batch with the length and checksum that it should have, which no fuzzer finds by itself.
fn sealed(bytes: &[u8]) -> Bytes {
    let mut bytes = bytes.to_vec();
    let length = bytes.len().saturating_sub(12) as i32;
    if let Some(place) = bytes.get_mut(8..12) {
        place.copy_from_slice(&length.to_be_bytes());
    }
    let crc = match (Header::parse(&bytes), bytes.get(HEADER_LEN..)) {
        (Ok(header), Some(records)) => header.compute_crc(records),
        _ => return bytes.into(),
    };
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    bytes.into()
}

fn walk(mut batches: CheckedBatches, rules: &Rules) {
    for batch in batches.iter_mut() {
        let count = batch.records(&rules.limits).filter(Result::is_ok).count();
        let validated = batch.validate_records(rules).map_err(|error| error.to_string());
        if let Ok(validated) = validated {
            assert_eq!(usize::try_from(validated.records_count), Ok(count));
        }
    }
}

fn decompress(data: &[u8]) {
    let [codec, input @ ..] = data else { return };
    let codec = Compression::ALL[usize::from(*codec) % Compression::ALL.len()];
    let limits = Limits { max_output: OUTPUT as u64, ..Limits::default() };
    let input = Bytes::copy_from_slice(input);
    bounded(input.len(), CODEC_HEAP, || {
        let all = codec.decompress_all(input.clone(), &limits).map_err(|error| error.to_string());
        assert!(all.as_ref().map_or(0, Vec::len) <= OUTPUT);
        drop(all);
        // In small pieces, as the walk over records reads.
        let Ok(mut stream) = codec.decompress(input.clone(), &limits) else { return };
        let mut piece = [0; 100];
        while matches!(stream.read(&mut piece), Ok(1..)) {}
    });
}
