//! The other voters: where they are, and connections on which the quorum's messages go to them.
//!
//! Each way is a connection of its own: four bytes that no client begins with, the sender's id, then messages with their lengths. A message that
//! cannot be sent is lost, which the quorum allows for.

use crate::{
    client::{Address, Client, Error},
    controllers::{SnapshotSource, client_id, fetch_snapshot},
    dialer::{Dialer, Setup},
    metadata_quorum::SnapshotId,
};
use anyhow::Context as _;
use bytes::Bytes;
use ottla_protocol::{Str, Uuid};
use ottla_quorum::Members;
use parking_lot::Mutex;
use std::{collections::BTreeMap, future::Future, sync::Arc, time::Duration};
use tokio::{
    io::AsyncWriteExt as _,
    net::TcpStream,
    runtime::Handle,
    sync::mpsc::{self, Receiver, Sender},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::debug;

/// How a connection begins that carries the quorum's messages: as the length of a frame it would be beyond every limit.
pub(crate) const GREETING: [u8; 4] = *b"OTTL";
/// Messages that wait for a connection.
const QUEUE: usize = 256;
const CONNECT: Duration = Duration::from_secs(1);
const RETRY: Duration = Duration::from_millis(50);

/// How this node asks others.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) node_id: i32,
    pub(crate) cluster_id: Str,
    pub(crate) directory_id: Uuid,
    pub(crate) timeout: Duration,
    pub(crate) setup: Setup,
    pub(crate) snapshot_max_bytes: i32,
}

/// The voters besides this one.
pub(crate) struct Peers {
    settings: Settings,
    runtime: Handle,
    stopping: CancellationToken,
    addresses: Mutex<BTreeMap<i32, Address>>,
    ways: Mutex<BTreeMap<i32, Sender<Bytes>>>,
}

impl Peers {
    /// To be called where the runtime is.
    pub(crate) fn new(settings: Settings, stopping: CancellationToken) -> Arc<Self> {
        let (addresses, ways) = (Mutex::default(), Mutex::default());
        Arc::new(Self { settings, runtime: Handle::current(), stopping, addresses, ways })
    }

    /// Where a controller is.
    pub(crate) fn address(&self, id: i32) -> Option<Address> {
        self.addresses.lock().get(&id).cloned()
    }

    /// Where all are.
    pub(crate) fn endpoints(&self) -> BTreeMap<i32, Address> {
        self.addresses.lock().clone()
    }

    /// Takes note of where all are; a way to where one was ends.
    pub(crate) fn set_addresses(&self, addresses: BTreeMap<i32, Address>) {
        let before = std::mem::replace(&mut *self.addresses.lock(), addresses);
        let now = self.addresses.lock().clone();
        self.ways.lock().retain(|id, _| before.get(id) == now.get(id));
    }

    /// Ends the ways to nodes that are no members any more.
    pub(crate) fn set_members(&self, members: &Members) {
        self.ways.lock().retain(|id, _| members.get(*id).is_some());
    }

    /// Sends a message, or loses it.
    pub(crate) fn send(&self, to: i32, message: Bytes) {
        let Some(address) = self.address(to) else {
            return debug!(to, "nobody knows where the controller is");
        };
        let mut ways = self.ways.lock();
        let way = ways.entry(to).or_insert_with(|| {
            let (sender, messages) = mpsc::channel(QUEUE);
            self.runtime.spawn(way(self.settings.node_id, (to, address), messages, self.stopping.clone()));
            sender
        });
        // A way that is crowded or gone loses it.
        let _ = way.try_send(message);
    }

    /// Does something beside the caller.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(work);
    }

    /// A snapshot file of another controller.
    pub(crate) async fn fetch_snapshot(&self, from: i32, epoch: i32, id: SnapshotId) -> anyhow::Result<Bytes> {
        let address = self.address(from).context("nobody knows where it is")?;
        let dialer = Dialer::new(self.settings.setup);
        let connect = Client::connect(&dialer, &address, client_id(self.settings.node_id, "snapshot"));
        let mut client = timeout(self.settings.timeout, connect).await.map_err(|_elapsed| Error::TimedOut)??;
        let source = SnapshotSource {
            node_id: self.settings.node_id,
            cluster_id: self.settings.cluster_id.clone(),
            directory_id: self.settings.directory_id,
            epoch,
            timeout: self.settings.timeout,
            max_bytes: self.settings.snapshot_max_bytes,
        };
        fetch_snapshot(&mut client, &source, id).await
    }
}

/// Sends what comes to one node, until nobody has anything to send.
async fn way(node_id: i32, (to, address): (i32, Address), mut messages: Receiver<Bytes>, stopping: CancellationToken) {
    // The queue outlives the stop: the last words hand the leadership over.
    while let Some(message) = messages.recv().await {
        let mut stream = match connect(node_id, &address).await {
            Ok(stream) => stream,
            Err(error) => {
                debug!(to, %address, %error, "cannot reach a controller");
                // What is old by then is of no use.
                sleep(RETRY).await;
                while messages.try_recv().is_ok() {}
                if stopping.is_cancelled() {
                    return;
                }
                continue;
            }
        };
        let mut next = Some(message);
        while let Some(message) = next {
            if let Err(error) = write(&mut stream, &message).await {
                debug!(to, %address, %error, "lost a controller");
                break;
            }
            next = messages.recv().await;
        }
    }
}

async fn connect(node_id: i32, address: &Address) -> std::io::Result<TcpStream> {
    let connecting = TcpStream::connect((&*address.host, address.port));
    let mut stream = timeout(CONNECT, connecting).await.map_err(|_elapsed| std::io::ErrorKind::TimedOut)??;
    stream.set_nodelay(true)?;
    stream.write_all(&GREETING).await?;
    stream.write_i32(node_id).await?;
    Ok(stream)
}

async fn write(stream: &mut TcpStream, message: &[u8]) -> std::io::Result<()> {
    let length = u32::try_from(message.len()).map_err(std::io::Error::other)?;
    let mut frame = Vec::with_capacity(4 + message.len());
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(message);
    timeout(CONNECT * 5, stream.write_all(&frame)).await.map_err(|_elapsed| std::io::ErrorKind::TimedOut)?
}
