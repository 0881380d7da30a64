//! DeleteGroups (42): takes groups away with their offsets (KIP-229).

use super::{Context, Pending, Refusal, plain_within};
use crate::groups::{by_coordinator, reply, submit_to};
use ottla_coordinator::{Error, Event};
use ottla_protocol::{
    ErrorCode, Str,
    frame::RequestFrame,
    messages::{DeleteGroupsRequest, DeleteGroupsResponse, delete_groups_response::DeletableGroupResult},
};
use std::{collections::BTreeSet, pin::Pin};

pub(super) fn start(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Refusal> {
    plain_within(cx, request, named, handle)
}

fn named(request: &DeleteGroupsRequest) -> usize {
    request.groups_names.len()
}

async fn handle(cx: Context, request: DeleteGroupsRequest) -> DeleteGroupsResponse {
    let deleted = by_coordinator(&cx.broker, distinct(request.groups_names), |shard, group_ids| async move {
        let answer = submit_to(&shard, |ticket| Event::DeleteGroups(ticket, group_ids)).await;
        reply!(answer, DeleteGroups)
    });
    let results = deleted.await.into_iter().map(|(group_id, deleted)| {
        let result = deleted.and_then(|deleted| deleted.result.map_err(Error::code));
        let error = result.err().unwrap_or(ErrorCode::None);
        DeletableGroupResult { group_id, error_code: error.code(), ..Default::default() }
    });
    DeleteGroupsResponse { results: results.collect(), ..Default::default() }
}

/// Each group once, where it was first.
fn distinct(mut group_ids: Vec<Str>) -> Vec<Str> {
    let mut seen = BTreeSet::new();
    group_ids.retain(|group_id| seen.insert(group_id.clone()));
    group_ids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_named_twice_is_deleted_once() {
        let names = ["b", "a", "b", ""].map(Str::from).to_vec();
        assert_eq!(distinct(names), ["b", "a", ""].map(Str::from));
    }
}
