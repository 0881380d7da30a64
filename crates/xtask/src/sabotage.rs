//! Whether the simulation can see: breaks one rule at a time in a copy of the sources, and expects its seeds to find that.

use crate::commands::{git_output, project_root};
use anyhow::{Context as _, bail, ensure};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const LIST: &str = "crates/simulation/sabotage.tsv";
/// Seeds that a broken rule may hide from.
const SEEDS: u64 = 3000;
const SECONDS: &str = "60";

struct Sabotage {
    rule: String,
    file: PathBuf,
    from: String,
    to: String,
}

/// Runs those whose name has `filter` in it, or that are tried on the simulation of that name.
pub(crate) fn run(filter: &str) -> anyhow::Result<()> {
    let is_meant = |it: &Sabotage| it.rule.contains(filter) || kind(it).contains(&filter);
    let all: Vec<_> = listed()?.into_iter().filter(is_meant).collect();
    let copy = copy_sources()?;
    let (mut unseen, mut last_seeds) = (Vec::new(), BTreeMap::new());
    for sabotage in &all {
        match found(&copy, sabotage)? {
            Some((seed, violation)) => {
                println!("{}: {violation}", sabotage.rule);
                let last: &mut u64 = last_seeds.entry(kind(sabotage)).or_default();
                *last = seed.max(*last);
            }
            None => {
                println!("{}: NOT FOUND", sabotage.rule);
                unseen.push(sabotage.rule.as_str());
            }
        }
    }
    for (kind, last) in last_seeds {
        let violation = seeds(&copy, kind, last)?;
        ensure!(violation.is_none(), "on the sources as they are: {violation:?}");
    }
    match unseen.is_empty() {
        true => Ok(()),
        false => bail!("not found in {SEEDS} seeds: {}", unseen.join("; ")),
    }
}

fn listed() -> anyhow::Result<Vec<Sabotage>> {
    let list = fs::read_to_string(project_root()?.join(LIST)).context(LIST)?;
    list.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(parse).collect()
}

fn parse(line: &str) -> anyhow::Result<Sabotage> {
    let cells: Vec<&str> = line.split('\t').collect();
    let [rule, file, from, to] = cells.as_slice() else { bail!("{LIST}: not four cells: {line}") };
    let text = |cell: &str| cell.replace("\\n", "\n");
    Ok(Sabotage { rule: (*rule).into(), file: file.into(), from: text(from), to: text(to) })
}

fn copy_sources() -> anyhow::Result<PathBuf> {
    let root = project_root()?;
    let copy = root.join("target/sabotage");
    let listed = git_output(&["ls-files", "--cached", "--others", "--exclude-standard"])?;
    for name in listed.lines().filter(|name| root.join(name).is_file()) {
        let (from, to) = (root.join(name), copy.join(name));
        if fs::read(&to).ok() != Some(fs::read(&from)?) {
            fs::create_dir_all(to.parent().context("a file has a folder")?)?;
            fs::copy(from, &to)?;
        }
    }
    Ok(copy)
}

/// A file as it is and with the rule broken.
fn broken(root: &Path, sabotage: &Sabotage) -> anyhow::Result<(PathBuf, String, String)> {
    let path = root.join(&sabotage.file);
    let whole = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let times = whole.matches(&sabotage.from).count();
    ensure!(times == 1, "{}: {} is there {times} times: {}", sabotage.rule, path.display(), sabotage.from);
    let broken = whole.replace(&sabotage.from, &sabotage.to);
    Ok((path, whole, broken))
}

/// What a seed found with the rule broken, and which.
fn found(copy: &Path, sabotage: &Sabotage) -> anyhow::Result<Option<(u64, String)>> {
    let (path, whole, broken) = broken(copy, sabotage)?;
    fs::write(&path, broken)?;
    let found = seeds(copy, kind(sabotage), SEEDS);
    fs::write(&path, whole)?;
    found
}

/// The simulation that a rule is tried on.
fn kind(sabotage: &Sabotage) -> &'static [&'static str] {
    let file = sabotage.file.to_string_lossy();
    let is_in = |places: &[&str]| places.iter().any(|place| file.contains(place));
    // Offsets are committed by groups too, but there in no transaction.
    let of_transactions = [
        "transactions",
        "storage",
        "state-machine",
        "coordinator/src/offsets",
        "coordinator/src/stored.rs",
        "consumer/commit.rs",
    ];
    let of_logs = [
        "storage/src/journal",
        "storage/src/segment",
        "storage/src/shared.rs",
        "storage/src/log/truncate.rs",
        "storage/src/log/mod.rs",
        "simulation/src/disk/log.rs",
    ];
    match (is_in(&of_logs), is_in(&of_transactions), is_in(&["crates/coordinator"])) {
        (true, ..) => LOGS,
        (_, true, _) => TRANSACTIONS,
        (.., true) => GROUPS,
        _ => &[],
    }
}

/// The simulation that rules of a log on its disk are tried on.
const LOGS: &[&str] = &["logs"];

/// The simulation that rules of transactions are tried on.
const TRANSACTIONS: &[&str] = &["transactions"];

/// The simulation that rules of groups are tried on.
const GROUPS: &[&str] = &["groups"];

/// The first seed up to `last` with a violation, if there is one, and what is said of it.
fn seeds(copy: &Path, kind: &[&str], last: u64) -> anyhow::Result<Option<(u64, String)>> {
    // Quickly built again after each change, and quick enough.
    let optimized = ["--config", "profile.dev.opt-level=2"];
    let program = ["run", "--quiet", "--package", "ottla-simulation", "--"];
    let done = Command::new("cargo")
        .args(optimized)
        .args(program)
        .args(kind)
        .args(["1", &last.to_string(), SECONDS])
        .current_dir(copy)
        .env_remove("CARGO_TARGET_DIR")
        .output()?;
    let said = String::from_utf8_lossy(&done.stdout).trim().to_owned();
    match (done.status.success(), violating_seed(&said)) {
        (true, _) => Ok(None),
        (false, Some(seed)) => Ok(Some((seed, said))),
        (false, None) => bail!("{}", String::from_utf8_lossy(&done.stderr)),
    }
}

fn violating_seed(said: &str) -> Option<u64> {
    said.strip_prefix("seed ")?.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_in_the_sources_once() {
        let root = project_root().expect("a project");
        for sabotage in listed().expect("a list") {
            broken(&root, &sabotage).expect("to be broken");
        }
    }
}
