//! DescribeLogDirs (35): what lies in each log dir, and how much room is left (KIP-113, KIP-827).

use super::{Context, Pending, Refusal, plain_within};
use crate::{cordons, dir::Dir, future::Move, replica::Replica, replicas::Replicas};
use ottla_metadata::MetadataVersion;
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
        let (config, image, replicas) = (cx.broker.config(), cx.broker.image(), &cx.broker.replicas);
        let tells = image.features().metadata_version() >= Some(MetadataVersion::CORDONED_LOG_DIRS);
        let dirs = replicas.dirs().iter().map(|dir| {
            let is_cordoned = tells && cordons::is_cordoned(&config, dir);
            describe(replicas, dir, is_cordoned, wanted.as_ref())
        });
        let results = dirs.chain(replicas.dead_dirs().iter().map(|dead| failed(dead.as_str().into())));
        DescribeLogDirsResponse { results: results.collect(), ..Default::default() }
    };
    let panicked = || DescribeLogDirsResponse { error_code: ErrorCode::UnknownServerError.code(), ..Default::default() };
    tokio::task::spawn_blocking(describe).await.unwrap_or_else(|_| panicked())
}

/// The partitions that were asked for, or nothing if all are.
fn wanted(request: &DescribeLogDirsRequest) -> Option<BTreeSet<(&Str, i32)>> {
    let topics = request.topics.as_ref()?;
    Some(topics.iter().flat_map(|t| t.partitions.iter().map(|partition| (&t.topic, *partition))).collect())
}

fn describe(
    replicas: &Replicas,
    dir: &Dir,
    is_cordoned: bool,
    wanted: Option<&BTreeSet<(&Str, i32)>>,
) -> DescribeLogDirsResult {
    let log_dir = Str::from(dir.name());
    if dir.is_offline() {
        return failed(log_dir);
    }
    let space = match dir.log_dir.space() {
        Ok(space) => space,
        Err(error) => {
            warn!(dir = %log_dir, %error, "cannot find out how much room a log dir has");
            return failed(log_dir);
        }
    };
    let bytes = |count| i64::try_from(count).unwrap_or(i64::MAX);
    DescribeLogDirsResult {
        error_code: ErrorCode::None.code(),
        log_dir,
        topics: found(replicas, dir, wanted).into_iter().map(topic).collect(),
        total_bytes: bytes(space.total_bytes),
        usable_bytes: bytes(space.usable_bytes),
        is_cordoned,
        ..Default::default()
    }
}

fn failed(log_dir: Str) -> DescribeLogDirsResult {
    DescribeLogDirsResult { error_code: ErrorCode::KafkaStorageError.code(), log_dir, ..Default::default() }
}

fn found(replicas: &Replicas, dir: &Dir, wanted: Option<&BTreeSet<(&Str, i32)>>) -> Found {
    let mut found = Found::new();
    let is_wanted = |topic: &Str, index: i32| wanted.is_none_or(|wanted| wanted.contains(&(topic, index)));
    let here = replicas.all().into_iter().filter(|replica| replica.dir().id == dir.id);
    for replica in here.filter(|replica| is_wanted(&replica.topic, replica.index)) {
        found.entry(replica.topic.clone()).or_default().insert(replica.index, described(&replica));
    }
    let copies = replicas.futures().to_dir(dir.id).into_iter();
    for copy in copies.filter(|copy| is_wanted(&copy.partition.topic, copy.partition.index)) {
        let partitions = found.entry(copy.partition.topic.clone()).or_default();
        partitions.entry(copy.partition.index).or_insert_with(|| moving(&copy));
    }
    found
}

fn described(replica: &Replica) -> DescribeLogDirsPartition {
    // How far the replica is behind what is committed.
    let offset_lag = match replica.opened().map(|partition| partition.reader().offsets()) {
        Some(offsets) => (offsets.high_watermark - offsets.log_end_offset).max(0),
        None if replica.is_failed() => UNKNOWN_LAG,
        None => 0,
    };
    DescribeLogDirsPartition {
        partition_index: replica.index,
        partition_size: i64::try_from(replica.size()).unwrap_or(i64::MAX),
        offset_lag,
        is_future_key: false,
        ..Default::default()
    }
}

fn moving(copy: &Move) -> DescribeLogDirsPartition {
    DescribeLogDirsPartition {
        partition_index: copy.partition.index,
        partition_size: i64::try_from(copy.size()).unwrap_or(i64::MAX),
        offset_lag: copy.lag(),
        is_future_key: true,
        ..Default::default()
    }
}

fn topic((name, partitions): (Str, BTreeMap<i32, DescribeLogDirsPartition>)) -> DescribeLogDirsTopic {
    DescribeLogDirsTopic { name, partitions: partitions.into_values().collect(), ..Default::default() }
}
