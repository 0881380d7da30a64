//! Writes random bytes that are a valid message by the schema tables, sharing nothing with the codec under test.

use crate::{
    random::Random,
    schema::{Field, Message},
};

/// How large and how odd the messages are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// Arrays hold fewer than this.
    pub(crate) elements: usize,
    /// Arrays within elements of arrays hold fewer than this.
    pub(crate) nested: usize,
    /// Strings and bytes are shorter than this.
    pub(crate) length: usize,
    /// Whether there may be tagged fields that no schema names.
    pub(crate) unknown_tags: bool,
}

pub(crate) const SMALL: Shape = Shape { elements: 4, nested: 4, length: 12, unknown_tags: true };

/// How a length or count is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LengthKind {
    Int16,
    Int32,
    /// A varint of this many bytes.
    Varint(usize),
}

/// A message's bytes, and where its lengths and counts are.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    pub(crate) bytes: Vec<u8>,
    pub(crate) lengths: Vec<(usize, LengthKind)>,
}

pub(crate) fn message(random: &mut Random, m: &Message, version: i16, shape: Shape) -> Wire {
    let flexible = m.flexible.has(version);
    let mut writer = Writer {
        random,
        version,
        shape,
        flexible,
        is_header: m.name == "RequestHeader",
        depth: 0,
        wire: Wire::default(),
    };
    writer.structure(&m.fields, false);
    writer.wire
}

struct Writer<'r> {
    random: &'r mut Random,
    version: i16,
    shape: Shape,
    flexible: bool,
    is_header: bool,
    depth: usize,
    wire: Wire,
}

