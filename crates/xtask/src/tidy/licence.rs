//! The licence lies at the root, whole, under the name that tools look for.

use super::Finding;
use crate::tree::Tree;

const OPENING: &str = "Apache License";
const VERSION: &str = "Version 2.0, January 2004";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let whole = |text: &str| text.contains(OPENING) && text.contains(VERSION) && text.contains("END OF TERMS");
    match tree.file("LICENSE") {
        Some(file) if whole(&file.text) => Vec::new(),
        Some(_) => vec![Finding::new("LICENSE", 0, "is not the whole text of the Apache License 2.0")],
        None => vec![Finding::new("LICENSE", 0, "is missing: the Apache License 2.0 belongs at the root")],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_or_other_licence_is_found() {
        assert_eq!(check(&Tree::of(&[])).len(), 1);
        assert_eq!(check(&Tree::of(&[("LICENSE", "do as you like")])).len(), 1);
    }

    #[test]
    fn the_apache_licence_passes() {
        let text = format!("{OPENING}\n{VERSION}\nEND OF TERMS AND CONDITIONS");
        assert!(check(&Tree::of(&[("LICENSE", text.as_str())])).is_empty());
    }
}
