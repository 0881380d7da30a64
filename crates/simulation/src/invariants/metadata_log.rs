//! One metadata log: what any controller is handed as committed is the same for all, its offsets follow on, and the image that each
//! makes of it is the same too.

use super::Violation;
use bytes::Bytes;
use ottla_metadata::{Image, MetadataRecord};
use ottla_protocol::batch::CheckedBatch;
use ottla_protocol::compression::Limits;
use ottla_quorum::{Committed, Members};
use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub(crate) struct MetadataLog {
    entries: BTreeMap<u64, (i32, Bytes)>,
    batches: BTreeMap<i64, Bytes>,
    /// The members from each entry on.
    members: BTreeMap<u64, Members>,
    end: i64,
    image: Image,
    /// The image at each end of a batch.
    images: BTreeMap<i64, Image>,
}

fn wrong(seen: String) -> Violation {
    Violation::new("metadata log", seen)
}

impl MetadataLog {
    pub(crate) fn new(members: Members) -> Self {
        let images = BTreeMap::from([(0, Image::default())]);
        Self { members: BTreeMap::from([(0, members)]), images, ..Self::default() }
    }

    /// What is committed, as whoever knew it first has it.
    pub(crate) fn image(&self) -> &Image {
        &self.image
    }

    pub(crate) fn end(&self) -> i64 {
        self.end
    }

    pub(crate) fn count(&self) -> usize {
        self.entries.len()
    }

    /// How often the members changed.
    pub(crate) fn changes(&self) -> usize {
        self.members.len() - 1
    }

    /// The members with all changes up to an entry.
    pub(crate) fn members_at(&self, index: u64) -> Option<&Members> {
        self.members.range(..=index).next_back().map(|(_, members)| members)
    }

    /// The latest members.
    pub(crate) fn members(&self) -> Option<&Members> {
        self.members_at(u64::MAX)
    }

    /// A controller was handed an entry. Answers whether that is news.
    pub(crate) fn note(&mut self, controller: i32, entry: &Committed) -> Result<bool, Violation> {
        let value = (entry.epoch, entry.data.clone());
        if let Some(known) = self.entries.get(&entry.index) {
            return match *known == value {
                true => Ok(false),
                false => Err(wrong(format!("{controller} has another entry {}: epoch {}", entry.index, entry.epoch))),
            };
        }
        if let Some((last, (epoch, _))) = self.entries.last_key_value()
            && (*last + 1 != entry.index || *epoch > entry.epoch)
        {
            let seen = format!("{controller}: entry {} of epoch {} after {last} of {epoch}", entry.index, entry.epoch);
            return Err(wrong(seen));
        }
        self.entries.insert(entry.index, value);
        if let Some(members) = &entry.members {
            self.members.insert(entry.index, members.clone());
        }
        match entry.data.is_empty() {
            true => Ok(false),
            false => self.append(controller, entry).map(|()| true),
        }
    }

    fn append(&mut self, controller: i32, entry: &Committed) -> Result<(), Violation> {
        let broken = |reason: String| wrong(format!("{controller}: entry {}: {reason}", entry.index));
        let batch = CheckedBatch::parse(entry.data.clone()).map_err(|error| broken(error.to_string()))?;
        let header = batch.header();
        if header.base_offset != self.end || header.partition_leader_epoch != entry.epoch {
            let (base, epoch) = (header.base_offset, header.partition_leader_epoch);
            return Err(broken(format!("offset {base} of epoch {epoch}, where the log ends at {}", self.end)));
        }
        for record in batch.records(&Limits::default()).filter(|_| !header.attributes.is_control()) {
            let value = record.map_err(|error| broken(error.to_string()))?.value.unwrap_or_default();
            let record = MetadataRecord::decode(value).map_err(|error| broken(error.to_string()))?;
            self.image.apply(&record).map_err(|error| broken(error.to_string()))?;
        }
        self.batches.insert(self.end, entry.data.clone());
        self.end = header.next_offset();
        self.image.advance(self.end, entry.epoch);
        self.images.insert(self.end, self.image.clone());
        Ok(())
    }

    /// The batch that is committed where one begins.
    pub(crate) fn batch(&self, base_offset: i64) -> Option<&Bytes> {
        self.batches.get(&base_offset)
    }

    /// Whether what a controller makes of the log is what it says.
    pub(crate) fn check(&self, controller: i32, image: &Image) -> Result<(), Violation> {
        let known = self.images.get(&image.offset());
        match known.is_some_and(|known| known == image) {
            true => Ok(()),
            false => Err(wrong(format!("{controller} has another image at offset {}", image.offset()))),
        }
    }
}
