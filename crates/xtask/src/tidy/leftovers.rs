//! Nothing half done is merged: no notes to self, no stubs, no tests that do not run, no merge that stopped half-way.

use super::Finding;
use crate::rust_text::{self, Kind, Piece};
use crate::tree::{File, Tree};

const IN_COMMENTS: &[&str] = &["TODO", "FIXME", "XXX"];
const IN_CODE: &[&str] = &["todo!(", "unimplemented!(", "#[ignore"];
/// How lines begin that git leaves around a conflict, in a file of any kind.
const OF_CONFLICTS: &[&str] = &["<<<<<<< ", ">>>>>>> "];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.rust_files().flat_map(check_file).chain(tree.files.iter().flat_map(conflicts)).collect()
}

fn conflicts(file: &File) -> impl Iterator<Item = Finding> {
    let is_marker = |line: &str| OF_CONFLICTS.iter().any(|mark| line.starts_with(mark));
    let lines = (1..).zip(file.text.lines()).filter(move |(_, line)| is_marker(line));
    lines.map(|(line, _)| Finding::new(&file.path, line, "a conflict is left over: say which side holds"))
}

fn check_file(file: &File) -> Vec<Finding> {
    let pieces = rust_text::pieces(&file.text);
    let mut findings = Vec::new();
    for piece in &pieces {
        let words = match piece.kind {
            Kind::Comment => IN_COMMENTS,
            Kind::Code => IN_CODE,
            Kind::Literal => continue,
        };
        findings.extend(words.iter().filter_map(|word| find(file, piece, word)));
    }
    findings
}

fn find(file: &File, piece: &Piece<'_>, word: &str) -> Option<Finding> {
    let start = piece.text.find(word)?;
    let line = piece.line + piece.text[..start].matches('\n').count();
    Some(Finding::new(&file.path, line, format!("`{word}` is left over: do it now, or leave it out")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<usize> {
        check(&Tree::of(&[("crates/a/src/b.rs", text)])).iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn leftovers_are_found() {
        assert_eq!(lines("fn a() {}\n// TODO: b\n"), [2]);
        assert_eq!(lines("fn a() {\n    todo!()\n}\n"), [2]);
        assert_eq!(lines("#[test]\n#[ignore]\nfn a() {}\n"), [2]);
        assert_eq!(lines("fn a() {\n    unimplemented!(\"b\")\n}\n/// FIXME\nfn c() {}\n"), [2, 4]);
    }

    #[test]
    fn conflicts_are_found_in_any_file() {
        let side = |mark: &str| format!("{} side", mark.repeat(7));
        let text = ["a", &side("<"), "b", &"=".repeat(7), "c", &side(">")].join("\n");
        let found = check(&Tree::of(&[("lists/a.tsv", &text)]));
        assert_eq!(found.iter().map(|finding| finding.line).collect::<Vec<_>>(), [2, 6]);
    }

    #[test]
    fn the_same_words_as_data_pass() {
        assert!(lines("const WORDS: &[&str] = &[\"TODO\", \"todo!(\"];\n").is_empty());
    }
}
