//! DeleteRecords (21): moves the start of a log up, so that what is below is no longer read (KIP-107).

use super::{Context, Pending, Refusal, plain};
use crate::partition::Partition;
use ottla_protocol::{
    ErrorCode,
    frame::RequestFrame,
    messages::{
        DeleteRecordsRequest, DeleteRecordsResponse,
        delete_records_response::{DeleteRecordsPartitionResult, DeleteRecordsTopicResult},
    },
};
use std::pin::Pin;
use tracing::error;

/// Stands for the high watermark.
const HIGH_WATERMARK: i64 = -1;
const NO_WATERMARK: i64 = -1;

pub(super) fn start(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Refusal> {
    plain(cx, request, handle)
}

async fn handle(cx: Context, request: DeleteRecordsRequest) -> DeleteRecordsResponse {
    let delete = move || {
        let topics = request.topics.iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|wanted| {
                let found = cx.broker.replicas.partition(&topic.name, wanted.partition_index);
                let deleted = found.and_then(|partition| delete_below(&partition, wanted.offset));
                let (error, low_watermark) = match deleted {
                    Ok(low_watermark) => (ErrorCode::None, low_watermark),
                    Err(error) => (error, NO_WATERMARK),
                };
                let partition_index = wanted.partition_index;
                DeleteRecordsPartitionResult { partition_index, low_watermark, error_code: error.code(), ..Default::default() }
            });
            DeleteRecordsTopicResult { name: topic.name.clone(), partitions: partitions.collect(), ..Default::default() }
        });
        let response = DeleteRecordsResponse { topics: topics.collect(), ..Default::default() };
        // What was answered must hold after a crash: a record that is gone must not come back.
        match cx.broker.replicas.write_checkpoints() {
            Ok(()) => response,
            Err(error) => {
                error!(%error, "cannot write the log start offsets down");
                failed(response)
            }
        }
    };
    tokio::task::spawn_blocking(delete).await.unwrap_or_default()
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
