//! Writes a Rust module for each message: its structs, their defaults, and how they are read and written.

use crate::schema::{Field, Message, Type, Versions};
use std::fmt::Write;

/// One module a message, and the message's type named again beside the modules.
pub(crate) fn modules(messages: &[Message]) -> String {
    let mut out = String::new();
    for message in messages {
        let module = snake(&message.name);
        writeln!(out, "pub use self::{module}::{};", message.name).unwrap();
        writeln!(out, "/// `{}`, versions {}.", message.name, range(message.valid)).unwrap();
        writeln!(out, "pub mod {module} {{\n#[allow(unused_imports)]\nuse crate::codec::*;").unwrap();
        for (name, fields) in &message.structs {
            structure(&mut out, message, name, fields);
        }
        trait_impl(&mut out, message);
        writeln!(out, "}}").unwrap();
    }
    out
}

fn range(versions: Versions) -> String {
    format!("{} to {}", versions.first, versions.last)
}

fn trait_impl(out: &mut String, message: &Message) {
    let flexible = match message.flexible.is_empty() {
        true => "None".to_owned(),
        false => format!("Some({})", message.flexible.first),
    };
    writeln!(out, "impl Message for {} {{", message.name).unwrap();
    writeln!(out, "const NAME: &'static str = {:?};", message.name).unwrap();
    writeln!(out, "const ID: Option<i16> = {:?};", message.id).unwrap();
    let Versions { first, last } = message.valid;
    writeln!(out, "const VERSIONS: core::ops::RangeInclusive<i16> = {first}..={last};").unwrap();
    writeln!(out, "const FLEXIBLE_SINCE: Option<i16> = {flexible};\n}}").unwrap();
}

fn structure(out: &mut String, message: &Message, name: &str, fields: &[Field]) {
    let tagged = !message.flexible.is_empty();
    writeln!(out, "#[derive(Clone, Debug, PartialEq)]\npub struct {name} {{").unwrap();
    for field in fields {
        writeln!(out, "/// Versions {}.", field_versions(message, field)).unwrap();
        writeln!(out, "pub {}: {},", ident(&field.name), rust_type(field)).unwrap();
    }
    if tagged {
        writeln!(out, "/// Tagged fields this build does not know, kept as they came (KIP-482).").unwrap();
        writeln!(out, "pub unknown_tagged_fields: UnknownTaggedFields,").unwrap();
    }
    writeln!(out, "}}\nimpl Default for {name} {{\nfn default() -> Self {{\nSelf {{").unwrap();
    for field in fields {
        writeln!(out, "{}: {},", ident(&field.name), default_value(field)).unwrap();
    }
    if tagged {
        writeln!(out, "unknown_tagged_fields: UnknownTaggedFields::default(),").unwrap();
    }
    writeln!(out, "}}\n}}\n}}\nimpl Codec for {name} {{").unwrap();
    decode(out, message, fields);
    encode(out, message, name, fields);
    writeln!(out, "}}").unwrap();
}

fn field_versions(message: &Message, field: &Field) -> String {
    let first = field.versions.first.max(message.valid.first);
    let last = field.versions.last.min(message.valid.last);
    let null = if field.is_nullable() { ", may be null" } else { "" };
    let tag = field.tag.map(|tag| format!(", tag {tag}")).unwrap_or_default();
    format!("{first} to {last}{null}{tag}")
}

fn decode(out: &mut String, message: &Message, fields: &[Field]) {
    writeln!(out, "fn decode(d: &mut Decoder, version: i16) -> Result<Self, DecodeError> {{").unwrap();
    writeln!(out, "let _ = version;\n#[allow(unused_mut)]\nlet mut out = Self::default();").unwrap();
    writeln!(out, "let flexible = {};\nlet _ = flexible;", holds(message.flexible, message.valid)).unwrap();
    for field in fields.iter().filter(|f| !always_tagged(message, f)) {
        let condition = match field.tagged.is_empty() {
            true => holds(field.versions, message.valid),
            false => format!("({}) && !({})", holds(field.versions, message.valid), holds(field.tagged, message.valid)),
        };
        let read = format!("out.{} = {};", ident(&field.name), read_expression(message, field, &flex(message, field)));
        guarded(out, &condition, &read);
    }
    if !message.flexible.is_empty() {
        writeln!(
            out,
            "if flexible {{\nout.unknown_tagged_fields = d.tagged_fields(|d, tag| {{\nlet _ = &d;\nmatch tag {{"
        )
        .unwrap();
        for field in fields {
            let Some(tag) = field.tag.filter(|_| field.tagged.meets(message.valid)) else {
                continue;
            };
            // Kafka's presence byte in a tagged field is an unsigned varint, whose null is 0.
            let read =
                read_expression(message, field, "true").replace("d.nullable_struct(", "d.tagged_nullable_struct(");
            writeln!(out, "{tag} if {} => out.{} = {read},", holds(field.tagged, message.valid), ident(&field.name))
                .unwrap();
        }
        writeln!(out, "_ => return Ok(false),\n}}\n#[allow(unreachable_code)]\nOk(true)\n}})?;\n}}").unwrap();
    }
    writeln!(out, "Ok(out)\n}}").unwrap();
}

