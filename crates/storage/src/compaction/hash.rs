//! SipHash-2-4 of 128 bits: a keyed hash, so that no client can make two of its keys fall together.

/// The secret of the hash. Kafka takes MD5, whose collisions anyone can make.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct HashKey(pub [u8; 16]);

impl std::fmt::Debug for HashKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HashKey")
    }
}

/// The hash of some bytes.
pub(super) fn hash(key: HashKey, bytes: &[u8]) -> [u64; 2] {
    let mut state = State::new(key);
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        state.take(u64::from_le_bytes(*word));
    }
    let mut last = [0; 8];
    for (slot, byte) in last.iter_mut().zip(rest) {
        *slot = *byte;
    }
    // The length modulo 256 is the top byte of the last word.
    state.take(u64::from_le_bytes(last) | (bytes.len() as u64) << 56);
    state.finish()
}

struct State([u64; 4]);

impl State {
    fn new(HashKey(key): HashKey) -> Self {
        let key = u128::from_le_bytes(key);
        let (k0, k1) = (key as u64, (key >> 64) as u64);
        Self([
            k0 ^ 0x736f_6d65_7073_6575,
            k1 ^ 0x646f_7261_6e64_6f6d ^ 0xee,
            k0 ^ 0x6c79_6765_6e65_7261,
            k1 ^ 0x7465_6462_7974_6573,
        ])
    }

    fn take(&mut self, word: u64) {
        self.0[3] ^= word;
        self.rounds(2);
        self.0[0] ^= word;
    }

    fn finish(mut self) -> [u64; 2] {
        self.0[2] ^= 0xee;
        self.rounds(4);
        let first = self.folded();
        self.0[1] ^= 0xdd;
        self.rounds(4);
        [first, self.folded()]
    }

    fn folded(&self) -> u64 {
        self.0.iter().fold(0, |sum, word| sum ^ word)
    }

    fn rounds(&mut self, count: usize) {
        let [mut v0, mut v1, mut v2, mut v3] = self.0;
        for _ in 0..count {
            v0 = v0.wrapping_add(v1);
            v2 = v2.wrapping_add(v3);
            v1 = v1.rotate_left(13) ^ v0;
            v3 = v3.rotate_left(16) ^ v2;
            v0 = v0.rotate_left(32);
            v2 = v2.wrapping_add(v1);
            v0 = v0.wrapping_add(v3);
            v1 = v1.rotate_left(17) ^ v2;
            v3 = v3.rotate_left(21) ^ v0;
            v2 = v2.rotate_left(32);
        }
        self.0 = [v0, v1, v2, v3];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the key 00 01 .. 0f, as the authors of SipHash publish them.
    #[test]
    fn the_published_vectors_come_out() {
        let key = HashKey(std::array::from_fn(|n| n as u8));
        let expected: [(&[u8], u128); 2] =
            [(&[], 0xa381_7f04_ba25_a8e6_6df6_7214_c755_0293), (&[0], 0xda87_c1d8_6b99_af44_3476_5911_9b22_fc45)];
        for (bytes, expected) in expected {
            let [first, second] = hash(key, bytes);
            assert_eq!([first.to_le_bytes(), second.to_le_bytes()].concat(), expected.to_be_bytes());
        }
    }

    #[test]
    fn every_byte_and_the_length_count() {
        let key = HashKey([7; 16]);
        let of_length = |length: usize| hash(key, &vec![1; length]);
        for length in 1..40 {
            assert_ne!(of_length(length), of_length(length - 1));
            let mut other = vec![1; length];
            other[length - 1] = 0;
            assert_ne!(of_length(length), hash(key, &other));
        }
        assert_ne!(hash(key, b"key"), hash(HashKey([8; 16]), b"key"));
    }
}
