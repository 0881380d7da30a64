//! Config names are written in the config crate alone; elsewhere they are the constants it exports.

use super::Finding;
use crate::rust_text::{self, Kind};
use crate::tree::{File, Tree};
use std::collections::BTreeSet;

/// Crates that may write config names: their owner, and this tool.
const EXEMPT: &[&str] = &["config", "xtask"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    check_against(tree, &known_names())
}

/// Names without a dot are ordinary words (`listeners`) and are not looked for.
fn known_names() -> BTreeSet<&'static str> {
    let broker = ottla_config::broker_table().iter();
    let all = broker.chain(ottla_config::topic_table().iter()).chain(ottla_config::group_table().iter());
    all.map(|row| row.name).filter(|name| name.contains('.')).collect()
}

fn check_against(tree: &Tree, names: &BTreeSet<&str>) -> Vec<Finding> {
    let exempt = |file: &File| file.is_test() || file.crate_name().is_some_and(|name| EXEMPT.contains(&name));
    tree.rust_files().filter(|file| !exempt(file)).flat_map(|file| check_file(file, names)).collect()
}

fn check_file(file: &File, names: &BTreeSet<&str>) -> Vec<Finding> {
    let pieces = rust_text::pieces(file.without_tests());
    let literals = pieces.iter().filter(|piece| piece.kind == Kind::Literal && names.contains(piece.text));
    let message = |name: &str| format!("\"{name}\" is a config name: use the config crate's constant");
    literals.map(|piece| Finding::new(&file.path, piece.line, message(piece.text))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "// \"log.dirs\"\nfn a() -> &'static str {\n    \"log.dirs\"\n}\n";

    fn findings(path: &str) -> Vec<Finding> {
        check_against(&Tree::of(&[(path, SOURCE)]), &BTreeSet::from(["log.dirs"]))
    }

    #[test]
    fn a_config_name_outside_its_crate_is_found() {
        let findings = findings("crates/broker/src/a.rs");
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].line, 3);
    }

    #[test]
    fn the_config_crate_and_tests_may_write_names() {
        assert!(findings("crates/config/src/a.rs").is_empty());
        assert!(findings("crates/broker/tests/a.rs").is_empty());
        assert!(findings("crates/broker/src/a/tests.rs").is_empty());
    }

    #[test]
    fn the_table_of_names_is_not_empty() {
        assert!(known_names().contains("log.segment.bytes"));
    }
}
