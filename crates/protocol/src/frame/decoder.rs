//! Splits a stream into frames, holding memory for what has come rather than for what was announced.

use super::{FrameError, LENGTH_SIZE};
use bytes::{Buf, Bytes, BytesMut};

/// The least room made for a first read, and the least that a growing frame grows by.
const STEP: usize = 16 * 1024;
/// Room for several frames of the last one's size, as clients that do not wait for answers send them.
const SEVERAL: usize = 64 * 1024;
/// The most room that is made because the last frame was that large.
const MOST_FIRST: usize = 2 << 20;
/// Room below this is not worth a read, unless it is all that a frame lacks.
const LEAST_READ: usize = 4 * 1024;

/// Finds the frames in the bytes of one connection.
///
/// Read into [`FrameDecoder::read_buf`], then take frames until there is none. A peer that announces a large frame and
/// sends nothing holds one step of memory, or what its last frame took; a frame that comes in doubles its buffer as it does.
/// After a frame with nothing behind it no memory is held at all, so an idle connection costs none.
#[derive(Debug)]
pub struct FrameDecoder {
    buf: BytesMut,
    max: usize,
    /// Bytes of the last frame, with its length.
    last: usize,
}

impl FrameDecoder {
    /// A decoder that refuses frames of more than `max` bytes, which is `socket.request.max.bytes`.
    pub fn new(max: usize) -> Self {
        Self { buf: BytesMut::new(), max, last: 0 }
    }

    /// The buffer to read into, with room for more: to be asked for when there is something to read.
    pub fn read_buf(&mut self) -> &mut BytesMut {
        let room = self.room();
        let spare = self.buf.capacity() - self.buf.len();
        if spare < room.min(LEAST_READ) {
            self.buf.reserve(room);
        }
        &mut self.buf
    }

    /// Bytes to make room for: all that the frame lacks, unless that is more than has come of it.
    fn room(&self) -> usize {
        let (held, first) = (self.buf.len(), self.first_room());
        let wanted = match self.length() {
            // A large frame has a buffer of its own, so that nothing of the next one is to be moved.
            Ok(Some(length)) if length >= SEVERAL => (LENGTH_SIZE + length).saturating_sub(held),
            Ok(Some(length)) => (LENGTH_SIZE + length).saturating_sub(held).max(first),
            _ => first,
        };
        wanted.clamp(1, held.max(first))
    }

    /// Room for the next frame if it is as large as the last; for more than one if they are small.
    fn first_room(&self) -> usize {
        STEP.max(SEVERAL.min(4 * self.last)).max(MOST_FIRST.min(self.last))
    }

    /// The length the next frame announces, if that much of it has come.
    fn length(&self) -> Result<Option<usize>, FrameError> {
        let Some(prefix) = self.buf.first_chunk::<LENGTH_SIZE>() else {
            return Ok(None);
        };
        let declared = i32::from_be_bytes(*prefix);
        let length = usize::try_from(declared).map_err(|_| FrameError::NegativeLength(declared))?;
        if length > self.max {
            let max = self.max;
            return Err(FrameError::TooLarge { length, max });
        }
        Ok(Some(length))
    }

    /// The next whole frame without its length, or `None` until more has come. After an error the stream is of no use.
    pub fn next_frame(&mut self) -> Result<Option<Bytes>, FrameError> {
        let Some(length) = self.length()? else {
            return Ok(None);
        };
        if self.buf.len() - LENGTH_SIZE < length {
            return Ok(None);
        }
        self.last = LENGTH_SIZE + length;
        self.buf.advance(LENGTH_SIZE);
        let frame = self.buf.split_to(length).freeze();
        if self.buf.is_empty() {
            self.buf = BytesMut::new();
        }
        Ok(Some(frame))
    }

    /// Bytes that have come and are not yet a frame: if the peer closes when there are some, it broke off.
    pub fn buffered(&self) -> usize {
        self.buf.len()
    }
}
