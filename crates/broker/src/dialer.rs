//! Connections to other nodes are made: the more often in a row in vain, the longer each is tried (KIP-601).

use crate::client::{Address, Error};
use ottla_config::{ServerConfig, keys};
use socket2::SockRef;
use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};
use tokio::{net::TcpStream, time::timeout};

/// After so long a node is dialled anew, as the kernel repeats its call less and less often by itself.
const REDIAL: Duration = Duration::from_secs(3);

/// How connections are made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    /// `socket.connection.setup.timeout.ms`.
    first: Duration,
    /// `socket.connection.setup.timeout.max.ms`.
    most: Duration,
    /// `SO_RCVBUF`; none leaves it to the system.
    receive_buffer_bytes: Option<usize>,
}

impl Setup {
    pub(crate) fn new(config: &ServerConfig) -> Self {
        let millis = |ms: i64| Duration::from_millis(u64::try_from(ms).unwrap_or(0));
        Self {
            first: millis(config.get(keys::SOCKET_CONNECTION_SETUP_TIMEOUT_MS)),
            most: millis(config.get(keys::SOCKET_CONNECTION_SETUP_TIMEOUT_MAX_MS)),
            receive_buffer_bytes: None,
        }
    }

    /// The same for followers, whose buffer is the system's business unless it is set: one that is fixed does not grow where a
    /// fast or long way needs that.
    pub(crate) fn of_follower(config: &ServerConfig) -> Self {
        let key = keys::REPLICA_SOCKET_RECEIVE_BUFFER_BYTES;
        let bytes = usize::try_from(config.get(key)).ok().filter(|bytes| *bytes > 0 && config.is_set(key));
        Self { receive_buffer_bytes: bytes, ..Self::new(config) }
    }

    /// How long to try after so many failures in a row.
    fn patience(&self, failures: u32) -> Duration {
        let factor = 1_u32.checked_shl(failures).unwrap_or(u32::MAX);
        self.first.saturating_mul(factor).min(self.most.max(self.first))
    }
}

/// Makes connections for one purpose.
#[derive(Debug)]
pub(crate) struct Dialer {
    setup: Setup,
    /// Since the last success.
    failures: AtomicU32,
}

impl Dialer {
    pub(crate) fn new(setup: Setup) -> Self {
        Self { setup, failures: AtomicU32::new(0) }
    }

    /// Connects, or gives up in time.
    pub(crate) async fn dial(&self, address: &Address) -> Result<TcpStream, Error> {
        let dialled = timeout(self.patience(), dial(address)).await;
        let made = matches!(dialled, Ok(Ok(_)));
        self.note(made);
        let stream = dialled.map_err(|_elapsed| Error::TimedOut)??;
        if let Some(bytes) = self.setup.receive_buffer_bytes {
            SockRef::from(&stream).set_recv_buffer_size(bytes)?;
        }
        Ok(stream)
    }

    fn patience(&self) -> Duration {
        self.setup.patience(self.failures.load(Ordering::Relaxed))
    }

    fn note(&self, made: bool) {
        let failures = if made { 0 } else { self.failures.load(Ordering::Relaxed).saturating_add(1) };
        self.failures.store(failures, Ordering::Relaxed);
    }
}

async fn dial(address: &Address) -> std::io::Result<TcpStream> {
    loop {
        let dialled = timeout(REDIAL, TcpStream::connect((&*address.host, address.port))).await;
        if let Ok(dialled) = dialled {
            return dialled;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn patience_doubles_up_to_the_limit() {
        let setup = Setup { first: SECOND * 10, most: SECOND * 30, receive_buffer_bytes: None };
        assert_eq!([0, 1, 2, 40].map(|failures| setup.patience(failures)), [10, 20, 30, 30].map(|n| SECOND * n));
        let odd = Setup { most: SECOND, ..setup };
        assert_eq!([0, 3].map(|failures| odd.patience(failures)), [SECOND * 10; 2]);
    }

    #[test]
    fn a_success_begins_anew() {
        let dialer = Dialer::new(Setup { first: SECOND, most: SECOND * 30, receive_buffer_bytes: None });
        let after = [false, false, true, false].map(|made| {
            dialer.note(made);
            dialer.patience()
        });
        assert_eq!(after, [2, 4, 1, 2].map(|n| SECOND * n));
    }
}
