//! UpdateFeatures (57): raises and lowers the levels of features (KIP-584, KIP-778).

use super::{
    Context, Pending, Refusal,
    ask_controller::{NO_TIMEOUT_MS, ask, outcome},
    plain_within, raft_voters,
};
use crate::controller::{Ask, Outcome};
use ottla_metadata::{
    ApiError,
    controller::{Event, FeatureUpdate, Reply, UPGRADE, UpdateFeatures},
    features::KRAFT_VERSION,
};
use ottla_protocol::{
    ErrorCode, Str,
    frame::RequestFrame,
    messages::{
        UpdateFeaturesRequest, UpdateFeaturesResponse, update_features_request::FeatureUpdateKey,
        update_features_response::UpdatableFeatureResult,
    },
};
use std::pin::Pin;

pub(super) fn start(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Refusal> {
    plain_within(cx, request, |request: &UpdateFeaturesRequest| request.feature_updates.len(), handle)
}

async fn handle(cx: Context, request: UpdateFeaturesRequest) -> UpdateFeaturesResponse {
    let update = |update: &FeatureUpdateKey| FeatureUpdate {
        name: update.feature.detached(),
        level: update.max_version_level,
        upgrade_type: update.upgrade_type,
    };
    let event = UpdateFeatures {
        updates: request.feature_updates.iter().map(update).collect(),
        validate_only: request.validate_only,
    };
    let answer = make(&cx, event).await;
    let (error_code, reason) = outcome(&answer);
    let refused = error_code == ErrorCode::InvalidUpdateVersion.code();
    let prefix = if refused { "The update failed for all features since the following feature had an error: " } else { "" };
    let result = |update: FeatureUpdateKey| UpdatableFeatureResult {
        feature: update.feature,
        error_message: Some(Str::from_static("NONE")),
        ..Default::default()
    };
    UpdateFeaturesResponse {
        error_code,
        error_message: reason.map(|reason| format!("{prefix}{reason}").into()),
        results: match answer.is_ok() && cx.version <= 1 {
            true => request.feature_updates.into_iter().map(result).collect(),
            false => Vec::new(),
        },
        ..Default::default()
    }
}

async fn make(cx: &Context, event: UpdateFeatures) -> Result<(), ApiError> {
    // Of two updates for one feature the last counts.
    let of_quorum = event.updates.iter().rfind(|update| update.name == KRAFT_VERSION);
    if let Some(level) = of_quorum.filter(|update| update.upgrade_type == UPGRADE).map(|update| update.level) {
        // The quorum does not take an upgrade back: all else must be in order before.
        decide(cx, UpdateFeatures { validate_only: true, ..event.clone() }).await?;
        upgrade_quorum(cx, level, event.validate_only).await?;
    }
    decide(cx, event).await
}

async fn decide(cx: &Context, event: UpdateFeatures) -> Result<(), ApiError> {
    let pick = |reply| match reply {
        Reply::UpdateFeatures(answer) => Some(answer),
        _ => None,
    };
    // Whatever time the client gives, Kafka's controller takes its own.
    ask(cx, NO_TIMEOUT_MS, |ticket| Event::UpdateFeatures(ticket, event), pick).await
}

/// Fixed voters become such as come and go (KIP-853).
async fn upgrade_quorum(cx: &Context, level: i16, validate_only: bool) -> Result<(), ApiError> {
    let upgrade = Ask::Upgrade { level, validate_only, timeout: raft_voters::patience(cx) };
    match raft_voters::ask(cx, upgrade).await {
        Outcome::Done => Ok(()),
        Outcome::Refused(refusal) if refusal.code == ErrorCode::NotLeaderOrFollower => {
            Err(ApiError::bare(ErrorCode::NotController))
        }
        Outcome::Refused(refusal) => Err(ApiError { code: refusal.code, message: refusal.message }),
        Outcome::HandedOver | Outcome::Again => Err(ApiError::bare(ErrorCode::RequestTimedOut)),
    }
}
