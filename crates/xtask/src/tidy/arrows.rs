//! Which crate of the workspace may use which: arrows go one way and are added here, on purpose, or not at all.

use super::Finding;
use crate::tree::{Crate, Tree};

/// A crate and the crates it may depend on, for tests as well.
const ARROWS: &[(&str, &[&str])] = &[
    ("protocol", &[]),
    ("config", &[]),
    ("state-machine", &[]),
    ("storage", &["protocol", "config"]),
    ("metadata", &["state-machine", "protocol", "config"]),
    ("coordinator", &["state-machine", "metadata", "protocol", "config"]),
    ("quorum", &["state-machine", "protocol"]),
    ("replication", &["storage", "metadata", "protocol", "config"]),
    ("broker", &["protocol", "config", "state-machine", "storage", "metadata", "coordinator", "quorum", "replication"]),
    (
        "simulation",
        &[
            "protocol",
            "config",
            "state-machine",
            "storage",
            "metadata",
            "coordinator",
            "quorum",
            "replication",
            "broker",
        ],
    ),
    ("xtask", &["config", "protocol"]),
    ("durability", &[]),
    ("load", &["protocol"]),
    ("wire", &["protocol"]),
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.crates.iter().flat_map(check_crate).collect()
}

fn check_crate(found: &Crate) -> Vec<Finding> {
    let manifest = format!("crates/{}/Cargo.toml", found.name);
    let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == found.name) else {
        let message = "this crate is not in the arrow table: name its duty in docs/architecture.md and add it";
        return vec![Finding::new(&manifest, 0, message)];
    };
    let ours = found.dependencies.iter().filter_map(|dependency| dependency.package.strip_prefix("ottla-"));
    let forbidden = ours.filter(|name| !allowed.contains(name));
    let message = |name| format!("{} may not use {name}: it is not in the arrow table", found.name);
    forbidden.map(|name| Finding::new(&manifest, 0, message(name))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arrow_against_the_table_is_found() {
        let findings = check(&Tree::of_crate("storage", &["bytes", "ottla-protocol", "ottla-metadata"]));
        assert_eq!(findings.len(), 1);
        assert!(findings[0].message.contains("storage may not use metadata"), "{}", findings[0]);
    }

    #[test]
    fn an_unknown_crate_is_found() {
        assert_eq!(check(&Tree::of_crate("common", &[])).len(), 1);
    }

    #[test]
    fn the_table_has_no_circle() {
        for (index, (name, allowed)) in ARROWS.iter().enumerate().filter(|(_, (name, _))| *name != "xtask") {
            let earlier = &ARROWS[..index];
            for used in *allowed {
                assert!(earlier.iter().any(|(other, _)| other == used), "{name} uses {used}, which stands after it");
            }
        }
    }
}
