//! AlterConfigs (33): replaces all configs of resources (KIP-133); deprecated, but clients of old still send it.

use super::{
    Context, Pending, Refusal,
    alterations::{self, Alteration, Next, Outcomes},
    ask_controller::{NO_TIMEOUT_MS, ask, outcome},
    plain_within,
};
use ottla_config::alter;
use ottla_metadata::{
    ApiError,
    controller::{self, AlterableResource, AlteredResource, Event, Reply},
};
use ottla_protocol::{
    Str,
    frame::RequestFrame,
    messages::{
        AlterConfigsRequest, AlterConfigsResponse,
        alter_configs_request::{AlterConfigsResource, AlterableConfig},
        alter_configs_response::AlterConfigsResourceResponse,
    },
};
use std::pin::Pin;

pub(super) fn start(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Refusal> {
    plain_within(cx, request, named, handle)
}

fn named(request: &AlterConfigsRequest) -> usize {
    request.resources.iter().map(|resource| 1 + resource.configs.len()).sum()
}

async fn handle(cx: Context, request: AlterConfigsRequest) -> AlterConfigsResponse {
    let outcomes = preprocess(&cx, &request);
    let undecided = request.resources.iter().zip(&outcomes).filter(|(_, outcome)| outcome.is_none());
    let resources: Vec<_> = undecided.map(|(resource, _)| resource.clone()).collect();
    let validate_only = request.validate_only;
    let answer = match resources.is_empty() {
        true => Ok(Vec::new()),
        false => decide(&cx, AlterConfigsRequest { resources, validate_only, ..Default::default() }).await,
    };
    let results = alterations::merge(outcomes, answer);
    let responses = request.resources.iter().zip(&results).map(|(resource, result)| respond(resource, result));
    AlterConfigsResponse { responses: responses.collect(), ..Default::default() }
}

async fn decide(cx: &Context, rest: AlterConfigsRequest) -> Result<Vec<AlteredResource>, ApiError> {
    if let Some(remote) = alterations::elsewhere(cx) {
        let answer: AlterConfigsResponse = alterations::ask_elsewhere(&remote, cx, &rest).await?;
        let asked = rest.resources.iter().map(|r| (r.resource_type, &r.resource_name));
        let responses = answer.responses.iter();
        let answered = responses.map(|r| (r.resource_type, &r.resource_name, r.error_code, r.error_message.as_ref()));
        return Ok(alterations::in_order(asked, answered));
    }
    let event = controller::AlterConfigs {
        node_id: alterations::broker_asked(cx),
        is_checked: alterations::checked_by_broker(cx),
        resources: rest.resources.iter().map(alterable).collect(),
        validate_only: rest.validate_only,
    };
    let pick = |reply| match reply {
        Reply::AlterConfigs(answer) => Some(answer),
        _ => None,
    };
    ask(cx, NO_TIMEOUT_MS, |ticket| Event::AlterConfigs(ticket, event), pick).await
}

fn preprocess(cx: &Context, request: &AlterConfigsRequest) -> Outcomes {
    let repeated = alterations::repeated(request.resources.iter().map(|r| (r.resource_type, &r.resource_name)));
    let broker = alterations::broker_asked(cx);
    let preprocess = |resource: &AlterConfigsResource| {
        if repeated.contains(&(resource.resource_type, &resource.resource_name)) {
            return Some(Err(alterations::not_once()));
        }
        match alterations::next(broker, &alteration(resource)) {
            Ok(Next::Controller) => None,
            Ok(Next::Broker { per_broker }) => check_broker(cx, resource, per_broker).err().map(Err),
            // Log levels came with the incremental request and are not taken here (KIP-412).
            Ok(Next::Loggers) => Some(Err(alterations::unknown_type(resource.resource_type))),
            Err(error) => Some(Err(error)),
        }
    };
    request.resources.iter().map(preprocess).collect()
}

fn alteration(resource: &AlterConfigsResource) -> Alteration<'_> {
    let needs_value = |config: &&AlterableConfig| config.value.is_none();
    Alteration {
        resource_type: resource.resource_type,
        resource_name: &resource.resource_name,
        names: resource.configs.iter().map(|config| &config.name).collect(),
        without_value: resource.configs.iter().filter(needs_value).map(|config| &config.name).collect(),
    }
}

fn check_broker(cx: &Context, resource: &AlterConfigsResource, per_broker: bool) -> Result<(), ApiError> {
    let set = resource.configs.iter().filter_map(|c| Some((c.name.to_string(), c.value.as_ref()?.to_string())));
    let config = cx.broker.config();
    alterations::checked(alter::validate_broker_configs(&config, per_broker, &set.collect()))
}

fn alterable(resource: &AlterConfigsResource) -> AlterableResource<(Str, Option<Str>)> {
    let configs = resource.configs.iter();
    AlterableResource {
        resource_type: resource.resource_type,
        resource_name: resource.resource_name.detached(),
        configs: configs.map(|c| (c.name.detached(), c.value.as_ref().map(Str::detached))).collect(),
    }
}

fn respond(resource: &AlterConfigsResource, result: &Result<(), ApiError>) -> AlterConfigsResourceResponse {
    let (error_code, error_message) = outcome(result);
    AlterConfigsResourceResponse {
        error_code,
        error_message,
        resource_type: resource.resource_type,
        resource_name: resource.resource_name.clone(),
        ..Default::default()
    }
}
