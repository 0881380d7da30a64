//! The offsets of a transaction that is not to count are never fetched.

use super::violation;
use crate::Violation;
use crate::groups::Part;
use crate::transactions::producer::{Outcome, Producer};
use crate::transactions::watcher::Fetched;

pub(in crate::transactions) fn check(part: Part, fetched: Fetched, producers: &[Producer]) -> Result<(), Violation> {
    let (offset, Some((client, number))) = fetched else { return Ok(()) };
    let transaction = producers.get(client).and_then(|producer| producer.transactions.get(number));
    match transaction.is_none_or(|it| it.outcome == Outcome::Never) {
        true => Err(violation("offsets of no aborted transaction", format!("{offset} of {part:?}: {transaction:?}"))),
        false => Ok(()),
    }
}
