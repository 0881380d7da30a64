//! BrokerRegistration (62): a broker tells the controller that it exists (KIP-500, KIP-631).

use super::{
    Context, Pending, Refusal,
    ask_controller::{NO_TIMEOUT_MS, ask, outcome},
    plain_within,
};
use ottla_metadata::{
    ApiError,
    controller::{Event, RegisterBroker, Reply},
    image::{BrokerFeature, Endpoint},
};
use ottla_protocol::{
    ErrorCode, Str,
    frame::RequestFrame,
    messages::{
        BrokerRegistrationRequest, BrokerRegistrationResponse,
        broker_registration_request::{Feature, Listener},
    },
};
use std::pin::Pin;

/// Since this version a broker names the epoch of its last run, if that ended in order (KIP-966).
const NAMES_PREVIOUS_EPOCH: i16 = 3;

pub(super) fn start(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Refusal> {
    plain_within(cx, request, named, handle)
}

fn named(request: &BrokerRegistrationRequest) -> usize {
    request.listeners.len() + request.features.len() + request.log_dirs.len()
}

async fn handle(cx: Context, request: BrokerRegistrationRequest) -> BrokerRegistrationResponse {
    let broker_id = request.broker_id;
    let answer = register(&cx, request).await;
    match &answer {
        Ok(epoch) => tracing::info!(broker_id, epoch, "broker registered"),
        // It asks another controller next.
        Err(error) if error.code == ErrorCode::NotController => {}
        Err(error) => tracing::warn!(broker_id, %error, "a broker's registration is refused"),
    }
    let error_code = outcome(&answer).0;
    match answer {
        Ok(broker_epoch) => BrokerRegistrationResponse { broker_epoch, ..Default::default() },
        Err(_) => BrokerRegistrationResponse { error_code, ..Default::default() },
    }
}

async fn register(cx: &Context, request: BrokerRegistrationRequest) -> Result<i64, ApiError> {
    if request.is_migrating_zk_broker {
        let message = "Controller does not support registering ZK brokers.";
        return Err(ApiError::new(ErrorCode::BrokerIdNotRegistered, message));
    }
    let event = event(cx.version, request);
    let pick = |reply| match reply {
        Reply::RegisterBroker(answer) => Some(answer),
        _ => None,
    };
    ask(cx, NO_TIMEOUT_MS, |ticket| Event::RegisterBroker(ticket, event), pick).await
}

fn event(version: i16, request: BrokerRegistrationRequest) -> RegisterBroker {
    RegisterBroker {
        broker_id: request.broker_id,
        cluster_id: request.cluster_id.detached(),
        incarnation_id: request.incarnation_id,
        previous_broker_epoch: if version >= NAMES_PREVIOUS_EPOCH { request.previous_broker_epoch } else { -1 },
        listeners: request.listeners.iter().map(listener).collect(),
        features: request.features.iter().map(feature).collect(),
        rack: request.rack.as_ref().map(Str::detached),
        log_dirs: request.log_dirs,
        // A broker tells of these with its heartbeats (KIP-1066).
        cordoned_log_dirs: Vec::new(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_old_broker_does_not_say_is_no_clean_stop() {
        let request = || BrokerRegistrationRequest { previous_broker_epoch: 7, ..Default::default() };
        assert_eq!(event(2, request()).previous_broker_epoch, -1);
        assert_eq!(event(3, request()).previous_broker_epoch, 7);
    }
}
