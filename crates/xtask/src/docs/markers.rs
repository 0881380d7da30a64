//! Replaces the part of a hand-written document that stands between two markers.

use anyhow::{Context, Result};

/// The document with `content` between `<!-- name -->` and `<!-- /name -->`.
pub(super) fn replace(document: &str, name: &str, content: &str) -> Result<String> {
    let (open, close) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let missing = || format!("the markers `{}` and `{close}` are missing", open.trim_end());
    let (before, rest) = document.split_once(&open).with_context(missing)?;
    let (_, after) = rest.split_once(&close).with_context(missing)?;
    Ok(format!("{before}{open}{content}{close}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_markers_changes() {
        let document = "a\n<!-- x -->\nold\n<!-- /x -->\nb\n";
        assert_eq!(replace(document, "x", "new\n").unwrap(), "a\n<!-- x -->\nnew\n<!-- /x -->\nb\n");
    }

    #[test]
    fn missing_markers_are_an_error() {
        for document in ["", "<!-- x -->\n", "<!-- /x -->"] {
            assert!(replace(document, "x", "").is_err(), "{document}");
        }
    }
}
