//! What a topic may be called, and which names are Kafka's own.

use crate::ApiError;
use ottla_protocol::ErrorCode;

/// The committed offsets and the groups' state.
pub const GROUP_METADATA_TOPIC_NAME: &str = "__consumer_offsets";
/// The transactions' state.
pub const TRANSACTION_STATE_TOPIC_NAME: &str = "__transaction_state";
/// The share groups' state (KIP-932).
pub const SHARE_GROUP_STATE_TOPIC_NAME: &str = "__share_group_state";
/// The metadata log.
pub const CLUSTER_METADATA_TOPIC_NAME: &str = "__cluster_metadata";

/// The longest name; file names take at most 255 bytes and the partition comes after it.
pub const MAX_NAME_LENGTH: usize = 249;

/// Whether Kafka keeps its own state in the topic.
pub fn is_internal(name: &str) -> bool {
    [GROUP_METADATA_TOPIC_NAME, TRANSACTION_STATE_TOPIC_NAME, SHARE_GROUP_STATE_TOPIC_NAME].contains(&name)
}

/// Says why a topic may not have this name.
pub fn validate(name: &str) -> Result<(), ApiError> {
    match reason_invalid(name) {
        Some(reason) => {
            Err(ApiError::new(ErrorCode::InvalidTopicException, format!("Topic name is invalid: {reason}")))
        }
        None => Ok(()),
    }
}

fn reason_invalid(name: &str) -> Option<String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    match name {
        "" => Some("the empty string is not allowed".to_owned()),
        "." => Some("'.' is not allowed".to_owned()),
        ".." => Some("'..' is not allowed".to_owned()),
        // Kafka counts UTF-16 units.
        _ if name.encode_utf16().count() > MAX_NAME_LENGTH => {
            Some(format!("the length of '{name}' is longer than the max allowed length {MAX_NAME_LENGTH}"))
        }
        _ if !name.chars().all(legal) => {
            Some(format!("'{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"))
        }
        _ => None,
    }
}

/// The name with dots as underscores, as metrics show it, or nothing if it has neither.
///
/// Two topics that are the same by it could not be told apart in metrics.
pub fn unified(name: &str) -> Option<String> {
    name.contains(['.', '_']).then(|| name.replace('.', "_"))
}

#[cfg(test)]
mod tests;
