//! Names that are allowed, and those that are not.

use super::*;

#[track_caller]
fn check(name: &str, expected: &str) {
    let found = match validate(name) {
        Ok(()) => "ok".to_owned(),
        Err(error) => error.to_string(),
    };
    let expected = match expected {
        "ok" => expected.to_owned(),
        reason => format!("INVALID_TOPIC_EXCEPTION: Topic name is invalid: {reason}"),
    };
    assert_eq!(found, expected);
}

#[test]
fn names_follow_kafkas_rules() {
    for name in ["a", "0", "...", "a.b_c-D9", "_", "-", "__consumer_offsets", &"x".repeat(249)] {
        check(name, "ok");
    }
    check("", "the empty string is not allowed");
    check(".", "'.' is not allowed");
    check("..", "'..' is not allowed");
    let long = "x".repeat(250);
    check(&long, &format!("the length of '{long}' is longer than the max allowed length 249"));
    for name in ["a b", "a/b", "ä", "a\0", "a,b", "a:b", "😀"] {
        let reason = "contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'";
        check(name, &format!("'{name}' {reason}"));
    }
    // 125 characters outside the basic plane are 250 units in Java.
    let long = "😀".repeat(125);
    check(&long, &format!("the length of '{long}' is longer than the max allowed length 249"));
}

#[test]
fn only_dots_and_underscores_collide() {
    assert_eq!(unified("a.b_c"), Some("a_b_c".to_owned()));
    assert_eq!(unified("a-b"), None);
}

#[test]
fn internal_topics_are_three() {
    assert!(is_internal("__consumer_offsets") && is_internal("__transaction_state"));
    assert!(is_internal("__share_group_state"));
    assert!(!is_internal("__cluster_metadata") && !is_internal("a"));
}
