//! What configs belong to.

use ottla_protocol::Str;

/// A kind of thing that has configs stored in the metadata; the numbers are those of the wire and of `ConfigRecord`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i8)]
pub enum ResourceType {
    /// A topic.
    Topic = 2,
    /// A broker, or with an empty name all of them.
    Broker = 4,
    /// A broker's log levels; they are not stored (KIP-412).
    BrokerLogger = 8,
    /// A subscription to clients' metrics (KIP-714).
    ClientMetrics = 16,
    /// A group (KIP-848).
    Group = 32,
}

impl ResourceType {
    /// All types.
    pub const ALL: [Self; 5] = [Self::Topic, Self::Broker, Self::BrokerLogger, Self::ClientMetrics, Self::Group];

    /// The type with this number.
    pub fn from_id(id: i8) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.id() == id)
    }

    /// The number.
    pub fn id(self) -> i8 {
        self as i8
    }
}

/// A thing that has configs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConfigResource {
    /// Its kind.
    pub kind: ResourceType,
    /// Its name.
    pub name: Str,
}

impl ConfigResource {
    /// A resource.
    pub fn new(kind: ResourceType, name: impl Into<Str>) -> Self {
        Self { kind, name: name.into() }
    }

    /// A topic.
    pub fn topic(name: impl Into<Str>) -> Self {
        Self::new(ResourceType::Topic, name)
    }

    /// A broker.
    pub fn broker(id: i32) -> Self {
        Self::new(ResourceType::Broker, id.to_string())
    }

    /// All brokers: the cluster-wide defaults.
    pub fn default_broker() -> Self {
        Self::new(ResourceType::Broker, Str::from_static(""))
    }
}
