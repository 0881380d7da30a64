//! Reads `--add-scram`: `SCRAM-SHA-256=[name=alice,password=alice-secret]`.

use super::{MAX_ITERATIONS, MIN_ITERATIONS, Mechanism};
use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use ottla_protocol::stored::UserScramCredentialRecord;
use std::collections::BTreeMap;

const DEFAULT_ITERATIONS: i32 = 4096;

/// As lenient as Java's decoder.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Why an argument makes no credential; the messages are those of `kafka-storage`.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    #[error("Failed to find equals sign in SCRAM argument '{0}'")]
    NoMechanism(String),
    #[error("The add-scram mechanism {0} is not supported.")]
    UnknownMechanism(String),
    #[error("Expected configuration string to start with [")]
    NoOpeningBracket,
    #[error("Expected configuration string to end with ]")]
    NoClosingBracket,
    #[error("No equals sign found in SCRAM component: {0}")]
    NoEquals(String),
    #[error("You must supply 'name' to add-scram")]
    NoName,
    #[error("Failed to decode given salt: {0}")]
    Salt(String),
    #[error("Failed to parse iterations count: {0}")]
    Iterations(String),
    #[error("You must supply one of 'password' or 'saltedpassword' to add-scram")]
    NoPassword,
    #[error("You must supply 'salt' with 'saltedpassword' to add-scram")]
    NoSalt,
    #[error("Failed to decode given saltedPassword")]
    SaltedPassword,
    #[error("Empty key: the password of {0} has no letter")]
    EmptyPassword(String),
    #[error("Unknown SCRAM configurations: {0}")]
    Unknown(String),
    #[error("The 'iterations' value must be >= {MIN_ITERATIONS} for add-scram using {0}")]
    TooFew(&'static str),
    #[error("The 'iterations' value must be <= {MAX_ITERATIONS} for add-scram using {0}")]
    TooMany(&'static str),
}

/// Makes a user's credential of an argument; `random_salt` is asked where it brings no salt.
pub(in super::super) fn parse(
    text: &str,
    random_salt: impl FnOnce() -> Vec<u8>,
) -> Result<UserScramCredentialRecord, Error> {
    let text = text.trim();
    let (name, components) = text.split_once('=').ok_or_else(|| Error::NoMechanism(text.to_owned()))?;
    let mechanism = Mechanism::from_name(name).ok_or_else(|| Error::UnknownMechanism(name.to_owned()))?;
    let components = components.strip_prefix('[').ok_or(Error::NoOpeningBracket)?;
    let components = components.strip_suffix(']').ok_or(Error::NoClosingBracket)?;
    Argument::read(components)?.credential(mechanism, random_salt)
}

enum Password {
    Plain(String),
    Salted(Vec<u8>),
}

struct Argument {
    name: String,
    salt: Option<Vec<u8>>,
    iterations: i32,
    password: Password,
}

impl Argument {
    fn read(text: &str) -> Result<Self, Error> {
        let mut components = components(text)?;
        let mut take = |name: &str| components.remove(name);
        let name = take("name").ok_or(Error::NoName)?;
        let salt = take("salt").map(|text| BASE64.decode(&text).map_err(|_| Error::Salt(text))).transpose()?;
        let iterations = take("iterations").map(|text| text.parse().map_err(|_| Error::Iterations(text)));
        let iterations = iterations.transpose()?.unwrap_or(DEFAULT_ITERATIONS);
        let password = match (take("password"), take("saltedpassword")) {
            (Some(password), _) => Password::Plain(password),
            (None, None) => return Err(Error::NoPassword),
            (None, Some(_)) if salt.is_none() => return Err(Error::NoSalt),
            (None, Some(salted)) => Password::Salted(BASE64.decode(salted).map_err(|_| Error::SaltedPassword)?),
        };
        if !components.is_empty() {
            return Err(Error::Unknown(components.into_keys().collect::<Vec<_>>().join(", ")));
        }
        Ok(Self { name, salt, iterations, password })
    }

    fn credential(
        self,
        mechanism: Mechanism,
        random_salt: impl FnOnce() -> Vec<u8>,
    ) -> Result<UserScramCredentialRecord, Error> {
        let iterations = match u32::try_from(self.iterations) {
            Ok(count) if self.iterations >= MIN_ITERATIONS && self.iterations <= MAX_ITERATIONS => count,
            _ if self.iterations < MIN_ITERATIONS => return Err(Error::TooFew(mechanism.constant())),
            _ => return Err(Error::TooMany(mechanism.constant())),
        };
        let salt = self.salt.unwrap_or_else(random_salt);
        let salted = match self.password {
            Password::Plain(text) if text.is_empty() => Vec::new(),
            Password::Plain(text) => mechanism.salted_password(&text, &salt, iterations),
            Password::Salted(salted) => salted,
        };
        if salted.is_empty() {
            return Err(Error::EmptyPassword(self.name));
        }
        Ok(mechanism.credential(&self.name, salt, self.iterations, &salted))
    }
}

/// `name=value,name=value`, values with or without quotation marks; of a name given twice the last counts.
fn components(text: &str) -> Result<BTreeMap<String, String>, Error> {
    // As in Java, commas at the end part nothing.
    let text = if text.is_empty() { text } else { text.trim_end_matches(',') };
    let component = |component: &str| {
        let (name, value) = component.split_once('=').ok_or_else(|| Error::NoEquals(component.to_owned()))?;
        let unquoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        Ok((name.to_owned(), unquoted.unwrap_or(value).to_owned()))
    };
    text.split(',').map(component).collect()
}
