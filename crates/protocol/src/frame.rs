//! Frames on a connection: a length, a header, a body.

mod decoder;
mod request;
mod response;

pub use self::decoder::FrameDecoder;
pub use self::request::{RequestFrame, request};
pub use self::response::{ResponseFrame, framed, response};

use crate::{
    ApiKey,
    codec::{DecodeError, EncodeError, Encoded},
};

/// Bytes of the length before each frame.
const LENGTH_SIZE: usize = 4;

/// Why a connection's bytes are no frame, or a frame no request. Each closes the connection, but for
/// [`FrameError::UnsupportedVersion`] of ApiVersions.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A length below zero.
    #[error("a frame declares a length of {0}")]
    NegativeLength(i32),
    /// A length above the limit.
    #[error("a frame of {length} bytes is larger than socket.request.max.bytes, {max}")]
    TooLarge {
        /// The length as declared.
        length: usize,
        /// The limit, `socket.request.max.bytes`.
        max: usize,
    },
    /// An API key that does not exist, or no longer.
    #[error("there is no API with key {0}")]
    UnknownApiKey(i16),
    /// A version of the API that does not exist, or that 4.3.1 has not finished. To ApiVersions the answer is a response of version 0 with
    /// `UNSUPPORTED_VERSION` and the versions there are, so that the client can choose again (KIP-511).
    #[error("{api_key} has no version {version}")]
    UnsupportedVersion {
        /// The API.
        api_key: ApiKey,
        /// The version asked for.
        version: i16,
        /// What the answer must repeat.
        correlation_id: i32,
    },
    /// A header that cannot be read.
    #[error("the header cannot be read: {0}")]
    Header(#[from] DecodeError),
}

/// Puts the length of all that follows, splices included, into the first four bytes.
fn with_length(mut frame: Encoded) -> Result<Encoded, EncodeError> {
    let length = frame.len().saturating_sub(LENGTH_SIZE);
    let declared = i32::try_from(length).map_err(|_| EncodeError::TooLong(length))?;
    if let Some(place) = frame.buf.first_chunk_mut::<LENGTH_SIZE>() {
        *place = declared.to_be_bytes();
    }
    Ok(frame)
}

#[cfg(test)]
mod tests;
