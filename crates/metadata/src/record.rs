//! The records of the metadata log, and the frame around each.

use crate::MetadataVersion;
use bytes::Bytes;
use ottla_protocol::codec::{
    Codec, DecodeError, Decoder, EncodeError, Encoder, Message, TaggedWriter, UnknownTaggedFields,
};
use ottla_protocol::stored::*;

/// The frame's own version; there is one.
const FRAME_VERSION: u32 = 1;

/// Why bytes are not a metadata record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A frame that this build cannot read.
    #[error("metadata record has frame version {0}, expected {FRAME_VERSION}")]
    FrameVersion(u32),
    /// A record type that this build does not know; it may matter, so it is never passed over.
    #[error("unknown metadata record type {0}")]
    UnknownType(u32),
    /// A version that does not fit the record.
    #[error("metadata record {name} has no version {version}")]
    Version {
        /// The record's name.
        name: &'static str,
        /// The version read.
        version: u32,
    },
    /// The frame's own fields are cut short.
    #[error("metadata record frame: {0}")]
    Frame(#[source] DecodeError),
    /// The body is not what the type says.
    #[error("metadata record {name}: {source}")]
    Body {
        /// The record's name.
        name: &'static str,
        /// What is wrong.
        source: DecodeError,
    },
}

/// A record without fields of its own.
macro_rules! empty_record {
    ($(#[$doc:meta])* $name:ident = $id:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $name {
            /// Tagged fields this build does not know, kept as they came.
            pub unknown_tagged_fields: UnknownTaggedFields,
        }

        impl Codec for $name {
            fn decode(d: &mut Decoder, _version: i16) -> Result<Self, DecodeError> {
                let unknown_tagged_fields = d.tagged_fields(|_, _| Ok(false))?;
                Ok(Self { unknown_tagged_fields })
            }

            fn encode(&self, e: &mut Encoder, _version: i16) -> Result<(), EncodeError> {
                TaggedWriter::new().finish(&self.unknown_tagged_fields, e)
            }
        }

        impl Message for $name {
            const NAME: &'static str = stringify!($name);
            const ID: Option<i16> = Some($id);
            const VERSIONS: core::ops::RangeInclusive<i16> = 0..=0;
            const FLEXIBLE_SINCE: Option<i16> = Some(0);
        }
    };
}

empty_record!(
    /// Says nothing, but moves the end of the log.
    NoOpRecord = 20
);
empty_record!(
    /// The records since `BeginTransactionRecord` take effect (KIP-868).
    EndTransactionRecord = 24
);

macro_rules! metadata_records {
    ($($name:ident($kind:ident) = $id:literal;)*) => {
        /// Any record of the metadata log.
        #[derive(Clone, Debug, PartialEq)]
        #[allow(missing_docs)]
        pub enum MetadataRecord {
            $($name($kind),)*
        }

        $(impl From<$kind> for MetadataRecord {
            fn from(record: $kind) -> Self {
                Self::$name(record)
            }
        })*

        impl MetadataRecord {
            /// The record's number in the log.
            pub fn api_key(&self) -> i16 {
                match self {
                    $(Self::$name(_) => $id,)*
                }
            }

            /// Kafka's name of the record.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$name(_) => $kind::NAME,)*
                }
            }

            fn write(&self, e: &mut Encoder, version: i16) -> Result<(), EncodeError> {
                match self {
                    $(Self::$name(record) => record.encode(e, version),)*
                }
            }

            fn read(key: u32, version: u32, d: &mut Decoder) -> Result<Self, Error> {
                match key {
                    $($id => read_body::<$kind>(version, d).map(Self::$name),)*
                    _ => Err(Error::UnknownType(key)),
                }
            }
        }

        #[cfg(test)]
        pub(crate) fn ids() -> Vec<(i16, Option<i16>, &'static str)> {
            vec![$(($id, $kind::ID, $kind::NAME),)*]
        }
    };
}

