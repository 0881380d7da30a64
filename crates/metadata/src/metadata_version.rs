//! The levels of `metadata.version`, and the record versions that each brings (KIP-778).

use core::fmt;

/// A level of the feature `metadata.version`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MetadataVersion(i16);

/// Release and step within it, from [`MetadataVersion::MINIMUM`] on, each a level above the one before.
const NAMES: [&str; 24] = [
    "3.3-IV3", "3.4-IV0", "3.5-IV0", "3.5-IV1", "3.5-IV2", "3.6-IV0", "3.6-IV1", "3.6-IV2", "3.7-IV0", "3.7-IV1",
    "3.7-IV2", "3.7-IV3", "3.7-IV4", "3.8-IV0", "3.9-IV0", "4.0-IV0", "4.0-IV1", "4.0-IV2", "4.0-IV3", "4.1-IV0",
    "4.1-IV1", "4.2-IV0", "4.2-IV1", "4.3-IV0",
];

impl MetadataVersion {
    /// The name of the feature.
    pub const FEATURE_NAME: &'static str = "metadata.version";
    /// 3.3-IV3, the lowest that Kafka 4 knows.
    pub const MINIMUM: Self = Self(7);
    /// 4.3-IV0, the latest that is in production.
    pub const LATEST: Self = Self(30);
    /// 3.6-IV0: an in-sync set may shrink within a leader epoch (KAFKA-15021).
    pub const SHRINK_WITHIN_EPOCH: Self = Self(12);
    /// 3.6-IV1: records in transactions (KIP-868).
    pub const TRANSACTIONS: Self = Self(13);
    /// 3.7-IV0: controllers register (KIP-919).
    pub const CONTROLLER_REGISTRATION: Self = Self(15);
    /// 3.7-IV2: replicas have directories (KIP-858).
    pub const DIRECTORIES: Self = Self(17);
    /// 4.0-IV1: eligible leader replicas (KIP-966).
    pub const ELIGIBLE_LEADER_REPLICAS: Self = Self(23);
    /// 4.3-IV0: cordoned log directories (KIP-1066).
    pub const CORDONED_LOG_DIRS: Self = Self(30);

    /// The version of a level, if it is known.
    pub fn from_level(level: i16) -> Option<Self> {
        (Self::MINIMUM.0..=Self::LATEST.0).contains(&level).then_some(Self(level))
    }

    /// The version of a name: `4.3-IV0`, or the last of a release (`4.3`).
    pub fn from_release(release: &str) -> Option<Self> {
        let of_release = |name: &str| name.split_once('-').is_some_and(|(r, _)| r == release);
        let found = NAMES.iter().rposition(|name| *name == release || of_release(name))?;
        Self::from_level(Self::MINIMUM.0 + i16::try_from(found).ok()?)
    }

    /// All versions, in order.
    pub fn all() -> impl Iterator<Item = Self> {
        (Self::MINIMUM.0..=Self::LATEST.0).map(Self)
    }

    /// The feature level.
    pub fn level(self) -> i16 {
        self.0
    }

    /// The name, `4.3-IV0`.
    pub fn name(self) -> &'static str {
        usize::try_from(self.0 - Self::MINIMUM.0).ok().and_then(|i| NAMES.get(i)).copied().unwrap_or_default()
    }

    /// The version of `RegisterBrokerRecord`.
    pub fn register_broker_record_version(self) -> i16 {
        match self {
            v if v >= Self::CORDONED_LOG_DIRS => 4,
            v if v >= Self::DIRECTORIES => 3,
            v if v > Self::MINIMUM => 2,
            _ => 1,
        }
    }

    /// The version of `PartitionRecord` and `PartitionChangeRecord`.
    pub fn partition_record_version(self) -> i16 {
        match self {
            v if v >= Self::ELIGIBLE_LEADER_REPLICAS => 2,
            v if v >= Self::DIRECTORIES => 1,
            _ => 0,
        }
    }
}

impl Default for MetadataVersion {
    fn default() -> Self {
        Self::LATEST
    }
}

impl fmt::Display for MetadataVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
