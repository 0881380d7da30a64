//! Files stay small: one past the limit is listed with its size, may only shrink, and none is added to the list.

use super::Finding;
use crate::commands;
use crate::tree::{File, Tree};
use anyhow::{Context, Result};
use std::collections::BTreeMap;

const RATCHET: &str = "crates/xtask/ratchet.txt";
const LIMIT_LINES: usize = 500;
const HEADING: &str =
    "# Files over the size limit and their lines without tests. They may only shrink; none may be added.\n";

type Ratchet = BTreeMap<String, usize>;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let Some(ratchet) = read_ratchet(tree) else {
        return vec![Finding::new(RATCHET, 0, "is missing or has a line that is not `path lines`")];
    };
    let mut findings: Vec<Finding> =
        tree.rust_files().filter_map(|file| check_file(file, ratchet.get(&file.path).copied())).collect();
    let gone = ratchet.keys().filter(|path| tree.file(path).is_none());
    findings.extend(gone.map(|path| Finding::new(RATCHET, 0, format!("lists {path}, which is gone: {TIGHTEN}"))));
    findings
}

const TIGHTEN: &str = "run `cargo xtask fix`";

fn check_file(file: &File, listed_lines: Option<usize>) -> Option<Finding> {
    let lines = counted_lines(file);
    let message = match listed_lines {
        None if lines > LIMIT_LINES => {
            format!("{lines} lines without tests, limit {LIMIT_LINES}: split it")
        }
        Some(listed) if lines > listed => {
            format!("grew from {listed} to {lines} lines without tests: split it")
        }
        Some(listed) if lines < listed => {
            format!("shrank from {listed} to {lines} lines: {TIGHTEN}")
        }
        _ => return None,
    };
    Some(Finding::new(&file.path, 0, message))
}

/// Lines that count: none in a test, as many as stand before the unit tests elsewhere.
fn counted_lines(file: &File) -> usize {
    if file.is_test() { 0 } else { file.without_tests().lines().count() }
}

fn read_ratchet(tree: &Tree) -> Option<Ratchet> {
    let text = &tree.file(RATCHET)?.text;
    let entries = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    let parse = |line: &str| {
        let (path, lines) = line.split_once(' ')?;
        Some((path.to_owned(), lines.trim().parse().ok()?))
    };
    entries.map(parse).collect()
}

/// Lowers each entry to what its file has now and drops entries that are no longer needed.
pub(super) fn tighten(tree: &Tree) -> Result<()> {
    let ratchet = read_ratchet(tree).with_context(|| format!("{RATCHET} cannot be read"))?;
    let path = commands::project_root()?.join(RATCHET);
    std::fs::write(path, render(&tightened(tree, &ratchet))).with_context(|| format!("cannot write {RATCHET}"))
}

fn tightened(tree: &Tree, ratchet: &Ratchet) -> Ratchet {
    let now = |path: &str| tree.file(path).map_or(0, counted_lines);
    let lower = ratchet.iter().map(|(path, listed)| (path.clone(), now(path).min(*listed)));
    lower.filter(|(_, lines)| *lines > LIMIT_LINES).collect()
}

fn render(ratchet: &Ratchet) -> String {
    let entries = ratchet.iter().map(|(path, lines)| format!("{path} {lines}\n"));
    std::iter::once(HEADING.to_owned()).chain(entries).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "crates/a/src/b.rs";

    fn messages(lines: usize, ratchet: &str) -> Vec<String> {
        let text = "x\n".repeat(lines) + "#[cfg(test)]\nmod tests {\n" + &"y\n".repeat(LIMIT_LINES);
        let tree = Tree::of(&[(PATH, text.as_str()), (RATCHET, ratchet)]);
        check(&tree).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn a_file_past_the_limit_is_found() {
        assert!(messages(LIMIT_LINES + 1, HEADING)[0].contains("split it"));
        assert!(messages(LIMIT_LINES, HEADING).is_empty());
    }

    #[test]
    fn a_listed_file_may_not_grow() {
        assert!(messages(601, &format!("{PATH} 600\n"))[0].contains("grew from 600 to 601"));
        assert!(messages(600, &format!("{PATH} 600\n")).is_empty());
    }

    #[test]
    fn what_was_won_is_kept() {
        assert!(messages(599, &format!("{PATH} 600\n"))[0].contains("shrank from 600 to 599"));
        assert!(messages(10, &format!("{HEADING}crates/a/src/gone.rs 600\n"))[0].contains("which is gone"));
    }

    #[test]
    fn a_missing_or_broken_ratchet_is_found() {
        assert_eq!(check(&Tree::of(&[])).len(), 1);
        assert_eq!(messages(1, "crates/a.rs many\n").len(), 1);
    }

    #[test]
    fn tightening_never_raises_a_size() {
        let text = "x\n".repeat(550);
        let tree = Tree::of(&[(PATH, text.as_str()), ("crates/a/src/c.rs", "x\n")]);
        let entry = |path: &str, lines| (path.to_owned(), lines);
        let ratchet = Ratchet::from([entry(PATH, 540), entry("crates/a/src/c.rs", 700), entry("crates/gone.rs", 600)]);
        assert_eq!(tightened(&tree, &ratchet), Ratchet::from([entry(PATH, 540)]));
        assert_eq!(render(&Ratchet::from([entry(PATH, 540)])), format!("{HEADING}{PATH} 540\n"));
    }
}
