//! Offsets that groups commit: how far each has read each partition.

mod commit;
mod delete;
mod expire;
mod fetch;
mod offset;
mod store;
mod topics_deleted;

pub use self::commit::{CommitPartition, CommitTopic, CommittedTopic, OffsetCommit, PartitionResult};
pub use self::delete::{DeletedOffsetTopic, OffsetDelete, TopicPartitions};
pub use self::fetch::{FetchTopic, FetchedPartition, FetchedTopic, OffsetFetch};
pub use self::offset::OffsetAndMetadata;
pub use self::topics_deleted::DeletedTopic;

pub(crate) use self::commit::commit;
pub(crate) use self::delete::delete;
pub(crate) use self::expire::{TOMBSTONE_OVERHEAD_BYTES, expire, is_full};
pub(crate) use self::fetch::fetch;
pub(crate) use self::store::OffsetStore;
pub(crate) use self::topics_deleted::topics_deleted;
