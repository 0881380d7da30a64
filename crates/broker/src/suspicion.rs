//! Whether a process that was silent or hung up has ended: then nobody listens where it did, and nobody need wait for its session
//! to end.
//!
//! Only a refusal tells. Who does not answer may be slow, or cut off, and keeps its session.

use crate::{broker::Broker, client::Address};
use ottla_metadata::{controller::Event, image::Image};
use std::{io::ErrorKind, sync::Arc, time::Duration};
use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};
use tracing::{debug, info};

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(1);
/// One refusal may be of a listener that was just about to come back.
const AGAIN: Duration = Duration::from_millis(20);

/// Whether nobody listens at an address, at two looks.
pub(crate) async fn is_gone(address: &Address) -> bool {
    if !is_refused(address).await {
        return false;
    }
    sleep(AGAIN).await;
    is_refused(address).await
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

/// The same of all brokers, side by side.
pub(crate) async fn look_at_all(broker: Arc<Broker>) {
    let image = broker.image();
    for other in image.cluster().brokers().values().filter(|other| other.id != broker.node_id) {
        tokio::spawn(look_at(broker.clone(), other.id, other.epoch));
    }
}

/// Where a broker listens for others, if it serves in that registration.
fn address_of(broker: &Broker, image: &Image, id: i32, epoch: i64) -> Option<Address> {
    let registered = image.cluster().broker(id).filter(|registered| registered.epoch == epoch && !registered.fenced)?;
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
        assert!(!is_gone(&address).await);
        drop(listener);
        assert!(is_gone(&address).await);
    }
}
