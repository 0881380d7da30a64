//! DescribeConfigs (32): the configs of topics, brokers, groups, client metrics and loggers, and where they come from.

use super::{Context, Pending, Refusal, ask_controller::outcome, broker_loggers, plain_within};
use crate::config_schema::texts;
use ottla_config::describe::{self, ConfigSource, Entry, SynonymEntry};
use ottla_metadata::{ApiError, ConfigResource, ResourceType, topic_name};
use ottla_protocol::{
    ErrorCode, Str,
    frame::RequestFrame,
    messages::{
        DescribeConfigsRequest, DescribeConfigsResponse,
        describe_configs_request::DescribeConfigsResource,
        describe_configs_response::{DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym},
    },
};
use std::{
    collections::{BTreeMap, BTreeSet},
    pin::Pin,
};

/// What Kafka says of the code alone.
const INVALID_REQUEST: &str = "This most likely occurs because of a request being malformed by the client library or the \
                               message was sent to an incompatible broker. See the broker logs for more details.";

/// Resources described before others get their turn on the thread.
const AT_A_TIME: usize = 32;

pub(super) fn start(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Refusal> {
    plain_within(cx, request, named, handle)
}

/// Names as many as the answer is long. Topics in it exist and are as many as the cluster has, unless they are repeated.
fn named(request: &DescribeConfigsRequest) -> usize {
    let mut topics = BTreeSet::new();
    let resources = request.resources.iter().map(|resource| match ResourceType::from_id(resource.resource_type) {
        Some(ResourceType::Topic) if topics.insert(&resource.resource_name) => 1,
        Some(ResourceType::Topic) => 40,
        Some(ResourceType::Broker) => 2000,
        Some(_) => 50,
        None => 1,
    });
    let keys = request.resources.iter().filter_map(|resource| resource.configuration_keys.as_ref()).map(Vec::len);
    resources.sum::<usize>() + keys.sum::<usize>()
}

async fn handle(cx: Context, request: DescribeConfigsRequest) -> DescribeConfigsResponse {
    let resources = request.resources.iter();
    if !resources.clone().all(|resource| ResourceType::from_id(resource.resource_type).is_some()) {
        // One unknown type refuses the whole request, as in Kafka.
        let failed = |resource| failed(resource, ErrorCode::InvalidRequest.code(), INVALID_REQUEST);
        return DescribeConfigsResponse { results: resources.map(failed).collect(), ..Default::default() };
    }
    let mut results = Vec::with_capacity(request.resources.len());
    for some in request.resources.chunks(AT_A_TIME) {
        results.extend(some.iter().map(|resource| describe(&cx, &request, resource)));
        tokio::task::yield_now().await;
    }
    DescribeConfigsResponse { results, ..Default::default() }
}

fn failed(resource: &DescribeConfigsResource, error_code: i16, message: impl Into<Str>) -> DescribeConfigsResult {
    DescribeConfigsResult {
        error_code,
        error_message: Some(message.into()),
        resource_type: resource.resource_type,
        resource_name: resource.resource_name.clone(),
        ..Default::default()
    }
}

fn describe(
    cx: &Context,
    request: &DescribeConfigsRequest,
    resource: &DescribeConfigsResource,
) -> DescribeConfigsResult {
    let entries = match entries(cx, resource) {
        Ok(entries) => entries,
        Err(error) => {
            let (code, message) = outcome::<()>(&Err(error));
            return failed(resource, code, message.unwrap_or_default());
        }
    };
    let keys = resource.configuration_keys.as_deref().filter(|keys| !keys.is_empty());
    let wanted = |entry: &Entry| keys.is_none_or(|keys| keys.iter().any(|key| *key == entry.name.as_str()));
    let configs = entries.into_iter().filter(wanted).map(|entry| respond(request, entry));
    DescribeConfigsResult {
        error_code: ErrorCode::None.code(),
        resource_type: resource.resource_type,
        resource_name: resource.resource_name.clone(),
        configs: configs.collect(),
        ..Default::default()
    }
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorCode::InvalidRequest, message)
}

fn entries(cx: &Context, resource: &DescribeConfigsResource) -> Result<Vec<Entry>, ApiError> {
    let name = &resource.resource_name;
    let config = cx.broker.config();
    let named = |what: &str| match name.is_empty() {
        true => Err(invalid(format!("{what} must not be empty"))),
        false => Ok(()),
    };
    let kind = ResourceType::from_id(resource.resource_type);
    match kind.ok_or_else(|| invalid(INVALID_REQUEST))? {
        ResourceType::Topic => {
            topic_name::validate(name)?;
            let known = cx.broker.image().topics().by_name(name).is_some();
            match known {
                true => Ok(describe::topic(&overrides(cx, ResourceType::Topic, name), &config)),
                false => Err(ApiError::bare(ErrorCode::UnknownTopicOrPartition)),
            }
        }
        ResourceType::Broker if name.is_empty() => Ok(describe::default_broker(&config)),
        ResourceType::Broker => {
            check_node(cx.broker.node_id, name, " or empty string,")?;
            Ok(describe::broker(&config))
        }
        ResourceType::BrokerLogger => {
            named("Broker id")?;
            check_node(cx.broker.node_id, name, "")?;
            Ok(broker_loggers::describe(cx).into_iter().map(logger).collect())
        }
        ResourceType::ClientMetrics => {
            named("Client metrics subscription name")?;
            Ok(describe::client_metrics(&overrides(cx, ResourceType::ClientMetrics, name)))
        }
        ResourceType::Group => {
            named("Group name")?;
            Ok(describe::group(&overrides(cx, ResourceType::Group, name), &config))
        }
    }
}

