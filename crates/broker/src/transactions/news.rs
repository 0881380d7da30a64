//! What every coordinator must know besides its log: the settings, of which the level of `transaction.version` is metadata.

use crate::shards;
use ottla_coordinator::transactions::{Event, Settings, TransactionCoordinator};
use ottla_metadata::{features::TRANSACTION_VERSION, image::Image};
use tokio::sync::watch;

/// Where changes come in.
pub(super) struct Newsroom {
    settings: watch::Sender<Settings>,
}

impl Newsroom {
    /// The cluster's features are not known yet.
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings: watch::Sender::new(Settings { transaction_version: 0, ..settings }) }
    }

    /// What a coordinator reads.
    pub(super) fn subscribe(&self) -> News {
        News { settings: self.settings.subscribe() }
    }

    /// Takes settings in, if they are new.
    pub(super) fn configure(&self, settings: Settings) {
        self.change(|before| Settings { transaction_version: before.transaction_version, ..settings });
    }

    /// Takes the metadata in.
    pub(super) fn publish(&self, image: &Image) {
        let transaction_version = image.features().level(TRANSACTION_VERSION);
        self.change(|before| Settings { transaction_version, ..before.clone() });
    }

    fn change(&self, change: impl FnOnce(&Settings) -> Settings) {
        self.settings.send_if_modified(|before| {
            let settings = change(before);
            let is_new = *before != settings;
            *before = settings;
            is_new
        });
    }
}

/// What one coordinator has not been told.
#[derive(Clone)]
pub(super) struct News {
    settings: watch::Receiver<Settings>,
}

impl shards::News<TransactionCoordinator> for News {
    fn all(&self) -> Vec<Event> {
        vec![Event::Configure(self.settings.borrow().clone())]
    }

    fn mark_seen(&mut self) {
        self.settings.mark_unchanged();
    }

    async fn next(&mut self) -> Event {
        match self.settings.changed().await {
            Ok(()) => Event::Configure(self.settings.borrow_and_update().clone()),
            // Nobody is left who could know anything new.
            Err(_closed) => std::future::pending().await,
        }
    }
}
