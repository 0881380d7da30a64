//! ApiVersions (18): which APIs, versions and features there are; the first request of every client (KIP-35, KIP-584).

use super::{Context, Pending, Refusal, served};
use crate::registration;
use ottla_metadata::features::KRAFT_VERSION;
use ottla_protocol::{
    ApiKey, ErrorCode,
    frame::RequestFrame,
    messages::{
        ApiVersionsRequest, ApiVersionsResponse,
        api_versions_response::{ApiVersion, FinalizedFeatureKey, SupportedFeatureKey},
    },
};
use std::pin::Pin;

pub(super) fn start(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Refusal> {
    super::plain(cx, request, handle)
}

async fn handle(cx: Context, request: ApiVersionsRequest) -> ApiVersionsResponse {
    match cx.version >= 3 && !is_valid(&request) {
        true => ApiVersionsResponse { error_code: ErrorCode::InvalidRequest.code(), ..Default::default() },
        false => answer(&cx),
    }
}

/// The answer to a version we do not share names the versions we have (KIP-511).
pub(super) fn unsupported() -> ApiVersionsResponse {
    let error_code = ErrorCode::UnsupportedVersion.code();
    ApiVersionsResponse { error_code, api_keys: vec![range(ApiKey::ApiVersions)], ..Default::default() }
}

/// Kafka's pattern for software names: letters, digits, `-` and `.`, neither first nor last a sign (KIP-511).
fn is_valid(request: &ApiVersionsRequest) -> bool {
    let fits = |text: &str| {
        let inner = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
        let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        text.chars().all(inner) && edge(text.chars().next()) && edge(text.chars().next_back())
    };
    fits(&request.client_software_name) && fits(&request.client_software_version)
}

fn answer(cx: &Context) -> ApiVersionsResponse {
    let image = cx.broker.image();
    let mut finalized = image.features().all();
    if cx.broker.kraft_version() > 0 {
        finalized.insert(KRAFT_VERSION.into(), cx.broker.kraft_version());
    }
    let supported = registration::supported_features().into_iter();
    ApiVersionsResponse {
        api_keys: served(cx.peer.scope).map(range).collect(),
        supported_features: supported
            // A client before version 4 cannot read a minimum of 0 (KAFKA-17011).
            .filter(|f| cx.version >= 4 || f.min_supported_version > 0)
            .map(|f| SupportedFeatureKey {
                name: f.name,
                min_version: f.min_supported_version,
                max_version: f.max_supported_version,
                ..Default::default()
            })
            .collect(),
        finalized_features_epoch: image.offset() - 1,
        finalized_features: finalized
            .into_iter()
            .map(|(name, level)| FinalizedFeatureKey {
                name,
                max_version_level: level,
                min_version_level: level,
                ..Default::default()
            })
            .collect(),
        ..Default::default()
    }
}

fn range(api: ApiKey) -> ApiVersion {
    let versions = api.stable_versions();
    // librdkafka before 2.0 gives up on a broker that does not list Produce 0, though 0 to 2 are refused (KAFKA-18659).
    let min_version = if api == ApiKey::Produce { 0 } else { *versions.start() };
    ApiVersion { api_key: api.key(), min_version, max_version: *versions.end(), ..Default::default() }
}
