//! AlterReplicaLogDirs (34): moves replicas between the log dirs of this broker (KIP-113).

use super::{Context, Pending, Refusal, plain_within};
use crate::future::AlterError;
use ottla_protocol::{
    ErrorCode, Str,
    frame::RequestFrame,
    messages::{
        AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse,
        alter_replica_log_dirs_response::{AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult},
    },
};
use std::{collections::BTreeMap, pin::Pin};

/// Where each partition is to go.
type Wanted = BTreeMap<Str, BTreeMap<i32, Str>>;

pub(super) fn start(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Refusal> {
    plain_within(cx, request, named, handle)
}

fn named(request: &AlterReplicaLogDirsRequest) -> usize {
    request.dirs.iter().flat_map(|dir| &dir.topics).map(|topic| 1 + topic.partitions.len()).sum()
}

async fn handle(cx: Context, request: AlterReplicaLogDirsRequest) -> AlterReplicaLogDirsResponse {
    let wanted = wanted(&request);
    let all_failed = respond(&wanted, |_, _, _| ErrorCode::UnknownServerError);
    let alter = move || {
        let image = cx.broker.image();
        respond(&wanted, |topic, index, path| {
            let altered = cx.broker.replicas.alter_log_dir(&image, topic, index, path);
            altered.as_ref().err().map_or(ErrorCode::None, AlterError::code)
        })
    };
    tokio::task::spawn_blocking(alter).await.unwrap_or(all_failed)
}

/// A partition that is named for several log dirs goes to the last, as in Kafka.
fn wanted(request: &AlterReplicaLogDirsRequest) -> Wanted {
    let mut wanted = Wanted::new();
    for dir in &request.dirs {
        for topic in &dir.topics {
            let partitions = wanted.entry(topic.name.clone()).or_default();
            partitions.extend(topic.partitions.iter().map(|index| (*index, dir.path.clone())));
        }
    }
    wanted.retain(|_, partitions| !partitions.is_empty());
    wanted
}

fn respond(wanted: &Wanted, outcome: impl Fn(&Str, i32, &str) -> ErrorCode) -> AlterReplicaLogDirsResponse {
    let results = wanted.iter().map(|(topic, partitions)| {
        let partitions = partitions.iter().map(|(index, path)| AlterReplicaLogDirPartitionResult {
            partition_index: *index,
            error_code: outcome(topic, *index, path).code(),
            ..Default::default()
        });
        AlterReplicaLogDirTopicResult {
            topic_name: topic.clone(),
            partitions: partitions.collect(),
            ..Default::default()
        }
    });
    AlterReplicaLogDirsResponse { results: results.collect(), ..Default::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_protocol::{
        Codec,
        codec::Encoder,
        messages::alter_replica_log_dirs_request::{AlterReplicaLogDir, AlterReplicaLogDirTopic},
    };

    fn dir(path: &'static str, topic: &'static str, partitions: &[i32]) -> AlterReplicaLogDir {
        let topic =
            AlterReplicaLogDirTopic { name: topic.into(), partitions: partitions.to_vec(), ..Default::default() };
        AlterReplicaLogDir { path: path.into(), topics: vec![topic], ..Default::default() }
    }

    #[test]
    fn the_last_log_dir_named_counts_and_every_version_can_be_written() {
        let dirs = vec![dir("/a", "t", &[0, 1]), dir("/b", "u", &[]), dir("/c", "t", &[1])];
        let wanted = wanted(&AlterReplicaLogDirsRequest { dirs, ..Default::default() });
        let response = respond(&wanted, |_, _, path| match path {
            "/a" => ErrorCode::None,
            _ => ErrorCode::LogDirNotFound,
        });
        let codes = response.results.iter().flat_map(|topic| &topic.partitions);
        assert_eq!(codes.map(|p| (p.partition_index, p.error_code)).collect::<Vec<_>>(), [(0, 0), (1, 57)]);
        for version in 1..=2 {
            assert_eq!(response.encode(&mut Encoder::new(), version), Ok(()), "version {version}");
        }
    }
}
