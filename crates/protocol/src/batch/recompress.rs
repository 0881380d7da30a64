//! Writing a produced batch anew under the codec that the topic asks for (`compression.type`), as Kafka's LogValidator does.

use super::{Builder, CheckedBatch, Error, NewRecord};
use crate::compression::{Compression, Level, Limits};

impl CheckedBatch {
    /// The same records under `codec`, each with its timestamp and headers, of the same producer and transaction.
    ///
    /// Offsets are counted from the base offset without gaps. A batch that has the codec already stays as it is, whatever its
    /// level: as in Kafka the level is not looked at then.
    pub fn recompressed(&self, codec: Compression, level: Level, limits: &Limits) -> Result<Self, Error> {
        let header = self.header();
        if codec == self.compression() || header.attributes.is_control() {
            return Ok(self.clone());
        }
        let mut builder = Builder::new()
            .base_offset(header.base_offset)
            .leader_epoch(header.partition_leader_epoch)
            .producer(header.producer_id, header.producer_epoch, header.base_sequence)
            .transactional(header.attributes.is_transactional())
            .compression(codec, level);
        for record in self.records(limits) {
            let record = record?;
            let headers: Vec<(&[u8], Option<&[u8]>)> =
                record.headers.iter().map(|(name, value)| (&name[..], value.as_deref())).collect();
            builder.push(NewRecord {
                timestamp: record.timestamp,
                key: record.key.as_deref(),
                value: record.value.as_deref(),
                headers: &headers,
            });
        }
        let mut batch = builder.build()?;
        batch.set_max_timestamp(header.attributes.timestamp_type(), header.max_timestamp);
        Ok(batch)
    }
}
