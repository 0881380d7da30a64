//! The list of known differences: globs of the step, of the path and of the two values, and the reason.

use super::compare::Difference;
use anyhow::Context;

/// One line of the list.
#[derive(Debug, Clone)]
pub struct Known {
    step: String,
    path: String,
    first: String,
    second: String,
    /// Why the difference is there.
    pub reason: String,
}

impl Known {
    /// Whether the difference is the one meant.
    pub fn covers(&self, difference: &Difference) -> bool {
        glob(&self.step, &difference.step)
            && glob(&self.path, &difference.path)
            && glob(&self.first, &difference.first)
            && glob(&self.second, &difference.second)
    }
}

impl core::fmt::Display for Known {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}\t{}\t{}\t{}\t{}", self.step, self.path, self.first, self.second, self.reason)
    }
}

/// Reads the list: tab-separated, lines with a # are comments.
pub fn parse(text: &str) -> anyhow::Result<Vec<Known>> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let columns: Vec<String> = line.split('\t').map(str::to_owned).collect();
            let columns: Result<[String; 5], _> = columns.try_into();
            let [step, path, first, second, reason] = columns
                .ok()
                .filter(|columns| columns.iter().all(|column| !column.is_empty()))
                .with_context(|| format!("not step, path, both values and reason: {line}"))?;
            Ok(Known { step, path, first, second, reason })
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
        assert_eq!(parse("# a\n\na\tb\tc\td\te\n").unwrap().len(), 1);
        assert!(parse("a\tb\tc\td\n").is_err());
        assert!(parse("a\tb\tc\td\t\n").is_err());
    }
}
