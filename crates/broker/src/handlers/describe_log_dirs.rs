//! DescribeLogDirs (35): what lies in each log dir, and how much room is left (KIP-113, KIP-827).

use super::{Context, Pending, Refusal, plain_within};
use crate::{
    offline::Offline,
    partition::Partition,
    dir::Dir,
    replicas::Replicas,
};
use ottla_config::{ServerConfig, keys};
use ottla_protocol::{
    ErrorCode, Str,
    frame::RequestFrame,
    messages::{
        DescribeLogDirsRequest, DescribeLogDirsResponse,
        describe_log_dirs_response::{DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic},
    },
};
use std::{
    collections::{BTreeMap, BTreeSet},
    pin::Pin,
};
use tracing::warn;

/// Stands for all log dirs among those that are cordoned (KIP-1066).
const ALL: &str = "*";

/// What Kafka tells where the lag cannot be known.
const UNKNOWN_LAG: i64 = -1;

/// The partitions of a dir, by topic and number.
type Found = BTreeMap<Str, BTreeMap<i32, DescribeLogDirsPartition>>;

pub(super) fn start(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Refusal> {
    plain_within(cx, request, named, handle)
}

fn named(request: &DescribeLogDirsRequest) -> usize {
    request.topics.iter().flatten().map(|topic| 1 + topic.partitions.len()).sum()
}

async fn handle(cx: Context, request: DescribeLogDirsRequest) -> DescribeLogDirsResponse {
    let describe = move || {
        let wanted = wanted(&request);
        let config = cx.broker.config();
        let dirs = cx.broker.replicas.dirs().iter();
        let results = dirs.map(|dir| describe(&cx.broker.replicas, &config, dir, wanted.as_ref()));
        DescribeLogDirsResponse { results: results.collect(), ..Default::default() }
    };
    let failed = || DescribeLogDirsResponse { error_code: ErrorCode::UnknownServerError.code(), ..Default::default() };
    tokio::task::spawn_blocking(describe).await.unwrap_or_else(|_| failed())
}

/// The partitions that were asked for, or nothing if all are.
fn wanted(request: &DescribeLogDirsRequest) -> Option<BTreeSet<(&Str, i32)>> {
    let topics = request.topics.as_ref()?;
    Some(topics.iter().flat_map(|t| t.partitions.iter().map(|partition| (&t.topic, *partition))).collect())
}

fn describe(
    replicas: &Replicas,
    config: &ServerConfig,
    dir: &Dir,
    wanted: Option<&BTreeSet<(&Str, i32)>>,
) -> DescribeLogDirsResult {
    let path = dir.log_dir.path();
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let log_dir = Str::from(path.to_string_lossy().as_ref());
    let failed = DescribeLogDirsResult {
        error_code: ErrorCode::KafkaStorageError.code(),
        log_dir: log_dir.clone(),
        ..Default::default()
    };
    if dir.is_offline() {
        return failed;
    }
    let space = match dir.log_dir.space() {
        Ok(space) => space,
        Err(error) => {
            warn!(dir = %log_dir, %error, "cannot find out how much room a log dir has");
            return failed;
        }
    };
    let bytes = |count| i64::try_from(count).unwrap_or(i64::MAX);
    DescribeLogDirsResult {
        error_code: ErrorCode::None.code(),
        log_dir,
        topics: found(replicas, dir, wanted).into_iter().map(topic).collect(),
        total_bytes: bytes(space.total_bytes),
        usable_bytes: bytes(space.usable_bytes),
        is_cordoned: is_cordoned(config, dir),
        ..Default::default()
    }
}

fn is_cordoned(config: &ServerConfig, dir: &Dir) -> bool {
    let cordoned = config.get(keys::CORDONED_LOG_DIRS);
    cordoned.iter().any(|path| path == ALL || std::path::Path::new(path) == dir.log_dir.path())
}

fn found(replicas: &Replicas, dir: &Dir, wanted: Option<&BTreeSet<(&Str, i32)>>) -> Found {
    let mut found = Found::new();
    let is_wanted = |topic: &Str, index: i32| wanted.is_none_or(|wanted| wanted.contains(&(topic, index)));
    let here = replicas.all().into_iter().filter(|partition| partition.dir().id == dir.id);
    for partition in here.filter(|partition| is_wanted(&partition.topic, partition.index)) {
        found.entry(partition.topic.clone()).or_default().insert(partition.index, served(&partition));
    }
    let offline = replicas.offline().in_dir(dir.id).into_iter();
    for ((topic, index), partition) in offline.filter(|((topic, index), _)| is_wanted(topic, *index)) {
        found.entry(topic).or_default().insert(index, unserved(index, &partition));
    }
    found
}

fn served(partition: &Partition) -> DescribeLogDirsPartition {
    let offsets = partition.reader().offsets();
    DescribeLogDirsPartition {
        partition_index: partition.index,
        partition_size: i64::try_from(partition.reader().size()).unwrap_or(i64::MAX),
        // How far the replica is behind what is committed; none that moves to another dir is kept yet.
        offset_lag: (offsets.high_watermark - offsets.log_end_offset).max(0),
        is_future_key: false,
        ..Default::default()
    }
}

fn unserved(index: i32, partition: &Offline) -> DescribeLogDirsPartition {
    DescribeLogDirsPartition {
        partition_index: index,
        partition_size: i64::try_from(partition.size()).unwrap_or(i64::MAX),
        offset_lag: UNKNOWN_LAG,
        ..Default::default()
    }
}

fn topic((name, partitions): (Str, BTreeMap<i32, DescribeLogDirsPartition>)) -> DescribeLogDirsTopic {
    DescribeLogDirsTopic { name, partitions: partitions.into_values().collect(), ..Default::default() }
}
