//! The zigzag varints of records: small numbers of either sign in few bytes.

use bytes::BufMut;

/// Most bytes of a 32-bit varint.
pub(super) const MAX_LEN_32: usize = 5;
/// Most bytes of a 64-bit varint.
pub(super) const MAX_LEN_64: usize = 10;

pub(super) fn put(out: &mut impl BufMut, value: i64) {
    let mut rest = zigzag(value);
    while rest >= 0x80 {
        out.put_u8((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    out.put_u8(rest as u8);
}

pub(super) fn len(value: i64) -> usize {
    let bits = 64 - (zigzag(value) | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

/// Reads a 64-bit number, or none if it does not end in time. `next` gives the bytes.
pub(super) fn read_64<E>(next: impl FnMut() -> Result<u8, E>) -> Result<Option<i64>, E> {
    Ok(read(MAX_LEN_64, next)?.map(unzigzag))
}

/// Reads a 32-bit number as [`read_64`] does. Higher bits are cut off, as Java does.
pub(super) fn read_32<E>(next: impl FnMut() -> Result<u8, E>) -> Result<Option<i32>, E> {
    Ok(read(MAX_LEN_32, next)?.map(|value| unzigzag(value & u64::from(u32::MAX)) as i32))
}

fn read<E>(max_len: usize, mut next: impl FnMut() -> Result<u8, E>) -> Result<Option<u64>, E> {
    let mut value = 0;
    for shift in (0..).step_by(7).take(max_len) {
        let byte = next()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}
