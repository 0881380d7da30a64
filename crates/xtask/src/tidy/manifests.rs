//! Every crate takes its lints, edition, version and licence from the workspace.

use super::Finding;
use crate::tree::{File, Tree};

const INHERITED: &[(&str, &str)] = &[
    ("[lints]\nworkspace = true", "lints"),
    ("\nedition.workspace = true", "edition"),
    ("\nlicense.workspace = true", "licence"),
    ("\npublish.workspace = true", "publish flag"),
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let of_a_crate = |file: &&File| file.path.starts_with("crates/") && file.path.ends_with("/Cargo.toml");
    tree.files.iter().filter(of_a_crate).flat_map(check_manifest).collect()
}

fn check_manifest(file: &File) -> Vec<Finding> {
    let missing = INHERITED.iter().filter(|(text, _)| !file.text.contains(text));
    let message = |what, text: &str| format!("does not take its {what} from the workspace: write `{}`", text.trim());
    missing.map(|(text, what)| Finding::new(&file.path, 0, message(what, text))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[package]\nname = \"a\"\nedition.workspace = true\nlicense.workspace = true\n\
        publish.workspace = true\n\n[lints]\nworkspace = true\n";

    #[test]
    fn a_manifest_without_the_lints_is_found() {
        let bad = GOOD.replace("[lints]\nworkspace = true\n", "");
        let findings = check(&Tree::of(&[("crates/a/Cargo.toml", bad.as_str())]));
        assert_eq!(findings.len(), 1);
        assert!(findings[0].message.contains("its lints"), "{}", findings[0]);
    }

    #[test]
    fn a_whole_manifest_passes() {
        assert!(check(&Tree::of(&[("crates/a/Cargo.toml", GOOD)])).is_empty());
    }
}