impl Writer<'_> {
    fn put(&mut self, bytes: &[u8]) {
        self.wire.bytes.extend_from_slice(bytes);
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.put(&[value as u8 | 0x80]);
            value >>= 7;
        }
        self.put(&[value as u8]);
    }

    /// A length or count, or null.
    fn length(&mut self, length: Option<usize>, short: bool, flexible: bool) {
        let at = self.wire.bytes.len();
        let signed = length.map_or(-1, |n| n as i64);
        let kind = match (flexible, short) {
            (true, _) => {
                self.varint((signed + 1) as u64);
                LengthKind::Varint(self.wire.bytes.len() - at)
            }
            (false, true) => {
                self.put(&(signed as i16).to_be_bytes());
                LengthKind::Int16
            }
            (false, false) => {
                self.put(&(signed as i32).to_be_bytes());
                LengthKind::Int32
            }
        };
        self.wire.lengths.push((at, kind));
    }

    /// All fields of a structure; `special` makes it differ from the structure's default.
    fn structure(&mut self, fields: &[Field], special: bool) {
        let version = self.version;
        let present: Vec<_> = fields.iter().filter(|f| f.versions.has(version)).collect();
        let untagged = present.iter().filter(|f| !f.tagged.has(version));
        for (i, field) in untagged.enumerate() {
            self.field(field, special && i == 0);
        }
        if self.flexible {
            let tagged = present.iter().filter(|f| f.tagged.has(version));
            let mut tagged: Vec<&Field> = tagged.copied().collect();
            tagged.sort_by_key(|f| f.tag);
            self.tagged_section(&tagged, fields);
        }
    }

    /// Fields in their tagged form are only written where they differ from the default.
    fn tagged_section(&mut self, tagged: &[&Field], fields: &[Field]) {
        let chosen: Vec<_> = tagged.iter().filter(|_| !self.random.one_in(3)).copied().collect();
        let unknown = match self.shape.unknown_tags {
            true => self.random.below(3),
            false => 0,
        };
        let at = self.wire.bytes.len();
        self.varint((chosen.len() + unknown) as u64);
        self.note_varint(at);
        for field in chosen {
            self.varint(u64::from(field.tag.expect("a tag")));
            let outer = std::mem::take(&mut self.wire);
            self.field(field, true);
            let inner = std::mem::replace(&mut self.wire, outer);
            self.sized(&inner);
        }
        // Above any tag of the schema: Kafka refuses a tag it knows at a version it does not know it at.
        let first = 1 + fields.iter().filter_map(|f| f.tag).max().unwrap_or(100);
        for i in 0..unknown {
            self.varint(u64::from(first) + 7 * i as u64);
            let length = self.random.below(6);
            let bytes = (0..length).map(|_| self.random.next() as u8).collect();
            self.sized(&Wire { bytes, lengths: Vec::new() });
        }
    }

    fn note_varint(&mut self, at: usize) {
        let kind = LengthKind::Varint(self.wire.bytes.len() - at);
        self.wire.lengths.push((at, kind));
    }

    fn sized(&mut self, inner: &Wire) {
        let at = self.wire.bytes.len();
        self.varint(inner.bytes.len() as u64);
        self.note_varint(at);
        let base = self.wire.bytes.len();
        self.put(&inner.bytes);
        let moved = inner.lengths.iter().map(|(at, kind)| (base + at, *kind));
        self.wire.lengths.extend(moved);
    }

    fn field(&mut self, field: &Field, special: bool) {
        let nullable = field.nullable.has(self.version);
        let null = nullable && !special && self.random.one_in(4);
        let is_struct = !field.fields.is_empty();
        match (field.is_array, field.kind.as_str()) {
            (true, _) => self.array(field, null, special),
            (false, "string") => self.string(field, null, special),
            (false, "bytes" | "records") => self.blob(null, special),
            (false, _) if is_struct => {
                if nullable {
                    self.put(&[if null { 0xff } else { 1 }]);
                }
                if !null {
                    self.structure(&field.fields, special && !nullable);
                }
            }
            (false, kind) => self.scalar(kind, &field.default, special),
        }
    }

    fn array(&mut self, field: &Field, null: bool, special: bool) {
        let bound = if self.depth == 0 { self.shape.elements } else { self.shape.nested };
        let count = usize::from(special) + self.random.below(bound);
        self.length((!null).then_some(count), false, self.flexible);
        for _ in 0..if null { 0 } else { count } {
            match field.kind.as_str() {
                "string" => self.text(usize::from(special), self.flexible),
                "bytes" => self.blob(false, false),
                _ if !field.fields.is_empty() => {
                    self.depth += 1;
                    self.structure(&field.fields, false);
                    self.depth -= 1;
                }
                kind => self.scalar(kind, "", false),
            }
        }
    }

    fn string(&mut self, field: &Field, null: bool, special: bool) {
        // KIP-511: a request header's client id keeps its old form.
        let flexible = self.flexible && !(self.is_header && field.name == "ClientId");
        match null {
            true => self.length(None, true, flexible),
            false => self.text(usize::from(special), flexible),
        }
    }

    fn text(&mut self, least: usize, flexible: bool) {
        const LETTERS: [char; 6] = ['a', 'Z', '0', '.', 'é', '語'];
        let count = least + self.random.below(self.shape.length / 3);
        let text: String = (0..count).map(|_| LETTERS[self.random.below(LETTERS.len())]).collect();
        self.length(Some(text.len()), true, flexible);
        self.put(text.as_bytes());
    }

    fn blob(&mut self, null: bool, special: bool) {
        if null {
            return self.length(None, false, self.flexible);
        }
        let count = usize::from(special) + self.random.below(self.shape.length);
        self.length(Some(count), false, self.flexible);
        for _ in 0..count {
            let byte = self.random.next() as u8;
            self.put(&[byte]);
        }
    }

    fn scalar(&mut self, kind: &str, default: &str, special: bool) {
        let before = self.wire.bytes.len();
        loop {
            self.random_scalar(kind);
            if !special || self.wire.bytes[before..] != default_bytes(kind, default) {
                return;
            }
            self.wire.bytes.truncate(before);
        }
    }

    fn random_scalar(&mut self, kind: &str) {
        let r = &mut self.random;
        let bytes = match kind {
            "bool" => vec![u8::from(r.one_in(2))],
            "int8" => vec![r.integer(-128, 127) as u8],
            "int16" => (r.integer(i16::MIN.into(), i16::MAX.into()) as i16).to_be_bytes().to_vec(),
            "uint16" => (r.integer(0, u16::MAX.into()) as u16).to_be_bytes().to_vec(),
            "int32" => (r.integer(i32::MIN.into(), i32::MAX.into()) as i32).to_be_bytes().to_vec(),
            "int64" => r.integer(i64::MIN, i64::MAX).to_be_bytes().to_vec(),
            "float64" => (r.integer(-1000, 1000) as f64 / 8.0).to_be_bytes().to_vec(),
            "uuid" => [r.next().to_be_bytes(), r.next().to_be_bytes()].concat(),
            other => panic!("no such type: {other}"),
        };
        self.put(&bytes);
    }
}

/// The default as its bytes.
fn default_bytes(kind: &str, default: &str) -> Vec<u8> {
    let number = match default.strip_prefix("0x") {
        Some(hex) => i64::from_str_radix(hex, 16).expect("hex"),
        None => default.parse().unwrap_or(0),
    };
    match kind {
        "bool" => vec![u8::from(default.eq_ignore_ascii_case("true"))],
        "int8" => vec![number as u8],
        "int16" | "uint16" => (number as i16).to_be_bytes().to_vec(),
        "int32" => (number as i32).to_be_bytes().to_vec(),
        "int64" => number.to_be_bytes().to_vec(),
        "float64" => default.parse().unwrap_or(0.0f64).to_be_bytes().to_vec(),
        _ => vec![0; 16],
    }
}
