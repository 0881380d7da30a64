//! A move is asked for, given up, or sent elsewhere.

use super::{Futures, Key, Move};
use crate::{clock::wall_ms, cordons, dir::Dir, entropy, partition::Partition, replicas::Replicas};
use ottla_metadata::image::Image;
use ottla_protocol::{ErrorCode, Str};
use ottla_storage::log_dir::names;
use std::sync::Arc;
use tracing::{error, info, warn};

/// Names of partitions that are not there yet and were asked to be made in a log dir. Later ones are forgotten.
const MOST_PREFERRED: usize = 10_000;

/// Why a log does not move.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    #[error("the topic's name is too long")]
    NameTooLong,
    #[error("there is no log dir {0}")]
    NoSuchDir(String),
    #[error("log dir {0} is offline")]
    DirOffline(String),
    #[error("log dir {0} is cordoned")]
    Cordoned(String),
    #[error("the partition is offline")]
    PartitionOffline,
    #[error("the partition is not here")]
    NotHere,
    #[error("there is no such partition")]
    NoSuchPartition,
    #[error("another log dir is offline, and may have a copy of this log")]
    OtherDirOffline,
    #[error("cannot make the copy: {0}")]
    Copy(String),
}

impl Error {
    /// As Kafka 4.3.1 answers.
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            Self::NameTooLong => ErrorCode::InvalidTopicException,
            Self::NoSuchDir(_) => ErrorCode::LogDirNotFound,
            Self::Cordoned(_) => ErrorCode::InvalidReplicaAssignment,
            Self::NotHere => ErrorCode::ReplicaNotAvailable,
            Self::NoSuchPartition => ErrorCode::UnknownTopicOrPartition,
            Self::DirOffline(_) | Self::PartitionOffline | Self::OtherDirOffline | Self::Copy(_) => {
                ErrorCode::KafkaStorageError
            }
        }
    }
}

impl Replicas {
    /// Has the log of a partition moved to a log dir, or to none if it is there. The copy goes on after this answers. Blocks.
    pub(crate) fn alter_log_dir(
        self: &Arc<Self>,
        image: &Image,
        topic: &Str,
        index: i32,
        path: &str,
    ) -> Result<(), Error> {
        let _one_at_a_time = self.futures().altering.lock();
        let altered = self.alter(image, topic, index, path);
        if let Err(error) = &altered {
            warn!(%topic, partition = index, path, %error, "a log is not moved");
        }
        altered
    }

    fn alter(self: &Arc<Self>, image: &Image, topic: &Str, index: i32, path: &str) -> Result<(), Error> {
        let name = names::to_future(topic, index, *entropy::uuid().as_bytes()).ok_or(Error::NameTooLong)?;
        let dir = self.destination(path)?;
        let partition = match self.partition(topic, index) {
            Ok(partition) if partition.dir().is_offline() => return Err(Error::PartitionOffline),
            Ok(partition) => partition,
            Err(ErrorCode::KafkaStorageError) => return Err(Error::PartitionOffline),
            Err(_) => {
                self.futures().prefer((topic.detached(), index), &dir);
                let known = image.topics().partition(topic, index).is_some();
                return Err(if known { Error::NotHere } else { Error::NoSuchPartition });
            }
        };
        let key = (partition.topic.clone(), index);
        match self.futures().of(&key) {
            Some(under_way) if under_way.dir.id == dir.id => return Ok(()),
            Some(_) => self.futures().cancel(&partition.topic, index),
            None => {}
        }
        match partition.dir().id == dir.id {
            true => Ok(()),
            false => self.begin_move(partition, dir, &name),
        }
    }

    fn destination(&self, path: &str) -> Result<Arc<Dir>, Error> {
        if self.dead_dirs().iter().any(|dead| dead == path) {
            return Err(Error::DirOffline(path.to_owned()));
        }
        let found = self.dirs().iter().find(|dir| dir.name() == path);
        let dir = found.ok_or_else(|| Error::NoSuchDir(path.to_owned()))?;
        match (dir.is_offline(), cordons::is_cordoned(&self.config(), dir)) {
            (true, _) => Err(Error::DirOffline(path.to_owned())),
            (false, true) => Err(Error::Cordoned(path.to_owned())),
            (false, false) => Ok(dir.clone()),
        }
    }

    fn begin_move(self: &Arc<Self>, partition: Arc<Partition>, dir: Arc<Dir>, name: &str) -> Result<(), Error> {
        if !self.dead_dirs().is_empty() || self.dirs().iter().any(|dir| dir.is_offline()) {
            return Err(Error::OtherDirOffline);
        }
        let config = partition.with_log(|log| log.config().clone()).map_err(|gone| Error::Copy(gone.to_string()))?;
        let copy = dir.log_dir.create_future_log(name, partition.topic_id, config, wall_ms()).map_err(|error| {
            error!(%partition, ?dir, %error, "cannot make the copy of a log");
            Error::Copy(error.to_string())
        })?;
        info!(%partition, from = ?partition.dir(), to = ?dir, "moving a log");
        self.add_move(Move::new(partition, dir, copy));
        Ok(())
    }

    /// Has a move go on until it is done.
    pub(super) fn add_move(self: &Arc<Self>, found: Arc<Move>) {
        let dir = found.dir.clone();
        self.futures().state.lock().moves.insert(found.key(), found);
        self.work_on(&dir);
    }
}

impl Futures {
    fn prefer(&self, key: Key, dir: &Dir) {
        let preferred = &mut self.state.lock().preferred;
        if preferred.len() < MOST_PREFERRED || preferred.contains_key(&key) {
            preferred.insert(key, dir.id);
        }
    }
}
