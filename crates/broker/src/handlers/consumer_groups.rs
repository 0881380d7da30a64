//! What the APIs of consumer groups share: whether they are offered, and how they refuse (KIP-848).

use super::Context;
use ottla_metadata::features::GROUP_VERSION;
use ottla_protocol::{ErrorCode, Str};

/// As in Kafka the cluster must have agreed on it, and this broker must not have been told to leave it out.
pub(super) fn are_offered(cx: &Context) -> bool {
    cx.broker.settings.offers_consumer_groups && cx.broker.image().features().level(GROUP_VERSION) >= 1
}

/// What a client is told besides the code. As in Kafka nothing of what went wrong inside.
pub(super) fn words(error: ErrorCode, message: Option<String>) -> Option<Str> {
    message.filter(|message| !message.is_empty() && error != ErrorCode::UnknownServerError).map(Str::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_wrong_inside_is_not_told() {
        let words = |error, message: &str| words(error, Some(message.to_owned()));
        assert_eq!(words(ErrorCode::UnknownMemberId, "no such member"), Some("no such member".into()));
        assert_eq!(words(ErrorCode::UnknownServerError, "no such member"), None);
        assert_eq!(words(ErrorCode::NotCoordinator, ""), None);
    }
}
