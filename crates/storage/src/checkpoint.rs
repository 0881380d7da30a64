//! Kafka's checkpoint files: a version, a count and one line an entry, replaced as a whole.

use std::io;
use std::path::{Path, PathBuf};

use crate::fs::{self, Fs, Open};

const VERSION: &str = "0";
/// Larger files are not checkpoints: more than a million partitions.
const MAX_BYTES: u64 = 1 << 28;

/// Why a checkpoint cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk failed.
    #[error("checkpoint {path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// How.
        source: io::Error,
    },
    /// There is nothing in the file.
    #[error("checkpoint {path}: empty")]
    Empty {
        /// Which.
        path: PathBuf,
    },
    /// The content is not a checkpoint.
    #[error("checkpoint {path}: malformed at line {line}: {text:?}")]
    Malformed {
        /// Which.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is there.
        text: String,
    },
}

/// Reads the entries of a checkpoint; a file that is not there has none.
pub(crate) fn read<T>(fs: &dyn Fs, path: &Path, parse: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, Error> {
    let content = match fs.open(path, Open::Existing).and_then(|file| fs::read_to_end(&*file, MAX_BYTES)) {
        Ok(content) => content,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(Error::Io { path: path.to_path_buf(), source }),
    };
    let text = String::from_utf8_lossy(&content);
    if text.is_empty() {
        return Err(Error::Empty { path: path.to_path_buf() });
    }
    decode(&text, parse).map_err(|line| Error::Malformed {
        path: path.to_path_buf(),
        line: line + 1,
        text: text.lines().nth(line).unwrap_or_default().to_owned(),
    })
}

/// Replaces a checkpoint, durably.
pub(crate) fn write(fs: &dyn Fs, path: &Path, entries: impl Iterator<Item = String>) -> Result<(), Error> {
    let text = encode(entries);
    fs::replace(fs, path, text.as_bytes()).map_err(|source| Error::Io { path: path.to_path_buf(), source })
}

/// Replaces a checkpoint, which a power cut may leave without sense until it is synced.
pub(crate) fn put(fs: &dyn Fs, path: &Path, entries: impl Iterator<Item = String>) -> Result<(), Error> {
    let text = encode(entries);
    fs::put(fs, path, text.as_bytes()).map_err(|source| Error::Io { path: path.to_path_buf(), source })
}

fn encode(entries: impl Iterator<Item = String>) -> String {
    let entries: Vec<String> = entries.collect();
    let mut text = format!("{VERSION}\n{}\n", entries.len());
    for entry in entries {
        text.push_str(&entry);
        text.push('\n');
    }
    text
}

/// The entries, or the number of the line that is wrong, counted from 0.
fn decode<T>(text: &str, parse: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, usize> {
    let mut lines = text.lines();
    if lines.next().map(str::trim) != Some(VERSION) {
        return Err(0);
    }
    let count: usize = lines.next().and_then(|line| line.trim().parse().ok()).ok_or(1_usize)?;
    let entries: Vec<T> =
        lines.enumerate().map(|(n, line)| parse(line.trim()).ok_or(n + 2)).collect::<Result<_, _>>()?;
    // The end of the last line tells that it is whole.
    if entries.len() == count && text.ends_with('\n') { Ok(entries) } else { Err(1) }
}
