//! Hostile bytes give an error: no panic, and no more memory than they deserve.
#![allow(clippy::unwrap_used)] // a panic is how a test fails
#![allow(unsafe_code)] // a global allocator that counts

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use bytes::{Bytes, BytesMut};
use ottla_protocol::batch::{
    Builder, CheckedBatch, CheckedBatches, Error, ErrorKind, HEADER_LEN, Header, NewRecord, Origin, Rules,
    TimestampType,
};
use ottla_protocol::compression::{self, Compression, FREE_OUTPUT, Level, Limits};
use proptest::collection::vec;
use proptest::prelude::*;

struct Counting;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn count(change: isize) {
    LIVE.set(LIVE.get() + change);
    PEAK.set(PEAK.get().max(LIVE.get()));
}

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What `work` gives, and by how much this thread's heap grew at its highest.
fn heap_of<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = LIVE.get();
    PEAK.set(before);
    let result = work();
    (result, usize::try_from(PEAK.get() - before).unwrap())
}

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

#[test]
fn the_allocator_counts() {
    let (_, heap) = heap_of(|| drop(vec![0_u8; MIB]));
    assert!((MIB..MIB + KIB).contains(&heap), "{heap}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_batches_do_no_harm(seed in seed(), mutations in vec(mutation(), 0..6), repair in any::<bool>()) {
        let mut bytes = seed;
        for mutation in mutations {
            mutation.apply(&mut bytes);
        }
        if repair {
            repair_crc(&mut bytes);
        }
        feed(bytes.into());
    }

    #[test]
    fn any_bytes_do_no_harm(bytes in vec(any::<u8>(), 0..300)) {
        feed(bytes.into());
    }

    #[test]
    fn any_bytes_do_no_harm_to_codecs(bytes in vec(any::<u8>(), 0..300), codec in proptest::sample::select(&Compression::ALL)) {
        let limits = Limits::with_max_output(MIB as u64);
        let (_, heap) = heap_of(|| codec.decompress_all(bytes.into(), &limits));
        prop_assert!(heap < 8 * MIB, "{heap}");
    }
}

fn feed(bytes: Bytes) {
    let budget = 16 * bytes.len() + 64 * KIB;
    let _ = Header::parse(&bytes);
    let (parsed, heap) = heap_of(|| CheckedBatches::parse(bytes.clone()));
    assert!(heap <= budget, "parse took {heap} of {budget} bytes");
    let (_, heap) =
        heap_of(|| (CheckedBatches::parse_whole(bytes.clone()), CheckedBatch::parse_produced(bytes.clone())));
    assert!(heap <= budget, "parse took {heap} of {budget} bytes");
    for mut batch in parsed.into_iter().flatten() {
        walk(&mut batch);
    }
}

/// Validation keeps one unpacked block (LZ4's largest has 4 MiB, snappy's 22 times its input) and the codec's state; records
/// are kept one at a time.
fn walk(batch: &mut CheckedBatch) {
    let limits = Limits::with_max_output(MIB as u64);
    let budget = 22 * batch.size_in_bytes() + 5 * MIB;
    let (records, heap) = heap_of(|| batch.records(&limits).take_while(Result::is_ok).count());
    assert!(heap <= budget + 70 * MIB, "records took {heap} of {budget} bytes");
    let (valid, heap) = heap_of(|| batch.validate_records(&rules(limits)).is_ok());
    assert!(heap <= budget, "validation took {heap} of {budget} bytes");
    assert!(!valid || records == batch.header().records_count as usize, "valid, but not all records are read");
}

fn rules(limits: Limits) -> Rules<'static> {
    Rules {
        partition: ("topic", 0),
        origin: Origin::Client,
        compacted: false,
        timestamp_type: TimestampType::CreateTime,
        timestamp_before_max_ms: i64::MAX,
        timestamp_after_max_ms: i64::MAX,
        now_ms: 0,
        limits,
    }
}

#[derive(Clone, Debug)]
enum Mutation {
    Byte(prop::sample::Index, u8),
    Int(prop::sample::Index, i32),
    HeaderInt(usize, i32),
    Cut(prop::sample::Index),
    Insert(prop::sample::Index, Vec<u8>),
    Twice,
}

