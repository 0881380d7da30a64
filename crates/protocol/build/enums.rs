//! Writes the closed sets: API keys, error codes, and "any request" and "any response".

use crate::{emit::snake, schema::Message};
use std::fmt::Write;

/// `apis.tsv`: key, name, min version, max version, max stable version, listeners.
pub(crate) fn api_keys(rows: &[Vec<String>], messages: &[Message]) -> String {
    let known: Vec<_> = rows
        .iter()
        .filter(|row| messages.iter().any(|m| m.kind == "request" && m.name == format!("{}Request", row[1])))
        .collect();
    let mut out = String::from(
        "/// An API of Kafka's protocol.\n#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]\n#[repr(i16)]\npub enum ApiKey {\n",
    );
    for row in &known {
        writeln!(out, "/// Key {}.\n{} = {},", row[0], row[1], row[0]).unwrap();
    }
    out += "}\nimpl ApiKey {\n/// Every API, in key order.\npub const ALL: &'static [ApiKey] = &[";
    for row in &known {
        write!(out, "ApiKey::{},", row[1]).unwrap();
    }
    out += "];\n/// The API of a key.\npub fn from_key(key: i16) -> Option<Self> {\nSome(match key {\n";
    for row in &known {
        writeln!(out, "{} => Self::{},", row[0], row[1]).unwrap();
    }
    out += "_ => return None,\n})\n}\nfn facts(self) -> Facts {\nmatch self {\n";
    for row in &known {
        let flexible = |kind: &str| {
            let message = messages.iter().find(|m| m.name == format!("{}{kind}", row[1])).unwrap();
            if message.flexible.is_empty() { i16::MAX } else { message.flexible.first }
        };
        writeln!(
            out,
            "Self::{name} => Facts {{ name: \"{name}\", min: {}, max: {}, max_stable: {}, on_broker: {}, on_controller: {}, flexible_request: {}, flexible_response: {} }},",
            row[2], row[3], row[4],
            row[5].contains("BROKER"), row[5].contains("CONTROLLER"),
            flexible("Request"), flexible("Response"),
            name = row[1],
        )
        .unwrap();
    }
    out + "}\n}\n}\n"
}

/// `errors.tsv`: code, name, retriable.
pub(crate) fn error_codes(rows: &[Vec<String>]) -> String {
    let mut out = String::from(
        "/// An error code of Kafka's protocol.\n#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]\n#[repr(i16)]\npub enum ErrorCode {\n",
    );
    for row in rows {
        let default = if row[0] == "0" { "#[default]\n" } else { "" };
        writeln!(out, "/// `{}`.\n{default}{} = {},", row[1], camel(&row[1]), row[0]).unwrap();
    }
    out += "}\nimpl ErrorCode {\n/// The error of a code.\npub fn from_code(code: i16) -> Option<Self> {\nSome(match code {\n";
    for row in rows {
        writeln!(out, "{} => Self::{},", row[0], camel(&row[1])).unwrap();
    }
    out +=
        "_ => return None,\n})\n}\n/// Kafka's name of the error.\npub fn name(self) -> &'static str {\nmatch self {\n";
    for row in rows {
        writeln!(out, "Self::{} => {:?},", camel(&row[1]), row[1]).unwrap();
    }
    out += "}\n}\n/// Whether a client may try again.\npub fn is_retriable(self) -> bool {\nmatches!(self, ";
    let retriable: Vec<_> = rows.iter().filter(|r| r[2] == "true").map(|r| format!("Self::{}", camel(&r[1]))).collect();
    out + &retriable.join(" | ") + ")\n}\n}\n"
}

fn camel(name: &str) -> String {
    let word = |w: &str| w[..1].to_owned() + &w[1..].to_lowercase();
    name.split('_').map(word).collect()
}

/// `AnyRequest` and `AnyResponse`, for tools that handle every API alike.
pub(crate) fn any(messages: &[Message]) -> String {
    let mut out = String::new();
    for (kind, name) in [("request", "AnyRequest"), ("response", "AnyResponse")] {
        let members: Vec<_> = messages.iter().filter(|m| m.kind == kind).collect();
        let suffix = if kind == "request" { "Request" } else { "Response" };
        writeln!(out, "/// Any {kind} of the protocol.\n#[derive(Clone, Debug, PartialEq)]\n#[allow(missing_docs, clippy::large_enum_variant)]\npub enum {name} {{").unwrap();
        for m in &members {
            writeln!(out, "{}(messages::{}),", m.name.trim_end_matches(suffix), m.name).unwrap();
        }
        writeln!(out, "}}\nimpl {name} {{").unwrap();
        writeln!(out, "/// The API of this {kind}.\npub fn api_key(&self) -> ApiKey {{\nmatch self {{").unwrap();
        for m in &members {
            let api = m.name.trim_end_matches(suffix);
            writeln!(out, "Self::{api}(_) => ApiKey::{api},").unwrap();
        }
        writeln!(out, "}}\n}}\n/// Reads the body of `key` at `version`.\npub fn decode(key: ApiKey, d: &mut Decoder, version: i16) -> Result<Self, DecodeError> {{\nOk(match key {{").unwrap();
        for m in &members {
            let api = m.name.trim_end_matches(suffix);
            writeln!(
                out,
                "ApiKey::{api} => Self::{api}(messages::{}::{}::decode(d, version)?),",
                snake(&m.name),
                m.name
            )
            .unwrap();
        }
        writeln!(out, "}})\n}}\n/// Writes the body at `version`.\npub fn encode(&self, e: &mut Encoder, version: i16) -> Result<(), EncodeError> {{\nmatch self {{").unwrap();
        for m in &members {
            writeln!(out, "Self::{}(m) => m.encode(e, version),", m.name.trim_end_matches(suffix)).unwrap();
        }
        writeln!(out, "}}\n}}\n/// The body with every field at its default.\npub fn default_of(key: ApiKey) -> Self {{\nmatch key {{").unwrap();
        for m in &members {
            let api = m.name.trim_end_matches(suffix);
            writeln!(out, "ApiKey::{api} => Self::{api}(Default::default()),").unwrap();
        }
        writeln!(out, "}}\n}}\n}}").unwrap();
    }
    out
}
