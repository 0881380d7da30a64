//! ListConfigResources (74): what has configs, or could have (KIP-1142); version 0 knows client metrics only (KIP-1000).

use super::{Context, Pending, Refusal, plain_within};
use ottla_metadata::{ResourceType, image::Image};
use ottla_protocol::{
    ErrorCode, Str,
    frame::RequestFrame,
    messages::{
        ListConfigResourcesRequest, ListConfigResourcesResponse, list_config_resources_response::ConfigResource,
    },
};
use std::pin::Pin;

/// In the order of Kafka's answer.
const ORDER: [ResourceType; 5] = [
    ResourceType::Group,
    ResourceType::ClientMetrics,
    ResourceType::BrokerLogger,
    ResourceType::Broker,
    ResourceType::Topic,
];

pub(super) fn start(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Refusal> {
    plain_within(cx, request, named, handle)
}

fn named(request: &ListConfigResourcesRequest) -> usize {
    request.resource_types.len()
}

async fn handle(cx: Context, request: ListConfigResourcesRequest) -> ListConfigResourcesResponse {
    let Some(kinds) = kinds(cx.version, &request.resource_types) else {
        let error_code = ErrorCode::UnsupportedVersion.code();
        return ListConfigResourcesResponse { error_code, ..Default::default() };
    };
    let image = cx.broker.image();
    let resources = kinds.into_iter().flat_map(|kind| {
        names(&image, kind, &cx.peer.listener).into_iter().map(move |resource_name| ConfigResource {
            resource_name,
            resource_type: kind.id(),
            ..Default::default()
        })
    });
    ListConfigResourcesResponse { config_resources: resources.collect(), ..Default::default() }
}

/// The kinds that are asked for; nothing if one of them is none. No kind at all stands for every kind.
fn kinds(version: i16, asked: &[i8]) -> Option<Vec<ResourceType>> {
    let known: &[ResourceType] = if version == 0 { &[ResourceType::ClientMetrics] } else { &ORDER };
    if asked.is_empty() {
        return Some(known.to_vec());
    }
    let asked: Option<Vec<_>> = asked.iter().map(|id| known.iter().find(|kind| kind.id() == *id)).collect();
    let asked = asked?;
    Some(known.iter().filter(|kind| asked.contains(kind)).copied().collect())
}

fn names(image: &Image, kind: ResourceType, listener: &str) -> Vec<Str> {
    match kind {
        ResourceType::Group | ResourceType::ClientMetrics => {
            image.configs().resources(kind).map(|resource| resource.name.clone()).collect()
        }
        ResourceType::Broker | ResourceType::BrokerLogger => {
            let brokers = image.cluster().brokers().values().filter(|broker| broker.listener(listener).is_some());
            brokers.map(|broker| broker.id.to_string().into()).collect()
        }
        ResourceType::Topic => image.topics().iter().map(|topic| topic.name.clone()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_metadata::ResourceType::{Broker, ClientMetrics, Group, Topic};

    #[test]
    fn version_0_knows_client_metrics_only() {
        assert_eq!(kinds(0, &[]), Some(vec![ClientMetrics]));
    }

    #[test]
    fn kinds_come_in_kafkas_order_and_once() {
        assert_eq!(kinds(1, &[]), Some(ORDER.to_vec()));
        assert_eq!(kinds(1, &[2, 16, 4, 32, 16]), Some(vec![Group, ClientMetrics, Broker, Topic]));
    }

    #[test]
    fn one_unknown_kind_refuses_all() {
        assert_eq!(kinds(1, &[16, 0]), None);
        assert_eq!(kinds(1, &[99]), None);
    }
}
