//! The list of known differences: a glob of the step, a glob of the path, the reason.

use super::compare::Difference;
use anyhow::Context;

/// One line of the list.
#[derive(Debug, Clone)]
pub struct Known {
    step: String,
    path: String,
    /// Why the difference is there.
    pub reason: String,
}

impl Known {
    /// Whether the difference is the one meant.
    pub fn covers(&self, difference: &Difference) -> bool {
        glob(&self.step, &difference.step) && glob(&self.path, &difference.path)
    }
}

impl core::fmt::Display for Known {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}\t{}\t{}", self.step, self.path, self.reason)
    }
}

/// Reads the list: tab-separated, lines with a # are comments.
pub fn parse(text: &str) -> anyhow::Result<Vec<Known>> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let mut columns = line.split('\t');
            let mut column = || columns.next().filter(|text| !text.is_empty()).map(str::to_owned);
            let known = column().zip(column()).zip(column());
            let ((step, path), reason) = known.with_context(|| format!("not step, path and reason: {line}"))?;
            Ok(Known { step, path, reason })
        })
        .collect()
}

/// Whether `text` matches `pattern`, where a * stands for anything.
fn glob(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(text) = text.strip_prefix(head) else {
        return false;
    };
    text.char_indices().map(|(at, _)| at).chain([text.len()]).any(|at| glob(rest, text.get(at..).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        assert!(glob("a*c", "abc") && glob("a*", "a") && glob("*", "") && glob("*b*", "abc"));
        assert!(!glob("a*c", "ab") && !glob("a", "ab") && !glob("*b", "abc"));
    }

    #[test]
    fn every_line_needs_a_reason() {
        assert_eq!(parse("# a\n\na\tb\tc\n").unwrap().len(), 1);
        assert!(parse("a\tb\n").is_err());
    }
}
