//! Which crate may use which package: a package belongs to the crate whose duty it serves.

use super::Finding;
use crate::rust_text::{self, Kind};
use crate::tree::{Crate, File, Tree};

/// A package and its owners; a package that is not listed is free to all.
const OWNERS: &[(&str, &[&str])] = &[
    ("tokio", &["broker"]),
    ("tokio-util", &["broker"]),
    ("socket2", &["broker"]),
    ("clap", &["broker", "load"]),
    ("prometheus-client", &["broker"]),
    ("tracing-subscriber", &["broker"]),
    ("rustix", &["broker", "storage", "durability", "load"]),
    ("libc", &["storage", "durability"]),
    ("anyhow", &["broker", "xtask", "wire", "durability", "load"]),
    (
        "bytes",
        &[
            "protocol",
            "storage",
            "metadata",
            "coordinator",
            "quorum",
            "replication",
            "broker",
            "simulation",
            "durability",
        ],
    ),
    ("crc32c", &["protocol", "storage", "durability", "load"]),
    ("kafka-protocol", &["protocol"]),
    ("flate2", &["protocol"]),
    ("lz4", &["protocol"]),
    ("lz4_flex", &["protocol"]),
    ("snap", &["protocol"]),
    ("zstd", &["protocol"]),
    ("regex", &["coordinator"]),
    ("rpds", &["coordinator"]),
    ("twox-hash", &["coordinator"]),
    ("raft", &["quorum"]),
    ("rocksdb", &["quorum"]),
    ("slog", &["quorum"]),
    ("rand", &["broker", "simulation"]),
    ("getrandom", &["broker", "simulation"]),
    ("uuid", &["broker"]),
];

/// Paths that may be written in one crate only, wherever they are exported again.
const PATHS: &[(&str, &str)] =
    &[("kafka_protocol::", "protocol"), ("raft::", "quorum"), ("rocksdb::", "quorum"), ("tokio::", "broker")];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let packages = tree.crates.iter().flat_map(check_crate);
    packages.chain(tree.rust_files().flat_map(check_file)).collect()
}

fn check_crate(found: &Crate) -> Vec<Finding> {
    let manifest = format!("crates/{}/Cargo.toml", found.name);
    let mut findings = Vec::new();
    for dependency in &found.dependencies {
        let owned = OWNERS.iter().find(|(package, _)| *package == dependency.package);
        let Some((package, owners)) = owned else {
            continue;
        };
        if !owners.contains(&found.name.as_str()) {
            let message = format!("{} may not use {package}, which belongs to {}", found.name, owners.join(", "));
            findings.push(Finding::new(&manifest, 0, message));
        }
    }
    findings
}

fn check_file(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    for piece in rust_text::pieces(&file.text).iter().filter(|piece| piece.kind == Kind::Code) {
        for (path, owner) in PATHS.iter().filter(|(_, owner)| file.crate_name() != Some(owner)) {
            if let Some(start) = find_path(piece.text, path) {
                let line = piece.line + piece.text[..start].matches('\n').count();
                findings.push(Finding::new(&file.path, line, format!("`{path}` is written in {owner} only")));
            }
        }
    }
    findings
}

/// Where `path` stands at the beginning of a path rather than inside one (`crate::raft::` is ours).
fn find_path(code: &str, path: &str) -> Option<usize> {
    let goes_on = |before: &str| before.ends_with(|c: char| c.is_alphanumeric() || c == '_');
    let inner = |before: &str| before.strip_suffix("::").is_some_and(goes_on);
    let stands_alone = |start: &usize| !goes_on(&code[..*start]) && !inner(&code[..*start]);
    code.match_indices(path).map(|(start, _)| start).find(stands_alone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_outside_its_owner_is_found() {
        let findings = check(&Tree::of_crate("metadata", &["bytes", "tokio", "thiserror"]));
        assert_eq!(findings.len(), 1);
        assert!(findings[0].message.contains("metadata may not use tokio"), "{}", findings[0]);
    }

    #[test]
    fn the_owner_may_use_its_package() {
        assert!(check(&Tree::of_crate("broker", &["tokio"])).is_empty());
    }

    #[test]
    fn a_path_outside_its_owner_is_found() {
        let source = "// kafka_protocol:: in a comment\nfn a() {}\nuse kafka_protocol::messages::A;";
        let findings = check(&Tree::of(&[("crates/broker/src/a.rs", source)]));
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].line, 3);
        assert!(check(&Tree::of(&[("crates/protocol/tests/a.rs", source)])).is_empty());
    }

    #[test]
    fn a_module_of_the_same_name_is_not_the_package() {
        let source = "use crate::raft::A; use draft::B;";
        assert!(check(&Tree::of(&[("crates/broker/src/a.rs", source)])).is_empty());
    }
}
