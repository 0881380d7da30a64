//! The closed sets, API keys and error codes, against their tables and the other implementation's.

use kafka_protocol::{error::ResponseError, messages as theirs};
use ottla_protocol::{ApiKey, ErrorCode};
use std::collections::BTreeSet;

fn rows(table: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    table.lines().skip(1).map(|line| line.split('\t').collect())
}

#[test]
fn every_row_of_errors_is_an_error_code() {
    let mut count = 0;
    for row in rows(include_str!("../../data/errors.tsv")) {
        let code: i16 = row[0].parse().expect("a code");
        let error = ErrorCode::from_code(code).expect("a known code");
        assert_eq!(error.code(), code);
        assert_eq!(error.name(), row[1]);
        assert_eq!(error.to_string(), row[1]);
        assert_eq!(error.is_retriable(), row[2] == "true", "{}", row[1]);
        assert_eq!(error.is_none(), code == 0);
        count += 1;
    }
    let known = (i16::MIN..=i16::MAX).filter(|code| ErrorCode::from_code(*code).is_some());
    assert_eq!(known.count(), count);
    assert_eq!(count, 135);
}

#[test]
fn error_codes_are_the_other_implementations() {
    let mut only_ours = BTreeSet::new();
    let mut retriable_by_one = BTreeSet::new();
    for code in i16::MIN..=i16::MAX {
        let theirs = ResponseError::try_from_code(code);
        match (ErrorCode::from_code(code), theirs) {
            (Some(ours), Some(ResponseError::Unknown(_)) | None) => drop(only_ours.insert(ours)),
            (Some(ours), Some(theirs)) => {
                let name = format!("{theirs:?}");
                let plain = |s: &str| s.replace('_', "").to_lowercase();
                assert_eq!(plain(ours.name()), plain(&name), "{code}");
                if ours.is_retriable() != theirs.is_retriable() {
                    retriable_by_one.insert(ours);
                }
            }
            (None, theirs) => {
                assert!(matches!(theirs, Some(ResponseError::Unknown(_)) | None), "{code}");
            }
        }
    }
    assert_eq!(only_ours, BTreeSet::from([ErrorCode::None]));
    // Retriable since Apache Kafka 4.0, which the other implementation has not followed.
    let newly = BTreeSet::from([ErrorCode::ConcurrentTransactions]);
    assert_eq!(retriable_by_one, newly);
}

#[test]
fn every_row_of_apis_is_an_api_key_or_was_removed() {
    let mut count = 0;
    for row in rows(include_str!("../../data/apis.tsv")) {
        let number = |i: usize| row[i].parse::<i16>().expect("a number");
        let Some(api) = ApiKey::from_key(number(0)) else {
            assert!(number(2) > number(3), "{} is missing", row[1]);
            continue;
        };
        count += 1;
        assert_eq!(api.key(), number(0));
        assert_eq!(api.name(), row[1]);
        assert_eq!(api.versions(), number(2)..=number(3), "{api}");
        assert_eq!(api.stable_versions(), number(2)..=number(4), "{api}");
        assert_eq!(api.is_on_broker(), row[5].contains("BROKER"), "{api}");
        assert_eq!(api.is_on_controller(), row[5].contains("CONTROLLER"), "{api}");
    }
    assert_eq!(ApiKey::ALL.len(), count);
    let known = (i16::MIN..=i16::MAX).filter(|key| ApiKey::from_key(*key).is_some());
    assert_eq!(known.count(), count);
}

#[test]
fn header_versions_are_the_other_implementations() {
    for api in ApiKey::ALL {
        let Ok(theirs) = theirs::ApiKey::try_from(api.key()) else {
            continue;
        };
        let known = theirs.valid_versions();
        for version in api.versions().filter(|v| (known.min..=known.max).contains(v)) {
            let ours = api.request_header_version(version);
            assert_eq!(ours, theirs.request_header_version(version), "{api} v{version}");
            let ours = api.response_header_version(version);
            assert_eq!(ours, theirs.response_header_version(version), "{api} v{version}");
        }
    }
}
