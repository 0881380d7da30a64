//! Listening sockets: bound before the broker says it is ready, accepting until it stops.

use crate::{broker::Broker, network::connection::Connection};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::{
    io,
    net::{SocketAddr, ToSocketAddrs},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::net::{TcpListener, TcpStream};
use tracing::{debug, warn};

/// Connections the kernel holds for us before we accept them, unless `socket.listen.backlog.size` says otherwise.
const RETRY_ACCEPT: Duration = Duration::from_millis(50);

static NEXT_CONNECTION: AtomicU64 = AtomicU64::new(1);

/// A bound listener.
pub(crate) struct Bound {
    /// The listener's name, such as `PLAINTEXT`.
    pub(crate) name: Arc<str>,
    /// Where it listens; the port is the real one also where 0 was asked for.
    pub(crate) address: SocketAddr,
    listener: TcpListener,
}

impl Bound {
    /// Binds `host:port`; an empty host is every address, IPv6 included where there is IPv6.
    pub(crate) fn bind(name: &str, host: &str, port: u16, backlog: i32) -> io::Result<Self> {
        let candidates: Vec<SocketAddr> = match host {
            "" => vec![(std::net::Ipv6Addr::UNSPECIFIED, port).into(), (std::net::Ipv4Addr::UNSPECIFIED, port).into()],
            _ => (host.trim_matches(['[', ']']), port).to_socket_addrs()?.collect(),
        };
        let mut last = io::Error::new(io::ErrorKind::NotFound, format!("{host} has no address"));
        for address in candidates {
            match listen(address, backlog) {
                Ok(listener) => {
                    return Ok(Self { name: name.into(), address: listener.local_addr()?, listener });
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
    TcpListener::from_std(socket.into())
}

/// Accepts connections until the broker stops.
pub(crate) async fn serve(broker: Arc<Broker>, bound: Bound) {
    let stopping = broker.stopping.clone();
    loop {
        let accepted = tokio::select! {
            biased;
            () = stopping.cancelled() => return,
            accepted = bound.listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => admit(&broker, &bound, stream, peer),
            Err(error) => {
                // Out of descriptors, mostly: those that are open go on, and the next accept may succeed.
                warn!(listener = %bound.name, %error, "cannot accept a connection");
                tokio::time::sleep(RETRY_ACCEPT).await;
            }
        }
    }
}

fn admit(broker: &Arc<Broker>, bound: &Bound, stream: TcpStream, peer: SocketAddr) {
    let place = match broker.limits.admit(peer.ip()) {
        Ok(place) => place,
        Err(refused) => {
            warn!(listener = %bound.name, %peer, "connection refused: {refused}");
            return;
        }
    };
    let id = NEXT_CONNECTION.fetch_add(1, Ordering::Relaxed);
    debug!(id, listener = %bound.name, %peer, "connected");
    let connection = match Connection::new(broker.clone(), stream, id, bound.name.clone(), peer, place) {
        Ok(connection) => connection,
        Err(error) => {
            debug!(id, %peer, %error, "lost while connecting");
            return;
        }
    };
    broker.connections.spawn(connection.run());
}
