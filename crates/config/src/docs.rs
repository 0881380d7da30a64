//! The page `docs/configuration.md`, written from the tables.

use std::fmt::Write as _;

use crate::{Default, Definition, Importance, Support, Table, UpdateMode, Visibility};
use crate::{broker_table, client_metrics_table, group_table, topic_table};

const HEAD: &str = "\
# Configuration

<!-- Written by `cargo xtask docs` from `crates/config/data/`: change the tables there, not this page. -->

Ottla knows every config of Apache Kafka 4.3.1 by name, type, default and accepted values, and reads Kafka's own
`server.properties` unchanged. Settings come from the file given with `--config`, then from `KAFKA_*` environment variables
as in Kafka's container image (`KAFKA_NUM_PARTITIONS` sets `num.partitions`; `__` stands for `_`, `___` for `-`), then from
`--override name=value`; a later one wins. An invalid value stops the start with the file and line it stands in. An unknown
name is warned of, with the nearest known name, and so is a config that is set and has no effect.

The column *Ottla* says whether a config does what it says: **yes**; *not yet*, and what has to come first; or *never*, and
why. Configs of which Ottla says *not yet* or *never* can still be set, altered and described, as Kafka's tools expect.

Without a file Ottla starts as broker and controller in one on `PLAINTEXT://127.0.0.1:9092` with `node.id=1` and one replica
for its internal topics, with its data in `./ottla-data` (or `--data FOLDER`); its controller is then reached within the process and needs no listener.
";

/// The whole page.
pub fn markdown() -> String {
    let mut page = HEAD.to_owned();
    section(&mut page, "Broker configs", broker_table(), true);
    section(&mut page, "Topic configs", topic_table(), false);
    section(&mut page, "Group configs", group_table(), false);
    section(&mut page, "Client metrics configs", client_metrics_table(), false);
    page
}

fn section(page: &mut String, title: &str, table: &Table, is_broker: bool) {
    let rows: Vec<&Definition> = table.sorted().filter(|row| row.visibility != Visibility::Internal).collect();
    let count = |support: fn(&Support) -> bool| rows.iter().filter(|row| support(&row.support)).count();
    let honoured = count(|support| matches!(support, Support::Honoured));
    let never = count(|support| matches!(support, Support::Never(_)));
    let not_yet = rows.len() - honoured - never;
    let column = if is_broker { "Update" } else { "Broker configs" };
    // Writing to a string cannot fail.
    let _ =
        writeln!(page, "\n## {title}\n\n{} in all: {honoured} yes, {not_yet} not yet, {never} never.\n", rows.len());
    let _ = writeln!(page, "| Name | Type | Default | Valid values | Importance | {column} | Ottla | What it does |");
    let _ = writeln!(page, "|---|---|---|---|---|---|---|---|");
    for row in rows {
        let fourth = if is_broker { update_mode(row).to_owned() } else { broker_configs(row) };
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {} | {} | {} | {} | {} |",
            row.name,
            row.config_type.name().to_lowercase(),
            default(row),
            cell(row.valid_values),
            importance(row.importance),
            fourth,
            support(row.support),
            cell(row.documentation)
        );
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn default(row: &Definition) -> String {
    match &row.default {
        Default::Required => "(required)".to_owned(),
        Default::Value(value) => match value.to_text().as_deref() {
            None => "null".to_owned(),
            Some("") => "\"\"".to_owned(),
            Some(text) => format!("`{}`", cell(text)),
        },
    }
}

fn importance(importance: Importance) -> &'static str {
    match importance {
        Importance::High => "high",
        Importance::Medium => "medium",
        Importance::Low => "low",
    }
}

fn update_mode(row: &Definition) -> &'static str {
    match (row.visibility, row.update_mode) {
        (Visibility::DynamicOnly, _) => "dynamic only",
        (_, UpdateMode::ReadOnly) => "read-only",
        (_, UpdateMode::PerBroker) => "per broker",
        (_, UpdateMode::ClusterWide) => "cluster-wide",
    }
}

fn broker_configs(row: &Definition) -> String {
    row.synonyms.iter().map(|synonym| format!("`{}`", synonym.name)).collect::<Vec<_>>().join(", ")
}

fn support(support: Support) -> String {
    match support {
        Support::Honoured => "**yes**".to_owned(),
        Support::NotYet(reason) => format!("*not yet*: {}", cell(reason)),
        Support::Never(reason) => format!("*never*: {}", cell(reason)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_a_row_for_every_config_that_is_not_internal() {
        let page = markdown();
        let tables = [broker_table(), topic_table(), group_table(), client_metrics_table()];
        let rows = tables.into_iter().flat_map(Table::iter).filter(|row| row.visibility != Visibility::Internal);
        let rows: Vec<&Definition> = rows.collect();
        let expected = rows.len();
        assert!(rows.into_iter().all(|row| page.contains(&format!("| `{}` | ", row.name))));
        let lines: Vec<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
        assert_eq!(lines.len(), expected);
        assert!(lines.iter().all(|line| line.replace("\\|", "").matches('|').count() == 9), "eight columns each");
    }
}
