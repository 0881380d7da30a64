//! Text that must not be printed.

/// The value of a PASSWORD config. It has no way into a log, an error or a response but [`Secret::expose`].
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// What Kafka prints in place of a secret.
    pub const HIDDEN: &'static str = "[hidden]";

    /// Takes a secret in.
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The text itself, for those who must compare it or hand it to a library.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(Self::HIDDEN)
    }
}
