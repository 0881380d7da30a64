//! DescribeCluster (60): the brokers, and what the client may do with the cluster (KIP-700, KIP-919).

use super::{Context, Pending, Refusal, plain, topics};
use ottla_metadata::image::{Broker, Image};
use ottla_protocol::{
    ErrorCode,
    frame::RequestFrame,
    messages::{DescribeClusterRequest, DescribeClusterResponse, describe_cluster_response::DescribeClusterBroker},
};
use std::pin::Pin;

const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;
/// Operations were not asked for.
const NO_OPERATIONS: i32 = i32::MIN;

pub(super) fn start(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Refusal> {
    plain(cx, request, handle)
}

async fn handle(cx: Context, request: DescribeClusterRequest) -> DescribeClusterResponse {
    if let Some((error, message)) = endpoint_error(request.endpoint_type) {
        let (error_code, error_message) = (error.code(), Some(message.into()));
        return DescribeClusterResponse { error_code, error_message, ..Default::default() };
    }
    let image = cx.broker.image();
    let brokers = brokers(&image, &cx.peer.listener, request.include_fenced_brokers);
    let operations = match request.include_cluster_authorized_operations {
        true => topics::ALL_CLUSTER_OPERATIONS,
        false => NO_OPERATIONS,
    };
    // A broker is named for the controller: it takes what the controller is asked for, and clients cannot reach others.
    let reachable = |id: &i32| brokers.iter().any(|broker| broker.broker_id == *id && !broker.is_fenced);
    DescribeClusterResponse {
        cluster_id: cx.broker.cluster_id.clone(),
        controller_id: Some(cx.broker.node_id).filter(reachable).unwrap_or(-1),
        brokers,
        cluster_authorized_operations: operations,
        ..Default::default()
    }
}

/// A broker's listener tells of brokers only. Version 0, which always means brokers, never gets here.
fn endpoint_error(endpoint_type: i8) -> Option<(ErrorCode, String)> {
    match endpoint_type {
        BROKERS => None,
        CONTROLLERS => {
            let message =
                "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER";
            Some((ErrorCode::MismatchedEndpointType, message.to_owned()))
        }
        other => Some((ErrorCode::UnsupportedEndpointType, format!("Unsupported endpoint type {other}"))),
    }
}

fn brokers(image: &Image, listener: &str, with_fenced: bool) -> Vec<DescribeClusterBroker> {
    let wanted = image.cluster().brokers().values().filter(|broker| with_fenced || !broker.fenced);
    wanted.filter_map(|broker| describe(broker, listener)).collect()
}

fn describe(broker: &Broker, listener: &str) -> Option<DescribeClusterBroker> {
    let endpoint = broker.listener(listener)?;
    Some(DescribeClusterBroker {
        broker_id: broker.id,
        host: endpoint.host.clone(),
        port: i32::from(endpoint.port),
        rack: broker.rack.clone(),
        is_fenced: broker.fenced,
        ..Default::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controllers_and_unknown_endpoints_are_not_told_of() {
        assert_eq!(endpoint_error(1), None);
        assert_eq!(endpoint_error(2).map(|(error, _)| error), Some(ErrorCode::MismatchedEndpointType));
        let unknown = (ErrorCode::UnsupportedEndpointType, "Unsupported endpoint type -3".to_owned());
        assert_eq!(endpoint_error(-3), Some(unknown));
    }
}
