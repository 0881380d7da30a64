//! Where the quorum's own log is, and how it begins.

use anyhow::Context as _;
use ottla_quorum::{Founding, MetaKey, Quorum, RocksStore, Settings, Store as _};
use std::path::PathBuf;

/// Opens the quorum's log, which only a controller has that is one of several, or was, or may become one.
pub(crate) struct Founder {
    pub(crate) settings: Settings,
    /// The log's own folder.
    pub(crate) folder: PathBuf,
}

impl Founder {
    /// Whether it has a beginning: a folder without one is that of a start which was cut short, or of a node that was never a
    /// member.
    pub(crate) fn has_begun(&self) -> anyhow::Result<bool> {
        Ok(self.folder.exists() && RocksStore::open(&self.folder)?.meta(MetaKey::Snapshot)?.is_some())
    }

    /// Opens it. `founding` says how it begins if it has not yet; without that this node waits until it is made a member.
    pub(crate) fn open(
        &self,
        founding: impl FnOnce() -> anyhow::Result<Option<Founding>>,
    ) -> anyhow::Result<Quorum<RocksStore>> {
        let store = RocksStore::open(&self.folder)?;
        let founding = if store.meta(MetaKey::Snapshot)?.is_some() { None } else { founding()? };
        Quorum::open(self.settings.clone(), store, founding.as_ref()).context("the quorum of controllers")
    }
}
