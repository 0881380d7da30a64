//! The README's table of APIs: those of the release we match, beside those the built broker says it serves.

use super::markers;
use crate::commands;
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::fmt::Write;

const RELEASE_TABLE: &str = "crates/protocol/data/apis.tsv";

/// An API with the versions served.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Api {
    name: String,
    min: i16,
    max: i16,
}

type Apis = BTreeMap<i16, Api>;

/// The README with a fresh table.
pub(super) fn render(readme: &str) -> Result<String> {
    let release = std::fs::read_to_string(commands::project_root()?.join(RELEASE_TABLE))
        .with_context(|| format!("cannot read {RELEASE_TABLE}"))?;
    let served = commands::cargo_output(&["run", "-q", "--locked", "-p", "ottla-broker", "--", "apis"])?;
    let served = parse(&served).context("`ottla apis` should print lines of key, name, min and max")?;
    markers::replace(readme, "apis", &table(&release_apis(&release)?, &served))
}

/// What `ottla apis` prints: key, name, min and max, separated by tabs.
fn parse(text: &str) -> Result<Apis> {
    let apis: Apis = text.lines().filter(|line| !line.trim().is_empty()).map(parse_line).collect::<Result<_>>()?;
    anyhow::ensure!(!apis.is_empty(), "no API is listed");
    Ok(apis)
}

/// The APIs that brokers serve, in versions that are finished; those for controllers alone are no client's concern.
fn release_apis(text: &str) -> Result<Apis> {
    let for_brokers = |line: &&str| line.contains("BROKER");
    text.lines().skip(1).filter(for_brokers).map(parse_release_line).collect()
}

fn parse_release_line(line: &str) -> Result<(i16, Api)> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [key, name, min, _max, max_stable, ..] = fields.as_slice() else {
        anyhow::bail!("`{line}` has fewer than five fields");
    };
    parse_fields(line, [key, name, min, max_stable])
}

fn parse_line(line: &str) -> Result<(i16, Api)> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [key, name, min, max] = fields.as_slice() else {
        anyhow::bail!("`{line}` has not four fields");
    };
    parse_fields(line, [key, name, min, max])
}

fn parse_fields(line: &str, [key, name, min, max]: [&str; 4]) -> Result<(i16, Api)> {
    let number = |text: &str| text.trim().parse::<i16>().with_context(|| format!("`{text}` in `{line}`"));
    Ok((number(key)?, Api { name: (*name).into(), min: number(min)?, max: number(max)? }))
}

fn table(release: &Apis, served: &Apis) -> String {
    let count = release.keys().filter(|key| served.contains_key(key)).count();
    let mut text = format!(
        "{count} of the {} APIs that a broker of 4.3.1 serves to clients and other brokers.\n\n",
        release.len()
    );
    text.push_str("| key | API | Apache Kafka 4.3.1 | Ottla |\n|---:|---|---|---|\n");
    for (key, api) in release {
        let ours = served.get(key).map_or("not yet".to_owned(), versions);
        let _ = writeln!(text, "| {key} | {} | {} | {ours} |", api.name, versions(api));
    }
    text
}

fn versions(api: &Api) -> String {
    if api.min == api.max { api.min.to_string() } else { format!("{} to {}", api.min, api.max) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RELEASE: &str = "key\tname\tmin version\tmax version\tmax stable version\tlisteners\n\
        0\tProduce\t3\t13\t13\t[BROKER]\n36\tSaslAuthenticate\t2\t2\t2\t[BROKER, CONTROLLER]\n\
        22\tInitProducerId\t0\t6\t5\t[BROKER]\n52\tVote\t0\t2\t2\t[CONTROLLER]\n";

    #[test]
    fn the_table_shows_what_is_served_and_what_is_not() {
        let table = table(&release_apis(RELEASE).unwrap(), &parse("0\tProduce\t0\t13\n").unwrap());
        assert!(table.starts_with("1 of the 3 APIs"), "{table}");
        assert!(table.contains("| 0 | Produce | 3 to 13 | 0 to 13 |\n"), "{table}");
        assert!(table.contains("| 36 | SaslAuthenticate | 2 | not yet |\n"), "{table}");
        assert!(table.contains("| 22 | InitProducerId | 0 to 5 | not yet |\n"), "{table}");
        assert!(!table.contains("Vote"), "{table}");
    }

    #[test]
    fn a_line_that_is_no_api_is_an_error() {
        assert!(parse("usage: ottla\n").is_err());
        assert!(parse("").is_err());
        assert!(parse("0\tProduce\tmany\t13\n").is_err());
    }
}
