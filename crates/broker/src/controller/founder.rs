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

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_protocol::{Str, Uuid};
    use ottla_quorum::{Role, SnapshotId, Voter};

    fn founder(folder: PathBuf) -> Founder {
        let settings = Settings {
            node_id: 1,
            directory_id: Uuid::ONE,
            cluster_id: Str::from_static("c"),
            election_ticks: 10,
            heartbeat_ticks: 2,
            seed: 1,
        };
        Founder { settings, folder }
    }

    fn alone() -> Founding {
        let voters = vec![Voter { id: 1, directory_id: Uuid::ONE }];
        Founding { voters, epoch: 7, snapshot: SnapshotId { end_offset: 30, epoch: 7 }, inherited: Vec::new() }
    }

    #[test]
    fn a_quorum_has_begun_when_it_was_founded_and_not_when_its_folder_is_there() {
        let temporary = tempfile::tempdir().expect("a folder");
        let founder = founder(temporary.path().join("quorum"));
        assert!(!founder.has_begun().expect("readable") && !founder.folder.exists(), "looking makes nothing");
        let waits = founder.open(|| Ok(None)).expect("opens");
        assert_eq!(waits.role(), Role::Unattached { epoch: 0 });
        drop(waits);
        assert!(!founder.has_begun().expect("readable"), "as a start leaves it that is cut short");
        let quorum = founder.open(|| Ok(Some(alone()))).expect("opens");
        assert_eq!(quorum.role(), Role::Leader { epoch: 8 }, "in a later epoch than the log's");
        drop(quorum);
        assert!(founder.has_begun().expect("readable"));
        let again = founder.open(|| panic!("it is founded once")).expect("opens");
        assert_eq!(again.members().voters().count(), 1);
    }
}
