//! ListGroups (16): the groups that this broker coordinates.

use super::{Context, Pending, Refusal, plain};
use crate::groups::{reply, submit_to};
use ottla_coordinator::{Event, ListGroups, ListedGroup};
use ottla_protocol::{
    ErrorCode, Str,
    frame::RequestFrame,
    messages::{ListGroupsRequest, ListGroupsResponse, list_groups_response},
};
use std::pin::Pin;

pub(super) fn start(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Refusal> {
    plain(cx, request, handle)
}

async fn handle(cx: Context, request: ListGroupsRequest) -> ListGroupsResponse {
    match list(&cx, request).await {
        Ok(groups) => ListGroupsResponse { groups: groups.into_iter().map(listed).collect(), ..Default::default() },
        Err(error) => ListGroupsResponse { error_code: error.code(), ..Default::default() },
    }
}

async fn list(cx: &Context, request: ListGroupsRequest) -> Result<Vec<ListedGroup>, ErrorCode> {
    let filters = ListGroups { states_filter: request.states_filter, types_filter: request.types_filter };
    let mut groups = Vec::new();
    for shard in cx.broker.groups.all() {
        let filters = filters.clone();
        let answer = submit_to(&shard, |ticket| Event::ListGroups(ticket, filters)).await;
        match reply!(answer, ListGroups) {
            Ok(listed) => groups.extend(listed),
            // Its groups are another broker's by now.
            Err(ErrorCode::NotCoordinator) => {}
            // A list that lacks groups would pass for the whole.
            Err(error) => return Err(error),
        }
    }
    Ok(groups)
}

fn listed(group: ListedGroup) -> list_groups_response::ListedGroup {
    list_groups_response::ListedGroup {
        group_id: group.group_id,
        protocol_type: group.protocol_type,
        group_state: Str::from_static(group.state),
        group_type: Str::from_static(group.group_type.name()),
        ..Default::default()
    }
}
