//! ControllerRegistration (70): a controller tells where it listens (KIP-919).

use super::{
    Context, Pending, Refusal,
    ask_controller::{NO_TIMEOUT_MS, ask, outcome},
    plain_within,
};
use ottla_metadata::{
    controller::{Event, RegisterController, Reply},
    image::{BrokerFeature, Endpoint},
};
use ottla_protocol::{
    frame::RequestFrame,
    messages::{
        ControllerRegistrationRequest, ControllerRegistrationResponse,
        controller_registration_request::{Feature, Listener},
    },
};
use std::pin::Pin;

pub(super) fn start(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Refusal> {
    plain_within(cx, request, named, handle)
}

fn named(request: &ControllerRegistrationRequest) -> usize {
    request.listeners.len() + request.features.len()
}

async fn handle(cx: Context, request: ControllerRegistrationRequest) -> ControllerRegistrationResponse {
    let event = RegisterController {
        controller_id: request.controller_id,
        incarnation_id: request.incarnation_id,
        listeners: request.listeners.iter().map(listener).collect(),
        features: request.features.iter().map(feature).collect(),
    };
    let pick = |reply| match reply {
        Reply::RegisterController(answer) => Some(answer),
        _ => None,
    };
    let answer = ask(&cx, NO_TIMEOUT_MS, |ticket| Event::RegisterController(ticket, event), pick).await;
    match outcome(&answer) {
        (0, _) => ControllerRegistrationResponse::default(),
        (error_code, error_message) => {
            ControllerRegistrationResponse { error_code, error_message, ..Default::default() }
        }
    }
}

fn listener(listener: &Listener) -> Endpoint {
    Endpoint {
        name: listener.name.detached(),
        host: listener.host.detached(),
        port: listener.port,
        security_protocol: listener.security_protocol,
    }
}

fn feature(feature: &Feature) -> BrokerFeature {
    BrokerFeature {
        name: feature.name.detached(),
        min_supported_version: feature.min_supported_version,
        max_supported_version: feature.max_supported_version,
    }
}