/// A broker tells of itself only.
fn check_node(node_id: i32, name: &str, or: &str) -> Result<(), ApiError> {
    let id: i32 = name.parse().map_err(|_| invalid(format!("Broker id must be an integer, but it is: {name}")))?;
    match id == node_id {
        true => Ok(()),
        false => Err(invalid(format!("Unexpected broker id, expected {node_id}{or} but received {name}"))),
    }
}

fn overrides(cx: &Context, kind: ResourceType, name: &Str) -> BTreeMap<String, String> {
    let image = cx.broker.image();
    image.configs().of(&ConfigResource::new(kind, name.clone())).map(|configs| texts(configs)).unwrap_or_default()
}

fn logger((name, level): (String, String)) -> Entry {
    Entry {
        name,
        value: Some(level),
        source: ConfigSource::DynamicBrokerLogger,
        is_sensitive: false,
        read_only: false,
        config_type: None,
        synonyms: Vec::new(),
        // Kafka leaves the field as it is, which is not null.
        documentation: Some(""),
    }
}

fn respond(request: &DescribeConfigsRequest, entry: Entry) -> DescribeConfigsResourceResult {
    let config_type = entry.type_id();
    let documented = request.include_documentation || entry.source == ConfigSource::DynamicBrokerLogger;
    let synonyms = entry.synonyms.into_iter().filter(|_| request.include_synonyms);
    DescribeConfigsResourceResult {
        name: entry.name.into(),
        value: entry.value.map(Str::from),
        read_only: entry.read_only,
        config_source: entry.source.id(),
        is_sensitive: entry.is_sensitive,
        synonyms: synonyms.map(synonym).collect(),
        config_type,
        documentation: entry.documentation.filter(|_| documented).map(Str::from_static),
        ..Default::default()
    }
}

fn synonym(entry: SynonymEntry) -> DescribeConfigsSynonym {
    DescribeConfigsSynonym {
        name: entry.name.into(),
        value: entry.value.map(Str::from),
        source: entry.source.id(),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(documentation: Option<&'static str>, source: ConfigSource) -> Entry {
        let synonym = SynonymEntry { name: "b".to_owned(), value: None, source };
        let name = "a".to_owned();
        let (is_sensitive, read_only, config_type) = (false, false, None);
        Entry {
            name,
            value: None,
            source,
            is_sensitive,
            read_only,
            config_type,
            synonyms: vec![synonym],
            documentation,
        }
    }

    /// How many synonyms there are, and the documentation.
    fn shown(include_synonyms: bool, include_documentation: bool, entry: Entry) -> (usize, Option<String>) {
        let request = DescribeConfigsRequest { include_synonyms, include_documentation, ..Default::default() };
        let config = respond(&request, entry);
        (config.synonyms.len(), config.documentation.map(|text| text.to_string()))
    }

    #[test]
    fn synonyms_and_documentation_come_if_asked_for() {
        let documented = || entry(Some("text"), ConfigSource::Topic);
        assert_eq!(shown(true, true, documented()), (1, Some("text".to_owned())));
        assert_eq!(shown(false, false, documented()), (0, None));
        assert_eq!(shown(true, true, entry(None, ConfigSource::StaticBroker)), (1, None));
    }

    #[test]
    fn loggers_have_an_empty_documentation_as_in_kafka() {
        let logger = || logger(("root".to_owned(), "INFO".to_owned()));
        assert_eq!(shown(true, false, logger()), (0, Some(String::new())));
    }

    #[test]
    fn long_answers_count_for_more() {
        let resource = |resource_type: ResourceType, name: &'static str| DescribeConfigsResource {
            resource_type: resource_type.id(),
            resource_name: name.into(),
            ..Default::default()
        };
        let count = |resources| named(&DescribeConfigsRequest { resources, ..Default::default() });
        use ResourceType::{Broker, Group, Topic};
        assert_eq!(count(vec![resource(Topic, "a"), resource(Topic, "b")]), 2);
        assert_eq!(count(vec![resource(Topic, "a"), resource(Topic, "a")]), 41);
        assert_eq!(count(vec![resource(Group, "a"), resource(Broker, "1")]), 2050);
    }
}
