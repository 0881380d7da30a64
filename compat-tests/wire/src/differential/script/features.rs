//! UpdateFeatures, which changes nothing here, and DescribeQuorum.

use crate::differential::run::Run;
use m::{
    describe_quorum_request::{PartitionData, TopicData},
    update_features_request::FeatureUpdateKey,
};
use ottla_protocol::{ApiKey, Str, any::AnyRequest, messages as m};

pub(super) fn play(run: &mut Run) -> anyhow::Result<()> {
    update(run)?;
    describe_quorum(run)
}

fn update(run: &mut Run) -> anyhow::Result<()> {
    const UPGRADE: i8 = 1;
    const SAFE: i8 = 2;
    const UNSAFE: i8 = 3;
    type Case<'a> = (&'a str, &'a [(&'a str, i16, i8)]);
    let cases: [Case<'_>; 16] = [
        ("feature-same", &[("metadata.version", 30, UPGRADE)]),
        ("feature-too-high", &[("metadata.version", 99, UPGRADE)]),
        ("feature-too-low", &[("metadata.version", 1, SAFE)]),
        ("feature-down-by-upgrade", &[("metadata.version", 29, UPGRADE)]),
        ("feature-down", &[("metadata.version", 29, SAFE)]),
        ("feature-far-down", &[("metadata.version", 7, UNSAFE)]),
        ("feature-group-off", &[("group.version", 0, SAFE)]),
        ("feature-group-unknown-level", &[("group.version", 7, UPGRADE)]),
        ("feature-negative", &[("group.version", -1, UPGRADE)]),
        ("feature-unknown", &[("d-feature", 1, UPGRADE)]),
        ("feature-unknown-off", &[("d-feature", 0, SAFE)]),
        ("feature-kind-0", &[("group.version", 1, 0)]),
        ("feature-kind-9", &[("group.version", 1, 9)]),
        ("feature-kraft-off", &[("kraft.version", 0, SAFE)]),
        ("feature-two", &[("group.version", 1, UPGRADE), ("d-feature", 1, UPGRADE)]),
        ("feature-none", &[]),
    ];
    for (step, updates) in cases {
        // The first version cannot ask for what would be.
        for version in run.versions(ApiKey::UpdateFeatures).into_iter().filter(|version| *version > 0) {
            let update = |(feature, max_version_level, upgrade_type): &(&str, i16, i8)| FeatureUpdateKey {
                feature: Str::from(*feature),
                max_version_level: *max_version_level,
                upgrade_type: *upgrade_type,
                ..Default::default()
            };
            let request = m::UpdateFeaturesRequest {
                feature_updates: updates.iter().map(update).collect(),
                validate_only: true,
                ..Default::default()
            };
            run.one(step, version, &AnyRequest::UpdateFeatures(request))?;
        }
    }
    let update = |feature, max_version_level| FeatureUpdateKey { feature, max_version_level, ..Default::default() };
    for (step, name, level) in [("feature-v0-same", "group.version", 1), ("feature-v0-unknown", "d-feature", 1)] {
        let feature_updates = vec![update(Str::from(name), level)];
        let request = m::UpdateFeaturesRequest { feature_updates, ..Default::default() };
        run.one(step, 0, &AnyRequest::UpdateFeatures(request))?;
    }
    Ok(())
}

fn describe_quorum(run: &mut Run) -> anyhow::Result<()> {
    type Case<'a> = (&'a str, &'a [(&'a str, &'a [i32])]);
    let cases: [Case<'_>; 6] = [
        ("quorum", &[("__cluster_metadata", &[0])]),
        ("quorum-partition-1", &[("__cluster_metadata", &[1])]),
        ("quorum-two-partitions", &[("__cluster_metadata", &[0, 1])]),
        ("quorum-other", &[("d-base", &[0])]),
        ("quorum-two-topics", &[("__cluster_metadata", &[0]), ("d-base", &[0])]),
        ("quorum-none", &[]),
    ];
    for (step, topics) in cases {
        run.each(step, ApiKey::DescribeQuorum, |_| {
            let partition = |index: &i32| PartitionData { partition_index: *index, ..Default::default() };
            let topic = |(name, partitions): &(&str, &[i32])| TopicData {
                topic_name: Str::from(*name),
                partitions: partitions.iter().map(partition).collect(),
                ..Default::default()
            };
            AnyRequest::DescribeQuorum(m::DescribeQuorumRequest {
                topics: topics.iter().map(topic).collect(),
                ..Default::default()
            })
        })?;
    }
    Ok(())
}
