//! ListTransactions (66): the transactional ids that this broker coordinates (KIP-664, KIP-994, KIP-1152).

use super::{Context, Pending, Refusal, plain};
use ottla_coordinator::transactions::{ListTransactions, Pattern, Reply, State};
use ottla_protocol::{
    ErrorCode, Str,
    frame::RequestFrame,
    messages::{ListTransactionsRequest, ListTransactionsResponse, list_transactions_response::TransactionState},
};
use std::pin::Pin;
use tracing::debug;

/// States that Kafka knows and no transaction is seen in.
const PASSING: [&str; 2] = ["Dead", "PrepareEpochFence"];

pub(super) fn start(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Refusal> {
    plain(cx, request, handle)
}

async fn handle(cx: Context, request: ListTransactionsRequest) -> ListTransactionsResponse {
    let (known, unknown): (Vec<Str>, Vec<Str>) = request.state_filters.iter().cloned().partition(|name| is_known(name));
    let listed = list(&cx, request, &known).await;
    match listed {
        Ok(transaction_states) => ListTransactionsResponse {
            unknown_state_filters: unknown,
            transaction_states,
            ..Default::default()
        },
        Err(error) => ListTransactionsResponse { error_code: error.code(), ..Default::default() },
    }
}

fn is_known(name: &str) -> bool {
    PASSING.contains(&name) || State::ALL.iter().any(|state| state.name() == name)
}

async fn list(cx: &Context, request: ListTransactionsRequest, known: &[Str]) -> Result<Vec<TransactionState>, ErrorCode> {
    let pattern = request.transactional_id_pattern.filter(|pattern| !pattern.is_empty());
    let pattern = pattern.map(|pattern| Pattern::parse(&pattern)).transpose().map_err(|reason| {
        debug!(%reason, "a pattern of transactional ids is no regular expression");
        ErrorCode::InvalidRegularExpression
    })?;
    let states = State::ALL.into_iter().filter(|state| known.iter().any(|name| name == state.name()));
    let wanted = ListTransactions {
        producer_ids: request.producer_id_filters.into_iter().collect(),
        // Of names that nobody knows no transaction is in any.
        states: (!request.state_filters.is_empty()).then(|| states.collect()),
        duration_ms: request.duration_filter,
        pattern,
    };
    let replies = cx.broker.transactions.list(&wanted).await?;
    let listed = replies.into_iter().filter_map(|reply| if let Reply::List(listed) = reply { Some(listed) } else { None });
    let states = listed.flatten().map(|it| TransactionState {
        transactional_id: it.transactional_id,
        producer_id: it.producer_id,
        transaction_state: Str::from_static(it.state.name()),
        ..Default::default()
    });
    Ok(states.collect())
}
