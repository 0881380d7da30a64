//! A response's frame, and reading one that a request of ours asked for.

use super::{FrameError, LENGTH_SIZE, with_length};
use crate::{
    ApiKey, Codec, Message,
    codec::{Decoder, EncodeError, Encoded, Encoder},
    messages::ResponseHeader,
};
use bytes::Bytes;

/// A whole response frame, length first; the length counts what is to be spliced in.
pub fn response(api_key: ApiKey, version: i16, correlation_id: i32, body: &impl Codec) -> Result<Encoded, EncodeError> {
    let header = ResponseHeader { correlation_id, ..Default::default() };
    let mut e = Encoder::new();
    e.raw(&[0; LENGTH_SIZE]);
    header.encode(&mut e, api_key.response_header_version(version))?;
    body.encode(&mut e, version)?;
    with_length(e.finish())
}

/// A response that another node framed but for the length, with its length.
pub fn framed(response: &[u8]) -> Result<Encoded, EncodeError> {
    let mut e = Encoder::new();
    e.raw(&[0; LENGTH_SIZE]);
    e.raw(response);
    with_length(e.finish())
}

/// A response whose header was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseFrame {
    /// The request it answers.
    pub correlation_id: i32,
    /// The body.
    pub body: Bytes,
}

impl ResponseFrame {
    /// Reads the header of a frame that answers a request of `api_key` at `version`.
    pub fn parse(frame: Bytes, api_key: ApiKey, version: i16) -> Result<Self, FrameError> {
        let mut d = Decoder::new(frame);
        let header = ResponseHeader::read(&mut d, api_key.response_header_version(version))?;
        Ok(Self { correlation_id: header.correlation_id, body: d.rest() })
    }
}
