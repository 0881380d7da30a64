//! The numbers of records, and what control records and sequences are read as.

use super::control::{ControlType, EndTxnMarker};
use super::{increment_sequence, varint};

fn bytes_of(value: i64) -> Vec<u8> {
    let mut bytes = Vec::new();
    varint::put(&mut bytes, value);
    assert_eq!(bytes.len(), varint::len(value), "{value}");
    bytes
}

fn next_of(bytes: &[u8]) -> impl FnMut() -> Result<u8, ()> {
    let mut bytes = bytes.iter();
    move || bytes.next().copied().ok_or(())
}

#[test]
fn varints_come_back() {
    let edges = (0..63).flat_map(|shift| [(1_i64 << shift) - 1, 1 << shift, -(1 << shift), -(1 << shift) - 1]);
    for value in edges.chain([i64::MAX, i64::MIN]) {
        let bytes = bytes_of(value);
        assert_eq!(varint::read_64(next_of(&bytes)), Ok(Some(value)));
        if let Ok(value) = i32::try_from(value) {
            assert_eq!(varint::read_32(next_of(&bytes)), Ok(Some(value)));
        }
    }
}

#[test]
fn varints_are_kafkas() {
    for (value, bytes) in
        [(0, vec![0]), (-1, vec![1]), (1, vec![2]), (63, vec![126]), (-64, vec![127]), (64, vec![0x80, 1])]
    {
        assert_eq!(bytes_of(value), bytes);
    }
    assert_eq!(bytes_of(i64::from(i32::MIN)), [255, 255, 255, 255, 15]);
    // Java drops what does not fit in 32 bits.
    assert_eq!(varint::read_32(next_of(&[254, 255, 255, 255, 0x7f])), Ok(Some(i32::MAX)));
}

#[test]
fn varints_end() {
    assert_eq!(varint::read_32(next_of(&[0x80; 5])), Ok(None));
    assert_eq!(varint::read_64(next_of(&[0x80; 10])), Ok(None));
    assert_eq!(varint::read_32(next_of(&[0x80; 4])), Err(()));
}

#[test]
fn control_types_come_back() {
    for id in -2..9 {
        let control_type = ControlType::from_id(id);
        assert_eq!(control_type.id(), id);
        assert_eq!(ControlType::decode_key(&control_type.encode_key()).unwrap(), control_type);
    }
    assert_eq!(ControlType::decode_key(&[0, 1, 0, 1, 99]).unwrap(), ControlType::Commit, "a later version");
    assert!(ControlType::decode_key(&[0, 0, 0]).is_err());
    assert!(ControlType::decode_key(&[255, 255, 0, 0]).is_err());
}

#[test]
fn the_end_of_a_transaction_comes_back() {
    let marker = EndTxnMarker { coordinator_epoch: 77 };
    assert_eq!(EndTxnMarker::decode(&marker.encode()).unwrap(), marker);
    assert!(EndTxnMarker::decode(&[0; 5]).is_err());
    assert!(EndTxnMarker::decode(&[255; 6]).is_err());
}

#[test]
fn sequences_wrap_to_zero() {
    assert_eq!(increment_sequence(5, 3), 8);
    assert_eq!(increment_sequence(i32::MAX, 0), i32::MAX);
    assert_eq!(increment_sequence(i32::MAX, 1), 0);
    assert_eq!(increment_sequence(i32::MAX - 1, 3), 1);
}
