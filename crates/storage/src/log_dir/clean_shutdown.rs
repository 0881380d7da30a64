//! `.kafka_cleanshutdown`: says that all logs were closed, and in which broker epoch (KIP-966).

use std::io;
use std::path::Path;

use super::Error;
use crate::fs::{self, Fs, Open};

/// Name of the file.
pub(crate) const FILE: &str = ".kafka_cleanshutdown";
const MAX_BYTES: u64 = 1 << 16;

/// What the file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CleanShutdown {
    /// The epoch of the broker that stopped; releases before 4.0 did not write it.
    pub broker_epoch: Option<i64>,
}

/// Reads the file and removes it: from now on the logs are open.
pub(super) fn take(fs: &dyn Fs, dir: &Path) -> Result<Option<CleanShutdown>, Error> {
    let path = dir.join(FILE);
    let io = |source| Error::Io { path: path.clone(), source };
    let content = match fs.open(&path, Open::Existing).and_then(|file| fs::read_to_end(&*file, MAX_BYTES)) {
        Ok(content) => content,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io(error)),
    };
    fs.remove_file(&path).map_err(io)?;
    fs.sync_dir(dir).map_err(io)?;
    let json: Option<serde_json::Value> = serde_json::from_slice(&content).ok();
    let broker_epoch = json.and_then(|json| json.get("brokerEpoch")?.as_i64());
    Ok(Some(CleanShutdown { broker_epoch }))
}

/// Writes the file, durably. All logs are closed and their checkpoints written.
pub(super) fn put(fs: &dyn Fs, dir: &Path, broker_epoch: i64) -> Result<(), Error> {
    let path = dir.join(FILE);
    let text = format!(r#"{{"version":0,"brokerEpoch":{broker_epoch}}}"#);
    fs::replace(fs, &path, text.as_bytes()).map_err(|source| Error::Io { path, source })
}
