//! The loops that the log is compared with.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Where the length of a batch stands, and from where on its checksum covers it.
const LENGTH: std::ops::Range<usize> = 8..12;
const CRC: std::ops::Range<usize> = 17..21;

pub(crate) fn create(path: &Path) -> File {
    OpenOptions::new().read(true).write(true).create_new(true).open(path).unwrap()
}

/// Proves a batch's checksum and writes it.
pub(crate) fn append(file: &File, position: &mut u64, batch: &[u8]) {
    assert!(crc_is_right(batch));
    file.write_all_at(batch, *position).unwrap();
    *position += batch.len() as u64;
}

/// Bytes of the batch that `bytes` begin with; none if they do not hold its length.
pub(crate) fn batch_len(bytes: &[u8]) -> Option<usize> {
    let length = bytes.get(LENGTH)?.try_into().unwrap();
    Some(u32::from_be_bytes(length) as usize + LENGTH.end)
}

pub(crate) fn crc_is_right(batch: &[u8]) -> bool {
    crc32c::crc32c(&batch[CRC.end..]).to_be_bytes() == batch[CRC]
}

/// Reads a file of batches a MiB at a time and hands out each batch.
pub(crate) fn read(file: &File, mut take: impl FnMut(&[u8])) {
    let len = file.metadata().unwrap().len();
    let mut chunk = vec![0; 2 << 20];
    let mut position = 0;
    while position < len {
        let wanted = chunk.len().min((len - position) as usize);
        file.read_exact_at(&mut chunk[..wanted], position).unwrap();
        let mut start = 0;
        while let Some(len) = batch_len(&chunk[start..wanted]).filter(|len| start + len <= wanted) {
            take(&chunk[start..start + len]);
            start += len;
        }
        position += start as u64;
    }
}
