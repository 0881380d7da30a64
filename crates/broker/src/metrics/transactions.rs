//! What the transaction coordinators tell: how many transactional ids there are.

use super::heading;
use ottla_coordinator::transactions::State;
use std::{collections::BTreeMap, fmt::Write};

/// How many ids are in each state.
pub(super) fn count(out: &mut String, ids: &BTreeMap<State, usize>) {
    let name = "ottla_transactional_ids";
    heading(out, name, "Transactional ids that this broker coordinates, by state of their last transaction.", "gauge");
    for (state, count) in ids {
        let _ = writeln!(out, "{name}{{state=\"{}\"}} {count}", state.name());
    }
}
