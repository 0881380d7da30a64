//! A request's frame: which API at which version, from whom, and the body yet to be read.

use super::{FrameError, LENGTH_SIZE, with_length};
use crate::{
    ApiKey, Codec, Message, Str,
    codec::{DecodeError, Decoder, EncodeError, Encoded, Encoder},
    messages::RequestHeader,
};
use bytes::Bytes;

/// A request whose header was read and whose version exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestFrame {
    /// The API.
    pub api_key: ApiKey,
    /// The version of the body, and of the response to come.
    pub version: i16,
    /// What the response must repeat.
    pub correlation_id: i32,
    /// What the client calls itself; null is as good as empty.
    pub client_id: Option<Str>,
    /// The body.
    pub body: Bytes,
}

impl RequestFrame {
    /// Reads the header of a frame.
    pub fn parse(frame: Bytes) -> Result<Self, FrameError> {
        let (key, version) = key_and_version(&frame)?;
        let api_key = ApiKey::from_key(key).ok_or(FrameError::UnknownApiKey(key))?;
        let mut d = Decoder::new(frame);
        // ApiVersions of a version yet unknown has the newest header known: its correlation id can be answered.
        let header = RequestHeader::read(&mut d, api_key.request_header_version(version))?;
        if !api_key.stable_versions().contains(&version) {
            return Err(FrameError::UnsupportedVersion { api_key, version, correlation_id: header.correlation_id });
        }
        Ok(Self {
            api_key,
            version,
            correlation_id: header.correlation_id,
            client_id: header.client_id,
            body: d.rest(),
        })
    }

    /// The frame again, without its length, to be handed on.
    pub fn to_bytes(&self) -> Result<Bytes, EncodeError> {
        let header = RequestHeader {
            request_api_key: self.api_key.key(),
            request_api_version: self.version,
            correlation_id: self.correlation_id,
            client_id: self.client_id.clone(),
            ..Default::default()
        };
        let mut e = Encoder::new();
        header.encode(&mut e, self.api_key.request_header_version(self.version))?;
        e.raw(&self.body);
        Ok(e.finish().into_bytes())
    }
}

/// The version of the header depends on these first two fields of it.
fn key_and_version(frame: &Bytes) -> Result<(i16, i16), DecodeError> {
    let mut d = Decoder::new(frame.clone());
    Ok((d.int16()?, d.int16()?))
}

/// A whole request frame, length first.
pub fn request(
    api_key: ApiKey,
    version: i16,
    correlation_id: i32,
    client_id: Option<&Str>,
    body: &impl Codec,
) -> Result<Encoded, EncodeError> {
    let header = RequestHeader {
        request_api_key: api_key.key(),
        request_api_version: version,
        correlation_id,
        client_id: client_id.cloned(),
        ..Default::default()
    };
    let mut e = Encoder::new();
    e.raw(&[0; LENGTH_SIZE]);
    header.encode(&mut e, api_key.request_header_version(version))?;
    body.encode(&mut e, version)?;
    with_length(e.finish())
}
