//! DescribeCluster (60): the brokers, and what the client may do with the cluster (KIP-700, KIP-919).

use super::{Context, Pending, Refusal, plain, topics};
use crate::network::Scope;
use ottla_metadata::{
    MetadataVersion,
    image::{Broker, Controller, Image},
};
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
    let (scope, image) = (cx.peer.scope, cx.broker.image());
    let refused = too_old(scope, &image).or_else(|| endpoint_error(scope, cx.version, request.endpoint_type));
    if let Some((error, message)) = refused {
        let (error_code, error_message) = (error.code(), Some(message.into()));
        return DescribeClusterResponse { error_code, error_message, ..Default::default() };
    }
    let brokers = match scope {
        Scope::Broker => brokers(&image, &cx.peer.listener, request.include_fenced_brokers),
        Scope::Controller => controllers(&image, &cx.peer.listener),
    };
    let operations = match request.include_cluster_authorized_operations {
        true => topics::ALL_CLUSTER_OPERATIONS,
        false => NO_OPERATIONS,
    };
    // To clients of a broker one is named for the controller: it takes what the controller is asked for, and they cannot
    // reach others. Clients of a controller are told who leads (KIP-919).
    let controller_id = match scope {
        Scope::Broker => Some(cx.broker.node_id),
        Scope::Controller => cx.broker.quorum().view().leader,
    };
    let reachable = |id: &i32| brokers.iter().any(|broker| broker.broker_id == *id && !broker.is_fenced);
    DescribeClusterResponse {
        cluster_id: cx.broker.cluster_id.clone(),
        controller_id: controller_id.filter(reachable).unwrap_or(-1),
        brokers,
        endpoint_type: endpoint_type(scope),
        cluster_authorized_operations: operations,
        ..Default::default()
    }
}

fn endpoint_type(scope: Scope) -> i8 {
    match scope {
        Scope::Broker => BROKERS,
        Scope::Controller => CONTROLLERS,
    }
}

/// Controllers that are not registered cannot be told of (KIP-919).
fn too_old(scope: Scope, image: &Image) -> Option<(ErrorCode, String)> {
    let version = image.features().metadata_version().unwrap_or_default();
    let old = scope == Scope::Controller && version < MetadataVersion::CONTROLLER_REGISTRATION;
    let message = "Direct-to-controller communication is not supported with the current MetadataVersion.";
    old.then(|| (ErrorCode::UnsupportedVersion, message.to_owned()))
}

/// A listener tells of its own kind only. Version 0 always means brokers, and knows no error of the kind.
fn endpoint_error(scope: Scope, version: i16, asked: i8) -> Option<(ErrorCode, String)> {
    let code = |code| if version == 0 { ErrorCode::InvalidRequest } else { code };
    let name = |endpoint_type| if endpoint_type == BROKERS { "BROKER" } else { "CONTROLLER" };
    let own = endpoint_type(scope);
    match asked {
        BROKERS | CONTROLLERS if asked == own => None,
        BROKERS | CONTROLLERS => {
            let (own, asked) = (name(own), name(asked));
            let message =
                format!("The request was sent to an endpoint of type {own}, but we wanted an endpoint of type {asked}");
            Some((code(ErrorCode::MismatchedEndpointType), message))
        }
        other => Some((code(ErrorCode::UnsupportedEndpointType), format!("Unsupported endpoint type {other}"))),
    }
}

fn controllers(image: &Image, listener: &str) -> Vec<DescribeClusterBroker> {
    let describe = |controller: &Controller| {
        let endpoint = controller.listeners.iter().find(|endpoint| endpoint.name == listener)?;
        let (host, port) = (endpoint.host.clone(), i32::from(endpoint.port));
        Some(DescribeClusterBroker { broker_id: controller.id, host, port, ..Default::default() })
    };
    image.cluster().controllers().values().filter_map(|controller| describe(controller)).collect()
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
        let error = |scope, version, asked| endpoint_error(scope, version, asked).map(|(error, _)| error);
        assert_eq!(error(Scope::Broker, 1, 1), None);
        assert_eq!(error(Scope::Controller, 1, 2), None);
        assert_eq!(error(Scope::Broker, 1, 2), Some(ErrorCode::MismatchedEndpointType));
        assert_eq!(error(Scope::Controller, 1, 1), Some(ErrorCode::MismatchedEndpointType));
        assert_eq!(error(Scope::Controller, 0, 1), Some(ErrorCode::InvalidRequest));
        let unknown = (ErrorCode::UnsupportedEndpointType, "Unsupported endpoint type -3".to_owned());
        assert_eq!(endpoint_error(Scope::Broker, 1, -3), Some(unknown));
    }
}
