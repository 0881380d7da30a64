//! Reads the schema tables into a tree of messages, structs and fields.

use std::collections::BTreeMap;

/// A closed range of versions; `None` bounds nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Versions {
    pub(crate) first: i16,
    pub(crate) last: i16,
}

impl Versions {
    const EMPTY: Self = Self { first: 0, last: -1 };

    fn parse(text: &str) -> Self {
        let number = |s: &str| s.parse::<i16>().unwrap_or_else(|_| panic!("not a version: {text:?}"));
        match text {
            "" | "none" => Self::EMPTY,
            _ if text.ends_with('+') => Self { first: number(&text[..text.len() - 1]), last: i16::MAX },
            _ => match text.split_once('-') {
                Some((first, last)) => Self { first: number(first), last: number(last) },
                None => Self { first: number(text), last: number(text) },
            },
        }
    }

    pub(crate) fn is_empty(self) -> bool {
        self.first > self.last
    }

    pub(crate) fn covers(self, other: Self) -> bool {
        self.first <= other.first && self.last >= other.last
    }

    pub(crate) fn meets(self, other: Self) -> bool {
        !self.is_empty() && self.first <= other.last && self.last >= other.first
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Type {
    Bool,
    Int8,
    Int16,
    Uint16,
    Int32,
    Int64,
    Float64,
    Uuid,
    String,
    Bytes,
    Records,
    Struct(String),
    Array(Box<Type>),
}

impl Type {
    fn parse(text: &str) -> Self {
        match text {
            "bool" => Self::Bool,
            "int8" => Self::Int8,
            "int16" => Self::Int16,
            "uint16" => Self::Uint16,
            "int32" => Self::Int32,
            "int64" => Self::Int64,
            "float64" => Self::Float64,
            "uuid" => Self::Uuid,
            "string" => Self::String,
            "bytes" => Self::Bytes,
            "records" => Self::Records,
            _ => match text.strip_prefix("[]") {
                Some(element) => Self::Array(Box::new(Self::parse(element))),
                None => Self::Struct(text.to_owned()),
            },
        }
    }

    /// The name of the struct this type is, or is an array of.
    pub(crate) fn struct_name(&self) -> Option<&str> {
        match self {
            Self::Struct(name) => Some(name),
            Self::Array(element) => element.struct_name(),
            _ => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) kind: Type,
    pub(crate) versions: Versions,
    pub(crate) nullable: Versions,
    pub(crate) tagged: Versions,
    pub(crate) tag: Option<u32>,
    pub(crate) default: String,
    pub(crate) ignorable: bool,
}

impl Field {
    pub(crate) fn is_nullable(&self) -> bool {
        !self.nullable.is_empty()
    }

    pub(crate) fn defaults_to_null(&self) -> bool {
        matches!(self.default.as_str(), "null" | "None")
    }
}

#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) name: String,
    /// API key of a request or response, id of a record.
    pub(crate) id: Option<i16>,
    pub(crate) kind: String,
    pub(crate) valid: Versions,
    pub(crate) flexible: Versions,
    /// Each struct of the message by name, the message itself included.
    pub(crate) structs: BTreeMap<String, Vec<Field>>,
}

/// The rows of a table without its heading.
pub(crate) fn rows(text: &str) -> Vec<Vec<String>> {
    text.lines().skip(1).map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

pub(crate) fn messages(text: &str) -> Vec<Message> {
    build(&rows(text))
}

/// The records' table has one column fewer: no `entity`.
pub(crate) fn records(text: &str) -> Vec<Message> {
    build(&rows(text))
}

fn build(rows: &[Vec<String>]) -> Vec<Message> {
    let mut messages: Vec<Message> = Vec::new();
    let mut paths: BTreeMap<(String, String), String> = BTreeMap::new();
    for row in rows {
        let cell = |i: usize| row.get(i).map_or("", String::as_str);
        if messages.last().is_none_or(|m| m.name != cell(0)) {
            messages.push(Message {
                name: cell(0).to_owned(),
                id: cell(1).parse().ok(),
                kind: cell(2).to_owned(),
                valid: Versions::parse(cell(3)),
                flexible: Versions::parse(cell(4)),
                structs: BTreeMap::from([(cell(0).to_owned(), Vec::new())]),
            });
        }
        let message = messages.last_mut().unwrap();
        if cell(5).is_empty() {
            continue; // a message without fields
        }
        let (parent, name) = cell(5).rsplit_once('.').unwrap_or(("", cell(5)));
        let field = Field {
            name: name.to_owned(),
            kind: Type::parse(cell(6)),
            // A field without versions of its own has those in which it is tagged.
            versions: Versions::parse(if cell(7).is_empty() { cell(9) } else { cell(7) }),
            nullable: Versions::parse(cell(8)),
            tagged: Versions::parse(cell(9)),
            tag: cell(10).parse().ok(),
            default: cell(11).to_owned(),
            ignorable: cell(12) == "yes",
        };
        if let Some(inner) = field.kind.struct_name() {
            paths.insert((message.name.clone(), cell(5).to_owned()), inner.to_owned());
            message.structs.entry(inner.to_owned()).or_default();
        }
        let owner = match parent {
            "" => message.name.clone(),
            _ => paths[&(message.name.clone(), parent.to_owned())].clone(),
        };
        add(message, &owner, field);
    }
    messages
}

/// A struct used twice in a message is listed twice: the second listing must say the same.
fn add(message: &mut Message, owner: &str, field: Field) {
    let fields = message.structs.get_mut(owner).unwrap();
    match fields.iter().find(|f| f.name == field.name) {
        Some(known) => assert_eq!(known, &field, "{} has two structs called {owner}", message.name),
        None => fields.push(field),
    }
}
