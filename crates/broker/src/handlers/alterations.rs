//! What AlterConfigs and IncrementalAlterConfigs share: the checks a broker makes before it asks the controller.
//!
//! A resource that fails here is answered here and not passed on; the rest is the controller's. Both answers are put
//! together again in the order of the request.

use super::Context;
use crate::{
    config_schema::{api_error, texts},
    controllers::{self, Remote},
    network::Scope,
};
use ottla_config::alter::AlterError;
use ottla_metadata::{ApiError, ConfigResource, ResourceType, controller::AlteredResource};
use ottla_protocol::{Codec, ErrorCode, Message, Str};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// A resource and what is to change of it.
pub(super) struct Alteration<'a> {
    pub(super) resource_type: i8,
    pub(super) resource_name: &'a Str,
    /// The configs named.
    pub(super) names: Vec<&'a Str>,
    /// Those that need a value and have none.
    pub(super) without_value: Vec<&'a Str>,
}

/// Who goes on with a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The controller alone.
    Controller,
    /// This broker checks its own configs, or with false all brokers', and then the controller.
    Broker { per_broker: bool },
    /// This broker's log levels, which no one else knows.
    Loggers,
}

/// Outcomes in the order of the request; none of what the controller is to be asked.
pub(super) type Outcomes = Vec<Option<Result<(), ApiError>>>;

/// Which resources are named more than once, with all the times they are named.
pub(super) fn repeated<'a>(resources: impl Iterator<Item = (i8, &'a Str)>) -> BTreeSet<(i8, &'a Str)> {
    let mut seen = BTreeSet::new();
    resources.filter(|resource| !seen.insert(*resource)).collect()
}

/// The error of a resource that is named more than once.
pub(super) fn not_once() -> ApiError {
    invalid("Each resource must appear at most once.")
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorCode::InvalidRequest, message)
}

/// The broker that was asked; none on a controller's listener, where what follows is the controller's alone (KIP-919).
pub(super) fn broker_asked(cx: &Context) -> Option<i32> {
    (cx.peer.scope == Scope::Broker).then_some(cx.broker.node_id)
}

/// Whether a broker has checked what only it can: this one, or the one that handed the request on.
pub(super) fn checked_by_broker(cx: &Context) -> bool {
    cx.peer.scope == Scope::Broker || cx.forwarded.is_some()
}

/// The way to the controller that decides what clients ask of this broker, if it is in another node.
pub(super) fn elsewhere(cx: &Context) -> Option<Arc<Remote>> {
    cx.broker.controller().remote().filter(|_| cx.peer.scope == Scope::Broker).cloned()
}

/// Hands on the part of a request that is the controller's.
pub(super) async fn ask_elsewhere<R: Message>(remote: &Remote, cx: &Context, rest: &impl Codec) -> Result<R, ApiError> {
    let answer = controllers::forward_rest(remote, cx, rest).await;
    answer.ok_or(ApiError::bare(ErrorCode::NotController))
}

/// What a controller elsewhere answered of a resource: type, name, error code and message.
pub(super) type Answered<'a> = (i8, &'a Str, i16, Option<&'a Str>);

/// Puts answers in the order of the request: Kafka's controller has an order of its own.
pub(super) fn in_order<'a>(
    asked: impl Iterator<Item = (i8, &'a Str)>,
    answered: impl Iterator<Item = Answered<'a>>,
) -> Vec<AlteredResource> {
    let mut results: BTreeMap<_, _> =
        answered.map(|(kind, name, code, message)| ((kind, name), ApiError::answered(code, message))).collect();
    let unanswered = || Err(ApiError::bare(ErrorCode::UnknownServerError));
    let altered = |(resource_type, name): (i8, &'a Str)| AlteredResource {
        resource_type,
        resource_name: name.clone(),
        result: results.remove(&(resource_type, name)).unwrap_or_else(unanswered),
    };
    asked.map(altered).collect()
}

/// What every alteration must fulfil, whatever the resource.
pub(super) fn next(broker: Option<i32>, alteration: &Alteration<'_>) -> Result<Next, ApiError> {
    let mut seen = BTreeSet::new();
    if !alteration.names.iter().all(|name| seen.insert(*name)) {
        return Err(invalid("Error due to duplicate config keys"));
    }
    if !alteration.without_value.is_empty() {
        let names: Vec<&str> = alteration.without_value.iter().map(|name| name.as_str()).collect();
        return Err(invalid(format!("Null value not supported for : {}", names.join(", "))));
    }
    let name = alteration.resource_name;
    let kind = ResourceType::from_id(alteration.resource_type);
    let Some(node_id) = broker else {
        let unknown = || format!("Unknown resource type {}.", alteration.resource_type);
        return match kind {
            Some(ResourceType::BrokerLogger) => Ok(Next::Loggers),
            Some(_) => Ok(Next::Controller),
            None => Err(ApiError::new(ErrorCode::UnsupportedVersion, unknown())),
        };
    };
    match kind {
        Some(ResourceType::BrokerLogger) => Ok(Next::Loggers),
        Some(ResourceType::Broker) if name.is_empty() => Ok(Next::Broker { per_broker: false }),
        Some(ResourceType::Broker) => check_node(node_id, name).map(|()| Next::Broker { per_broker: true }),
        Some(_) => Ok(Next::Controller),
        None => Err(unknown_type(alteration.resource_type)),
    }
}

