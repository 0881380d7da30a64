//! Bytes that lie: none may panic, take long, or take memory beyond 16 times their number and 64 KiB.

use crate::{
    heap::peak_of,
    random::Random,
    registry::{Entry, entry},
    schema,
    wire::{self, LengthKind, Shape, Wire},
};
use ottla_protocol::{
    Bytes,
    frame::{FrameDecoder, RequestFrame},
};
use std::time::{Duration, Instant};

const MOST_TIME: Duration = Duration::from_millis(100);

fn most_heap(input: usize) -> usize {
    16 * input + 64 * 1024
}

/// Runs every valid message at every version, a few times over.
fn each_message(rounds: u64, mut check: impl FnMut(&Entry, i16, Wire, &mut Random)) {
    for m in schema::all() {
        let entry = entry(&m.name);
        for version in m.valid.iter() {
            for round in 0..rounds {
                let mut random = Random::named(round + 2000, &m.name, version);
                let wire = wire::message(&mut random, m, version, wire::SMALL);
                check(&entry, version, wire, &mut random);
            }
        }
    }
}

/// Decodes within the bounds; a slow run is repeated, as the machine may have been busy elsewhere.
fn decode(entry: &Entry, version: i16, bytes: &[u8]) -> bool {
    let input = Bytes::copy_from_slice(bytes);
    let mut fastest = Duration::MAX;
    for _ in 0..3 {
        let start = Instant::now();
        let (result, peak) = peak_of(|| (entry.decode)(input.clone(), version).is_ok());
        fastest = fastest.min(start.elapsed());
        let limit = most_heap(bytes.len());
        assert!(peak <= limit, "{} v{version}: {peak} bytes for {} {bytes:02x?}", entry.name, bytes.len());
        if fastest <= MOST_TIME {
            return result;
        }
    }
    panic!("{} v{version} takes {fastest:?}: {bytes:02x?}", entry.name);
}

#[test]
fn a_message_cut_anywhere_is_an_error() {
    each_message(2, |entry, version, wire, _| {
        for length in 0..wire.bytes.len() {
            let cut = &wire.bytes[..length];
            assert!(!decode(entry, version, cut), "{} v{version} {cut:02x?}", entry.name);
        }
        assert!(decode(entry, version, &wire.bytes));
    });
}

/// The bytes with the length at `at` replaced.
fn with_length(bytes: &[u8], at: usize, kind: LengthKind, value: i64) -> Vec<u8> {
    let (width, new) = match kind {
        LengthKind::Int16 => (2, (value as i16).to_be_bytes().to_vec()),
        LengthKind::Int32 => (4, (value as i32).to_be_bytes().to_vec()),
        LengthKind::Varint(width) => (width, varint(value as u32)),
    };
    [&bytes[..at], &new, &bytes[at + width..]].concat()
}

fn varint(mut value: u32) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

#[test]
fn lying_lengths_are_survived() {
    each_message(2, |entry, version, wire, _| {
        for (at, kind) in &wire.lengths {
            let left = (wire.bytes.len() - at) as i64;
            let lies = [i32::MIN.into(), i16::MIN.into(), -1, 0, 1, left - 2, left, left + 1, i16::MAX.into()];
            for lie in lies.into_iter().chain([i32::MAX.into(), u32::MAX.into()]) {
                decode(entry, version, &with_length(&wire.bytes, *at, *kind, lie));
            }
        }
    });
}

/// The bound on memory is for lies: what a client with very many topics sends must pass.
#[test]
fn large_honest_messages_are_not_refused() {
    const LARGE: Shape = Shape { elements: 1_000, nested: 3, length: 30, unknown_tags: false };
    for m in schema::all() {
        for version in m.valid.iter() {
            let wire = wire::message(&mut Random::named(3000, &m.name, version), m, version, LARGE);
            let length = wire.bytes.len();
            let read = (entry(&m.name).decode)(Bytes::from(wire.bytes), version);
            assert_eq!(read, Ok(()), "{} v{version} of {length} bytes", m.name);
        }
    }
}

