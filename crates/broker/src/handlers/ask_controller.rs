//! Asks the controller for a change and waits for the answer, but not for longer than the client does.

use super::Context;
use crate::network::Scope;
use ottla_metadata::{
    ApiError,
    controller::{Event, Reply},
};
use ottla_protocol::{ErrorCode, Str};
use ottla_state_machine::Ticket;
use std::{sync::atomic::Ordering, time::Duration};

/// How long a request that names no timeout may take; Kafka's brokers wait this long for their controller.
pub(super) const NO_TIMEOUT_MS: i32 = 60_000;

/// The controller's answer to an event. `pick` takes the answer of the event's kind out of the reply.
///
/// After a timeout the change may still be made, as in Kafka, except where the client gave no time at all.
pub(super) async fn ask<T>(
    cx: &Context,
    timeout_ms: i32,
    event: impl FnOnce(Ticket) -> Event + Send + 'static,
    pick: impl FnOnce(Reply) -> Option<Result<T, ApiError>>,
) -> Result<T, ApiError> {
    let timeout = u64::try_from(timeout_ms).ok().filter(|ms| *ms > 0).map(Duration::from_millis);
    let timeout = timeout.ok_or(ApiError::bare(ErrorCode::RequestTimedOut))?;
    let controller = cx.broker.controller();
    let asked = async {
        match cx.peer.scope {
            Scope::Broker => controller.submit(event).await,
            // Who comes to a controller's listener means this one.
            Scope::Controller => controller.submit_here(event).await,
        }
    };
    match tokio::time::timeout(timeout, asked).await {
        Ok(Ok(reply)) => pick(reply).unwrap_or(Err(ApiError::bare(ErrorCode::UnknownServerError))),
        // The client asks who the controller is and comes again.
        Ok(Err(_unavailable)) => {
            if let Some(forwarded) = &cx.forwarded {
                forwarded.not_controller.store(true, Ordering::Release);
            }
            Err(ApiError::bare(ErrorCode::NotController))
        }
        Err(_elapsed) => Err(ApiError::bare(ErrorCode::RequestTimedOut)),
    }
}

/// Code and message of an outcome.
pub(super) fn outcome<T>(result: &Result<T, ApiError>) -> (i16, Option<Str>) {
    match result {
        Ok(_) => (ErrorCode::None.code(), None),
        // What went wrong inside is for the log, not for clients.
        Err(error) if error.code == ErrorCode::UnknownServerError => {
            tracing::error!("a request failed: {error}");
            (error.code.code(), None)
        }
        Err(error) => (error.code.code(), error.message.as_deref().map(Str::from)),
    }
}
