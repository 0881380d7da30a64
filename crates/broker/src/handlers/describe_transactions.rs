//! DescribeTransactions (65): how it stands with transactional ids (KIP-664).

use super::{Context, Pending, Refusal, plain_within};
use crate::transactions::submit;
use ottla_coordinator::transactions::{Event, Reply, Transaction};
use ottla_protocol::{
    ErrorCode, Str,
    frame::RequestFrame,
    messages::{
        DescribeTransactionsRequest, DescribeTransactionsResponse,
        describe_transactions_response::{TopicData, TransactionState},
    },
};
use std::pin::Pin;

pub(super) fn start(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Refusal> {
    plain_within(cx, request, named, handle)
}

fn named(request: &DescribeTransactionsRequest) -> usize {
    request.transactional_ids.len()
}

async fn handle(cx: Context, request: DescribeTransactionsRequest) -> DescribeTransactionsResponse {
    let mut transaction_states = Vec::with_capacity(request.transactional_ids.len());
    for transactional_id in request.transactional_ids {
        let state = match describe(&cx, &transactional_id).await {
            Ok(transaction) => found(transactional_id, transaction),
            Err(error) => TransactionState { error_code: error.code(), transactional_id, ..Default::default() },
        };
        transaction_states.push(state);
    }
    DescribeTransactionsResponse { transaction_states, ..Default::default() }
}

async fn describe(cx: &Context, transactional_id: &Str) -> Result<Transaction, ErrorCode> {
    if transactional_id.is_empty() {
        return Err(ErrorCode::InvalidRequest);
    }
    match submit(&cx.broker, transactional_id, |ticket| Event::Describe(ticket, transactional_id.clone())).await? {
        Reply::Describe(transaction) => transaction.ok_or(ErrorCode::TransactionalIdNotFound),
        _ => Err(ErrorCode::UnknownServerError),
    }
}

fn found(transactional_id: Str, transaction: Transaction) -> TransactionState {
    let topics = transaction.partitions.topics().map(|(topic, partitions)| TopicData {
        topic: topic.clone(),
        partitions: partitions.iter().copied().collect(),
        ..Default::default()
    });
    TransactionState {
        error_code: ErrorCode::None.code(),
        transactional_id,
        transaction_state: Str::from_static(transaction.state.name()),
        transaction_timeout_ms: transaction.timeout_ms,
        transaction_start_time_ms: transaction.start_ms,
        producer_id: transaction.producer.id,
        producer_epoch: transaction.producer.epoch,
        topics: topics.collect(),
        ..Default::default()
    }
}
