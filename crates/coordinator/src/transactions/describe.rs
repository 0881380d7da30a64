//! DescribeTransactions and ListTransactions (KIP-664).

use super::machine::{Hard, Soft};
use super::{State, Transaction};
use ottla_protocol::Str;
use ottla_state_machine::Now;
use regex::Regex;
use std::collections::BTreeSet;

/// Which ids are asked for: those that all of this holds for.
#[derive(Clone, Debug, Default)]
pub struct ListTransactions {
    /// Producers, any if empty.
    pub producer_ids: BTreeSet<i64>,
    /// States, any if none.
    pub states: Option<BTreeSet<State>>,
    /// How long the transaction lasts at least; negative for any.
    pub duration_ms: i64,
    /// What the id looks like (KIP-1152).
    pub pattern: Option<Pattern>,
}

/// A regular expression that an id must match as a whole.
#[derive(Clone, Debug)]
pub struct Pattern(Regex);

impl Pattern {
    /// Reads a pattern, or says why it is none.
    pub fn parse(pattern: &str) -> Result<Self, String> {
        Regex::new(&format!("^(?:{pattern})$")).map(Self).map_err(|error| error.to_string())
    }
}

/// An id in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedTransaction {
    /// The id.
    pub transactional_id: Str,
    /// Its producer.
    pub producer_id: i64,
    /// How it stands.
    pub state: State,
}

pub(super) fn describe(hard: &Hard, soft: &Soft, id: &Str) -> Option<Transaction> {
    let mut transaction = hard.transactions.get(id)?.clone();
    if let Some((_, untold)) = soft.untold.get(id) {
        transaction.partitions = untold.clone();
    }
    Some(transaction)
}

pub(super) fn list(hard: &Hard, now: Now, request: &ListTransactions) -> Vec<ListedTransaction> {
    let is_wanted = |id: &Str, transaction: &Transaction| {
        let lasts_ms = now.wall_ms.saturating_sub(transaction.start_ms);
        (request.producer_ids.is_empty() || request.producer_ids.contains(&transaction.producer.id))
            && request.states.as_ref().is_none_or(|states| states.contains(&transaction.state))
            && (request.duration_ms < 0 || lasts_ms > request.duration_ms)
            && request.pattern.as_ref().is_none_or(|pattern| pattern.0.is_match(id))
    };
    let wanted = hard.transactions.iter().filter(|(id, transaction)| is_wanted(id, transaction));
    let listed = wanted.map(|(id, transaction)| ListedTransaction {
        transactional_id: id.clone(),
        producer_id: transaction.producer.id,
        state: transaction.state,
    });
    listed.collect()
}
