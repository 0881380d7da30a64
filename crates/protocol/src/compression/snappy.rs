//! Snappy as Kafka's clients send it: in the framing of xerial's snappy-java, or one raw block.

use std::io::{self, Read};

use bytes::{Buf, Bytes};

use super::Error;
use super::framing::{Block, cut_off, invalid, take};

/// A stream of snappy-java begins with it, then two versions of 4 bytes.
const MAGIC: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
/// Version, and the oldest version that can read it.
const VERSIONS: [u8; 8] = [0, 0, 0, 1, 0, 0, 0, 1];
const HEADER_LEN: usize = MAGIC.len() + VERSIONS.len();
/// Uncompressed bytes a block, as snappy-java writes.
const BLOCK_LEN: usize = 32 * 1024;
/// The densest element makes 64 bytes of 3.
const MAX_EXPANSION: usize = 22;

pub(super) fn compress(input: &[u8]) -> io::Result<Vec<u8>> {
    let mut out = [MAGIC, VERSIONS].concat();
    let mut encoder = snap::raw::Encoder::new();
    for block in input.chunks(BLOCK_LEN) {
        let compressed = encoder.compress_vec(block)?;
        let length = u32::try_from(compressed.len()).map_err(io::Error::other)?;
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(&compressed);
    }
    Ok(out)
}

pub(super) struct Reader {
    framed: bool,
    input: usize,
    rest: Bytes,
    limit: u64,
    block: Block,
}

impl Reader {
    pub(super) fn new(input: Bytes, limit: u64) -> Self {
        let framed = input.len() >= HEADER_LEN && input.starts_with(&MAGIC);
        Self { framed, input: input.len(), rest: input, limit, block: Block::default() }
    }

    /// The next compressed block, or none at the end.
    fn next_block(&mut self) -> io::Result<Option<Bytes>> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        if !self.framed {
            return Ok(Some(std::mem::take(&mut self.rest)));
        }
        // snappy-java also reads streams that were put one after the other.
        while self.rest.starts_with(&MAGIC) {
            take(&mut self.rest, HEADER_LEN)?;
            if self.rest.is_empty() {
                return Ok(None);
            }
        }
        let length = self.rest.try_get_u32().map_err(|_| cut_off())?;
        let length = usize::try_from(length).map_err(|_| cut_off())?;
        take(&mut self.rest, length).map(Some)
    }

    fn unpack(&mut self, block: &[u8]) -> io::Result<()> {
        let declared = snap::raw::decompress_len(block)?;
        if declared > block.len().saturating_mul(MAX_EXPANSION) {
            return Err(invalid("a block declares more bytes than it can hold"));
        }
        if declared as u64 > self.limit {
            return Err(io::Error::other(Error::TooLarge { limit: self.limit, input: self.input }));
        }
        self.block.fill(declared, |place| Ok(snap::raw::Decoder::new().decompress(block, place)?))
    }
}

impl Read for Reader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.block.is_read() {
            let Some(block) = self.next_block()? else {
                return Ok(0);
            };
            self.unpack(&block)?;
        }
        Ok(self.block.read(out))
    }
}
