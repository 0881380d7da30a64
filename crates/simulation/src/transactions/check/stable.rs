//! Who asks for stable offsets is told none that a pending transaction moves (KIP-447).

use super::violation;
use crate::Violation;
use crate::groups::Part;
use crate::transactions::producer::{Outcome, Producer};
use crate::transactions::watcher::{Author, Question};

/// An offset that was told while a transaction on it was open, unless that was aborted by others than its producer.
#[derive(Clone, Copy, Debug)]
pub(in crate::transactions) struct Suspect {
    part: Part,
    offset: i64,
    author: Author,
}

/// Transactions that had been taken before the question, and were not ended before the answer.
pub(in crate::transactions) fn suspects(
    part: Part,
    offset: i64,
    question: &Question,
    producers: &[Producer],
) -> Vec<Suspect> {
    let pending = question.pending.get(&part).into_iter().flatten();
    let is_pending = |(client, number): &&Author| {
        let transaction = producers.get(*client).and_then(|it| it.transactions.get(*number));
        transaction.is_some_and(|it| it.is_pending)
    };
    pending.filter(is_pending).map(|author| Suspect { part, offset, author: *author }).collect()
}

/// One that was committed in the end had not been aborted.
pub(in crate::transactions) fn check(suspect: &Suspect, producers: &[Producer]) -> Result<(), Violation> {
    let Suspect { part, offset, author: (client, number) } = *suspect;
    let transaction = producers.get(client).and_then(|it| it.transactions.get(number));
    match transaction.is_some_and(|it| it.outcome == Outcome::Committed) {
        true => Err(violation("stable offsets", format!("{offset} of {part:?} was told before: {transaction:?}"))),
        false => Ok(()),
    }
}
