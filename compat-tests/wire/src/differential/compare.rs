//! Finds the fields in which two runs differ, and prints them.

use super::{known::Known, run::Outcome};
use std::collections::{BTreeMap, BTreeSet};

/// A field that two brokers did not give alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Name of the step and version of the request.
    pub step: String,
    /// The field.
    pub path: String,
    /// What the first broker gave.
    pub first: String,
    /// What the second gave.
    pub second: String,
}

/// All differences, in the order of the steps.
pub fn differences(first: &[Outcome], second: &[Outcome]) -> Vec<Difference> {
    let mut others: BTreeMap<&str, &Outcome> = second.iter().map(|outcome| (outcome.step.as_str(), outcome)).collect();
    let mut out = Vec::new();
    for outcome in first {
        match others.remove(outcome.step.as_str()) {
            Some(other) => fields(outcome, other, &mut out),
            None => out.push(missing(&outcome.step, "sent", "not sent")),
        }
    }
    out.extend(others.keys().map(|step| missing(step, "not sent", "sent")));
    out
}

fn missing(step: &str, first: &str, second: &str) -> Difference {
    Difference { step: step.to_owned(), path: "request".into(), first: first.into(), second: second.into() }
}

fn fields(first: &Outcome, second: &Outcome, out: &mut Vec<Difference>) {
    const ABSENT: &str = "absent";
    let of = |outcome: &Outcome| outcome.fields.iter().cloned().collect::<BTreeMap<_, _>>();
    let (ours, mut theirs) = (of(first), of(second));
    let mut push = |path: &str, first_value: &str, second_value: &str| {
        out.push(Difference {
            step: first.step.clone(),
            path: path.to_owned(),
            first: first_value.to_owned(),
            second: second_value.to_owned(),
        });
    };
    if let Some((first_whole, second_whole)) = unlike_wholes(first, second) {
        return push("connection", first_whole, second_whole);
    }
    let (first_elements, second_elements) = (elements(&ours), elements(&theirs));
    for element in outermost(&first_elements, &second_elements) {
        push(element, "present", ABSENT);
    }
    for element in outermost(&second_elements, &first_elements) {
        push(element, ABSENT, "present");
    }
    for (path, value) in &ours {
        let other = theirs.remove(path);
        let other = other.as_deref().unwrap_or(ABSENT);
        if other != value && !within_missing(path, &second_elements) {
            push(path, value, other);
        }
    }
    for (path, value) in &theirs {
        if !within_missing(path, &first_elements) {
            push(path, ABSENT, value);
        }
    }
}

/// What came instead of a response, when only one of the two brokers gave one.
fn unlike_wholes<'a>(first: &'a Outcome, second: &'a Outcome) -> Option<(&'a str, &'a str)> {
    let whole = |outcome: &'a Outcome| match outcome.fields.as_slice() {
        [(path, value)] if path == "connection" || path == "response" => value.as_str(),
        _ => "a response",
    };
    let (first, second) = (whole(first), whole(second));
    (first != second).then_some((first, second))
}

/// The elements of lists that a path goes through, outermost first.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices(']').filter_map(|(at, _)| path.get(..=at))
}

fn elements(fields: &BTreeMap<String, String>) -> BTreeSet<String> {
    fields.keys().flat_map(|path| ancestors(path)).map(str::to_owned).collect()
}

fn within_missing(path: &str, elements: &BTreeSet<String>) -> bool {
    ancestors(path).any(|element| !elements.contains(element))
}

/// The elements that `other` lacks, without those inside them.
fn outermost<'a>(elements: &'a BTreeSet<String>, other: &'a BTreeSet<String>) -> impl Iterator<Item = &'a str> {
    let outermost =
        |element: &&String| ancestors(element).find(|part| !other.contains(*part)) == Some(element.as_str());
    elements.iter().filter(outermost).map(String::as_str)
}

/// Prints one line for each step, path and pair of values, with the versions they occur in.
pub fn print(differences: &[Difference]) {
    let mut lines: Vec<(String, Vec<&str>)> = Vec::new();
    for difference in differences {
        let (step, version) = difference.step.rsplit_once(' ').unwrap_or((&difference.step, ""));
        let version_free = |text: &str| text.replace(&format!("-{version}"), "-v?");
        let line = format!(
            "{step}\t{}\t{}\t{}",
            version_free(&difference.path),
            short(&version_free(&difference.first)),
            short(&version_free(&difference.second))
        );
        match lines.iter_mut().find(|(text, _)| *text == line) {
            Some((_, versions)) => versions.push(version),
            None => lines.push((line, vec![version])),
        }
    }
    for (line, versions) in lines {
        println!("{line}\t{}", versions.join(" "));
    }
}

fn short(text: &str) -> String {
    const MOST: usize = 300;
    if text.chars().count() <= MOST { text.to_owned() } else { text.chars().take(MOST).collect::<String>() + "…" }
}

/// Splits what nobody knows of from the list's entries that no longer occur.
pub fn unknown<'a>(differences: &[Difference], known: &'a [Known]) -> (Vec<Difference>, Vec<&'a Known>) {
    let unknown = differences.iter().filter(|difference| !known.iter().any(|known| known.covers(difference))).cloned();
    let unused = known.iter().filter(|known| !differences.iter().any(|difference| known.covers(difference)));
    (unknown.collect(), unused.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::differential::known;

    fn outcome(step: &str, value: &str) -> Outcome {
        Outcome { step: step.into(), fields: vec![("a.b".into(), value.into())] }
    }

    #[test]
    fn a_difference_is_known_or_not_and_the_list_only_shrinks() {
        let found =
            differences(&[outcome("x v1", "1"), outcome("y v0", "1")], &[outcome("x v1", "2"), outcome("y v0", "1")]);
        assert_eq!(found.len(), 1);
        let list = known::parse("x v*\ta.*\t1\t2\tchosen\nx v*\ta.*\t1\t3\tgone\n").unwrap();
        let (unknown_ones, unused) = unknown(&found, &list);
        assert!(unknown_ones.is_empty());
        assert_eq!(unused.len(), 1);
        assert_eq!(unknown(&found, &[]).0, found);
    }
}
