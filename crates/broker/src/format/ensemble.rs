//! The `meta.properties` of all dirs of a node together, and what must hold among them (KIP-858).

use ottla_config::keys;
use ottla_protocol::Uuid;
use ottla_storage::{
    fs::Fs,
    log_dir::{self, MetaProperties},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// Why dirs do not belong together; the messages are Kafka's.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    #[error("cluster.id was not specified in the v1 file: {path}/meta.properties")]
    NoCluster { path: String },
    #[error("Invalid cluster.id in: {path}/meta.properties. Expected {expected}, but read {read}")]
    OtherCluster { path: String, expected: String, read: String },
    #[error("node.id was not specified in {path}/meta.properties")]
    NoNode { path: String },
    #[error(
        "Stored node id {stored} doesn't match previous node id {previous} in {path}/meta.properties. If you moved your data, make sure your configured node id matches. If you intend to create a new node, you should remove all data in your data directories."
    )]
    OtherNode { path: String, stored: i32, previous: i32 },
    #[error("Invalid reserved directory ID {id} found in {path}")]
    Reserved { path: String, id: Uuid },
    #[error("Duplicate directory ID {id} found. It was the ID of {first}, but also of {second}")]
    Duplicate { id: Uuid, first: String, second: String },
}

/// Why a `meta.properties` says nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error(transparent)]
    LogDir(#[from] log_dir::Error),
    #[error("{path}/meta.properties: {name} was not found.")]
    Missing { path: String, name: &'static str },
}

/// Reads what a dir is; none if it is not formatted.
pub(super) fn read(fs: &dyn Fs, dir: &str) -> Result<Option<MetaProperties>, ReadError> {
    let Some(properties) = MetaProperties::read(fs, Path::new(dir))? else { return Ok(None) };
    let missing = |name| ReadError::Missing { path: dir.to_owned(), name };
    if properties.cluster_id.is_none() {
        return Err(missing("cluster.id"));
    }
    if properties.node_id.is_none() {
        return Err(missing(keys::NODE_ID.name()));
    }
    Ok(Some(properties))
}

/// The dirs that are formatted, by path.
pub(super) type Formatted = BTreeMap<String, MetaProperties>;

/// Checks that all dirs are of this cluster and node, and each its own. Where no cluster is given the first dir's holds.
pub(super) fn verify(dirs: &Formatted, cluster_id: Option<&str>, node_id: i32) -> Result<(), Error> {
    let mut expected = cluster_id;
    let mut seen: BTreeMap<Uuid, &str> = BTreeMap::new();
    for (path, properties) in dirs {
        let read = properties.cluster_id.as_deref().ok_or_else(|| Error::NoCluster { path: path.clone() })?;
        let expected = *expected.get_or_insert(read);
        if read != expected {
            return Err(Error::OtherCluster {
                path: path.clone(),
                expected: expected.to_owned(),
                read: read.to_owned(),
            });
        }
        match properties.node_id {
            None => return Err(Error::NoNode { path: path.clone() }),
            Some(stored) if stored != node_id => {
                return Err(Error::OtherNode { path: path.clone(), stored, previous: node_id });
            }
            Some(_) => {}
        }
        if let Some(id) = properties.directory_id {
            verify_id(id, path, &mut seen)?;
        }
    }
    Ok(())
}

fn verify_id<'a>(id: Uuid, path: &'a str, seen: &mut BTreeMap<Uuid, &'a str>) -> Result<(), Error> {
    if is_reserved(id) {
        return Err(Error::Reserved { path: path.to_owned(), id });
    }
    match seen.insert(id, path) {
        None => Ok(()),
        Some(first) => Err(Error::Duplicate { id, first: first.to_owned(), second: path.to_owned() }),
    }
}

/// The first hundred ids mean something else than a directory: lost, unassigned, migrating.
fn is_reserved(id: Uuid) -> bool {
    u128::from_be_bytes(*id.as_bytes()) < 100
}

/// A random id that no dir has; `random` makes ids that are safe on a command line.
pub(super) fn unused_id(taken: &BTreeSet<Uuid>, mut random: impl FnMut() -> Uuid) -> Uuid {
    loop {
        let id = random();
        if !is_reserved(id) && !taken.contains(&id) {
            return id;
        }
    }
}

/// The ids that dirs have.
pub(super) fn ids(dirs: &Formatted) -> BTreeSet<Uuid> {
    dirs.values().filter_map(|properties| properties.directory_id).collect()
}
