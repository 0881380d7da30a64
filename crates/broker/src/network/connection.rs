//! One client's connection: frames in, requests started in order, responses out in the same order.

use super::{Outgoing, Scope, limits::Place, voters};
use crate::{
    broker::Broker,
    handlers::{self, Context, Pending},
    suspicion,
};
use bytes::BytesMut;
use ottla_protocol::{
    ApiKey,
    frame::{FrameDecoder, FrameError, RequestFrame},
};
use std::{
    collections::VecDeque,
    future::{Future, poll_fn},
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::Instant,
};
use tracing::{debug, warn};

/// Requests of one connection that may wait for their answers at a time; reading stops beyond.
const MAX_IN_FLIGHT: usize = 100;
/// A started frame must be complete within this, or its sender is gone or hostile.
const FRAME_DEADLINE: Duration = Duration::from_secs(30);

/// Whose connection it is.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) id: u64,
    pub(crate) scope: Scope,
    pub(crate) listener: Arc<str>,
    pub(crate) address: SocketAddr,
    /// The broker that told by this connection that it lives, and the epoch of its registration.
    pub(crate) heartbeat_of: OnceLock<(i32, i64)>,
    /// A produce request waits for a disk before it appends: those after it wait in their turn.
    pub(crate) held_up: AtomicBool,
}

pub(crate) struct Connection {
    broker: Arc<Broker>,
    stream: TcpStream,
    peer: Arc<Peer>,
    frames: FrameDecoder,
    /// The next request, read but not yet begun.
    staged: Option<RequestFrame>,
    in_flight: VecDeque<InFlight>,
    idle_limit: Option<Duration>,
    last_active: Instant,
    _place: Place,
}

enum InFlight {
    Running(ApiKey, Pin<Box<Pending>>),
    Done(handlers::Answered),
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("the client closed the connection")]
    ByClient,
    #[error("idle for longer than connections.max.idle.ms")]
    Idle,
    #[error("a request was not complete after {} s", FRAME_DEADLINE.as_secs())]
    SlowFrame,
    #[error("the broker is stopping")]
    Stopping,
    #[error("{0}")]
    Refused(#[from] handlers::Refusal),
    #[error("not a Kafka request: {0}")]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Io(#[from] io::Error),
}

enum Next {
    Answer(handlers::Answered),
    Bytes(usize),
    Timeout,
    Stop,
}

