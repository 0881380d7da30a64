//! The project's text files as the checks see them: paths from the root, and contents.

use crate::commands;
use anyhow::{Context, Result};

/// A text file of the project.
pub(crate) struct File {
    /// Path from the root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// A dependency as a manifest names it.
pub(crate) struct Dependency {
    pub(crate) package: String,
}

/// A crate of the workspace.
pub(crate) struct Crate {
    /// The folder under `crates/`.
    pub(crate) name: String,
    pub(crate) dependencies: Vec<Dependency>,
}

/// What the checks read; tests build one from a few lines of text.
#[derive(Default)]
pub(crate) struct Tree {
    pub(crate) files: Vec<File>,
    pub(crate) crates: Vec<Crate>,
}

impl Tree {
    /// Every file git tracks or would track, and the crates as cargo sees them.
    pub(crate) fn read() -> Result<Self> {
        Ok(Self { files: read_files()?, crates: read_crates()? })
    }

    /// The Rust files of the crates.
    pub(crate) fn rust_files(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.path.starts_with("crates/") && file.path.ends_with(".rs"))
    }

    /// The file at a path.
    pub(crate) fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// A tree of these files, for tests.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let file = |(path, text): &(&str, &str)| File { path: (*path).into(), text: (*text).into() };
        Self { files: files.iter().map(file).collect(), crates: Vec::new() }
    }

    /// A tree of one crate with these dependencies, for tests.
    #[cfg(test)]
    pub(crate) fn of_crate(name: &str, packages: &[&str]) -> Self {
        let dependencies = packages.iter().map(|package| Dependency { package: (*package).into() }).collect();
        Self { files: Vec::new(), crates: vec![Crate { name: name.into(), dependencies }] }
    }
}

impl File {
    /// The folder under `crates/` this file lies in.
    pub(crate) fn crate_name(&self) -> Option<&str> {
        self.path.strip_prefix("crates/")?.split('/').next()
    }

    /// Whether the whole file is test code, by where it lies.
    pub(crate) fn is_test(&self) -> bool {
        let in_folder = ["/tests/", "/benches/", "/examples/"].iter().any(|folder| self.path.contains(folder));
        in_folder || self.path.ends_with("/tests.rs") || self.path.ends_with("_tests.rs")
    }

    /// The text before the module of unit tests, which by custom ends a file.
    pub(crate) fn without_tests(&self) -> &str {
        let mut modules = self.text.match_indices("\n#[cfg(test)]\nmod ");
        let opens_here = |rest: &str| rest.lines().nth(2).is_some_and(|line| line.ends_with('{'));
        let start = modules.find(|(start, _)| opens_here(&self.text[*start..]));
        start.map_or(self.text.as_str(), |(start, _)| &self.text[..=start])
    }
}

fn read_files() -> Result<Vec<File>> {
    let root = commands::project_root()?;
    let listing = commands::git_output(&["ls-files", "--cached", "--others", "--exclude-standard", "-z"])?;
    let mut files = Vec::new();
    for path in listing.split('\0').filter(|path| !path.is_empty()) {
        // A listed file may be deleted but not yet committed, and a golden file need not be text.
        let Ok(bytes) = std::fs::read(root.join(path)) else {
            continue;
        };
        if let Ok(text) = String::from_utf8(bytes) {
            files.push(File { path: path.into(), text });
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn read_crates() -> Result<Vec<Crate>> {
    let json = commands::cargo_output(&["metadata", "--no-deps", "--offline", "--format-version", "1"])?;
    parse_crates(&json)
}

fn parse_crates(json: &str) -> Result<Vec<Crate>> {
    let metadata: serde_json::Value = serde_json::from_str(json)?;
    let packages = metadata["packages"].as_array().context("cargo metadata lists no packages")?;
    packages.iter().map(parse_crate).collect()
}

fn parse_crate(package: &serde_json::Value) -> Result<Crate> {
    let manifest = package["manifest_path"].as_str().context("a package without a manifest")?;
    let name = manifest.rsplit('/').nth(1).context("a manifest outside a folder")?;
    let listed = package["dependencies"].as_array().context("a package without a dependency list")?;
    let named = listed.iter().filter_map(|dependency| dependency["name"].as_str());
    let dependencies = named.map(|package| Dependency { package: package.into() }).collect();
    Ok(Crate { name: name.into(), dependencies })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unit_tests_do_not_count_as_code() {
        let tree = Tree::of(&[("crates/a/src/lib.rs", "fn a() {}\n#[cfg(test)]\nmod tests {\n}\n")]);
        assert_eq!(tree.files[0].without_tests(), "fn a() {}\n");
        let tree = Tree::of(&[("crates/a/src/lib.rs", "//! A.\n#[cfg(test)]\nmod tests;\nmod b {}\n")]);
        assert_eq!(tree.files[0].without_tests(), tree.files[0].text);
    }

    #[test]
    fn a_file_knows_its_crate_and_whether_it_is_a_test() {
        let tree = Tree::of(&[("crates/storage/tests/recovery.rs", ""), ("crates/storage/src/log.rs", "")]);
        assert_eq!(tree.files[0].crate_name(), Some("storage"));
        assert!(tree.files[0].is_test());
        assert!(!tree.files[1].is_test());
    }

    #[test]
    fn dependencies_come_from_cargo() {
        let json = r#"{"packages":[{"manifest_path":"/p/crates/a/Cargo.toml","dependencies":[{"name":"bytes"}]}]}"#;
        let crates = parse_crates(json).unwrap();
        assert_eq!(crates[0].name, "a");
        assert_eq!(crates[0].dependencies[0].package, "bytes");
    }
}
