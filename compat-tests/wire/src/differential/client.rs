//! A blocking client that sends any request at any version, and takes a closed connection for an answer.

use anyhow::Context;
use ottla_protocol::{
    ApiKey, Bytes, Codec, Str,
    any::{AnyRequest, AnyResponse},
    codec::{DecodeError, Decoder, EncodeError, Encoder},
    frame::{self, ResponseFrame},
};
use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    time::Duration,
};

/// No answer takes longer, however busy the machine is, and none of the requests waits on purpose for as long.
const PATIENCE: Duration = Duration::from_secs(30);

/// What came of a request.
#[derive(Debug)]
pub enum Answer {
    /// A response that could be read to its end.
    Response(Box<AnyResponse>),
    /// Bytes that are no response of the version asked for.
    Unreadable(String),
    /// The broker closed the connection.
    Closed,
    /// The broker did neither in time.
    Silent,
}

/// One connection, made anew after the broker closed it.
pub struct Client {
    address: String,
    stream: Option<TcpStream>,
}

impl Client {
    /// A client of the broker at `address`; it connects with its first request.
    pub fn new(address: &str) -> Self {
        Self { address: address.to_owned(), stream: None }
    }

    /// Where the broker is.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The bytes of a request, or why its version cannot carry it.
    pub fn frame(request: &AnyRequest, version: i16) -> Result<Vec<u8>, EncodeError> {
        let client_id = Str::from_static("differential");
        let encoded = frame::request(request.api_key(), version, 7, Some(&client_id), &Body(request))?;
        Ok(encoded.into_bytes().to_vec())
    }

    /// Sends bytes and reads one response of `api` at `version`.
    pub fn send(&mut self, bytes: &[u8], api: ApiKey, version: i16) -> anyhow::Result<Answer> {
        self.ask(bytes)?;
        self.answer(api, version)
    }

    /// Sends bytes, whose answer is read later.
    pub fn ask(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        let stream = match self.stream.take() {
            Some(stream) => stream,
            None => {
                let stream = TcpStream::connect(&self.address).with_context(|| self.address.clone())?;
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.set_nodelay(true)?;
                stream
            }
        };
        // Whoever cannot be written to has closed, which the answer says.
        let _ = self.stream.insert(stream).write_all(bytes);
        Ok(())
    }

    /// Reads one response of `api` at `version`.
    pub fn answer(&mut self, api: ApiKey, version: i16) -> anyhow::Result<Answer> {
        let answer = self.frame_read()?;
        if answer.is_err() {
            self.stream = None;
        }
        Ok(match answer {
            Ok(frame) => read(frame, api, version),
            Err(other) => other,
        })
    }

    /// What came of a request that is not answered: the connection, which would hold up whoever asks next, is let go.
    pub fn gives_up(&mut self) -> Answer {
        self.stream = None;
        Answer::Silent
    }

    /// Whether nothing is answered for that long; what is answered then can be read.
    pub fn is_silent_for(&self, time: Duration) -> anyhow::Result<bool> {
        let Some(stream) = &self.stream else { return Ok(false) };
        stream.set_read_timeout(Some(time))?;
        let found = stream.peek(&mut [0]);
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(matches!(found, Err(error) if matches!(failed(&error), Answer::Silent)))
    }

    fn frame_read(&mut self) -> anyhow::Result<Result<Bytes, Answer>> {
        let Some(stream) = &mut self.stream else { return Ok(Err(Answer::Closed)) };
        let mut length = [0; 4];
        if let Err(error) = stream.read_exact(&mut length) {
            return Ok(Err(failed(&error)));
        }
        let mut body = vec![0; usize::try_from(i32::from_be_bytes(length))?];
        match stream.read_exact(&mut body) {
            Ok(()) => Ok(Ok(Bytes::from(body))),
            Err(error) => Ok(Err(failed(&error))),
        }
    }
}

fn failed(error: &std::io::Error) -> Answer {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => Answer::Silent,
        _ => Answer::Closed,
    }
}

fn read(frame: Bytes, api: ApiKey, version: i16) -> Answer {
    let read = || -> anyhow::Result<AnyResponse> {
        let mut d = Decoder::new(ResponseFrame::parse(frame, api, version)?.body);
        let response = AnyResponse::decode(api, &mut d, version)?;
        d.finish()?;
        Ok(response)
    };
    match read() {
        Ok(response) => Answer::Response(Box::new(response)),
        Err(error) => Answer::Unreadable(error.to_string()),
    }
}

struct Body<'a>(&'a AnyRequest);

impl Codec for Body<'_> {
    fn decode(_: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        Err(DecodeError::Version { message: "a request to send", version })
    }

    fn encode(&self, e: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        self.0.encode(e, version)
    }
}