metadata_records! {
    RegisterBroker(RegisterBrokerRecord) = 0;
    UnregisterBroker(UnregisterBrokerRecord) = 1;
    Topic(TopicRecord) = 2;
    Partition(PartitionRecord) = 3;
    Config(ConfigRecord) = 4;
    PartitionChange(PartitionChangeRecord) = 5;
    FenceBroker(FenceBrokerRecord) = 7;
    UnfenceBroker(UnfenceBrokerRecord) = 8;
    RemoveTopic(RemoveTopicRecord) = 9;
    DelegationToken(DelegationTokenRecord) = 10;
    UserScramCredential(UserScramCredentialRecord) = 11;
    FeatureLevel(FeatureLevelRecord) = 12;
    ClientQuota(ClientQuotaRecord) = 14;
    ProducerIds(ProducerIdsRecord) = 15;
    BrokerRegistrationChange(BrokerRegistrationChangeRecord) = 17;
    AccessControlEntry(AccessControlEntryRecord) = 18;
    RemoveAccessControlEntry(RemoveAccessControlEntryRecord) = 19;
    NoOp(NoOpRecord) = 20;
    ZkMigrationState(ZkMigrationStateRecord) = 21;
    RemoveUserScramCredential(RemoveUserScramCredentialRecord) = 22;
    BeginTransaction(BeginTransactionRecord) = 23;
    EndTransaction(EndTransactionRecord) = 24;
    AbortTransaction(AbortTransactionRecord) = 25;
    RemoveDelegationToken(RemoveDelegationTokenRecord) = 26;
    RegisterController(RegisterControllerRecord) = 27;
    ClearElr(ClearElrRecord) = 28;
}

fn read_body<T: Message>(version: u32, d: &mut Decoder) -> Result<T, Error> {
    let known = i16::try_from(version)
        .ok()
        .filter(|v| T::VERSIONS.contains(v))
        .ok_or(Error::Version { name: T::NAME, version })?;
    let body = |source| Error::Body { name: T::NAME, source };
    let record = T::read(d, known).map_err(body)?;
    d.finish().map_err(body)?;
    Ok(record)
}

impl MetadataRecord {
    /// The record's version at a `metadata.version`.
    pub fn version(&self, at: MetadataVersion) -> i16 {
        match self {
            Self::RegisterBroker(_) => at.register_broker_record_version(),
            // Kafka writes the lowest version that carries the change, whatever the cluster is at.
            Self::BrokerRegistrationChange(r) => match r {
                _ if r.cordoned_log_dirs.is_some() => 3,
                _ if !r.log_dirs.is_empty() => 2,
                _ if r.in_controlled_shutdown != 0 => 1,
                _ => 0,
            },
            Self::Partition(_) | Self::PartitionChange(_) => at.partition_record_version(),
            _ => 0,
        }
    }

    /// The value of the log record that carries this: frame version, type, version, body.
    pub fn encode(&self, at: MetadataVersion) -> Result<Bytes, EncodeError> {
        let version = self.version(at);
        let mut e = Encoder::new();
        e.unsigned_varint(FRAME_VERSION);
        e.unsigned_varint(u32::from(self.api_key().unsigned_abs()));
        e.unsigned_varint(u32::from(version.unsigned_abs()));
        self.write(&mut e, version)?;
        Ok(e.finish().into_bytes())
    }

    /// Reads the value of a log record.
    pub fn decode(value: Bytes) -> Result<Self, Error> {
        let mut d = Decoder::new(value);
        let frame = d.unsigned_varint().map_err(Error::Frame)?;
        if frame != FRAME_VERSION {
            return Err(Error::FrameVersion(frame));
        }
        let key = d.unsigned_varint().map_err(Error::Frame)?;
        let version = d.unsigned_varint().map_err(Error::Frame)?;
        Self::read(key, version, &mut d)
    }
}

#[cfg(test)]
mod tests;