/// A count that the bytes can just hold, before the shortest elements there are.
#[test]
fn many_small_elements_do_not_buy_much_memory() {
    const TAIL: usize = 16 * 1024;
    each_message(1, |entry, version, wire, _| {
        for (at, kind) in wire.lengths.iter().filter(|(_, kind)| *kind != LengthKind::Int16) {
            for (count, filler) in [(TAIL, 0u8), (TAIL, 1), (TAIL / 4, 0), (TAIL / 16, 2)] {
                let mut bytes = with_length(&wire.bytes[..at + width(*kind)], *at, *kind, count as i64);
                bytes.resize(bytes.len() + TAIL, filler);
                decode(entry, version, &bytes);
            }
        }
    });
}

fn width(kind: LengthKind) -> usize {
    match kind {
        LengthKind::Int16 => 2,
        LengthKind::Int32 => 4,
        LengthKind::Varint(width) => width,
    }
}

#[test]
fn random_changes_are_survived_and_what_is_read_can_be_written() {
    each_message(4, |entry, version, wire, random| {
        for _ in 0..60 {
            let mut bytes = wire.bytes.clone();
            for _ in 0..=random.below(4) {
                mutate(&mut bytes, random);
            }
            if decode(entry, version, &bytes) {
                let canonical = entry.rewrite(&bytes, version);
                assert_eq!(entry.rewrite(&canonical, version), canonical, "{} v{version} {bytes:02x?}", entry.name);
            }
        }
    });
}

fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    const TELLING: [u8; 8] = [0, 1, 0x7f, 0x80, 0x81, 0xfe, 0xff, 0x3f];
    let at = random.below(bytes.len() + 1);
    match (random.below(5), bytes.get_mut(at)) {
        (0, Some(byte)) => *byte ^= 1 << random.below(8),
        (1, Some(byte)) => *byte = TELLING[random.below(TELLING.len())],
        (2, Some(byte)) => *byte = random.next() as u8,
        (3, Some(_)) => drop(bytes.remove(at)),
        _ => bytes.insert(at, TELLING[random.below(TELLING.len())]),
    }
}

#[test]
fn noise_is_survived() {
    each_message(1, |entry, version, _, random| {
        for length in [1, 3, 4, 7, 16, 63, 200, 1000] {
            let noise: Vec<u8> = (0..length).map(|_| random.next() as u8).collect();
            decode(entry, version, &noise);
            decode(entry, version, &vec![0xff; length]);
            decode(entry, version, &vec![0; length]);
        }
    });
}

#[test]
fn request_frames_of_noise_are_survived() {
    let mut random = Random::new(5);
    for key in -2..100i16 {
        for version in -1..20i16 {
            let mut frame = [key.to_be_bytes(), version.to_be_bytes()].concat();
            frame.extend((0..random.below(40)).map(|_| random.next() as u8 & 0x8f));
            let length = frame.len();
            let frame = Bytes::from(frame);
            let (_, peak) = peak_of(|| RequestFrame::parse(frame).is_ok());
            assert!(peak <= most_heap(length));
        }
    }
}

#[test]
fn a_stream_holds_memory_for_what_came() {
    let mut random = Random::new(9);
    for announced in [0, 3, 1000, 1 << 20, 100 << 20, i32::MAX, -1] {
        for _ in 0..20 {
            let mut stream = announced.to_be_bytes().to_vec();
            stream.extend((0..random.below(200_000)).map(|_| random.next() as u8));
            let (_, peak) = peak_of(|| drain(&stream, 1 + random.clone().below(5000)));
            assert!(peak <= 4 * stream.len() + 64 * 1024, "{announced} announced: {peak} for {}", stream.len());
        }
    }
}

/// Feeds a decoder piece by piece and drops the frames.
fn drain(stream: &[u8], piece: usize) {
    let mut decoder = FrameDecoder::new(100 << 20);
    for chunk in stream.chunks(piece) {
        decoder.read_buf().extend_from_slice(chunk);
        while let Ok(Some(_)) = decoder.next_frame() {}
    }
}
