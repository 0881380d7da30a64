//! SCRAM credentials (RFC 5802, KIP-900): keys from a password, and the records that keep them.

mod argument;
#[cfg(test)]
mod tests;

pub(super) use self::argument::{Error, parse};

use hmac::{Hmac, KeyInit, Mac};
use ottla_protocol::stored::UserScramCredentialRecord;
use sha2::{Digest, Sha256, Sha512};

const MAX_ITERATIONS: i32 = 16384;
const MIN_ITERATIONS: i32 = 4096;
/// What HMAC is made over for the client's and for the server's key.
const CLIENT_KEY: &[u8] = b"Client Key";
const SERVER_KEY: &[u8] = b"Server Key";

/// The hash function under a SCRAM mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mechanism {
    Sha256,
    Sha512,
}

impl Mechanism {
    /// The mechanism of a SASL name.
    fn from_name(name: &str) -> Option<Self> {
        match name {
            "SCRAM-SHA-256" => Some(Self::Sha256),
            "SCRAM-SHA-512" => Some(Self::Sha512),
            _ => None,
        }
    }

    /// What Kafka calls it in messages.
    fn constant(self) -> &'static str {
        match self {
            Self::Sha256 => "SCRAM_SHA_256",
            Self::Sha512 => "SCRAM_SHA_512",
        }
    }

    /// Its number in records.
    fn id(self) -> i8 {
        match self {
            Self::Sha256 => 1,
            Self::Sha512 => 2,
        }
    }

    /// The password as hashed many times over with the salt. Kafka takes its UTF-8 bytes as they are, without SASLprep.
    fn salted_password(self, password: &str, salt: &[u8], iterations: u32) -> Vec<u8> {
        let password = password.as_bytes();
        match self {
            Self::Sha256 => pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(password, salt, iterations).to_vec(),
            Self::Sha512 => pbkdf2::pbkdf2_hmac_array::<Sha512, 64>(password, salt, iterations).to_vec(),
        }
    }

    fn hmac(self, key: &[u8], data: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => mac::<Hmac<Sha256>>(key, data),
            Self::Sha512 => mac::<Hmac<Sha512>>(key, data),
        }
    }

    fn hash(self, data: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(data).to_vec(),
            Self::Sha512 => Sha512::digest(data).to_vec(),
        }
    }

    /// What is kept of a user: enough to check a client and to prove the server, too little to log in.
    fn credential(
        self,
        name: &str,
        salt: Vec<u8>,
        iterations: i32,
        salted_password: &[u8],
    ) -> UserScramCredentialRecord {
        let client_key = self.hmac(salted_password, CLIENT_KEY);
        UserScramCredentialRecord {
            name: name.into(),
            mechanism: self.id(),
            salt: salt.into(),
            stored_key: self.hash(&client_key).into(),
            server_key: self.hmac(salted_password, SERVER_KEY).into(),
            iterations,
            ..Default::default()
        }
    }
}

fn mac<M: Mac + KeyInit>(key: &[u8], data: &[u8]) -> Vec<u8> {
    let mut mac = <M as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(data);
    mac.finalize().into_bytes().to_vec()
}
