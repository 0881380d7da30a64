//! Pure crates carry the same clippy.toml each, because clippy takes the nearest file and merges none.

use super::Finding;
use crate::tree::Tree;

/// Crates that may reach no clock, file, environment, thread or randomness.
const PURE: &[&str] = &["protocol", "config", "state-machine", "metadata", "coordinator", "replication"];
/// Calls that every crate with a clippy.toml of its own bans.
const BANNED: &[&str] =
    &["std::time::Instant::now", "std::time::SystemTime::now", "std::thread::spawn", "std::env::var"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let present = |name: &&&str| tree.file(&format!("crates/{name}/Cargo.toml")).is_some();
    let mut first: Option<&str> = None;
    for name in PURE.iter().filter(present) {
        let path = format!("crates/{name}/clippy.toml");
        let Some(file) = tree.file(&path) else {
            findings.push(Finding::new(&path, 0, "a pure crate needs it: copy the one of another pure crate"));
            continue;
        };
        if *first.get_or_insert(&file.text) != file.text {
            findings.push(Finding::new(&path, 0, "differs from the clippy.toml of the other pure crates"));
        }
    }
    findings.extend(missing_bans(tree));
    findings
}

fn missing_bans(tree: &Tree) -> Vec<Finding> {
    let own = |path: &str| path.starts_with("crates/") && path.ends_with("/clippy.toml");
    let mut findings = Vec::new();
    for file in tree.files.iter().filter(|file| own(&file.path)) {
        let missing = BANNED.iter().filter(|call| !file.text.contains(&format!("\"{call}\"")));
        findings.extend(missing.map(|call| Finding::new(&file.path, 0, format!("does not ban {call}"))));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bans() -> String {
        BANNED.iter().map(|call| format!("\"{call}\"\n")).collect()
    }

    #[test]
    fn a_pure_crate_without_the_file_is_found() {
        let findings = check(&Tree::of(&[("crates/config/Cargo.toml", "")]));
        assert_eq!(findings.len(), 1);
    }

    #[test]
    fn a_file_that_differs_is_found() {
        let (one, other) = (bans(), bans() + "# more");
        let tree = Tree::of(&[
            ("crates/config/Cargo.toml", ""),
            ("crates/config/clippy.toml", other.as_str()),
            ("crates/protocol/Cargo.toml", ""),
            ("crates/protocol/clippy.toml", one.as_str()),
        ]);
        let findings = check(&tree);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].message.contains("differs"), "{}", findings[0]);
    }

    #[test]
    fn a_ban_that_is_missing_is_found() {
        let findings = check(&Tree::of(&[("crates/storage/clippy.toml", "")]));
        assert_eq!(findings.len(), BANNED.len());
    }
}
