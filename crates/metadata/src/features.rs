//! The features this build knows: their levels, what each level needs, and the default at each `metadata.version`.

use crate::MetadataVersion;

/// Level 1: clusters whose controllers come and go (KIP-853). Kept in control records, not in the metadata.
pub const KRAFT_VERSION: &str = "kraft.version";
/// Level 1: flexible transaction records; level 2: transactions fenced by epoch (KIP-890).
pub const TRANSACTION_VERSION: &str = "transaction.version";
/// Level 1: the consumer group protocol (KIP-848).
pub const GROUP_VERSION: &str = "group.version";
/// Level 1: eligible leader replicas (KIP-966).
pub const ELIGIBLE_LEADER_REPLICAS_VERSION: &str = "eligible.leader.replicas.version";
/// Level 1: share groups (KIP-932).
pub const SHARE_VERSION: &str = "share.version";
/// Level 1: streams groups (KIP-1071).
pub const STREAMS_VERSION: &str = "streams.version";

/// A feature besides `metadata.version`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feature {
    /// Its name.
    pub name: &'static str,
    /// The highest level; the lowest is 0.
    pub latest: i16,
    /// The level of `metadata.version` from which the latest is the default.
    default_since: i16,
    /// The level of `metadata.version` that any level above 0 needs.
    needs: Option<i16>,
}

/// The features besides `metadata.version`, in Kafka's order.
pub const FEATURES: [Feature; 6] = [
    feature(KRAFT_VERSION, 1, 21, None),
    feature(TRANSACTION_VERSION, 2, 24, None),
    feature(GROUP_VERSION, 1, 22, None),
    feature(ELIGIBLE_LEADER_REPLICAS_VERSION, 1, 26, Some(23)),
    feature(SHARE_VERSION, 1, 28, None),
    feature(STREAMS_VERSION, 1, 29, None),
];

const fn feature(name: &'static str, latest: i16, default_since: i16, needs: Option<i16>) -> Feature {
    Feature { name, latest, default_since, needs }
}

impl Feature {
    /// The feature of this name.
    pub fn named(name: &str) -> Option<Self> {
        FEATURES.into_iter().find(|f| f.name == name)
    }

    /// The level it has in a new cluster at a `metadata.version`.
    pub fn default_level(&self, at: MetadataVersion) -> i16 {
        match at.level() >= self.default_since {
            true => self.latest,
            false => 0,
        }
    }

    /// The `metadata.version` that a level needs, where it needs one.
    pub fn needs(&self, level: i16) -> Option<i16> {
        self.needs.filter(|_| level > 0)
    }
}
