//! The known name a mistyped one was most likely meant to be.

/// The candidate with the smallest edit distance, if it is near enough to be worth a suggestion.
pub(crate) fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (name.len() / 4).clamp(2, 6);
    candidates
        .filter(|candidate| candidate.len().abs_diff(name.len()) <= limit)
        .map(|candidate| (distance(name, candidate), candidate))
        .min()
        .filter(|(distance, _)| *distance <= limit)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance over bytes, which is enough for config names.
fn distance(left: &str, right: &str) -> usize {
    let mut previous: Vec<usize> = (0..=right.len()).collect();
    for (row, a) in left.bytes().enumerate() {
        let mut current = vec![row + 1];
        let mut corner = row;
        let mut beside = row + 1;
        for (b, above) in right.bytes().zip(previous.iter().copied().skip(1)) {
            let best = (corner + usize::from(a != b)).min(above + 1).min(beside + 1);
            current.push(best);
            corner = above;
            beside = best;
        }
        previous = current;
    }
    previous.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 3] = ["num.partitions", "num.io.threads", "log.dirs"];

    #[test]
    fn a_typo_finds_its_config() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(nearest("num.partition", NAMES.into_iter()), Some("num.partitions"));
        assert_eq!(nearest("logs.dir", NAMES.into_iter()), Some("log.dirs"));
        assert_eq!(nearest("my.plugin.setting", NAMES.into_iter()), None);
    }
}