/// The error of a resource type that does not exist, or has no configs of the kind.
pub(super) fn unknown_type(resource_type: i8) -> ApiError {
    invalid(format!("Unknown resource type {resource_type}"))
}

fn check_node(node_id: i32, name: &str) -> Result<(), ApiError> {
    let id: i32 = name.parse().map_err(|_| invalid(format!("Node id must be an integer, but it is: {name}")))?;
    // `01` is no other name of the broker: configs stored under it would belong to nobody.
    match id == node_id && name == node_id.to_string() {
        true => Ok(()),
        false => Err(invalid(format!("Unexpected broker id, expected {node_id}, but received {name}"))),
    }
}

/// What the metadata has for a broker, or for all of them.
pub(super) fn persisted(cx: &Context, name: &Str) -> BTreeMap<String, String> {
    let image = cx.broker.image();
    let resource = ConfigResource::new(ResourceType::Broker, name.clone());
    image.configs().of(&resource).map(|configs| texts(configs)).unwrap_or_default()
}

/// The broker's own check with its error as clients see it.
pub(super) fn checked(result: Result<(), AlterError>) -> Result<(), ApiError> {
    result.map_err(api_error)
}

/// Fills in what the controller answered, in the order in which it was asked.
pub(super) fn merge(outcomes: Outcomes, answer: Result<Vec<AlteredResource>, ApiError>) -> Vec<Result<(), ApiError>> {
    let (mut altered, error) = match answer {
        Ok(altered) => (altered.into_iter(), ApiError::bare(ErrorCode::UnknownServerError)),
        Err(error) => (Vec::new().into_iter(), error),
    };
    let mut decided = || altered.next().map_or_else(|| Err(error.clone()), |resource| resource.result);
    outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(&mut decided)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(resource_type: i8, name: &'static str, names: &[&'static str], without: &[&'static str]) -> String {
        let strs = |names: &[&'static str]| names.iter().map(|name| Str::from_static(name)).collect::<Vec<_>>();
        let (resource_name, names, without) = (Str::from_static(name), strs(names), strs(without));
        let alteration = Alteration {
            resource_type,
            resource_name: &resource_name,
            names: names.iter().collect(),
            without_value: without.iter().collect(),
        };
        match next(Some(1), &alteration) {
            Ok(next) => format!("{next:?}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn each_kind_of_resource_goes_its_way() {
        assert_eq!(check(2, "t", &["a"], &[]), "Controller");
        assert_eq!(check(16, "s", &[], &[]), "Controller");
        assert_eq!(check(32, "g", &[], &[]), "Controller");
        assert_eq!(check(4, "", &[], &[]), "Broker { per_broker: false }");
        assert_eq!(check(4, "1", &[], &[]), "Broker { per_broker: true }");
        assert_eq!(check(8, "1", &[], &[]), "Loggers");
        assert_eq!(check(99, "1", &[], &[]), "INVALID_REQUEST: Unknown resource type 99");
    }

    #[test]
    fn a_broker_takes_alterations_of_itself_only() {
        assert_eq!(check(4, "2", &[], &[]), "INVALID_REQUEST: Unexpected broker id, expected 1, but received 2");
        assert_eq!(check(4, "01", &[], &[]), "INVALID_REQUEST: Unexpected broker id, expected 1, but received 01");
        assert_eq!(check(4, "x", &[], &[]), "INVALID_REQUEST: Node id must be an integer, but it is: x");
    }

    #[test]
    fn names_come_once_and_with_values() {
        assert_eq!(check(2, "t", &["a", "b", "a"], &["a"]), "INVALID_REQUEST: Error due to duplicate config keys");
        let missing = "INVALID_REQUEST: Null value not supported for : a, b";
        assert_eq!(check(2, "t", &["a", "b", "c"], &["a", "b"]), missing);
    }

    #[test]
    fn answers_keep_the_order_of_the_request() {
        let altered = |name: &'static str, result| AlteredResource {
            resource_type: 2,
            resource_name: Str::from_static(name),
            result,
        };
        let refused = || Err(ApiError::bare(ErrorCode::InvalidRequest));
        let outcomes = || vec![None, Some(refused()), None];
        let answer = vec![altered("a", Ok(())), altered("c", Err(ApiError::bare(ErrorCode::InvalidConfig)))];
        let merged = merge(outcomes(), Ok(answer));
        assert_eq!(merged, [Ok(()), refused(), Err(ApiError::bare(ErrorCode::InvalidConfig))]);
        let lost = || ApiError::bare(ErrorCode::NotController);
        assert_eq!(merge(outcomes(), Err(lost())), [Err(lost()), refused(), Err(lost())]);
    }
}