fn encode(out: &mut String, message: &Message, name: &str, fields: &[Field]) {
    writeln!(out, "fn encode(&self, e: &mut Encoder, version: i16) -> Result<(), EncodeError> {{").unwrap();
    writeln!(out, "let _ = version;\nlet flexible = {};\nlet _ = flexible;", holds(message.flexible, message.valid))
        .unwrap();
    for field in fields {
        encode_untagged(out, message, name, field);
    }
    if !message.flexible.is_empty() {
        encode_tagged(out, message, name, fields);
    }
    writeln!(out, "Ok(())\n}}").unwrap();
}

fn encode_untagged(out: &mut String, message: &Message, name: &str, field: &Field) {
    let present = holds(field.versions, message.valid);
    let missing = format!("return Err(EncodeError::field_not_in_version(\"{name}.{}\", version));", field.name);
    if !always_tagged(message, field) {
        let mut write = String::new();
        if field.is_nullable() && !field.nullable.covers(field.versions) && !field.nullable.covers(message.valid) {
            let null_ok = holds(field.nullable, message.valid);
            writeln!(write, "if self.{0}.is_none() && !({null_ok}) {{ return Err(EncodeError::null_not_in_version(\"{name}.{1}\", version)); }}", ident(&field.name), field.name).unwrap();
        }
        write += &write_statement(field, &format!("self.{}", ident(&field.name)), &flex(message, field));
        let condition = match field.tagged.is_empty() {
            true => present.clone(),
            false => format!("({present}) && !({})", holds(field.tagged, message.valid)),
        };
        guarded(out, &condition, &write);
    }
    if !field.ignorable && present != "true" {
        writeln!(out, "if !({present}) && {} {{ {missing} }}", differs(field)).unwrap();
    }
}

fn encode_tagged(out: &mut String, message: &Message, name: &str, fields: &[Field]) {
    writeln!(out, "if flexible {{\nlet mut tags = TaggedWriter::new();").unwrap();
    let mut tagged: Vec<_> = fields.iter().filter(|f| f.tag.is_some() && f.tagged.meets(message.valid)).collect();
    tagged.sort_by_key(|f| f.tag);
    for field in tagged {
        let condition = format!("({}) && {}", holds(field.tagged, message.valid), differs(field));
        let write = write_statement(field, &format!("self.{}", ident(&field.name)), "true");
        writeln!(out, "if {condition} {{ tags.add({}, |e| {{ {write} Ok(()) }})?; }}", field.tag.unwrap()).unwrap();
    }
    writeln!(
        out,
        "tags.finish(&self.unknown_tagged_fields, e)?;\n}} else if !self.unknown_tagged_fields.is_empty() {{"
    )
    .unwrap();
    writeln!(out, "return Err(EncodeError::field_not_in_version(\"{name}.unknown_tagged_fields\", version));\n}}")
        .unwrap();
}

/// True where no valid version has the field outside the tagged section.
fn always_tagged(message: &Message, field: &Field) -> bool {
    let first = field.versions.first.max(message.valid.first);
    let last = field.versions.last.min(message.valid.last);
    field.tag.is_some() && field.tagged.covers(Versions { first, last })
}

fn guarded(out: &mut String, condition: &str, body: &str) {
    match condition {
        "true" => writeln!(out, "{body}").unwrap(),
        "false" => {}
        _ => writeln!(out, "if {condition} {{ {body} }}").unwrap(),
    }
}

