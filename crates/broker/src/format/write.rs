//! Writes the files of a format, a dir at a time; `meta.properties` comes last, as it says that a dir is formatted.

use super::{BOOTSTRAP_FILE, Error, ensemble, file, request::Request};
use crate::{
    checkpoint_file::{self, Snapshot},
    entropy, metadata_log,
};
use ottla_metadata::{MetadataRecord, MetadataVersion};
use ottla_protocol::{Uuid, stored::VotersRecord};
use ottla_storage::{fs::Fs, log_dir::MetaProperties};
use std::{collections::BTreeSet, path::Path};

/// What the dirs of a node are before they are formatted.
#[derive(Default)]
struct Found {
    formatted: ensemble::Formatted,
    empty: Vec<String>,
    failed: Vec<String>,
}

/// Formats what is not formatted yet. `say` is told what is done.
pub(super) fn format(fs: &dyn Fs, request: &Request, now_ms: i64, say: &mut dyn FnMut(String)) -> Result<(), Error> {
    let found = look(fs, &request.dirs);
    ensemble::verify(&found.formatted, Some(&request.cluster_id), request.node_id)?;
    if let Some(path) = found.formatted.keys().next().filter(|_| !request.ignore_formatted) {
        return Err(Error::AlreadyFormatted(path.clone()));
    }
    for path in &found.failed {
        say(format!("I/O error trying to read log directory {path}. Ignoring..."));
    }
    if found.empty.is_empty() {
        if found.formatted.is_empty() {
            return Err(Error::NoDirs);
        }
        say("All of the log directories are already formatted.".to_owned());
        return Ok(());
    }
    say(format!("Bootstrap metadata: {}", describe(request)));
    let mut taken = ensemble::ids(&found.formatted);
    for dir in &found.empty {
        let id = directory_id(request, dir, &taken);
        taken.insert(id);
        say(format!(
            "Formatting {} {dir} with metadata.version {}.",
            kind(request, dir),
            request.levels.metadata_version
        ));
        format_dir(fs, request, dir, id, now_ms)?;
    }
    Ok(())
}

fn look(fs: &dyn Fs, dirs: &BTreeSet<String>) -> Found {
    let mut found = Found::default();
    for dir in dirs {
        match ensemble::read(fs, dir) {
            Ok(Some(properties)) => _ = found.formatted.insert(dir.clone(), properties),
            Ok(None) => found.empty.push(dir.clone()),
            Err(error) => {
                eprintln!("Error while reading meta.properties file: {error}");
                found.failed.push(dir.clone());
            }
        }
    }
    found
}

/// What a dir is to hold, in Kafka's words.
fn kind(request: &Request, dir: &str) -> &'static str {
    match &request.voters {
        _ if dir != request.metadata_dir => "data directory",
        None => "metadata directory",
        Some(voters) if voters.get(request.node_id).is_some() => "dynamic metadata voter directory",
        Some(_) => "dynamic metadata directory",
    }
}

/// A voter's metadata log is in the directory that the quorum knows it by.
fn directory_id(request: &Request, dir: &str, taken: &BTreeSet<Uuid>) -> Uuid {
    let voters = request.voters.as_ref().filter(|_| dir == request.metadata_dir);
    let voter = voters.and_then(|voters| voters.get(request.node_id));
    voter.map_or_else(|| ensemble::unused_id(taken, entropy::uuid), |voter| voter.directory_id)
}

fn format_dir(fs: &dyn Fs, request: &Request, dir: &str, id: Uuid, now_ms: i64) -> Result<(), Error> {
    let failed = |source| Error::Dir { path: dir.to_owned(), source };
    create(fs, Path::new(dir)).map_err(failed)?;
    let bootstrap = Snapshot { records: request.records.clone(), ..Snapshot::default() };
    checkpoint_file::write(fs, &file(dir, BOOTSTRAP_FILE), &bootstrap, now_ms).map_err(failed)?;
    if dir == request.metadata_dir {
        let record = request.voters.as_ref().map(|voters| voters.to_record(&request.listener_name));
        let level = request.levels.kraft_version;
        record.map_or(Ok(()), |record| write_voters(fs, dir, record, level, now_ms)).map_err(failed)?;
    }
    let properties = MetaProperties {
        cluster_id: Some(request.cluster_id.clone()),
        node_id: Some(request.node_id),
        directory_id: Some(id),
    };
    let written = properties.write(fs, Path::new(dir));
    written.map_err(|source| Error::MetaProperties { path: dir.to_owned(), source })
}

/// Writes the metadata log's first snapshot, which has no metadata, but the voters (KIP-853).
pub(super) fn write_voters(
    fs: &dyn Fs,
    metadata_dir: &str,
    voters: VotersRecord,
    kraft_version: i16,
    now_ms: i64,
) -> anyhow::Result<()> {
    let dir = file(metadata_dir, metadata_log::FOLDER);
    create(fs, &dir)?;
    let snapshot =
        Snapshot { records: Vec::new(), voters: Some(voters), kraft_version, last_contained_log_time_ms: now_ms };
    checkpoint_file::write(fs, &dir.join(checkpoint_file::file_name(0, 0)), &snapshot, now_ms)
}

/// Creates a folder so that a crash does not take it away again.
fn create(fs: &dyn Fs, dir: &Path) -> anyhow::Result<()> {
    fs.create_dir_all(dir)?;
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
    fs.sync_dir(parent.unwrap_or(Path::new(".")))?;
    Ok(())
}

/// The bootstrap records as Kafka prints them, without what belongs to passwords.
fn describe(request: &Request) -> String {
    let records: Vec<String> = request.records.iter().map(describe_record).collect();
    let level = request.levels.metadata_version.level();
    let records = records.join(", ");
    format!("BootstrapMetadata(records=[{records}], metadataVersionLevel={level}, source=format command)")
}

fn describe_record(record: &MetadataRecord) -> String {
    let body = match record {
        MetadataRecord::FeatureLevel(r) => format!("name='{}', featureLevel={}", r.name, r.feature_level),
        MetadataRecord::UserScramCredential(r) => format!(
            "name='{}', mechanism={}, salt=(redacted), storedKey=(redacted), serverKey=(redacted), iterations={}",
            r.name, r.mechanism, r.iterations
        ),
        other => format!("{other:?}"),
    };
    let version = record.version(MetadataVersion::LATEST);
    format!("ApiMessageAndVersion({}({body}) at version {version})", record.name())
}