impl Mutation {
    fn apply(self, bytes: &mut Vec<u8>) {
        let places = bytes.len() + 1;
        match self {
            Self::Byte(index, byte) => overwrite(bytes, index.index(places), &[byte]),
            Self::Int(index, int) => overwrite(bytes, index.index(places), &int.to_be_bytes()),
            Self::HeaderInt(position, int) => overwrite(bytes, position, &int.to_be_bytes()),
            Self::Cut(index) => bytes.truncate(index.index(places)),
            Self::Insert(index, more) => {
                let at = index.index(places);
                bytes.splice(at..at, more);
            }
            Self::Twice => bytes.extend_from_within(..),
        }
    }
}

fn overwrite(bytes: &mut [u8], position: usize, with: &[u8]) {
    for (byte, new) in bytes.iter_mut().skip(position).zip(with) {
        *byte = *new;
    }
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let int = || {
        prop_oneof![proptest::sample::select(&[i32::MIN, -1, 0, 1, i32::MAX, i32::MAX - 11]), any::<i32>(), -70..70_i32]
    };
    let index = || any::<prop::sample::Index>();
    let field = proptest::sample::select(&[0_usize, 4, 8, 12, 13, 19, 23, 27, 31, 43, 47, 51, 53, 57]);
    prop_oneof![
        (index(), any::<u8>()).prop_map(|(index, byte)| Mutation::Byte(index, byte)),
        (index(), int()).prop_map(|(index, int)| Mutation::Int(index, int)),
        (field, int()).prop_map(|(position, int)| Mutation::HeaderInt(position, int)),
        index().prop_map(Mutation::Cut),
        (index(), vec(any::<u8>(), 0..20)).prop_map(|(index, more)| Mutation::Insert(index, more)),
        Just(Mutation::Twice),
    ]
}

/// Makes length and CRC fit, so that what lies behind them is reached.
fn repair_crc(bytes: &mut [u8]) {
    if let Some(length) = bytes.len().checked_sub(12).filter(|length| *length >= 49) {
        overwrite(bytes, 8, &(length as i32).to_be_bytes());
        overwrite(bytes, 16, &[2]);
        let crc = crc32c::crc32c(&bytes[21..]);
        overwrite(bytes, 17, &crc.to_be_bytes());
    }
}

fn seed() -> impl Strategy<Value = Vec<u8>> {
    proptest::sample::select(&Compression::ALL).prop_map(|codec| {
        let mut builder = Builder::new().compression(codec, Level::Default).producer(7, 0, 0);
        let headers: [(&[u8], Option<&[u8]>); 2] = [(b"name", Some(b"value")), (b"name", None)];
        for timestamp in 0..20 {
            builder.push(NewRecord { timestamp, key: Some(b"key"), value: Some(&[7; 40]), headers: &headers });
        }
        builder.build_bytes().unwrap().to_vec()
    })
}

#[test]
fn batches_cost_a_small_multiple_of_their_bytes() {
    let one = Builder::new().build_bytes().unwrap();
    let many = Bytes::from(one.repeat(10_000));
    let (batches, heap) = heap_of(|| CheckedBatches::parse(many.clone()));
    assert_eq!(batches.unwrap().count(), 10_000);
    assert!(heap <= 16 * many.len(), "{heap}");
}

#[test]
fn an_absurd_record_count_is_not_believed() {
    let mut builder = Builder::new().last_offset_delta(i32::MAX - 1);
    builder.push(NewRecord::default());
    let mut bytes = builder.build_bytes().unwrap().to_vec();
    overwrite(&mut bytes, 57, &i32::MAX.to_be_bytes());
    repair_crc(&mut bytes);
    let (error, heap) = heap_of(|| {
        let mut batch = CheckedBatch::parse_produced(bytes.into()).unwrap();
        assert!(batch.records(&Limits::default()).last().unwrap().is_err());
        batch.validate_records(&rules(Limits::default())).unwrap_err()
    });
    assert_eq!(error.kind(), ErrorKind::InvalidRecord);
    assert!(heap < KIB, "{heap}");
}

