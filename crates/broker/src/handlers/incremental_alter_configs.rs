//! IncrementalAlterConfigs (44): sets, deletes, appends to and subtracts from some configs (KIP-339, KIP-412).

use super::{
    Context, Pending, Refusal,
    alterations::{self, Alteration, Next, Outcomes},
    ask_controller::{NO_TIMEOUT_MS, ask, outcome},
    broker_loggers, plain_within,
};
use ottla_config::alter;
use ottla_metadata::{
    ApiError,
    controller::{self, AlterableResource, AlteredResource, ConfigChange, Event, Reply},
};
use ottla_protocol::{
    ErrorCode, Str,
    frame::RequestFrame,
    messages::{
        IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
        incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig},
        incremental_alter_configs_response::AlterConfigsResourceResponse,
    },
};
use std::{collections::BTreeMap, pin::Pin};

const DELETE: i8 = 1;

pub(super) fn start(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Refusal> {
    plain_within(cx, request, named, handle)
}

fn named(request: &IncrementalAlterConfigsRequest) -> usize {
    request.resources.iter().map(|resource| 1 + resource.configs.len()).sum()
}

async fn handle(cx: Context, request: IncrementalAlterConfigsRequest) -> IncrementalAlterConfigsResponse {
    let outcomes = preprocess(&cx, &request);
    let undecided = request.resources.iter().zip(&outcomes).filter(|(_, outcome)| outcome.is_none());
    let resources: Vec<_> = undecided.map(|(resource, _)| resource.clone()).collect();
    let validate_only = request.validate_only;
    let answer = match resources.is_empty() {
        true => Ok(Vec::new()),
        false => decide(&cx, IncrementalAlterConfigsRequest { resources, validate_only, ..Default::default() }).await,
    };
    let results = alterations::merge(outcomes, answer);
    let responses = request.resources.iter().zip(&results).map(|(resource, result)| respond(resource, result));
    IncrementalAlterConfigsResponse { responses: responses.collect(), ..Default::default() }
}

async fn decide(cx: &Context, rest: IncrementalAlterConfigsRequest) -> Result<Vec<AlteredResource>, ApiError> {
    if let Some(remote) = alterations::elsewhere(cx) {
        let answer: IncrementalAlterConfigsResponse = alterations::ask_elsewhere(&remote, cx, &rest).await?;
        let asked = rest.resources.iter().map(|r| (r.resource_type, &r.resource_name));
        let responses = answer.responses.iter();
        let answered = responses.map(|r| (r.resource_type, &r.resource_name, r.error_code, r.error_message.as_ref()));
        return Ok(alterations::in_order(asked, answered));
    }
    let event = controller::IncrementalAlterConfigs {
        node_id: alterations::broker_asked(cx),
        is_checked: alterations::checked_by_broker(cx),
        resources: rest.resources.iter().map(alterable).collect(),
        validate_only: rest.validate_only,
    };
    let pick = |reply| match reply {
        Reply::IncrementalAlterConfigs(answer) => Some(answer),
        _ => None,
    };
    ask(cx, NO_TIMEOUT_MS, |ticket| Event::IncrementalAlterConfigs(ticket, event), pick).await
}

fn preprocess(cx: &Context, request: &IncrementalAlterConfigsRequest) -> Outcomes {
    let repeated = alterations::repeated(request.resources.iter().map(|r| (r.resource_type, &r.resource_name)));
    let broker = alterations::broker_asked(cx);
    let preprocess = |resource: &AlterConfigsResource| {
        if repeated.contains(&(resource.resource_type, &resource.resource_name)) {
            return Some(Err(alterations::not_once()));
        }
        match alterations::next(broker, &alteration(resource)) {
            Ok(Next::Controller) => None,
            Ok(Next::Broker { per_broker }) => check_broker(cx, resource, per_broker).err().map(Err),
            Ok(Next::Loggers) => Some(broker_loggers::alter(cx, resource, request.validate_only)),
            Err(error) => Some(Err(error)),
        }
    };
    request.resources.iter().map(preprocess).collect()
}

fn alteration(resource: &AlterConfigsResource) -> Alteration<'_> {
    let needs_value = |config: &&AlterableConfig| config.config_operation != DELETE && config.value.is_none();
    Alteration {
        resource_type: resource.resource_type,
        resource_name: &resource.resource_name,
        names: resource.configs.iter().map(|config| &config.name).collect(),
        without_value: resource.configs.iter().filter(needs_value).map(|config| &config.name).collect(),
    }
}

fn check_broker(cx: &Context, resource: &AlterConfigsResource, per_broker: bool) -> Result<(), ApiError> {
    let alterations = resource.configs.iter().map(|config| {
        let operation = config.config_operation;
        let alteration = alter::Alteration::from_request(operation, config.value.as_deref());
        let unknown = || ApiError::new(ErrorCode::InvalidRequest, format!("Unknown operations type {operation}"));
        alteration.map(|alteration| (config.name.to_string(), alteration)).ok_or_else(unknown)
    });
    let alterations = alterations.collect::<Result<BTreeMap<_, _>, ApiError>>()?;
    let persisted = alterations::persisted(cx, &resource.resource_name);
    let config = cx.broker.config();
    alterations::checked(alter::incremental_broker_configs(&config, per_broker, &persisted, &alterations))
}

fn alterable(resource: &AlterConfigsResource) -> AlterableResource<ConfigChange> {
    let change = |config: &AlterableConfig| ConfigChange {
        name: config.name.detached(),
        operation: config.config_operation,
        value: config.value.as_ref().map(Str::detached),
    };
    AlterableResource {
        resource_type: resource.resource_type,
        resource_name: resource.resource_name.detached(),
        configs: resource.configs.iter().map(change).collect(),
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
