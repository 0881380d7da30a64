//! Kafka's UUID: 16 bytes, written in URL-safe base64 without padding.

use core::{fmt, str::FromStr};

/// A topic id, directory id or cluster id.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid([u8; 16]);

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const TEXT_LENGTH: usize = 22;

impl Uuid {
    /// No id.
    pub const ZERO: Self = Self([0; 16]);
    /// The id of the metadata topic, `__cluster_metadata`, and of an unknown directory's first reserved value.
    pub const ONE: Self = Self([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);

    /// From its bytes in wire order.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// From 16 random bytes, as a version 4 UUID.
    pub const fn from_random_bytes(mut bytes: [u8; 16]) -> Self {
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        Self(bytes)
    }

    /// Its bytes in wire order.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Whether this is [`Uuid::ZERO`].
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = u128::from_be_bytes(self.0);
        for i in 0..TEXT_LENGTH {
            let sextet = match i {
                21 => (bits << 4) & 0x3f,
                _ => (bits >> (122 - 6 * i)) & 0x3f,
            };
            let letter = ALPHABET.get(sextet as usize).copied().unwrap_or(b'?');
            fmt::Write::write_char(f, char::from(letter))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not 22 letters of URL-safe base64.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a UUID in URL-safe base64: {0:?}")]
pub struct ParseError(String);

impl FromStr for Uuid {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = || ParseError(text.to_owned());
        let text_bytes = text.trim_end_matches('=').as_bytes();
        if text_bytes.len() != TEXT_LENGTH {
            return Err(error());
        }
        let mut bits = 0u128;
        for (i, letter) in text_bytes.iter().enumerate() {
            let sextet = ALPHABET.iter().position(|a| a == letter).ok_or_else(error)? as u128;
            bits = match i {
                21 => (bits << 2) | (sextet >> 4),
                _ => (bits << 6) | sextet,
            };
        }
        Ok(Self(bits.to_be_bytes()))
    }
}
