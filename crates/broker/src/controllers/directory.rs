//! Where the controllers are, and which of them is active.

use crate::client::Address;
use ottla_config::{ServerConfig, keys};
use ottla_protocol::Str;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use tokio::sync::watch;

/// The controller that is active.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Active {
    pub(crate) id: i32,
    pub(crate) epoch: i32,
    pub(crate) address: Address,
}

/// What this node knows of the controllers.
pub(crate) struct Controllers {
    /// Where to begin: of a fixed quorum with the voters' ids.
    seeds: Vec<(Option<i32>, Address)>,
    /// The voters as the metadata log has them: what the config names may be gone by now.
    voters: Mutex<BTreeMap<i32, Address>>,
    active: watch::Sender<Option<Active>>,
}

impl Controllers {
    /// As the config says.
    pub(crate) fn new(config: &ServerConfig) -> Self {
        let voters = parse_voters(config).into_iter().map(|(id, address)| (Some(id), address));
        let servers = config.get(keys::CONTROLLER_QUORUM_BOOTSTRAP_SERVERS);
        let servers = servers.iter().filter_map(|server| Address::parse(server)).map(|address| (None, address));
        Self { seeds: voters.chain(servers).collect(), voters: Mutex::default(), active: watch::Sender::new(None) }
    }

    /// Takes note of where the voters are by the metadata log.
    pub(crate) fn set_voters(&self, voters: BTreeMap<i32, Address>) {
        *self.voters.lock() = voters;
    }

    /// The addresses at which a controller may be found.
    pub(crate) fn seeds(&self) -> Vec<Address> {
        let mut seeds: Vec<Address> = self.seeds.iter().map(|(_, address)| address.clone()).collect();
        seeds.extend(
            self.voters.lock().values().filter(|address| !seeds.contains(address)).cloned().collect::<Vec<_>>(),
        );
        seeds
    }

    /// The address of a voter, as far as it is known.
    pub(crate) fn address_of(&self, voter: i32) -> Option<Address> {
        let logged = self.voters.lock().get(&voter).cloned();
        let configured = || self.seeds.iter().find(|(id, _)| *id == Some(voter)).map(|(_, address)| address.clone());
        logged.or_else(configured)
    }

    /// The active controller as it is known now.
    pub(crate) fn active(&self) -> Option<Active> {
        self.active.borrow().clone()
    }

    /// Hears of the active controller.
    pub(crate) fn watch(&self) -> watch::Receiver<Option<Active>> {
        self.active.subscribe()
    }

    /// Takes note of which controller is active, or that none is known to be.
    pub(crate) fn set_active(&self, active: Option<Active>) {
        self.active.send_if_modified(|known| {
            let is_news = *known != active;
            *known = active;
            is_news
        });
    }
}

/// `controller.quorum.voters`.
pub(crate) fn parse_voters(config: &ServerConfig) -> Vec<(i32, Address)> {
    let voter = |entry: &String| {
        let (id, address) = entry.split_once('@')?;
        Some((id.parse().ok()?, Address::parse(address)?))
    };
    config.get(keys::CONTROLLER_QUORUM_VOTERS).iter().filter_map(voter).collect()
}

/// What a node calls itself when it asks others.
pub(crate) fn client_id(node_id: i32, purpose: &str) -> Str {
    format!("ottla-{node_id}-{purpose}").into()
}
