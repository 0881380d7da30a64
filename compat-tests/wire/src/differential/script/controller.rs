//! What nodes ask of a controller's listener, and what operators ask there (KIP-919), errors before all.

mod brokers;
mod envelope;
mod raft;
mod voters;

use super::{acls, cluster, configs, features, partitions, topics};
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
    voters::play(run, &known)?;
    features::play(run)?;
    acls::play(run)?;
    topics::play(run)?;
    partitions::play(run)?;
    configs::play(run)?;
    alter(run)?;
    brokers::play(run, &known)?;
    envelope::play(run)?;
    topics::delete(run)
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

/// Configs of nodes, which a controller takes of any that there is.
fn alter(run: &mut Run) -> anyhow::Result<()> {
    use m::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
    let cases = [
        ("alter-broker", 4, "1", "background.threads", "9"),
        ("alter-unknown-broker", 4, "77", "background.threads", "9"),
        ("alter-bad-broker", 4, "one", "background.threads", "9"),
        ("alter-default-broker", 4, "", "background.threads", "8"),
        ("alter-topic", 2, "d-base", "retention.ms", "90000"),
        ("alter-topic-badly", 2, "d-base", "retention.ms", "abc"),
        ("alter-unknown-topic", 2, "d-unknown", "retention.ms", "90000"),
        ("alter-group", 32, "d-group", "consumer.session.timeout.ms", "46000"),
        ("alter-logger", 8, "1", "root", "WARN"),
        ("alter-cordons", 4, "1", "cordoned.log.dirs", "/nowhere"),
        ("alter-cordons-of-all", 4, "", "cordoned.log.dirs", "*"),
        ("alter-unknown-type", 99, "1", "background.threads", "9"),
    ];
    for (step, resource_type, name, config, value) in cases {
        let config = AlterableConfig {
            name: Str::from_static(config),
            config_operation: 0,
            value: Some(Str::from_static(value)),
            ..Default::default()
        };
        let resource = AlterConfigsResource {
            resource_type,
            resource_name: Str::from_static(name),
            configs: vec![config],
            ..Default::default()
        };
        let request = m::IncrementalAlterConfigsRequest { resources: vec![resource], ..Default::default() };
        run.each(step, ApiKey::IncrementalAlterConfigs, |_| AnyRequest::IncrementalAlterConfigs(request.clone()))?;
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