impl Connection {
    pub(crate) fn new(broker: Arc<Broker>, stream: TcpStream, peer: Peer, place: Place) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let settings = &broker.settings;
        let socket = socket2::SockRef::from(&stream);
        if let Some(bytes) = settings.socket_receive_buffer_bytes {
            socket.set_recv_buffer_size(bytes)?;
        }
        if let Some(bytes) = settings.socket_send_buffer_bytes {
            socket.set_send_buffer_size(bytes)?;
        }
        Ok(Self {
            frames: FrameDecoder::new(settings.socket_request_max_bytes),
            idle_limit: settings.connections_max_idle,
            broker,
            stream,
            peer: Arc::new(peer),
            staged: None,
            in_flight: VecDeque::new(),
            last_active: Instant::now(),
            _place: place,
        })
    }

    /// Serves the connection to its end.
    pub(crate) async fn run(mut self) {
        let ended = match self.serve().await {
            Ok(()) => return,
            Err(ended) => ended,
        };
        if let Some((id, epoch)) = self.peer.heartbeat_of.get().filter(|_| !self.broker.stopping.is_cancelled()) {
            tokio::spawn(suspicion::look_at(self.broker.clone(), *id, *epoch));
        }
        let (id, peer) = (self.peer.id, self.peer.address);
        match ended {
            Ended::ByClient | Ended::Idle | Ended::Stopping => debug!(id, %peer, "closed: {ended}"),
            Ended::Io(error) => debug!(id, %peer, %error, "connection lost"),
            Ended::Refused(_) | Ended::Frame(_) | Ended::SlowFrame => {
                if let Some(left_out) = self.broker.complaints.admit(self.broker.clock.monotonic()) {
                    warn!(id, %peer, left_out, "closed: {ended}");
                }
            }
        }
    }

    async fn serve(&mut self) -> Result<(), Ended> {
        if let Some(controller) = self.broker.clone().controller().local()
            && self.peer.scope == Scope::Controller
            && voters::is_voter(&self.stream).await?
        {
            return tokio::select! {
                biased;
                () = self.broker.stopping.cancelled() => Err(Ended::Stopping),
                ended = voters::serve(&mut self.stream, controller) => Ok(ended?),
            };
        }
        loop {
            self.start_requests()?;
            match self.next().await? {
                Next::Answer(answered) => self.answer(answered).await?,
                Next::Bytes(0) => return Err(Ended::ByClient),
                Next::Bytes(_) => self.last_active = Instant::now(),
                Next::Timeout => self.check_time()?,
                Next::Stop => return self.drain().await,
            }
        }
    }

    /// Starts the requests that are whole, in order. A request is polled once here, so what it does before it first
    /// waits is done in order too; a second one is started beside it only if both are produce requests.
    fn start_requests(&mut self) -> Result<(), Ended> {
        while self.stage()? && self.may_start() {
            let Some(request) = self.staged.take() else { return Ok(()) };
            let api = request.api_key;
            let context = Context::new(self.broker.clone(), self.peer.clone(), &request);
            let mut pending = Box::pin(handlers::start(context, request)?);
            let mut task = core::task::Context::from_waker(core::task::Waker::noop());
            self.in_flight.push_back(match pending.as_mut().poll(&mut task) {
                Poll::Ready(answered) => InFlight::Done(answered),
                Poll::Pending => InFlight::Running(api, pending),
            });
        }
        Ok(())
    }

    /// Takes the next whole request from the buffer; false if there is none.
    fn stage(&mut self) -> Result<bool, Ended> {
        while self.staged.is_none() {
            let Some(frame) = self.frames.next_frame()? else { return Ok(false) };
            self.last_active = Instant::now();
            self.broker.metrics.bytes_in(frame.len());
            match RequestFrame::parse(frame) {
                Ok(request) => self.staged = Some(request),
                Err(FrameError::UnsupportedVersion { api_key: ApiKey::ApiVersions, correlation_id, .. }) => {
                    let answered = handlers::unsupported_api_versions(correlation_id).map(Some);
                    self.in_flight.push_back(InFlight::Done(answered));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(true)
    }

    fn may_start(&self) -> bool {
        if self.peer.held_up.load(Ordering::Relaxed) {
            return false;
        }
        let overlaps = |entry: &InFlight| match entry {
            InFlight::Done(..) => true,
            InFlight::Running(api, _) => *api == ApiKey::Produce,
        };
        let next_overlaps = || self.staged.as_ref().is_some_and(|r| r.api_key == ApiKey::Produce);
        let all_done = self.in_flight.iter().all(|e| matches!(e, InFlight::Done(..)));
        self.in_flight.len() < MAX_IN_FLIGHT && (all_done || self.in_flight.iter().all(overlaps) && next_overlaps())
    }

    /// Waits for the answer that is due next, for bytes, or for the time to be up.
    async fn next(&mut self) -> Result<Next, Ended> {
        let deadline = self.deadline();
        let may_read = self.in_flight.len() < MAX_IN_FLIGHT && self.staged.is_none();
        let (in_flight, frames, stream) = (&mut self.in_flight, &mut self.frames, &mut self.stream);
        tokio::select! {
            biased;
            answered = front(in_flight) => Ok(Next::Answer(answered)),
            read = read(stream, frames), if may_read => Ok(Next::Bytes(read?)),
            () = self.broker.stopping.cancelled() => Ok(Next::Stop),
            () = sleep_until(deadline) => Ok(Next::Timeout),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match self.frames.buffered() > 0 && self.in_flight.is_empty() {
            true => Some(self.last_active + FRAME_DEADLINE),
            false => self.idle_limit.map(|limit| self.last_active + limit),
        }
    }

    fn check_time(&mut self) -> Result<(), Ended> {
        if !self.in_flight.is_empty() {
            self.last_active = Instant::now(); // a client that waits for us is not idle
            return Ok(());
        }
        Err(if self.frames.buffered() > 0 { Ended::SlowFrame } else { Ended::Idle })
    }

    /// Writes an answer, and with it those after it that are there already: a commit answers many at once.
    async fn answer(&mut self, first: handlers::Answered) -> Result<(), Ended> {
        let mut ready = BytesMut::new();
        let mut next = Some(first);
        let mut refused = None;
        while let Some(answered) = next {
            let outgoing = match answered {
                Ok(outgoing) => outgoing.unwrap_or_default(),
                Err(refusal) => {
                    refused = Some(refusal);
                    break;
                }
            };
            self.broker.metrics.bytes_out(outgoing.len());
            if let Some(other) = outgoing.append_to(&mut ready) {
                self.stream.write_all_buf(&mut ready).await?;
                other.write(&mut self.stream).await?;
            }
            next = pop_done(&mut self.in_flight);
        }
        self.stream.write_all_buf(&mut ready).await?;
        self.last_active = Instant::now();
        refused.map_or(Ok(()), |refusal| Err(refusal.into()))
    }

    /// Answers what was taken in before the broker began to stop.
    async fn drain(&mut self) -> Result<(), Ended> {
        while !self.in_flight.is_empty() {
            let answered = front(&mut self.in_flight).await;
            self.answer(answered).await?;
        }
        Err(Ended::Stopping)
    }
}

/// Reads what has come; a buffer is made when there is something, so that a connection that waits holds none.
async fn read(stream: &mut TcpStream, frames: &mut FrameDecoder) -> io::Result<usize> {
    stream.readable().await?;
    stream.read_buf(frames.read_buf()).await
}

/// The answer to the oldest request; the others are driven on meanwhile.
async fn front(in_flight: &mut VecDeque<InFlight>) -> handlers::Answered {
    poll_fn(|task| {
        for entry in in_flight.iter_mut() {
            if let InFlight::Running(_, pending) = entry
                && let Poll::Ready(answered) = pending.as_mut().poll(task)
            {
                *entry = InFlight::Done(answered);
            }
        }
        pop_done(in_flight).map_or(Poll::Pending, Poll::Ready)
    })
    .await
}

/// The answer to the oldest request, if it is there.
fn pop_done(in_flight: &mut VecDeque<InFlight>) -> Option<handlers::Answered> {
    match in_flight.pop_front_if(|entry| matches!(entry, InFlight::Done(..))) {
        Some(InFlight::Done(answered)) => Some(answered),
        _ => None,
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

const _: fn() = || {
    fn assert_send<T: Send>() {}
    assert_send::<Pin<Box<Pending>>>();
    assert_send::<Outgoing>();
};
