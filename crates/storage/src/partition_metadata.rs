//! `partition.metadata`: which topic a folder belongs to, by id.

use std::io;
use std::path::Path;

use ottla_protocol::Uuid;

use crate::fs::{self, Fs, Open};

/// Name of the file in the folder of a log.
pub(crate) const FILE: &str = "partition.metadata";
const MAX_BYTES: u64 = 1 << 16;

/// The topic id in a log's folder, if it was written yet.
pub(crate) fn read(fs: &dyn Fs, dir: &Path) -> io::Result<Option<Uuid>> {
    let content = match fs.open(&dir.join(FILE), Open::Existing).and_then(|file| fs::read_to_end(&*file, MAX_BYTES)) {
        Ok(content) => content,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match parse(&String::from_utf8_lossy(&content)) {
        Some(topic_id) => Ok(Some(topic_id)),
        None => Err(io::Error::new(io::ErrorKind::InvalidData, format!("{FILE} is malformed"))),
    }
}

/// Writes the topic id into a log's folder. It is durable when the log is flushed.
pub(crate) fn put(fs: &dyn Fs, dir: &Path, topic_id: Uuid) -> io::Result<()> {
    fs::put(fs, &dir.join(FILE), format!("version: 0\ntopic_id: {topic_id}").as_bytes())
}

fn parse(text: &str) -> Option<Uuid> {
    let mut lines = text.lines();
    let version: u32 = lines.next()?.strip_prefix("version:")?.trim().parse().ok()?;
    let topic_id: Uuid = lines.next()?.strip_prefix("topic_id:")?.trim().parse().ok()?;
    (version == 0 && !topic_id.is_zero()).then_some(topic_id)
}
