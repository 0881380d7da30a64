//! The levels a cluster begins with, beside what the tool of Apache Kafka 4.3.1 wrote and said.

use super::*;

/// The levels as `name=level` in the order of the records, as Kafka 4.3.1's tool wrote them, or its message.
#[track_caller]
fn check(release: Option<&str>, features: &str, expected: &str) {
    let pair = |pair: &str| pair.split_once('=').map(|(n, l)| (n.to_owned(), l.parse().unwrap())).unwrap();
    let features: Vec<(String, i16)> = features.split_whitespace().map(pair).collect();
    let bootstrap = Bootstrap { release_version: release, features: &features, dynamic_quorum: true };
    let found = match bootstrap.levels() {
        Ok(levels) => {
            let level = |record: MetadataRecord| match record {
                MetadataRecord::FeatureLevel(r) => format!("{}={}", r.name, r.feature_level),
                other => panic!("{other:?}"),
            };
            levels.records().into_iter().map(level).collect::<Vec<_>>().join(" ")
        }
        Err(error) => error.to_string(),
    };
    assert_eq!(found, expected);
}

const V4_3: &str = "metadata.version=30 eligible.leader.replicas.version=1 group.version=1 share.version=1 \
                    streams.version=1 transaction.version=2";
const V4_0: &str = "metadata.version=25 group.version=1 transaction.version=2";

#[test]
fn levels_are_those_that_kafka_storage_writes() {
    check(None, "", V4_3);
    check(Some("4.3"), "", V4_3);
    check(Some("4.3-IV0"), "", V4_3);
    check(Some("3.9"), "", "metadata.version=21");
    check(Some("3.3"), "", "metadata.version=7");
    check(Some("4.0"), "", V4_0);
    check(None, "metadata.version=25", V4_0);
    check(None, "transaction.version=0", V4_3.strip_suffix(" transaction.version=2").unwrap());
    check(None, "group.version=1 group.version=0", &V4_3.replace("group.version=1 ", ""));
    let elr = V4_0.replace("group", "eligible.leader.replicas.version=1 group");
    check(Some("4.0"), "eligible.leader.replicas.version=1", &elr);
}

#[test]
fn what_cannot_be_is_refused_in_kafkas_words() {
    check(
        Some("2.8"),
        "",
        "Unknown metadata.version '2.8'. Supported metadata.version are: 3.3-IV3, 3.4-IV0, 3.5-IV0, 3.5-IV1, 3.5-IV2, \
         3.6-IV0, 3.6-IV1, 3.6-IV2, 3.7-IV0, 3.7-IV1, 3.7-IV2, 3.7-IV3, 3.7-IV4, 3.8-IV0, 3.9-IV0, 4.0-IV0, 4.0-IV1, \
         4.0-IV2, 4.0-IV3, 4.1-IV0, 4.1-IV1, 4.2-IV0, 4.2-IV1, 4.3-IV0",
    );
    check(
        Some("4.0"),
        "metadata.version=25",
        "Use --release-version instead of --feature metadata.version=X to avoid ambiguity.",
    );
    check(
        None,
        "foo=1",
        "Unsupported feature: foo. Supported features are: eligible.leader.replicas.version, group.version, \
         kraft.version, share.version, streams.version, transaction.version",
    );
    check(None, "group.version=9", "No feature:group.version with feature level 9");
    check(
        Some("3.3"),
        "eligible.leader.replicas.version=1",
        "eligible.leader.replicas.version could not be set to 1 because it depends on metadata.version level 23",
    );
    let dynamic = Error::DynamicQuorum.to_string();
    assert!(dynamic.starts_with("Cannot set kraft.version to 0 if controller.quorum.voters is empty and one of the"));
    check(None, "kraft.version=0", &dynamic);
}

#[test]
fn kraft_version_follows_the_quorum() {
    for (dynamic_quorum, given, expected) in [
        (true, None, Ok(1)),
        (false, None, Ok(0)),
        (true, Some(1), Ok(1)),
        (false, Some(1), Err(Error::StaticQuorum(1))),
        (false, Some(0), Ok(0)),
        (true, Some(0), Err(Error::DynamicQuorum)),
        (true, Some(2), Err(Error::UnknownLevel { name: KRAFT_VERSION, level: 2 })),
    ] {
        let features: Vec<_> = given.map(|level| (KRAFT_VERSION.to_owned(), level)).into_iter().collect();
        let bootstrap = Bootstrap { release_version: None, features: &features, dynamic_quorum };
        assert_eq!(bootstrap.levels().map(|l| l.kraft_version), expected, "{dynamic_quorum} {given:?}");
    }
}
