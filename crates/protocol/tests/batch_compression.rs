//! What other writers of the four codecs may send, and what must be refused.
#![allow(clippy::unwrap_used)] // a panic is how a test fails

use bytes::Bytes;
use ottla_protocol::compression::{Compression, Error, Level, Limits};

fn decompress(codec: Compression, input: &[u8]) -> Result<Vec<u8>, Error> {
    codec.decompress_all(Bytes::copy_from_slice(input), &Limits::default())
}

fn compress(codec: Compression, input: &[u8]) -> Vec<u8> {
    codec.compress(input, Level::Default).unwrap()
}

fn check_corrupt(codec: Compression, input: &[u8]) {
    let result = decompress(codec, input);
    assert!(matches!(result, Err(Error::Corrupt { .. })), "{} {input:?}: {result:?}", codec.name());
}

#[test]
fn ids_and_names_are_kafkas() {
    let names: Vec<_> = (0..8).map(|id| Compression::from_id(id).map(Compression::name)).collect();
    let expected = ["none", "gzip", "snappy", "lz4", "zstd"].map(Some);
    assert_eq!(names, [expected.as_slice(), &[None; 3]].concat());
    assert_eq!(Compression::from_name("lz4"), Some(Compression::Lz4));
    assert_eq!(Compression::from_name("producer"), None);
}

#[test]
fn gzip_members_follow_one_another() {
    let members = [compress(Compression::Gzip, b"one "), compress(Compression::Gzip, b"two")].concat();
    assert_eq!(decompress(Compression::Gzip, &members).unwrap(), b"one two");
}

#[test]
fn snappy_comes_raw_too() {
    let raw = snap::raw::Encoder::new().compress_vec(b"raw raw raw").unwrap();
    assert_eq!(decompress(Compression::Snappy, &raw).unwrap(), b"raw raw raw");
}

#[test]
fn snappy_streams_follow_one_another() {
    let streams = [compress(Compression::Snappy, b"one "), compress(Compression::Snappy, b"two")].concat();
    assert_eq!(decompress(Compression::Snappy, &streams).unwrap(), b"one two");
}

#[test]
fn snappy_as_dense_as_can_be_is_taken() {
    let zeros = vec![0; 1 << 20];
    let raw = snap::raw::Encoder::new().compress_vec(&zeros).unwrap();
    assert_eq!(decompress(Compression::Snappy, &raw).unwrap(), zeros);
}

#[test]
fn lz4_of_other_writers_is_taken() {
    use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
    use std::io::Write;
    let input: Vec<u8> = (0..2_000_000_u32).flat_map(|i| (i / 7).to_le_bytes()).collect();
    for block_size in [BlockSize::Max64KB, BlockSize::Max256KB, BlockSize::Max1MB, BlockSize::Max4MB] {
        let info = FrameInfo::new()
            .block_size(block_size)
            .block_mode(BlockMode::Independent)
            .block_checksums(true)
            .content_checksum(true)
            .content_size(Some(input.len() as u64));
        let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
        encoder.write_all(&input).unwrap();
        let mut frame = encoder.finish().unwrap();
        assert!(decompress(Compression::Lz4, &frame).unwrap() == input);
        let middle = frame.len() / 2;
        frame[middle] ^= 1;
        check_corrupt(Compression::Lz4, &frame);
    }
}

#[test]
fn lz4_with_dependent_blocks_is_refused_as_in_java() {
    use lz4_flex::frame::{BlockMode, FrameEncoder, FrameInfo};
    let info = FrameInfo::new().block_mode(BlockMode::Linked);
    let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
    std::io::Write::write_all(&mut encoder, b"linked").unwrap();
    check_corrupt(Compression::Lz4, &encoder.finish().unwrap());
}

#[test]
fn what_is_cut_off_is_refused() {
    let input = b"a few bytes, a few bytes, a few bytes".repeat(3);
    for codec in [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd] {
        let whole = compress(codec, &input);
        for length in 1..whole.len() {
            // A snappy stream of no blocks is whole.
            if (codec, length) != (Compression::Snappy, 16) {
                check_corrupt(codec, &whole[..length]);
            }
        }
    }
}

#[test]
fn bytes_after_the_end_are_refused() {
    for codec in [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd] {
        let mut more = compress(codec, b"whole");
        more.push(1);
        check_corrupt(codec, &more);
    }
}

#[test]
fn a_zstd_window_above_the_limit_is_refused() {
    let mut limits = Limits::default();
    let input: Vec<u8> = (0..4_000_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let frame = Bytes::from(Compression::Zstd.compress(&input, Level::Of(19)).unwrap());
    assert!(Compression::Zstd.decompress_all(frame.clone(), &limits).unwrap() == input);
    limits.zstd_window_log_max = 20;
    assert!(matches!(Compression::Zstd.decompress_all(frame, &limits), Err(Error::Corrupt { .. })));
}

#[test]
fn levels_are_taken() {
    let input = b"level ".repeat(1000);
    for (codec, level) in
        [(Compression::Gzip, 9), (Compression::Gzip, -1), (Compression::Zstd, -7), (Compression::Zstd, 22)]
    {
        let compressed = codec.compress(&input, Level::Of(level)).unwrap();
        assert_eq!(decompress(codec, &compressed).unwrap(), input);
    }
}

/// All levels of `compression.lz4.level` are read back, and a higher one is of use (KIP-390).
#[test]
fn lz4_has_levels() {
    let words = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta"];
    let mut rng = 1_u32;
    let text: String = std::iter::repeat_with(|| {
        rng = rng.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        words[(rng >> 24) as usize % words.len()]
    })
    .take(40_000)
    .collect();
    let size = |level| {
        let compressed = Compression::Lz4.compress(text.as_bytes(), Level::Of(level)).unwrap();
        assert_eq!(
            compressed[4..6],
            [0x60, 0x40],
            "independent blocks of 64 KiB without checksums, as Java's: {level}"
        );
        assert_eq!(decompress(Compression::Lz4, &compressed).unwrap(), text.as_bytes(), "level {level}");
        compressed.len()
    };
    let sizes: Vec<usize> = (1..=17).map(size).collect();
    assert_eq!(sizes[8], compress(Compression::Lz4, text.as_bytes()).len(), "9 is the fast one");
    assert!(sizes[11] < sizes[2] && sizes[2] < sizes[8], "{sizes:?}");
}
