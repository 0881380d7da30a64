//! A connection that sends frames and reads responses.

use std::io::{BufReader, Read, Write};
use std::net::TcpStream;

use anyhow::Context;
use ottla_protocol::codec::Decoder;
use ottla_protocol::frame::{self, ResponseFrame};
use ottla_protocol::{ApiKey, Bytes, Codec, Str};

const READ_BUFFER_BYTES: usize = 64 << 10;

/// The half that sends.
pub(crate) struct Sender(TcpStream);

/// The half that reads.
pub(crate) struct Receiver(BufReader<TcpStream>);

pub(crate) fn connect(address: &str) -> anyhow::Result<(Sender, Receiver)> {
    let stream = TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
    stream.set_nodelay(true)?;
    let receiver = BufReader::with_capacity(READ_BUFFER_BYTES, stream.try_clone()?);
    Ok((Sender(stream), Receiver(receiver)))
}

/// A whole request frame.
pub(crate) fn request(api: ApiKey, version: i16, body: &impl Codec) -> anyhow::Result<Vec<u8>> {
    let client_id = Str::from_static("ottla-load");
    Ok(frame::request(api, version, 0, Some(&client_id), body)?.into_bytes().to_vec())
}

impl Sender {
    pub(crate) fn send(&mut self, frame: &[u8]) -> anyhow::Result<()> {
        self.0.write_all(frame).context("the broker closed the connection")
    }
}

impl Receiver {
    pub(crate) fn response<T: Codec>(&mut self, api: ApiKey, version: i16) -> anyhow::Result<T> {
        let mut length = [0; 4];
        self.0.read_exact(&mut length).context("the broker closed the connection")?;
        let mut frame = vec![0; usize::try_from(i32::from_be_bytes(length))?];
        self.0.read_exact(&mut frame)?;
        let mut d = Decoder::new(ResponseFrame::parse(Bytes::from(frame), api, version)?.body);
        Ok(T::decode(&mut d, version)?)
    }
}
