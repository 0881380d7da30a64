//! `quorum-state`: the last epoch of the metadata quorum that this node took part in, beside the metadata log (KIP-595).

use std::path::Path;

use ottla_protocol::Uuid;
use serde_json::{Map, Value};

use super::Error;
use crate::fs::{self, Fs, Open};

const FILE: &str = "quorum-state";
const MAX_BYTES: u64 = 1 << 20;
/// The version that goes with `kraft.version` 1 (KIP-853).
const DATA_VERSION: i16 = 1;

/// Says that Ottla wrote the file last: Apache Kafka passes over what it does not know, and leaves it out when it writes.
const WRITER: (&str, &str) = ("writtenBy", "ottla");

/// Whether the file was written by Ottla last.
pub fn is_ours(fs: &dyn Fs, dir: &Path) -> Result<bool, Error> {
    Ok(read(fs, dir)?.get(WRITER.0).and_then(Value::as_str) == Some(WRITER.1))
}

/// The epoch in the file; none where there is no file or no sense in it.
pub fn leader_epoch(fs: &dyn Fs, dir: &Path) -> Result<Option<i32>, Error> {
    let state = read(fs, dir)?;
    Ok(state.get("leaderEpoch").and_then(Value::as_i64).and_then(|epoch| i32::try_from(epoch).ok()))
}

/// Notes, durably, that `leader_id` leads in `leader_epoch`, -1 if nobody is known to. What else the file says is kept, and so is
/// who led in this epoch before: Kafka's controllers, should they go on from here, may not contradict each other.
pub fn put(fs: &dyn Fs, dir: &Path, mut leader_id: i32, leader_epoch: i32) -> Result<(), Error> {
    let mut state = read(fs, dir)?;
    let number = |name: &str| state.get(name).and_then(Value::as_i64).and_then(|number| i32::try_from(number).ok());
    if leader_id < 0 && number("leaderEpoch") == Some(leader_epoch) {
        leader_id = number("leaderId").unwrap_or(leader_id);
    }
    state.insert("leaderId".into(), leader_id.into());
    state.insert("leaderEpoch".into(), leader_epoch.into());
    state.insert("votedId".into(), (-1).into());
    state.insert(WRITER.0.into(), WRITER.1.into());
    if state.get("data_version").and_then(Value::as_i64) != Some(0) {
        state.insert("votedDirectoryId".into(), Uuid::ZERO.to_string().into());
        state.insert("data_version".into(), DATA_VERSION.into());
    }
    let path = dir.join(FILE);
    let text = Value::Object(state).to_string();
    fs::replace(fs, &path, text.as_bytes()).map_err(|source| Error::Io { path, source })
}

fn read(fs: &dyn Fs, dir: &Path) -> Result<Map<String, Value>, Error> {
    let path = dir.join(FILE);
    let content = match fs.open(&path, Open::Existing).and_then(|file| fs::read_to_end(&*file, MAX_BYTES)) {
        Ok(content) => content,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Map::new()),
        Err(source) => return Err(Error::Io { path, source }),
    };
    Ok(serde_json::from_slice(&content).unwrap_or_else(|error| {
        tracing::warn!(file = %path.display(), %error, "ignoring a quorum-state without sense");
        Map::new()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::SimFs;

    #[test]
    fn the_epoch_is_kept_and_so_is_what_else_kafka_wrote() {
        let none = Uuid::ZERO.to_string();
        let new = format!(
            r#"{{"data_version":1,"leaderEpoch":7,"leaderId":3,"votedDirectoryId":"{none}","votedId":-1,"writtenBy":"ottla"}}"#
        );
        let of_old = r#"{"clusterId":"","leaderId":1,"leaderEpoch":4,"votedId":1,"appliedOffset":0,"currentVoters":[{"voterId":1}],"data_version":0}"#;
        let old = r#"{"appliedOffset":0,"clusterId":"","currentVoters":[{"voterId":1}],"data_version":0,"leaderEpoch":7,"leaderId":3,"votedId":-1,"writtenBy":"ottla"}"#;
        let cases = [(None, None, new.as_str()), (Some("{"), None, &new), (Some(of_old), Some(4), old)];
        for (before, epoch, after) in cases {
            let (fs, dir) = (SimFs::new(), Path::new("/data"));
            fs.put(&dir.join("another"), b"");
            before.iter().for_each(|text| fs.put(&dir.join(FILE), text.as_bytes()));
            assert_eq!((leader_epoch(&fs, dir).unwrap(), is_ours(&fs, dir).unwrap()), (epoch, false));
            put(&fs, dir, 3, 7).unwrap();
            assert_eq!(String::from_utf8(fs.content(&dir.join(FILE)).unwrap()).unwrap(), after);
            assert_eq!((leader_epoch(&fs, dir).unwrap(), is_ours(&fs, dir).unwrap()), (Some(7), true));
            put(&fs, dir, -1, 7).unwrap();
            assert_eq!(
                String::from_utf8(fs.content(&dir.join(FILE)).unwrap()).unwrap(),
                after,
                "who led is not forgotten"
            );
            put(&fs, dir, -1, 8).unwrap();
            assert!(String::from_utf8(fs.content(&dir.join(FILE)).unwrap()).unwrap().contains(r#""leaderId":-1"#));
        }
    }
}
