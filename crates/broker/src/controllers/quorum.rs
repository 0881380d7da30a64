//! Where the controllers are, and which of them is active.

use crate::client::Address;
use ottla_config::{ServerConfig, keys};
use ottla_protocol::Str;
use tokio::sync::watch;

/// The controller that is active.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Active {
    pub(crate) id: i32,
    pub(crate) epoch: i32,
    pub(crate) address: Address,
}

/// What this node knows of the controllers.
pub(crate) struct Quorum {
    /// Where to begin: of a fixed quorum with the voters' ids.
    seeds: Vec<(Option<i32>, Address)>,
    active: watch::Sender<Option<Active>>,
}

impl Quorum {
    /// As the config says.
    pub(crate) fn new(config: &ServerConfig) -> Self {
        let voters = parse_voters(config).into_iter().map(|(id, address)| (Some(id), address));
        let servers = config.get(keys::CONTROLLER_QUORUM_BOOTSTRAP_SERVERS);
        let servers = servers.iter().filter_map(|server| Address::parse(server)).map(|address| (None, address));
        Self { seeds: voters.chain(servers).collect(), active: watch::Sender::new(None) }
    }

    /// The addresses to begin with.
    pub(crate) fn seeds(&self) -> impl Iterator<Item = &Address> {
        self.seeds.iter().map(|(_, address)| address)
    }

    /// The address of a voter, as far as the config says.
    pub(crate) fn address_of(&self, voter: i32) -> Option<&Address> {
        self.seeds.iter().find(|(id, _)| *id == Some(voter)).map(|(_, address)| address)
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
