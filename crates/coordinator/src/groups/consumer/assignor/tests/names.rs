//! The assignors' names.

use super::*;

#[test]
fn assignors_are_found_by_their_names() {
    assert_eq!(Assignor::from_name("uniform"), Some(Assignor::Uniform));
    assert_eq!(Assignor::from_name("range"), Some(Assignor::Range));
    assert_eq!(Assignor::from_name("Range"), None);
    assert!(Assignor::ALL.iter().all(|assignor| Assignor::from_name(assignor.name()) == Some(*assignor)));
}
