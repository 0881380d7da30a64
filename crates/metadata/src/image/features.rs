//! The features that the cluster has agreed on (KIP-584).

use crate::MetadataVersion;
use ottla_protocol::Str;
use std::collections::BTreeMap;

/// Feature levels, `metadata.version` among them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Features {
    metadata_version: Option<MetadataVersion>,
    finalized: BTreeMap<Str, i16>,
}

impl Features {
    /// The level of `metadata.version`, which is not known before the first record.
    pub fn metadata_version(&self) -> Option<MetadataVersion> {
        self.metadata_version
    }

    /// The level of a feature; one that was never set is at 0.
    pub fn level(&self, name: &str) -> i16 {
        match (name, self.metadata_version) {
            (MetadataVersion::FEATURE_NAME, Some(version)) => version.level(),
            _ => self.finalized.get(name).copied().unwrap_or(0),
        }
    }

    /// The levels above 0 in order of name, `metadata.version` left out.
    pub fn finalized(&self) -> &BTreeMap<Str, i16> {
        &self.finalized
    }

    /// All levels above 0 in order of name, `metadata.version` among them.
    pub fn all(&self) -> BTreeMap<Str, i16> {
        let mut all = self.finalized.clone();
        if let Some(version) = self.metadata_version {
            all.insert(Str::from_static(MetadataVersion::FEATURE_NAME), version.level());
        }
        all
    }

    /// Whether eligible leader replicas are kept (KIP-966).
    pub fn eligible_leader_replicas(&self) -> bool {
        self.level(crate::features::ELIGIBLE_LEADER_REPLICAS_VERSION) > 0
    }

    pub(super) fn set_metadata_version(&mut self, version: MetadataVersion) {
        self.metadata_version = Some(version);
    }

    pub(super) fn set(&mut self, name: &Str, level: i16) {
        match level {
            0 => self.finalized.remove(name),
            _ => self.finalized.insert(name.detached(), level),
        };
    }
}
