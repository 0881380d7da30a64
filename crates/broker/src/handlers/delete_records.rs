//! DeleteRecords (21): moves the start of a log up, so that what is below is no longer read (KIP-107).

use super::{Context, Pending, Refusal, plain};
use crate::{broker::Broker, partition::Partition};
use ottla_protocol::{
    ErrorCode,
    frame::RequestFrame,
    messages::{
        DeleteRecordsRequest, DeleteRecordsResponse,
        delete_records_response::{DeleteRecordsPartitionResult, DeleteRecordsTopicResult},
    },
};
use std::{pin::Pin, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep, timeout_at};
use tracing::error;

/// Stands for the high watermark.
const HIGH_WATERMARK: i64 = -1;
const NO_WATERMARK: i64 = -1;
/// How often it is looked whether followers have heard.
const LOOK_EVERY: Duration = Duration::from_millis(5);

pub(super) fn start(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Refusal> {
    plain(cx, request, handle)
}

async fn handle(cx: Context, request: DeleteRecordsRequest) -> DeleteRecordsResponse {
    let timeout = Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
    let deadline = Instant::now() + timeout;
    let broker = cx.broker.clone();
    let deleted = tokio::task::spawn_blocking(move || delete(&cx, &request)).await;
    let (mut response, waits) = deleted.unwrap_or_default();
    let partitions = response.topics.iter_mut().flat_map(|topic| &mut topic.partitions);
    for (partition, wait) in partitions.zip(waits) {
        let Some((deleted, offset)) = wait else { continue };
        match timeout_at(deadline, reached(&broker, &deleted, offset)).await {
            Ok(Ok(low_watermark)) => partition.low_watermark = low_watermark,
            Ok(Err(error)) => *partition = refused(partition.partition_index, error),
            Err(_elapsed) => *partition = refused(partition.partition_index, ErrorCode::RequestTimedOut),
        }
    }
    response
}

/// A partition and the offset below which all replicas are to have nothing.
type Wait = (Arc<Partition>, i64);

fn delete(cx: &Context, request: &DeleteRecordsRequest) -> (DeleteRecordsResponse, Vec<Option<Wait>>) {
    let mut waits = Vec::new();
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|wanted| {
            let found = cx.broker.replicas.led(&topic.name, wanted.partition_index);
            let deleted = found.and_then(|partition| {
                let start = delete_below(&partition, wanted.offset)?;
                Ok((partition, start))
            });
            let partition_index = wanted.partition_index;
            match deleted {
                Ok((partition, start)) => {
                    waits.push(Some((partition, start)));
                    DeleteRecordsPartitionResult { partition_index, low_watermark: start, ..Default::default() }
                }
                Err(error) => {
                    waits.push(None);
                    refused(partition_index, error)
                }
            }
        });
        DeleteRecordsTopicResult { name: topic.name.clone(), partitions: partitions.collect(), ..Default::default() }
    });
    let response = DeleteRecordsResponse { topics: topics.collect(), ..Default::default() };
    // What was answered must hold after a crash: a record that is gone must not come back.
    match cx.broker.replicas.write_checkpoints() {
        Ok(()) => (response, waits),
        Err(error) => {
            error!(%error, "cannot write the log start offsets down");
            (failed(response), Vec::new())
        }
    }
}

fn refused(partition_index: i32, error: ErrorCode) -> DeleteRecordsPartitionResult {
    let error_code = error.code();
    DeleteRecordsPartitionResult { partition_index, low_watermark: NO_WATERMARK, error_code, ..Default::default() }
}

/// Waits until followers say that they begin no earlier; answers the low watermark.
async fn reached(broker: &Broker, partition: &Partition, offset: i64) -> Result<i64, ErrorCode> {
    loop {
        if !partition.is_leader() {
            return Err(ErrorCode::NotLeaderOrFollower);
        }
        let low_watermark = partition.low_watermark();
        if low_watermark >= offset || broker.stopping.is_cancelled() {
            return Ok(low_watermark);
        }
        sleep(LOOK_EVERY).await;
    }
}

fn failed(mut response: DeleteRecordsResponse) -> DeleteRecordsResponse {
    for partition in response.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
        partition.error_code = ErrorCode::KafkaStorageError.code();
        partition.low_watermark = NO_WATERMARK;
    }
    response
}

fn delete_below(partition: &Partition, offset: i64) -> Result<i64, ErrorCode> {
    if partition.is_internal() {
        return Err(ErrorCode::InvalidTopicException);
    }
    if !partition.config().cleanup_delete {
        return Err(ErrorCode::PolicyViolation);
    }
    let offset = if offset == HIGH_WATERMARK { partition.high_watermark() } else { offset };
    if offset < 0 || offset > partition.high_watermark() {
        return Err(ErrorCode::OffsetOutOfRange);
    }
    let deleted = partition.with_log(|log| log.delete_records(offset)).map_err(|_| ErrorCode::NotLeaderOrFollower)?;
    let removal = deleted.map_err(|error| {
        error!(%partition, %error, "cannot delete records");
        ErrorCode::KafkaStorageError
    })?;
    partition.remove_later(removal);
    Ok(partition.reader().offsets().log_start_offset)
}
