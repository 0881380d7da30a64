//! One LZ4 frame with independent blocks, the only kind that Java's clients write and read.
//!
//! lz4_flex's own frame reader takes a frame without end mark for whole, and reserves 8 MiB if the header asks for it; so the
//! frame is read here and only blocks are left to lz4_flex.

use std::io::{self, Read, Write};

use bytes::{Buf, Bytes};
use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};

use super::Level;
use super::framing::{Block, cut_off, invalid, take};
use super::xxhash::xxh32;

const MAGIC: u32 = 0x184D_2204;
/// A bit of a block's length: the block is stored as it is.
const STORED: u32 = 1 << 31;
/// Each byte of a length adds at most 255 to a match.
const MAX_EXPANSION: usize = 255;

const VERSION_MASK: u8 = 0b1100_0000;
const VERSION: u8 = 0b0100_0000;
const INDEPENDENT: u8 = 0b0010_0000;
const BLOCK_CHECKSUMS: u8 = 0b0001_0000;
const CONTENT_SIZE: u8 = 0b0000_1000;
const CONTENT_CHECKSUM: u8 = 0b0000_0100;
const RESERVED_OR_DICTIONARY: u8 = 0b0000_0011;

/// The level at which Kafka takes the fast compressor; at all others it takes the one that tries harder (KIP-390).
const FAST_LEVEL: i32 = 9;

pub(super) fn compress(input: &[u8], level: Level) -> io::Result<Vec<u8>> {
    match level {
        Level::Default | Level::Of(FAST_LEVEL) => compress_fast(input),
        Level::Of(level) => compress_hard(input, level.unsigned_abs()),
    }
}

/// lz4_flex has no levels.
fn compress_hard(input: &[u8], level: u32) -> io::Result<Vec<u8>> {
    let mut encoder = lz4::EncoderBuilder::new()
        .level(level)
        .block_size(lz4::BlockSize::Max64KB)
        .block_mode(lz4::BlockMode::Independent)
        .block_checksum(lz4::liblz4::BlockChecksum::NoBlockChecksum)
        .checksum(lz4::ContentChecksum::NoChecksum)
        .build(Vec::new())?;
    encoder.write_all(input)?;
    let (output, ended) = encoder.finish();
    ended.map(|()| output)
}

fn compress_fast(input: &[u8]) -> io::Result<Vec<u8>> {
    let info = FrameInfo::new().block_size(BlockSize::Max64KB).block_mode(BlockMode::Independent);
    let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
    encoder.write_all(input)?;
    Ok(encoder.finish()?)
}

pub(super) struct Reader {
    flags: u8,
    max_block: usize,
    rest: Bytes,
    block: Block,
    ended: bool,
}

impl Reader {
    pub(super) fn new(mut input: Bytes) -> io::Result<Self> {
        if input.try_get_u32_le().map_err(|_| cut_off())? != MAGIC {
            return Err(invalid("not an LZ4 frame"));
        }
        let descriptor = input.clone();
        let flags = input.try_get_u8().map_err(|_| cut_off())?;
        let max_block = max_block(input.try_get_u8().map_err(|_| cut_off())?)?;
        check_flags(flags)?;
        let mut length = 2;
        if flags & CONTENT_SIZE != 0 {
            input.try_get_u64_le().map_err(|_| cut_off())?;
            length += 8;
        }
        let (descriptor, _) = descriptor.split_at(length);
        let [_, _, checksum, _] = xxh32(descriptor).to_be_bytes();
        if input.try_get_u8().map_err(|_| cut_off())? != checksum {
            return Err(invalid("the frame descriptor's checksum does not match"));
        }
        Ok(Self { flags, max_block, rest: input, block: Block::default(), ended: false })
    }

    fn next_block(&mut self) -> io::Result<()> {
        let length = self.rest.try_get_u32_le().map_err(|_| cut_off())?;
        if length == 0 {
            return self.end();
        }
        let size = usize::try_from(length & !STORED).map_err(|_| cut_off())?;
        if size > self.max_block {
            return Err(invalid("a block is larger than the frame declares"));
        }
        let block = take(&mut self.rest, size)?;
        if self.flags & BLOCK_CHECKSUMS != 0 && self.checksum()? != xxh32(&block) {
            return Err(invalid("a block's checksum does not match"));
        }
        if length & STORED != 0 {
            return self.block.fill(size, |place| {
                place.copy_from_slice(&block);
                Ok(size)
            });
        }
        let capacity = self.max_block.min(size.saturating_mul(MAX_EXPANSION));
        self.block.fill(capacity, |place| {
            lz4_flex::block::decompress_into(&block, place)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
        })
    }

    /// Java does not compare the checksum of the content; the batch's CRC covers it anyway.
    fn end(&mut self) -> io::Result<()> {
        if self.flags & CONTENT_CHECKSUM != 0 {
            self.checksum()?;
        }
        if !self.rest.is_empty() {
            return Err(invalid("bytes are left after the frame"));
        }
        self.ended = true;
        Ok(())
    }

    fn checksum(&mut self) -> io::Result<u32> {
        self.rest.try_get_u32_le().map_err(|_| cut_off())
    }
}

impl Read for Reader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.block.is_read() {
            if self.ended {
                return Ok(0);
            }
            self.next_block()?;
        }
        Ok(self.block.read(out))
    }
}

fn check_flags(flags: u8) -> io::Result<()> {
    if flags & VERSION_MASK != VERSION || flags & RESERVED_OR_DICTIONARY != 0 {
        return Err(invalid("the frame descriptor has unknown flags"));
    }
    if flags & INDEPENDENT == 0 {
        return Err(invalid("the frame's blocks depend on one another"));
    }
    Ok(())
}

fn max_block(descriptor: u8) -> io::Result<usize> {
    match descriptor {
        0x40 => Ok(64 << 10),
        0x50 => Ok(256 << 10),
        0x60 => Ok(1 << 20),
        0x70 => Ok(4 << 20),
        _ => Err(invalid("the frame has an unknown block size")),
    }
}
