//! Control records: what brokers write into a log for the log itself, never handed to consumers.

use bytes::{Buf, BufMut, Bytes};

use super::Error;

const CURRENT_VERSION: i16 = 0;

/// What a control record says; its key holds this, its value depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlType {
    /// The producer's transaction is aborted; the value is an [`EndTxnMarker`].
    Abort,
    /// The producer's transaction is committed; the value is an [`EndTxnMarker`].
    Commit,
    /// A quorum leader was elected; the value is a LeaderChangeMessage.
    LeaderChange,
    /// First record of a snapshot; the value is a SnapshotHeaderRecord.
    SnapshotHeader,
    /// Last record of a snapshot; the value is a SnapshotFooterRecord.
    SnapshotFooter,
    /// The quorum's protocol version (KIP-853); the value is a KRaftVersionRecord.
    KRaftVersion,
    /// The quorum's voters (KIP-853); the value is a VotersRecord.
    KRaftVoters,
    /// A type of a later release, to be ignored.
    Unknown(i16),
}

impl ControlType {
    /// The id in the key.
    pub fn id(self) -> i16 {
        match self {
            Self::Abort => 0,
            Self::Commit => 1,
            Self::LeaderChange => 2,
            Self::SnapshotHeader => 3,
            Self::SnapshotFooter => 4,
            Self::KRaftVersion => 5,
            Self::KRaftVoters => 6,
            Self::Unknown(id) => id,
        }
    }

    /// The type with this id.
    pub fn from_id(id: i16) -> Self {
        match id {
            0 => Self::Abort,
            1 => Self::Commit,
            2 => Self::LeaderChange,
            3 => Self::SnapshotHeader,
            4 => Self::SnapshotFooter,
            5 => Self::KRaftVersion,
            6 => Self::KRaftVoters,
            id => Self::Unknown(id),
        }
    }

    /// The key of a record of this type.
    pub fn encode_key(self) -> [u8; 4] {
        let mut key = [0; 4];
        let mut out: &mut [u8] = &mut key;
        out.put_i16(CURRENT_VERSION);
        out.put_i16(self.id());
        key
    }

    /// Reads a key. Later versions may only add fields at its end.
    pub fn decode_key(key: &[u8]) -> Result<Self, Error> {
        let mut key: &[u8] = key.first_chunk::<4>().ok_or(Error::Control("the key is too short"))?;
        if key.get_i16() < 0 {
            return Err(Error::Control("the key has a negative version"));
        }
        Ok(Self::from_id(key.get_i16()))
    }
}

/// The value of [`ControlType::Abort`] and [`ControlType::Commit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndTxnMarker {
    /// Epoch of the transaction coordinator, which fences older ones.
    pub coordinator_epoch: i32,
}

impl EndTxnMarker {
    /// The value's bytes.
    pub fn encode(self) -> Bytes {
        let mut value = Vec::with_capacity(6);
        value.put_i16(CURRENT_VERSION);
        value.put_i32(self.coordinator_epoch);
        value.into()
    }

    /// Reads a value. Later versions may only add fields at its end.
    pub fn decode(value: &[u8]) -> Result<Self, Error> {
        let mut value: &[u8] =
            value.first_chunk::<6>().ok_or(Error::Control("the end of a transaction is too short"))?;
        if value.get_i16() < 0 {
            return Err(Error::Control("the end of a transaction has a negative version"));
        }
        Ok(Self { coordinator_epoch: value.get_i32() })
    }
}
