//! The snapshot file against hand-made bytes, and sequences that wrap.

use super::snapshot::{self, decode, encode};
use super::{BatchMetadata, ProducerEntry, Producers};

fn entry() -> ProducerEntry {
    let batch =
        |last_sequence, last_offset| BatchMetadata { last_sequence, last_offset, offset_delta: 2, timestamp: 900 };
    ProducerEntry {
        epoch: 7,
        coordinator_epoch: 3,
        last_timestamp: 1000,
        current_txn_first_offset: Some(18),
        batches: [batch(5, 20), batch(8, 23)].into(),
    }
}

/// One producer with id 4000, whose last batch is kept.
fn bytes() -> Vec<u8> {
    let mut covered = vec![0, 0, 0, 1];
    covered.extend(4000_i64.to_be_bytes());
    covered.extend([0, 7]);
    covered.extend([0, 0, 0, 8]);
    covered.extend(23_i64.to_be_bytes());
    covered.extend([0, 0, 0, 2]);
    covered.extend(1000_i64.to_be_bytes());
    covered.extend([0, 0, 0, 3]);
    covered.extend(18_i64.to_be_bytes());
    let crc = crc32c::crc32c(&covered);
    [&[0, 1][..], &crc.to_be_bytes(), &covered].concat()
}

#[test]
fn a_snapshot_is_kafkas_version_1() {
    let entries = std::collections::BTreeMap::from([(4000, entry())]);
    assert_eq!(encode(entries.iter()), bytes());
    let read = decode(&bytes()).unwrap();
    let mut last_only = entry();
    last_only.batches.pop_front();
    last_only.batches[0].timestamp = 1000;
    assert_eq!(read, [(4000, last_only)]);
}

#[test]
fn a_producer_without_batches_or_transaction_has_minus_ones() {
    let entries = std::collections::BTreeMap::from([(1, ProducerEntry::default())]);
    let read = decode(&encode(entries.iter())).unwrap();
    assert_eq!(read, [(1, ProducerEntry::default())]);
}

#[test]
fn any_damage_to_a_snapshot_is_seen() {
    let bytes = bytes();
    for position in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[position] ^= 1;
        assert!(decode(&damaged).is_err(), "at {position}");
        assert!(decode(&bytes[..position]).is_err(), "cut at {position}");
    }
    assert!(decode(&[bytes, vec![0]].concat()).is_err());
}

#[test]
fn a_snapshot_that_lies_about_its_size_allocates_nothing() {
    let covered = [0xff; 4];
    let lie = [&[0, 1][..], &crc32c::crc32c(&covered).to_be_bytes(), &covered].concat();
    assert_eq!(decode(&lie), Err(snapshot::Error::Length));
}

#[test]
fn sequences_wrap_backwards_too() {
    let batch =
        |last_sequence, offset_delta| BatchMetadata { last_sequence, last_offset: 100, offset_delta, timestamp: 0 };
    assert_eq!(batch(8, 2).first_sequence(), 6);
    assert_eq!(batch(2, 2).first_sequence(), 0);
    assert_eq!(batch(1, 2).first_sequence(), i32::MAX);
    assert_eq!(batch(0, i32::MAX).first_sequence(), 1);
    assert_eq!(batch(8, 2).first_offset(), 98);
}

#[test]
fn expired_producers_are_not_restored_unless_in_a_transaction() {
    let idle = ProducerEntry { current_txn_first_offset: None, ..entry() };
    let producers = Producers::restore(50, vec![(1, idle), (2, entry())], 1000 + 60, 60);
    assert!(producers.get(1).is_none());
    assert!(producers.get(2).is_some());
    assert_eq!(producers.first_unstable_offset(), Some(18));
    assert_eq!(producers.end_offset(), 50);
}
