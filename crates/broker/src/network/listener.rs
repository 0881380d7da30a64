//! Listening sockets: bound before the broker says it is ready, accepting until it stops.

use crate::{
    broker::Broker,
    network::connection::{Connection, Peer},
};
use ottla_protocol::ApiKey;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::{
    io,
    net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};
use tokio::runtime::{self, Handle};
use tracing::{debug, error, warn};

/// How long to wait when there is no descriptor for a connection.
const RETRY_ACCEPT: Duration = Duration::from_millis(50);

static NEXT_CONNECTION: AtomicU64 = AtomicU64::new(1);

/// Who listens: each serves other APIs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    Broker,
    Controller,
}

impl Scope {
    /// Whether an API belongs on such a listener.
    pub(crate) fn has(self, api: ApiKey) -> bool {
        match self {
            Self::Broker => api.is_on_broker(),
            Self::Controller => api.is_on_controller(),
        }
    }
}

/// A bound listener.
pub(crate) struct Bound {
    pub(crate) scope: Scope,
    /// The listener's name, such as `PLAINTEXT`.
    pub(crate) name: Arc<str>,
    /// Where it listens; the port is the real one also where 0 was asked for.
    pub(crate) address: SocketAddr,
    listener: TcpListener,
}

impl Bound {
    /// Binds `host:port`; an empty host is every address, IPv6 included where there is IPv6.
    pub(crate) fn bind(scope: Scope, name: &str, host: &str, port: u16, backlog: i32) -> io::Result<Self> {
        let candidates: Vec<SocketAddr> = match host {
            "" => vec![(std::net::Ipv6Addr::UNSPECIFIED, port).into(), (std::net::Ipv4Addr::UNSPECIFIED, port).into()],
            _ => (host.trim_matches(['[', ']']), port).to_socket_addrs()?.collect(),
        };
        let mut last = io::Error::new(io::ErrorKind::NotFound, format!("{host} has no address"));
        for address in candidates {
            match listen(address, backlog) {
                Ok(listener) => {
                    return Ok(Self { scope, name: name.into(), address: listener.local_addr()?, listener });
                }
                Err(error) => last = error,
            }
        }
        Err(io::Error::new(last.kind(), format!("cannot listen on {name}://{host}:{port}: {last}")))
    }
}

fn listen(address: SocketAddr, backlog: i32) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::from(address))?;
    socket.listen(backlog)?;
    Ok(socket.into())
}

/// Accepts connections until the broker stops, on a thread of its own: the runtime's threads may be busy for longer than
/// the kernel's queue lasts, and whoever finds that full tries again a second later.
pub(crate) fn serve(broker: Arc<Broker>, bound: Bound) -> io::Result<()> {
    let connections = Handle::current();
    let accepts = runtime::Builder::new_current_thread().enable_all().build()?;
    let run = move || {
        let Bound { scope, name, listener, .. } = bound;
        if let Err(error) = accepts.block_on(accept(&broker, (scope, &name), listener, &connections)) {
            error!(listener = %name, %error, "cannot accept connections any more");
        }
    };
    thread::Builder::new().name("acceptor".to_owned()).spawn(run)?;
    Ok(())
}

async fn accept(
    broker: &Arc<Broker>,
    (scope, name): (Scope, &Arc<str>),
    listener: TcpListener,
    connections: &Handle,
) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let accepted = tokio::select! {
            biased;
            () = broker.stopping.cancelled() => return Ok(()),
            accepted = listener.accept() => accepted,
        };
        // It lives where connections do, not here.
        match accepted.and_then(|(stream, peer)| Ok((stream.into_std()?, peer))) {
            Ok((stream, peer)) => admit(broker, (scope, name), connections, stream, peer),
            Err(error) => {
                // Out of descriptors, mostly: those that are open go on, and the next accept may succeed.
                warn!(listener = %name, %error, "cannot accept a connection");
                tokio::time::sleep(RETRY_ACCEPT).await;
            }
        }
    }
}

fn admit(
    broker: &Arc<Broker>,
    (scope, name): (Scope, &Arc<str>),
    connections: &Handle,
    stream: TcpStream,
    peer: SocketAddr,
) {
    let place = match broker.limits.admit(peer.ip()) {
        Ok(place) => place,
        Err(refused) => {
            warn!(listener = %name, %peer, "connection refused: {refused}");
            return;
        }
    };
    let id = NEXT_CONNECTION.fetch_add(1, Ordering::Relaxed);
    debug!(id, listener = %name, %peer, "connected");
    let _where_it_lives = connections.enter();
    let stream = tokio::net::TcpStream::from_std(stream);
    let (held_up, heartbeat_of) = (AtomicBool::new(false), OnceLock::new());
    let peer_of = Peer { id, scope, listener: name.clone(), address: peer, held_up, heartbeat_of };
    let connection = stream.and_then(|stream| Connection::new(broker.clone(), stream, peer_of, place));
    let connection = match connection {
        Ok(connection) => connection,
        Err(error) => {
            debug!(id, %peer, %error, "lost while connecting");
            return;
        }
    };
    broker.connections.spawn_on(connection.run(), connections);
}
