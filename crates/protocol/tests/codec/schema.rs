//! The schema tables as a tree, read apart from the build script so that one checks the other.

use std::{collections::BTreeMap, ops::RangeInclusive, sync::LazyLock};

pub(crate) static MESSAGES: LazyLock<Vec<Message>> = LazyLock::new(|| read(include_str!("../../data/messages.tsv")));
pub(crate) static RECORDS: LazyLock<Vec<Message>> = LazyLock::new(|| read(include_str!("../../data/records.tsv")));

/// Messages and records alike.
pub(crate) fn all() -> impl Iterator<Item = &'static Message> {
    MESSAGES.iter().chain(RECORDS.iter())
}

#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) name: String,
    pub(crate) id: Option<i16>,
    pub(crate) kind: String,
    pub(crate) valid: Versions,
    pub(crate) flexible: Versions,
    pub(crate) fields: Vec<Field>,
}

#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) is_array: bool,
    pub(crate) versions: Versions,
    pub(crate) nullable: Versions,
    pub(crate) tagged: Versions,
    pub(crate) tag: Option<u32>,
    pub(crate) default: String,
    pub(crate) fields: Vec<Field>,
}

/// Versions as the tables write them: `3`, `3-5`, `3+`, `none`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Versions(pub(crate) RangeInclusive<i16>);

impl Versions {
    fn parse(text: &str) -> Self {
        let number = |s: &str| s.parse::<i16>().expect("a version");
        Self(match (text, text.strip_suffix('+'), text.split_once('-')) {
            ("" | "none", ..) => RangeInclusive::new(0, -1),
            (_, Some(first), _) => number(first)..=i16::MAX,
            (.., Some((first, last))) => number(first)..=number(last),
            _ => number(text)..=number(text),
        })
    }

    pub(crate) fn has(&self, version: i16) -> bool {
        self.0.contains(&version)
    }

    pub(crate) fn iter(&self) -> RangeInclusive<i16> {
        self.0.clone()
    }
}

fn read(table: &str) -> Vec<Message> {
    let mut rows: BTreeMap<&str, Vec<Vec<&str>>> = BTreeMap::new();
    for line in table.lines().skip(1) {
        let row: Vec<&str> = line.split('\t').collect();
        rows.entry(row[0]).or_default().push(row);
    }
    rows.into_iter()
        .map(|(name, rows)| Message {
            name: name.to_owned(),
            id: rows[0][1].parse().ok(),
            kind: rows[0][2].to_owned(),
            valid: Versions::parse(rows[0][3]),
            flexible: Versions::parse(rows[0][4]),
            fields: children(&rows, ""),
        })
        .collect()
}

/// The fields whose path is `parent` and one name more.
fn children(rows: &[Vec<&str>], parent: &str) -> Vec<Field> {
    rows.iter()
        .filter(|row| {
            let (before, name) = row[5].rsplit_once('.').unwrap_or(("", row[5]));
            before == parent && !name.is_empty()
        })
        .map(|row| field(rows, row))
        .collect()
}

fn field(rows: &[Vec<&str>], row: &[&str]) -> Field {
    let cell = |i: usize| row.get(i).copied().unwrap_or("");
    let kind = cell(6).trim_start_matches("[]");
    let fields = children(rows, cell(5));
    // Where only tagged versions are given, they are the field's versions.
    let versions = [cell(7), cell(9)].into_iter().find(|v| !v.is_empty());
    let is_struct = kind.starts_with(char::is_uppercase);
    assert_eq!(is_struct, !fields.is_empty(), "{}.{}", row[0], row[5]);
    Field {
        name: cell(5).rsplit('.').next().unwrap_or_default().to_owned(),
        kind: kind.to_owned(),
        is_array: cell(6).starts_with("[]"),
        versions: Versions::parse(versions.expect("versions")),
        nullable: Versions::parse(cell(8)),
        tagged: Versions::parse(cell(9)),
        tag: cell(10).parse().ok(),
        default: cell(11).to_owned(),
        fields,
    }
}

#[test]
fn the_tables_hold_all_messages_and_records() {
    assert_eq!(MESSAGES.len(), 180);
    assert_eq!(RECORDS.len(), 86);
}