/// The test that `version` lies in `versions`, given that it lies in `valid`.
fn holds(versions: Versions, valid: Versions) -> String {
    if !versions.meets(valid) {
        return "false".to_owned();
    }
    match (versions.first > valid.first, versions.last < valid.last) {
        (false, false) => "true".to_owned(),
        (true, false) => format!("version >= {}", versions.first),
        (false, true) => format!("version <= {}", versions.last),
        (true, true) => format!("(version >= {} && version <= {})", versions.first, versions.last),
    }
}

/// A request header's client id keeps its old form at every version, so that any broker can read it (KIP-511).
fn flex(message: &Message, field: &Field) -> String {
    match message.name == "RequestHeader" && field.name == "ClientId" {
        true => "false".to_owned(),
        false => "flexible".to_owned(),
    }
}

fn read_expression(message: &Message, field: &Field, flexible: &str) -> String {
    let nullable = match field.is_nullable() {
        true => Some(holds(field.nullable, message.valid)),
        false => None,
    };
    let what = format!("\"{}\"", field.name);
    match (&field.kind, nullable) {
        (Type::String, None) => format!("d.string({flexible}, {what})?"),
        (Type::String, Some(null)) => format!("d.nullable_string({flexible}, {null}, {what})?"),
        (Type::Bytes, None) => format!("d.bytes({flexible}, {what})?"),
        (Type::Bytes, Some(null)) => format!("d.nullable_bytes({flexible}, {null}, {what})?"),
        (Type::Records, None) => format!("Records::from(d.bytes({flexible}, {what})?)"),
        (Type::Records, Some(null)) => {
            format!("d.nullable_bytes({flexible}, {null}, {what})?.map(Records::from)")
        }
        (Type::Array(element), None) => {
            format!("d.array({flexible}, {what}, |d| Ok({}))?", read_plain(element, flexible))
        }
        (Type::Array(element), Some(null)) => {
            format!("d.nullable_array({flexible}, {null}, {what}, |d| Ok({}))?", read_plain(element, flexible))
        }
        (Type::Struct(_), Some(_)) => {
            assert!(field.nullable.covers(field.versions), "{what}: has versions without a presence byte");
            "d.nullable_struct(version)?".to_owned()
        }
        (kind, _) => read_plain(kind, flexible),
    }
}

fn read_plain(kind: &Type, flexible: &str) -> String {
    match kind {
        Type::Bool => "d.bool()?".to_owned(),
        Type::Int8 => "d.int8()?".to_owned(),
        Type::Int16 => "d.int16()?".to_owned(),
        Type::Uint16 => "d.uint16()?".to_owned(),
        Type::Int32 => "d.int32()?".to_owned(),
        Type::Int64 => "d.int64()?".to_owned(),
        Type::Float64 => "d.float64()?".to_owned(),
        Type::Uuid => "d.uuid()?".to_owned(),
        Type::String => format!("d.string({flexible}, \"element\")?"),
        Type::Bytes | Type::Records => format!("d.bytes({flexible}, \"element\")?"),
        Type::Struct(name) => format!("{name}::decode(d, version)?"),
        Type::Array(_) => panic!("no schema nests arrays"),
    }
}

fn write_statement(field: &Field, value: &str, flexible: &str) -> String {
    match (&field.kind, field.is_nullable()) {
        (Type::String, false) => format!("e.string({flexible}, &{value})?;"),
        (Type::String, true) => format!("e.nullable_string({flexible}, {value}.as_ref())?;"),
        (Type::Bytes, false) => format!("e.bytes({flexible}, &{value})?;"),
        (Type::Bytes, true) => format!("e.nullable_bytes({flexible}, {value}.as_ref())?;"),
        (Type::Records, false) => format!("e.records({flexible}, &{value})?;"),
        (Type::Records, true) => format!("e.nullable_records({flexible}, {value}.as_ref())?;"),
        (Type::Array(element), false) => {
            format!("e.array({flexible}, &{value}, |e, x| {{ {} Ok(()) }})?;", write_plain(element, "x", flexible))
        }
        (Type::Array(element), true) => {
            format!(
                "e.nullable_array({flexible}, {value}.as_deref(), |e, x| {{ {} Ok(()) }})?;",
                write_plain(element, "x", flexible)
            )
        }
        (Type::Struct(_), true) => format!("e.nullable_struct({value}.as_deref(), version)?;"),
        (Type::Struct(_), false) => format!("{value}.encode(e, version)?;"),
        (kind, _) => write_plain(kind, &format!("&{value}"), flexible),
    }
}

