//! What a caller is told went wrong: Kafka's code and message.

use ottla_protocol::{ErrorCode, Str};

/// An error of a request or of one item of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}{}", self.message.as_ref().map(|m| format!(": {m}")).unwrap_or_default())]
pub struct ApiError {
    /// The code on the wire.
    pub code: ErrorCode,
    /// What is said besides; where there is nothing, the code's own text is meant.
    pub message: Option<String>,
}

impl ApiError {
    /// An error with a message.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: Some(message.into()) }
    }

    /// An error that is but its code.
    pub fn bare(code: ErrorCode) -> Self {
        Self { code, message: None }
    }

    /// What a response says with its error code and message.
    pub fn answered(error_code: i16, message: Option<&Str>) -> Result<(), Self> {
        match ErrorCode::from_code(error_code).unwrap_or(ErrorCode::UnknownServerError) {
            ErrorCode::None => Ok(()),
            code => Err(Self { code, message: message.map(|message| message.to_string()) }),
        }
    }

    pub(crate) fn invalid_request(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidRequest, message)
    }

    pub(crate) fn invalid_config(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidConfig, message)
    }
}

impl From<ErrorCode> for ApiError {
    fn from(code: ErrorCode) -> Self {
        Self::bare(code)
    }
}
