//! XXH32 with seed 0, the checksum of LZ4 frames.

use bytes::Buf;

const PRIMES: [u32; 5] = [0x9E37_79B1, 0x85EB_CA77, 0xC2B2_AE3D, 0x27D4_EB2F, 0x1656_67B1];

pub(super) fn xxh32(data: &[u8]) -> u32 {
    let [p1, p2, p3, p4, p5] = PRIMES;
    let mut stripes = data.chunks_exact(16);
    let mut hash = if data.len() < 16 {
        p5
    } else {
        let mut lanes = [p1.wrapping_add(p2), p2, 0, 0_u32.wrapping_sub(p1)];
        for mut stripe in &mut stripes {
            lanes = lanes.map(|lane| round(lane, stripe.get_u32_le()));
        }
        let [a, b, c, d] = lanes;
        a.rotate_left(1).wrapping_add(b.rotate_left(7)).wrapping_add(c.rotate_left(12)).wrapping_add(d.rotate_left(18))
    };
    hash = hash.wrapping_add(data.len() as u32);
    let mut words = stripes.remainder().chunks_exact(4);
    for mut word in &mut words {
        hash = hash.wrapping_add(word.get_u32_le().wrapping_mul(p3)).rotate_left(17).wrapping_mul(p4);
    }
    for byte in words.remainder() {
        hash = hash.wrapping_add(u32::from(*byte).wrapping_mul(p5)).rotate_left(11).wrapping_mul(p1);
    }
    hash = (hash ^ (hash >> 15)).wrapping_mul(p2);
    hash = (hash ^ (hash >> 13)).wrapping_mul(p3);
    hash ^ (hash >> 16)
}

fn round(lane: u32, word: u32) -> u32 {
    let [p1, p2, ..] = PRIMES;
    lane.wrapping_add(word.wrapping_mul(p2)).rotate_left(13).wrapping_mul(p1)
}
