//! Blocks that were unpacked and wait to be read, as both the snappy and the LZ4 reader have them.

use std::io;

use bytes::Bytes;

/// An unpacked block and how far it was read. The buffer is kept from block to block.
#[derive(Default)]
pub(super) struct Block {
    buffer: Vec<u8>,
    read: usize,
    end: usize,
}

impl Block {
    pub(super) fn is_read(&self) -> bool {
        self.read == self.end
    }

    /// Makes place for a block of at most `capacity` bytes and lets `unpack` say how long it became.
    pub(super) fn fill(
        &mut self,
        capacity: usize,
        unpack: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<()> {
        if self.buffer.len() < capacity {
            self.buffer.resize(capacity, 0);
        }
        let (place, _) = self.buffer.split_at_mut(capacity);
        self.end = unpack(place)?.min(capacity);
        self.read = 0;
        Ok(())
    }

    pub(super) fn read(&mut self, out: &mut [u8]) -> usize {
        let left = self.buffer.get(self.read..self.end).unwrap_or_default();
        let count = left.len().min(out.len());
        let (out, _) = out.split_at_mut(count);
        let (left, _) = left.split_at(count);
        out.copy_from_slice(left);
        self.read += count;
        count
    }
}

/// Takes bytes off the front without a copy.
pub(super) fn take(rest: &mut Bytes, count: usize) -> io::Result<Bytes> {
    if rest.len() < count { Err(cut_off()) } else { Ok(rest.split_to(count)) }
}

pub(super) fn invalid(reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

pub(super) fn cut_off() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the data ends too early")
}
