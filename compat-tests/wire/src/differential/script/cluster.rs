//! ApiVersions, DescribeCluster, DescribeLogDirs, FindCoordinator and what no topic is needed for.

use crate::differential::{client::Client, run::Run};
use ottla_protocol::{ApiKey, Str, any::AnyRequest, messages as m};

pub(super) fn play(run: &mut Run) -> anyhow::Result<()> {
    api_versions(run)?;
    unsupported_versions(run)?;
    unfinished_versions(run)?;
    find_coordinator(run)?;
    run.each("describe-cluster", ApiKey::DescribeCluster, |_| {
        AnyRequest::DescribeCluster(m::DescribeClusterRequest::default())
    })?;
    run.each("describe-cluster-operations", ApiKey::DescribeCluster, |_| {
        AnyRequest::DescribeCluster(m::DescribeClusterRequest {
            include_cluster_authorized_operations: true,
            ..Default::default()
        })
    })?;
    for endpoint_type in [2, 9] {
        run.each(&format!("describe-cluster-endpoint-{endpoint_type}"), ApiKey::DescribeCluster, |_| {
            AnyRequest::DescribeCluster(m::DescribeClusterRequest { endpoint_type, ..Default::default() })
        })?;
    }
    Ok(())
}

pub(super) fn api_versions(run: &mut Run) -> anyhow::Result<()> {
    let names =
        [("api-versions", "apache-kafka-java"), ("api-versions-bad-name", "a b!"), ("api-versions-no-name", "")];
    for (step, name) in names {
        run.each(step, ApiKey::ApiVersions, |version| {
            let mut request = m::ApiVersionsRequest::default();
            if version >= 3 {
                request.client_software_name = Str::from(name);
                request.client_software_version = Str::from_static("4.3.1");
            }
            AnyRequest::ApiVersions(request)
        })?;
    }
    Ok(())
}

/// Frames of good requests with the version after the newest written into their header.
pub(super) fn unsupported_versions(run: &mut Run) -> anyhow::Result<()> {
    let sent = [ApiKey::ApiVersions, ApiKey::Metadata, ApiKey::Fetch];
    for api in sent {
        let newest = run.newest(api);
        let mut bytes = Client::frame(&AnyRequest::default_of(api), newest)?;
        for version in [newest + 1, i16::MAX, -1] {
            bytes.splice(6..8, version.to_be_bytes());
            run.raw(&format!("unsupported-version-{api}-{version}"), &bytes, api, 0)?;
        }
    }
    let mut bytes = Client::frame(&AnyRequest::default_of(ApiKey::Metadata), 1)?;
    for key in [-1i16, 4, 1000] {
        bytes.splice(4..6, key.to_be_bytes());
        run.raw(&format!("unknown-api-{key}"), &bytes, ApiKey::Metadata, 1)?;
    }
    Ok(())
}

/// Versions that 4.3.1 has not finished are not offered, and so not taken either.
fn unfinished_versions(run: &mut Run) -> anyhow::Result<()> {
    for api in ApiKey::ALL.iter().copied().filter(|api| api.versions() != api.stable_versions()) {
        let version = *api.versions().end();
        let bytes = Client::frame(&AnyRequest::default_of(api), version)?;
        run.raw(&format!("unfinished-version-{api}"), &bytes, api, version)?;
    }
    Ok(())
}

fn find_coordinator(run: &mut Run) -> anyhow::Result<()> {
    for (step, key, key_type) in [
        ("find-coordinator", "d-settled", 0),
        ("find-coordinator-empty-key", "", 0),
        ("find-coordinator-type-9", "d-settled", 9),
        ("find-coordinator-share-bad-key", "d-settled", 2),
    ] {
        run.each(step, ApiKey::FindCoordinator, |version| {
            let mut request = m::FindCoordinatorRequest { key_type, ..Default::default() };
            if version >= 4 {
                request.coordinator_keys = vec![Str::from(key), Str::from_static("d-other")];
            } else {
                request.key = Str::from(key);
            }
            AnyRequest::FindCoordinator(request)
        })?;
    }
    Ok(())
}
