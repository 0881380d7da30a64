//! The last offset of every key, in a bounded amount of memory: 24 bytes a key, however long it is.

use super::hash::{HashKey, hash};

/// Bytes of a slot: a hash of 16 bytes and an offset, as in Kafka's map.
pub(crate) const SLOT_BYTES: usize = 24;
/// Slots to begin with; small logs need no more.
const FIRST_SLOTS: usize = 1024;

/// Hash and offset + 1; 0 there means free.
type Slot = [u64; 3];

/// Open addressing with linear probing. It begins small and doubles up to its limit.
#[derive(Debug)]
pub(crate) struct OffsetMap {
    key: HashKey,
    slots: Vec<Slot>,
    len: usize,
    max_slots: usize,
    max_len: usize,
    latest_offset: i64,
}

impl OffsetMap {
    /// A map of at most `max_bytes`, full when `load_factor` of the slots that fit are taken.
    ///
    /// While it doubles, the old half is there beside the new whole.
    pub(crate) fn new(key: HashKey, max_bytes: usize, load_factor: f64) -> Self {
        let max_slots = (max_bytes / SLOT_BYTES).max(2);
        // One slot stays free, so that a search ends. One key fits always: with none, cleaning would not get on.
        let max_len = ((max_slots as f64 * load_factor) as usize).clamp(1, max_slots - 1);
        let slots = vec![[0; 3]; max_slots.min(FIRST_SLOTS)];
        Self { key, slots, len: 0, max_slots, max_len, latest_offset: -1 }
    }

    /// Sets a key's offset; false if the map is full. As in Kafka a full map takes no key, not even one that it has.
    pub(crate) fn put(&mut self, key: &[u8], offset: i64) -> bool {
        if self.len >= self.max_len {
            return false;
        }
        self.grow_if_needed();
        let hash = hash(self.key, key);
        if insert(&mut self.slots, hash, offset) {
            self.len += 1;
        }
        self.latest_offset = offset;
        true
    }

    /// The offset of a key.
    pub(crate) fn get(&self, key: &[u8]) -> Option<i64> {
        let hash = hash(self.key, key);
        let slot = self.slots.get(find(&self.slots, hash))?;
        (slot[2] != 0).then(|| offset_in(slot))
    }

    /// The offset up to which the log is taken in, or -1.
    pub(crate) fn latest_offset(&self) -> i64 {
        self.latest_offset
    }

    pub(crate) fn set_latest_offset(&mut self, offset: i64) {
        self.latest_offset = offset;
    }

    /// How much of the memory that it may take is in use, from 0 to 1.
    pub(crate) fn utilization(&self) -> f64 {
        self.len as f64 / self.max_slots as f64
    }

    /// Keeps a quarter of the slots free while there may be more of them.
    fn grow_if_needed(&mut self) {
        let slots = self.slots.len();
        if slots == self.max_slots || self.len < slots / 4 * 3 {
            return;
        }
        let mut larger = vec![[0; 3]; slots.saturating_mul(2).min(self.max_slots)];
        for slot in self.slots.iter().filter(|slot| slot[2] != 0) {
            insert(&mut larger, [slot[0], slot[1]], offset_in(slot));
        }
        self.slots = larger;
    }
}

fn offset_in(slot: &Slot) -> i64 {
    (slot[2] - 1) as i64
}

/// True if the hash was not there.
fn insert(slots: &mut [Slot], hash: [u64; 2], offset: i64) -> bool {
    let place = find(slots, hash);
    let slot = &mut slots[place];
    let new = slot[2] == 0;
    *slot = [hash[0], hash[1], offset as u64 + 1];
    new
}

/// The slot that has the hash, or the free one where it belongs.
fn find(slots: &[Slot], hash: [u64; 2]) -> usize {
    // The hash is uniform: its share of 2^64 is its place's share of the slots.
    let mut place = ((u128::from(hash[0]) * slots.len() as u128) >> 64) as usize;
    loop {
        let slot = &slots[place];
        if slot[2] == 0 || [slot[0], slot[1]] == hash {
            return place;
        }
        place = if place + 1 == slots.len() { 0 } else { place + 1 };
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn it_is_a_map_up_to_its_limit() {
        for (slots, load_factor, expected) in
            [(2, 0.9, 1), (2, 0.0, 1), (3, 1.0, 2), (100, 0.5, 50), (5000, 0.9, 4500), (5000, 1.0, 4999)]
        {
            let mut map = OffsetMap::new(HashKey([3; 16]), slots * SLOT_BYTES, load_factor);
            let mut model = BTreeMap::new();
            let mut offset = 0;
            // Each key comes twice, an old one between new ones.
            while map.put(format!("key {}", offset / 2 + offset % 2 * 3).as_bytes(), offset) {
                model.insert(offset / 2 + offset % 2 * 3, offset);
                assert_eq!(map.latest_offset(), offset);
                offset += 1;
            }
            assert_eq!((map.len, model.len()), (expected, expected));
            assert!(!map.put(b"key 0", offset), "a full map takes nothing");
            for key in 0..offset {
                assert_eq!(map.get(format!("key {key}").as_bytes()), model.get(&key).copied());
            }
            assert!(map.slots.len() <= slots);
        }
    }

    #[test]
    fn a_small_log_takes_little_memory() {
        let mut map = OffsetMap::new(HashKey::default(), 128 << 20, 0.9);
        for offset in 0..1000 {
            assert!(map.put(&i64::to_be_bytes(offset), offset));
        }
        assert!(map.slots.len() * SLOT_BYTES <= 64 << 10);
    }
}
