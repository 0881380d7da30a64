//! `meta.properties`: which cluster, node and directory a log dir belongs to.

use std::collections::BTreeMap;
use std::path::Path;

use ottla_config::keys::NODE_ID;
use ottla_protocol::Uuid;

use super::Error;
use crate::fs::{self, Fs, Open};

/// Name of the file.
pub(super) const FILE: &str = "meta.properties";
const MAX_BYTES: u64 = 1 << 20;

/// The content of the file, version 1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetaProperties {
    /// `cluster.id`
    pub cluster_id: Option<String>,
    /// `node.id`
    pub node_id: Option<i32>,
    /// `directory.id` (KIP-858); log dirs of older releases have none.
    pub directory_id: Option<Uuid>,
}

impl MetaProperties {
    /// Reads the file of a log dir; none if the dir is not formatted.
    pub fn read(fs: &dyn Fs, dir: &Path) -> Result<Option<Self>, Error> {
        let path = dir.join(FILE);
        let content = match fs.open(&path, Open::Existing).and_then(|file| fs::read_to_end(&*file, MAX_BYTES)) {
            Ok(content) => content,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(Error::Io { path, source }),
        };
        let parsed = Self::parse(&String::from_utf8_lossy(&content));
        parsed.map(Some).map_err(|reason| Error::MetaProperties { path, reason })
    }

    /// Replaces the file of a log dir, durably.
    pub fn write(&self, fs: &dyn Fs, dir: &Path) -> Result<(), Error> {
        let path = dir.join(FILE);
        fs::replace(fs, &path, self.format().as_bytes()).map_err(|source| Error::Io { path, source })
    }

    fn format(&self) -> String {
        let mut text = String::from("#\n");
        let mut line = |name: &str, value: &str| {
            let value = value.replace('\\', "\\\\").replace(':', "\\:").replace('=', "\\=");
            text.push_str(&format!("{name}={value}\n"));
        };
        if let Some(cluster_id) = &self.cluster_id {
            line("cluster.id", cluster_id);
        }
        if let Some(directory_id) = self.directory_id {
            line("directory.id", &directory_id.to_string());
        }
        if let Some(node_id) = self.node_id {
            line(NODE_ID.name(), &node_id.to_string());
        }
        line("version", "1");
        text
    }

    fn parse(text: &str) -> Result<Self, String> {
        let properties = parse_properties(text);
        let get = |name: &str| properties.get(name).map(String::as_str);
        match get("version") {
            Some("1") => {}
            Some(version) => return Err(format!("version {version} is not supported")),
            None => return Err("there is no version".into()),
        }
        let number = |value: &str| value.parse().map_err(|_| format!("node.id {value:?} is no number"));
        let uuid = |value: &str| value.parse().map_err(|_| format!("directory.id {value:?} is no id"));
        Ok(Self {
            cluster_id: get("cluster.id").map(str::to_owned),
            node_id: get(NODE_ID.name()).map(number).transpose()?,
            directory_id: get("directory.id").map(uuid).transpose()?,
        })
    }
}

/// Names and values as Java writes them: no line of this file is ever continued.
fn parse_properties(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().map(str::trim_start);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with(['#', '!']));
    lines.map(parse_line).collect()
}

fn parse_line(line: &str) -> (String, String) {
    let (name, rest) = take_unescaped(line, |letter| letter.is_whitespace() || matches!(letter, '=' | ':'));
    let rest = rest.trim_start();
    let value = rest.strip_prefix(['=', ':']).unwrap_or(rest).trim_start();
    let (value, _) = take_unescaped(value, |_| false);
    (name, value.trim_end().to_owned())
}

/// The text before the first letter that ends it, without the backslashes, and what follows from that letter on.
fn take_unescaped(text: &str, ends: impl Fn(char) -> bool) -> (String, &str) {
    let mut taken = String::new();
    let mut rest = text;
    loop {
        let mut letters = rest.chars();
        match letters.next() {
            None => return (taken, rest),
            Some('\\') => taken.extend(letters.next()),
            Some(letter) if ends(letter) => return (taken, rest),
            Some(letter) => taken.push(letter),
        }
        rest = letters.as_str();
    }
}
