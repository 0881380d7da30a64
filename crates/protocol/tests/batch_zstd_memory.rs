//! The memory of zstd, which its C code takes past Rust's allocator: a bomb must not make the process grow with it.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)] // a panic is how a test fails
#![allow(clippy::disallowed_methods)] // the process's own memory is read

use std::io::{copy, sink};

use ottla_protocol::compression::{Compression, Error, Limits};

const MIB: u64 = 1024 * 1024;

/// Alone in its process, so that nothing else moves the figures.
#[test]
fn a_bomb_takes_the_memory_of_what_came_out_at_most() {
    // The window of level 3, and the largest one that is taken: touched as far as output came.
    for (window_log, allowed) in [(21, 4 * MIB), (27, 36 * MIB)] {
        let bomb = bomb(window_log, 8192);
        assert!(bomb.len() < 33_000);
        let limits = Limits::default();
        std::fs::write("/proc/self/clear_refs", "5").unwrap(); // the peak starts anew
        let before = peak_resident_bytes();
        let mut stream = Compression::Zstd.decompress(bomb.into(), &limits).unwrap();
        let error = Error::from_io(Compression::Zstd, copy(&mut stream, &mut sink()).unwrap_err());
        assert!(matches!(error, Error::TooLarge { .. }), "{error}");
        let grown = peak_resident_bytes() - before;
        assert!(grown <= allowed, "{grown} bytes for a window of 2^{window_log}");
    }
    let error = Compression::Zstd.decompress_all(bomb(28, 1).into(), &Limits::default());
    assert!(matches!(error, Err(Error::Corrupt { .. })), "{error:?}");
    let whole = Compression::Zstd.decompress_all(bomb(27, 8).into(), &Limits::default());
    assert_eq!(whole.unwrap().len() as u64, MIB);
}

/// A frame of blocks that each say in 4 bytes: 128 KiB of zeros (RFC 8878, 3.1.1.2).
fn bomb(window_log: u8, blocks: usize) -> Vec<u8> {
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0, (window_log - 10) << 3];
    for block in 1..=blocks {
        let header: u32 = (128 * 1024) << 3 | 1 << 1 | u32::from(block == blocks);
        frame.extend_from_slice(&header.to_le_bytes()[..3]);
        frame.push(0);
    }
    frame
}

fn peak_resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() * 1024
}