#[test]
fn absurd_numbers_of_headers_are_not_believed() {
    // attributes, timestamp and offset deltas, no key, no value, 2^31 - 1 headers
    let record = [20, 0, 0, 0, 1, 1, 0xfe, 0xff, 0xff, 0xff, 0x0f];
    let bytes = batch_of(Compression::None, &record);
    let (error, heap) = heap_of(|| {
        let mut batch = CheckedBatch::parse_produced(bytes.into()).unwrap();
        assert!(batch.records(&Limits::default()).next().unwrap().is_err());
        batch.validate_records(&rules(Limits::default())).unwrap_err()
    });
    assert_eq!(error.kind(), ErrorKind::InvalidRecord);
    assert!(heap < KIB, "{heap}");
}

#[test]
fn a_raw_snappy_block_that_declares_4_gib_is_refused() {
    let bytes = batch_of(Compression::Snappy, &[0xff, 0xff, 0xff, 0xff, 0x0f, 0x00]);
    assert_eq!(bytes.len(), 67);
    let (error, heap) = heap_of(|| {
        let mut batch = CheckedBatch::parse_produced(bytes.into()).unwrap();
        batch.validate_records(&rules(Limits::default())).unwrap_err()
    });
    assert_eq!(error.kind(), ErrorKind::InvalidRecord);
    assert!(heap < 32 * KIB, "{heap}");
}

#[test]
fn bombs_are_refused_in_every_codec() {
    let zeros = vec![0; 12 * MIB];
    for codec in [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd] {
        let bomb = Bytes::from(codec.compress(&zeros, Level::Default).unwrap());
        let mut limits = Limits::with_max_output(10 * MIB as u64);
        let (error, heap) = heap_of(|| drain(codec, bomb.clone(), &limits).unwrap_err());
        assert!(matches!(error, compression::Error::TooLarge { .. }), "{error}");
        assert!(heap < 256 * KIB, "{} took {heap}", codec.name());
        limits = Limits { max_ratio: 1, ..Limits::default() };
        let error = drain(codec, bomb.clone(), &limits).unwrap_err();
        let limit = FREE_OUTPUT.max(bomb.len() as u64);
        assert!(matches!(error, compression::Error::TooLarge { limit: l, .. } if l == limit), "{error}");
    }
}

#[test]
fn a_bomb_in_a_batch_is_an_invalid_record() {
    let mut bomb = vec![0xfe, 0xff, 0xff, 0xff, 0x0f]; // a record of 2^31 - 1 bytes
    bomb.resize(12 * MIB, 1);
    let bytes = batch_of(Compression::Zstd, &Compression::Zstd.compress(&bomb, Level::Default).unwrap());
    let mut batch = CheckedBatch::parse_produced(bytes.into()).unwrap();
    let (error, heap) = heap_of(|| batch.validate_records(&rules(Limits::default())).unwrap_err());
    assert_eq!(error.kind(), ErrorKind::InvalidRecord);
    assert!(heap < 64 * KIB, "{heap}");
    let limits = Limits::with_max_output(MIB as u64);
    let (last, heap) = heap_of(|| batch.records(&limits).last().unwrap().unwrap_err());
    assert!(matches!(last, Error::Compression(compression::Error::TooLarge { .. })), "{last}");
    assert!(heap < 4 * MIB, "{heap}");
}

/// Reads as validation does, without keeping anything.
fn drain(codec: Compression, input: Bytes, limits: &Limits) -> Result<u64, compression::Error> {
    let mut stream = codec.decompress(input, limits)?;
    std::io::copy(&mut stream, &mut std::io::sink()).map_err(|error| compression::Error::from_io(codec, error))
}

/// A batch that says it has one record.
fn batch_of(codec: Compression, records: &[u8]) -> Vec<u8> {
    let mut bytes = BytesMut::from(Builder::new().build_bytes().unwrap());
    assert_eq!(bytes.len(), HEADER_LEN);
    bytes.extend_from_slice(records);
    let mut bytes = bytes.to_vec();
    overwrite(&mut bytes, 21, &[0, codec.id()]);
    overwrite(&mut bytes, 57, &1_i32.to_be_bytes());
    repair_crc(&mut bytes);
    bytes
}
