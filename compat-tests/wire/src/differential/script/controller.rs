//! What nodes ask of a controller's listener, and what operators ask there (KIP-919), errors before all.

mod brokers;
mod envelope;
mod raft;

use super::cluster;
use crate::differential::run::Run;
use anyhow::{Context, bail};
use ottla_protocol::{
    ApiKey, Str, Uuid,
    any::{AnyRequest, AnyResponse},
    messages as m,
};

/// What is asked for by name or number, and differs from one cluster to the next.
struct Known {
    cluster_id: Str,
    epoch: i32,
    /// The log dir of broker 1, which holds the metadata log too.
    log_dir: Uuid,
    features: Vec<m::broker_registration_request::Feature>,
}

/// Sends everything that is for a controller's listener.
pub(super) fn play(run: &mut Run) -> anyhow::Result<()> {
    let known = Known::find(run)?;
    run.alias(&format!("\"{}\"", known.cluster_id), "<cluster>");
    cluster::api_versions(run)?;
    cluster::unsupported_versions(run)?;
    not_served(run)?;
    describe_cluster(run)?;
    raft::play(run, &known)?;
    brokers::play(run, &known)?;
    envelope::play(run)
}

impl Known {
    fn find(run: &mut Run) -> anyhow::Result<Self> {
        let request = m::DescribeClusterRequest { endpoint_type: 2, ..Default::default() };
        let AnyResponse::DescribeCluster(cluster) = run.quietly(&AnyRequest::DescribeCluster(request))? else {
            bail!("no answer to DescribeCluster");
        };
        let AnyResponse::DescribeQuorum(quorum) = run.quietly(&AnyRequest::DescribeQuorum(raft::describe()))? else {
            bail!("no answer to DescribeQuorum");
        };
        let partition = quorum.topics.first().and_then(|topic| topic.partitions.first()).context("no metadata log")?;
        let voter = partition.current_voters.first().context("no voter")?;
        let request = m::ApiVersionsRequest {
            client_software_name: "differential".into(),
            client_software_version: "1".into(),
            ..Default::default()
        };
        let AnyResponse::ApiVersions(versions) = run.quietly(&AnyRequest::ApiVersions(request))? else {
            bail!("no answer to ApiVersions");
        };
        let features = versions.supported_features.iter().map(|f| m::broker_registration_request::Feature {
            name: f.name.clone(),
            min_supported_version: f.min_version,
            max_supported_version: f.max_version,
            ..Default::default()
        });
        Ok(Self {
            cluster_id: cluster.cluster_id,
            epoch: partition.leader_epoch,
            log_dir: voter.replica_directory_id,
            features: features.collect(),
        })
    }
}

/// What only brokers serve closes the connection.
fn not_served(run: &mut Run) -> anyhow::Result<()> {
    for api in
        [ApiKey::Produce, ApiKey::Metadata, ApiKey::ListOffsets, ApiKey::FindCoordinator, ApiKey::DescribeLogDirs]
    {
        let version = *api.stable_versions().end();
        run.one(&format!("not-served-{api}"), version, &AnyRequest::default_of(api))?;
    }
    Ok(())
}

fn describe_cluster(run: &mut Run) -> anyhow::Result<()> {
    for endpoint_type in [1, 2, 9] {
        run.each(&format!("describe-cluster-endpoint-{endpoint_type}"), ApiKey::DescribeCluster, |_| {
            AnyRequest::DescribeCluster(m::DescribeClusterRequest {
                endpoint_type,
                include_cluster_authorized_operations: true,
                ..Default::default()
            })
        })?;
    }
    Ok(())
}
