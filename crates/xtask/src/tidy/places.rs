//! The project works anywhere: no file names a path or a package mirror of one machine.

use super::Finding;
use crate::tree::{File, Tree};

/// Split so that this file does not hold what it looks for.
const PLACES: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/opt/", "wheels"),
    concat!("replace", "-with ="),
    concat!("extra-index", "-url"),
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let files = tree.files.iter().filter(|file| file.path != "Cargo.lock");
    files.flat_map(check_file).collect()
}

fn check_file(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        for place in PLACES.iter().filter(|place| names(line, place)) {
            let message = format!("`{place}` is a place on one machine: take it as an argument or a variable");
            findings.push(Finding::new(&file.path, index + 1, message));
        }
    }
    findings
}

/// Whether the line holds the place itself and not a longer path that ends like it.
fn names(line: &str, place: &str) -> bool {
    let inside = |start: usize| line[..start].ends_with(|c: char| c.is_alphanumeric() || "._-*}".contains(c));
    line.match_indices(place).any(|(start, _)| !inside(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_on_one_machine_is_found() {
        let text = format!("fine\ndata={}data\n", PLACES[0]);
        let findings = check(&Tree::of(&[("scripts/start", text.as_str())]));
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].line, 2);
    }

    #[test]
    fn a_longer_path_is_another_one() {
        let text = format!("see https://example.org{0}a and ${{base}}{0}b", PLACES[0]);
        assert!(check(&Tree::of(&[("docs/a.md", text.as_str())])).is_empty());
    }
}
