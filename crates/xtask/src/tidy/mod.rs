//! The project's own checks, each a function from the tree to its findings.

mod arrows;
mod clippy_files;
mod config_names;
mod leftovers;
mod licence;
mod manifests;
mod module_sentence;
mod owners;
mod places;
mod size;

use crate::tree::Tree;
use anyhow::{Result, bail};
use std::fmt;

/// Something a check does not accept: where, what, and what to do instead.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    path: String,
    /// 0 where the finding concerns the whole file.
    line: usize,
    message: String,
}

impl Finding {
    fn new(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.into(), line, message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.message),
            line => write!(f, "{}:{line}: {}", self.path, self.message),
        }
    }
}

type Check = fn(&Tree) -> Vec<Finding>;

const CHECKS: &[(&str, Check)] = &[
    ("arrows", arrows::check),
    ("owners", owners::check),
    ("manifests", manifests::check),
    ("clippy-files", clippy_files::check),
    ("module-sentence", module_sentence::check),
    ("size", size::check),
    ("leftovers", leftovers::check),
    ("config-names", config_names::check),
    ("places", places::check),
    ("licence", licence::check),
];

/// Runs every check and prints all findings.
pub(crate) fn run() -> Result<()> {
    let tree = Tree::read()?;
    let mut count = 0;
    for (name, check) in CHECKS {
        let findings = check(&tree);
        count += findings.len();
        for finding in findings {
            println!("{finding} [{name}]");
        }
    }
    if count > 0 {
        bail!("{count} tidy findings");
    }
    println!("{} checks over {} files: nothing found", CHECKS.len(), tree.files.len());
    Ok(())
}

/// Writes smaller sizes into the ratchet and removes what no longer needs an entry.
pub(crate) fn tighten_ratchet() -> Result<()> {
    size::tighten(&Tree::read()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_reads_like_a_compiler_message() {
        assert_eq!(Finding::new("a.rs", 3, "no").to_string(), "a.rs:3: no");
        assert_eq!(Finding::new("a.rs", 0, "no").to_string(), "a.rs: no");
    }
}
