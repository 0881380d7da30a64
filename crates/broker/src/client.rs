//! A connection to another node: requests out, answers in, one at a time.

use crate::dialer::Dialer;
use ottla_protocol::{
    ApiKey, Codec, ErrorCode, Message, Str,
    codec::{DecodeError, Decoder, EncodeError},
    frame::{self, FrameDecoder, FrameError, ResponseFrame},
    messages::{ApiVersionsRequest, ApiVersionsResponse},
};
use socket2::{SockRef, TcpKeepalive};
use std::{collections::BTreeMap, fmt, io, ops::RangeInclusive, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// The first request's version: every node answers it, be it with the versions it has.
const API_VERSIONS_VERSION: i16 = 3;
/// The largest answer that is taken.
const MAX_RESPONSE_BYTES: usize = 1 << 30;

/// When the other end of a silent connection is asked whether it still has it, and how often.
const PROBE: Duration = Duration::from_secs(2);
/// How long the other end may leave anything unacknowledged.
const UNACKNOWLEDGED: Duration = Duration::from_secs(10);

/// Where a node is reached.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Address {
    pub(crate) host: Str,
    pub(crate) port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl Address {
    /// Reads `host:port`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        Some(Self { host: host.trim_matches(['[', ']']).into(), port: port.parse().ok()? })
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("the node closed the connection")]
    Closed,
    #[error("the answer is no frame: {0}")]
    Frame(#[from] FrameError),
    #[error("the answer cannot be read: {0}")]
    Malformed(#[from] DecodeError),
    #[error("the request cannot be written: {0}")]
    Unwritable(#[from] EncodeError),
    #[error("the answer is to another request")]
    OutOfStep,
    #[error("the node serves no version of {0} that is known here")]
    Unserved(ApiKey),
    #[error("the node refuses: {0}")]
    Refused(ErrorCode),
    #[error("no answer in time")]
    TimedOut,
}

/// Lets the kernel find out that the other end is gone or has lost the connection, where an answer would be waited for in vain:
/// Kafka's brokers wait for `replica.socket.timeout.ms` then.
fn watch(stream: &TcpStream) -> io::Result<()> {
    let socket = SockRef::from(stream);
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(PROBE).with_interval(PROBE))?;
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED))
}

/// A connection. After an error, or a call that was given up, it is of no use.
#[derive(Debug)]
pub(crate) struct Client {
    stream: TcpStream,
    frames: FrameDecoder,
    client_id: Str,
    next_correlation_id: i32,
    versions: BTreeMap<i16, RangeInclusive<i16>>,
}

impl Client {
    /// Connects and asks what the node serves.
    pub(crate) async fn connect(dialer: &Dialer, address: &Address, client_id: Str) -> Result<Self, Error> {
        let stream = dialer.dial(address).await?;
        stream.set_nodelay(true)?;
        watch(&stream)?;
        let frames = FrameDecoder::new(MAX_RESPONSE_BYTES);
        let mut client = Self { stream, frames, client_id, next_correlation_id: 0, versions: BTreeMap::new() };
        let request = ApiVersionsRequest {
            client_software_name: Str::from_static("ottla"),
            client_software_version: Str::from_static(env!("CARGO_PKG_VERSION")),
            ..Default::default()
        };
        let answer: ApiVersionsResponse = client.call_at(ApiKey::ApiVersions, API_VERSIONS_VERSION, &request).await?;
        client.versions = answer.api_keys.iter().map(|api| (api.api_key, api.min_version..=api.max_version)).collect();
        Ok(client)
    }

    /// The newest version of an API that both nodes know.
    pub(crate) fn version(&self, api: ApiKey) -> Result<i16, Error> {
        let theirs = self.versions.get(&api.key()).ok_or(Error::Unserved(api))?;
        let version = api.versions().rev().find(|version| theirs.contains(version));
        version.ok_or(Error::Unserved(api))
    }

    /// Asks, at the newest version that both know.
    pub(crate) async fn call<R: Message>(&mut self, api: ApiKey, request: &impl Codec) -> Result<R, Error> {
        let version = self.version(api)?;
        self.call_at(api, version, request).await
    }

    /// Asks at a version.
    pub(crate) async fn call_at<R: Message>(
        &mut self,
        api: ApiKey,
        version: i16,
        request: &impl Codec,
    ) -> Result<R, Error> {
        let correlation_id = self.next_correlation_id;
        self.next_correlation_id = self.next_correlation_id.wrapping_add(1);
        let framed = frame::request(api, version, correlation_id, Some(&self.client_id), request)?;
        self.stream.write_all(&framed.into_bytes()).await?;
        let response = ResponseFrame::parse(self.next_frame().await?, api, version)?;
        if response.correlation_id != correlation_id {
            return Err(Error::OutOfStep);
        }
        Ok(R::read(&mut Decoder::new(response.body), version)?)
    }

    async fn next_frame(&mut self) -> Result<bytes::Bytes, Error> {
        loop {
            if let Some(frame) = self.frames.next_frame()? {
                return Ok(frame);
            }
            self.stream.readable().await?;
            if self.stream.read_buf(self.frames.read_buf()).await? == 0 {
                return Err(Error::Closed);
            }
        }
    }
}
