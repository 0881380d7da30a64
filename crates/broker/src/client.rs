//! A connection to another node: requests out, answers in, one at a time.

use crate::dialer::{Dialer, Setup};
use ottla_protocol::{
    ApiKey, Codec, ErrorCode, Message, Str,
    codec::{DecodeError, Decoder, EncodeError},
    frame::{self, FrameDecoder, FrameError, ResponseFrame},
    messages::{ApiVersionsRequest, ApiVersionsResponse},
};
use parking_lot::Mutex;
use socket2::{SockRef, TcpKeepalive};
use std::{collections::BTreeMap, fmt, io, ops::RangeInclusive, sync::Arc, time::Duration};
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

/// Connections that are kept open while nobody uses them, of each node.
const MOST_IDLE: usize = 4;

/// Connections to nodes, which are kept for the next request.
pub(crate) struct Pool {
    client_id: Str,
    setup: Setup,
    nodes: Mutex<BTreeMap<Address, Arc<Kept>>>,
}

/// What is kept of one node.
struct Kept {
    dialer: Dialer,
    idle: Mutex<Vec<Client>>,
}

impl Pool {
    pub(crate) fn new(client_id: Str, setup: Setup) -> Self {
        Self { client_id, setup, nodes: Mutex::default() }
    }

    fn kept(&self, address: &Address) -> Arc<Kept> {
        let new = || Arc::new(Kept { dialer: Dialer::new(self.setup), idle: Mutex::default() });
        self.nodes.lock().entry(address.clone()).or_insert_with(new).clone()
    }

    /// Asks a node, at the newest version that both know.
    pub(crate) async fn call<R: Message>(
        &self,
        address: &Address,
        api: ApiKey,
        request: &impl Codec,
    ) -> Result<R, Error> {
        let kept = self.kept(address);
        let idle = kept.idle.lock().pop();
        let mut client = match idle {
            Some(client) => client,
            None => Client::connect(&kept.dialer, address, self.client_id.clone()).await?,
        };
        // One that fails is dropped, and so is one whose caller gives up.
        let answer = client.call(api, request).await?;
        let mut idle = kept.idle.lock();
        if idle.len() < MOST_IDLE {
            idle.push(client);
        }
        Ok(answer)
    }
}

fn introduction() -> ApiVersionsRequest {
    ApiVersionsRequest {
        client_software_name: Str::from_static("ottla"),
        client_software_version: Str::from_static(env!("CARGO_PKG_VERSION")),
        ..Default::default()
    }
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
        let answer: ApiVersionsResponse =
            client.call_at(ApiKey::ApiVersions, API_VERSIONS_VERSION, &introduction()).await?;
        client.versions = answer.api_keys.iter().map(|api| (api.api_key, api.min_version..=api.max_version)).collect();
        Ok(client)
    }

    /// Asks what the node is able to at the newest version, as only that tells of features from level 0 on.
    pub(crate) async fn api_versions(&mut self) -> Result<ApiVersionsResponse, Error> {
        self.call(ApiKey::ApiVersions, &introduction()).await
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
