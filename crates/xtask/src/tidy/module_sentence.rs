//! Every module says in its first sentence what it is for.

use super::Finding;
use crate::tree::{File, Tree};

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let sources = tree.rust_files().filter(|file| file.path.contains("/src/"));
    sources.filter_map(check_file).collect()
}

fn check_file(file: &File) -> Option<Finding> {
    let lines = file.text.lines().map_while(|line| line.strip_prefix("//!"));
    let paragraph: Vec<&str> = lines.map(str::trim).take_while(|line| !line.is_empty()).collect();
    let Some(last) = paragraph.last() else {
        return Some(Finding::new(&file.path, 1, "opens without a `//!` sentence that says what it is for"));
    };
    let ended = last.ends_with(['.', '?', ':']);
    (!ended).then(|| Finding::new(&file.path, 1, "its opening `//!` paragraph is no sentence: end it with a full stop"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(text: &str) -> usize {
        check(&Tree::of(&[("crates/a/src/b.rs", text)])).len()
    }

    #[test]
    fn a_module_without_its_sentence_is_found() {
        assert_eq!(findings("use std::fmt;\n"), 1);
        assert_eq!(findings("//! no full stop\nuse std::fmt;\n"), 1);
        assert_eq!(findings(""), 1);
    }

    #[test]
    fn a_sentence_passes_even_over_two_lines() {
        assert_eq!(findings("//! One sentence.\n"), 0);
        assert_eq!(findings("//! One sentence\n//! on two lines.\n//!\n//! more\n"), 0);
    }
}