fn write_plain(kind: &Type, value: &str, flexible: &str) -> String {
    let method = match kind {
        Type::Bool => "bool",
        Type::Int8 => "int8",
        Type::Int16 => "int16",
        Type::Uint16 => "uint16",
        Type::Int32 => "int32",
        Type::Int64 => "int64",
        Type::Float64 => "float64",
        Type::Uuid => "uuid",
        Type::String => return format!("e.string({flexible}, {value})?;"),
        Type::Bytes | Type::Records => return format!("e.bytes({flexible}, {value})?;"),
        Type::Struct(_) => return format!("{value}.encode(e, version)?;"),
        Type::Array(_) => panic!("no schema nests arrays"),
    };
    format!("e.{method}(*{value});")
}

fn rust_type(field: &Field) -> String {
    let plain = plain_type(&field.kind);
    match (&field.kind, field.is_nullable()) {
        (Type::Struct(_), true) => format!("Option<Box<{plain}>>"),
        (_, true) => format!("Option<{plain}>"),
        (_, false) => plain,
    }
}

fn plain_type(kind: &Type) -> String {
    match kind {
        Type::Bool => "bool".to_owned(),
        Type::Int8 => "i8".to_owned(),
        Type::Int16 => "i16".to_owned(),
        Type::Uint16 => "u16".to_owned(),
        Type::Int32 => "i32".to_owned(),
        Type::Int64 => "i64".to_owned(),
        Type::Float64 => "f64".to_owned(),
        Type::Uuid => "Uuid".to_owned(),
        Type::String => "Str".to_owned(),
        Type::Bytes => "Bytes".to_owned(),
        Type::Records => "Records".to_owned(),
        Type::Struct(name) => name.clone(),
        Type::Array(element) => format!("Vec<{}>", plain_type(element)),
    }
}

fn default_value(field: &Field) -> String {
    if field.is_nullable() && field.defaults_to_null() {
        return "None".to_owned();
    }
    let plain = match &field.kind {
        Type::Bool => (field.default.eq_ignore_ascii_case("true")).to_string(),
        Type::Int8 | Type::Int16 | Type::Uint16 | Type::Int32 | Type::Int64 => match field.default.as_str() {
            "" => "0".to_owned(),
            number => number.to_owned(),
        },
        Type::Float64 => match field.default.as_str() {
            "" => "0.0".to_owned(),
            number => format!("{:?}", number.parse::<f64>().unwrap()),
        },
        Type::String => format!("Str::from_static({:?})", field.default),
        _ => "Default::default()".to_owned(),
    };
    match (&field.kind, field.is_nullable()) {
        (Type::Struct(_), true) => panic!("{}: a nullable struct defaults to null", field.name),
        (_, true) => format!("Some({plain})"),
        _ => plain,
    }
}

fn differs(field: &Field) -> String {
    let value = format!("self.{}", ident(&field.name));
    if field.is_nullable() && field.defaults_to_null() {
        return format!("{value}.is_some()");
    }
    match (&field.kind, field.is_nullable()) {
        (Type::Array(_), false) => format!("!{value}.is_empty()"),
        (Type::Array(_), true) => format!("{value}.as_ref().is_none_or(|x| !x.is_empty())"),
        (Type::Struct(name), false) => format!("{value} != {name}::default()"),
        (Type::Bool, false) if default_value(field) == "true" => format!("!{value}"),
        (Type::Bool, false) => value,
        _ => format!("{value} != {}", default_value(field)),
    }
}

/// `LeaderEpoch` as `leader_epoch`, `ISR` as `isr`.
pub(crate) fn snake(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut out = String::new();
    for (i, letter) in letters.iter().enumerate() {
        let starts_word = letter.is_uppercase()
            && i > 0
            && (letters[i - 1].is_lowercase()
                || letters[i - 1].is_numeric()
                || letters.get(i + 1).is_some_and(|c| c.is_lowercase()));
        if starts_word {
            out.push('_');
        }
        out.extend(letter.to_lowercase());
    }
    out
}

fn ident(name: &str) -> String {
    match snake(name).as_str() {
        keyword @ ("type" | "match" | "loop") => format!("r#{keyword}"),
        other => other.to_owned(),
    }
}
