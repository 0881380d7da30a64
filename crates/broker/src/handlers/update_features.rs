//! UpdateFeatures (57): raises and lowers the levels of features (KIP-584, KIP-778).

use super::{
    Context, Pending, Refusal,
    ask_controller::{NO_TIMEOUT_MS, ask, outcome},
    plain_within,
};
use ottla_metadata::controller::{Event, FeatureUpdate, Reply, UpdateFeatures};
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
    let pick = |reply| match reply {
        Reply::UpdateFeatures(answer) => Some(answer),
        _ => None,
    };
    // Whatever time the client gives, Kafka's controller takes its own.
    let answer = ask(&cx, NO_TIMEOUT_MS, |ticket| Event::UpdateFeatures(ticket, event), pick).await;
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
