//! Whether a process that was silent or hung up has ended: then nobody listens where it did, and nobody need wait for its session
//! to end.
//!
//! Only a refusal tells. Who does not answer may be slow, or cut off, and keeps its session.

use crate::{broker::Broker, client::Address};
use ottla_metadata::{controller::Event, image::Image};
use parking_lot::Mutex;
use std::{collections::BTreeMap, io::ErrorKind, sync::Arc, time::Duration};
use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};
use tracing::{debug, info};

/// Brokers that hung up, each with the epoch of its registration. Until the controller has elected others their clients are told
/// that there is no leader: one that is told of a leader that is gone asks again much later.
#[derive(Default)]
pub(crate) struct Suspects(Mutex<BTreeMap<i32, i64>>);

impl Suspects {
    /// A broker hung up on this one.
    pub(crate) fn add(&self, image: &Image, id: i32) {
        if let Some(broker) = image.cluster().broker(id) {
            self.0.lock().insert(id, broker.epoch);
        }
    }

    /// It is there.
    pub(crate) fn clear(&self, id: i32) {
        self.0.lock().remove(&id);
    }

    /// Whether it hung up in its present registration.
    pub(crate) fn has(&self, image: &Image, id: i32) -> bool {
        let suspected = self.0.lock().get(&id).copied();
        suspected.is_some() && suspected == image.cluster().broker(id).map(|broker| broker.epoch)
    }
}

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long to pause between two looks at first; each time takes twice as long.
const AGAIN: Duration = Duration::from_millis(5);
/// A process that ends closes its connections one after another, and its listener may be the last.
const LOOKS: u32 = 8;

/// Whether nobody listens at an address, at two looks in a row: one refusal may be of a listener that is about to come back.
pub(crate) async fn is_gone(address: &Address) -> bool {
    let mut refused = false;
    for look in 0..LOOKS {
        let again = is_refused(address).await;
        if refused && again {
            return true;
        }
        refused = again;
        sleep(AGAIN.saturating_mul(1 << look)).await;
    }
    false
}

async fn is_refused(address: &Address) -> bool {
    let connected = timeout(PATIENCE, TcpStream::connect((&*address.host, address.port))).await;
    matches!(connected, Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused)
}

/// Looks whether a broker that was registered with an epoch still is there, and has the controller know if not.
pub(crate) async fn look_at(broker: Arc<Broker>, broker_id: i32, broker_epoch: i64) {
    let Some(address) = address_of(&broker, &broker.image(), broker_id, broker_epoch) else { return };
    let is_gone = is_gone(&address).await;
    debug!(broker_id, %address, is_gone, "a broker hung up, or was silent");
    if is_gone && let Some(controller) = broker.controller().local() {
        info!("broker {broker_id} has ended: nobody listens at {address}");
        controller.notify(Event::BrokerGone { broker_id, broker_epoch });
    }
}

/// The same of all brokers that serve, side by side.
pub(crate) async fn look_at_all(broker: Arc<Broker>) {
    let image = broker.image();
    for other in image.cluster().brokers().values().filter(|other| other.id != broker.node_id && !other.fenced) {
        tokio::spawn(look_at(broker.clone(), other.id, other.epoch));
    }
}

/// Where a broker listens for others, if it has not registered anew. One that is fenced is looked for too: it was stopped in order,
/// and is let in again at once.
fn address_of(broker: &Broker, image: &Image, id: i32, epoch: i64) -> Option<Address> {
    let registered = image.cluster().broker(id).filter(|registered| registered.epoch == epoch)?;
    let config = broker.config();
    let endpoint =
        registered.listener(config.inter_broker_listener_name().as_str()).or(registered.listeners.first())?;
    Some(Address { host: endpoint.host.clone(), port: endpoint.port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn gone_is_who_refuses_and_not_who_is_silent() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let address = Address { host: "127.0.0.1".into(), port };
        // It accepts nothing, and is there all the same.
        assert!(!is_refused(&address).await);
        let (gone, ()) = tokio::join!(is_gone(&address), async move {
            // Not before the first look.
            tokio::task::yield_now().await;
            drop(listener);
        });
        assert!(gone);
    }
}
