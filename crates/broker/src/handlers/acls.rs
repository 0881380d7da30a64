//! What the requests about ACLs share. There is no authorizer, and they are answered as Kafka answers without one.

use super::{Context, MAX_NAMED, Pending, Refusal};
use ottla_protocol::{ErrorCode, Message};
use std::pin::Pin;

pub(super) const DISABLED: ErrorCode = ErrorCode::SecurityDisabled;
/// To requests that change something.
pub(super) const NO_AUTHORIZER: &str = "No Authorizer is configured.";
/// What a kind of resource, pattern, operation or permission may be for clients only.
const UNKNOWN: i8 = 0;

/// The answer, unless a resource type, pattern type, operation or permission type is UNKNOWN: that ends the connection.
pub(super) fn answer<R: Message + Send + 'static>(
    cx: Context,
    codes: impl ExactSizeIterator<Item = [i8; 4]>,
    response: impl FnOnce() -> R,
) -> Result<Pin<Box<Pending>>, Refusal> {
    if codes.len() > MAX_NAMED {
        return Err(Refusal::TooMany { api: cx.api, count: codes.len() });
    }
    if codes.flatten().any(|code| code == UNKNOWN) {
        return Err(Refusal::UnknownElement(cx.api));
    }
    let response = response();
    Ok(Box::pin(async move { cx.respond(&response).map(Some) }))
}
