//! Envelope (58): a broker hands on what a client asked of it and the controller must decide (KIP-590).
//!
//! The request in it goes the way of any other, as if the client had sent it to this listener. Its answer, header and all,
//! goes back in the envelope's; an error of the envelope itself says that the request was not so much as begun.

use super::{Answered, Context, Pending, Refusal};
use crate::network::Peer;
use ottla_protocol::{
    ApiKey, Bytes, ErrorCode,
    codec::{DecodeError, Decoder},
    frame::{FrameError, RequestFrame},
    messages::{EnvelopeRequest, EnvelopeResponse},
};
use std::{
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

/// Bytes of the length before a frame, which an envelope's content does not have.
const LENGTH_SIZE: usize = 4;
/// The one version of a serialized principal (KIP-590).
const PRINCIPAL_VERSION: i16 = 0;

/// What brokers may hand on: what the controller decides and clients ask of brokers.
const FORWARDABLE: [ApiKey; 21] = [
    ApiKey::CreateTopics,
    ApiKey::DeleteTopics,
    ApiKey::CreateAcls,
    ApiKey::DeleteAcls,
    ApiKey::AlterConfigs,
    ApiKey::CreatePartitions,
    ApiKey::CreateDelegationToken,
    ApiKey::RenewDelegationToken,
    ApiKey::ExpireDelegationToken,
    ApiKey::ElectLeaders,
    ApiKey::IncrementalAlterConfigs,
    ApiKey::AlterPartitionReassignments,
    ApiKey::ListPartitionReassignments,
    ApiKey::AlterClientQuotas,
    ApiKey::AlterUserScramCredentials,
    ApiKey::DescribeQuorum,
    ApiKey::UpdateFeatures,
    ApiKey::UnregisterBroker,
    ApiKey::AllocateProducerIds,
    ApiKey::AddRaftVoter,
    ApiKey::RemoveRaftVoter,
];

/// Told of a request that came in an envelope.
#[derive(Debug, Default)]
pub(super) struct Forwarded {
    /// The controller did not take the request: the broker is told in the envelope, so that it looks for another one.
    pub(super) not_controller: AtomicBool,
}

pub(super) fn start(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Refusal> {
    let envelope: EnvelopeRequest = super::read(&cx, request)?;
    Ok(Box::pin(handle(cx, envelope)))
}

async fn handle(cx: Context, envelope: EnvelopeRequest) -> Answered {
    let answer = match forward(&cx, &envelope).await {
        Ok(response) => EnvelopeResponse { response_data: Some(response), ..Default::default() },
        Err(error) => EnvelopeResponse { error_code: error.code(), ..Default::default() },
    };
    cx.respond(&answer).map(Some)
}

async fn forward(cx: &Context, envelope: &EnvelopeRequest) -> Result<Bytes, ErrorCode> {
    let principal = envelope.request_principal.as_ref().ok_or(ErrorCode::PrincipalDeserializationFailure)?;
    check_principal(principal)?;
    let address = address(&envelope.client_host_address).ok_or(ErrorCode::InvalidRequest)?;
    let request = inner(envelope.request_data.clone())?;
    let forwarded: Arc<Forwarded> = Arc::default();
    let peer = Peer {
        id: cx.peer.id,
        scope: cx.peer.scope,
        listener: cx.peer.listener.clone(),
        address: SocketAddr::new(address, 0),
        held_up: AtomicBool::new(false),
        heartbeat_of: OnceLock::new(),
    };
    let context = Context {
        forwarded: Some(forwarded.clone()),
        ..Context::new(cx.broker.clone(), Arc::new(peer), &request)
    };
    let pending = super::start(context, request).map_err(|refusal| refused(&refusal))?;
    let outgoing = pending.await.map_err(|refusal| refused(&refusal))?.ok_or(ErrorCode::UnknownServerError)?;
    if forwarded.not_controller.load(Ordering::Acquire) {
        return Err(ErrorCode::NotController);
    }
    let frame = outgoing.encoded.into_bytes();
    Ok(frame.slice(LENGTH_SIZE.min(frame.len())..))
}

/// What is wrong with the request in the envelope is told apart from what is wrong with the envelope.
fn inner(frame: Bytes) -> Result<RequestFrame, ErrorCode> {
    let (api, parsed) = match RequestFrame::parse(frame) {
        Ok(request) => (request.api_key, Ok(request)),
        Err(FrameError::UnsupportedVersion { api_key, .. }) => (api_key, Err(ErrorCode::UnsupportedVersion)),
        Err(_) => return Err(ErrorCode::UnsupportedVersion),
    };
    match FORWARDABLE.contains(&api) {
        true => parsed,
        false => Err(ErrorCode::InvalidRequest),
    }
}

fn refused(refusal: &Refusal) -> ErrorCode {
    tracing::warn!("a forwarded request is refused: {refusal}");
    match refusal {
        Refusal::NotServed { .. } | Refusal::Malformed { .. } => ErrorCode::UnsupportedVersion,
        Refusal::Unanswerable { .. } => ErrorCode::UnknownServerError,
        Refusal::TooMany { .. } | Refusal::UnknownElement(_) | Refusal::UnacknowledgedProduce(_) => {
            ErrorCode::InvalidRequest
        }
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = || <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from);
    v4().or_else(|| <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from))
}

/// There is nothing yet that depends on who the client is; what cannot be read is refused all the same.
fn check_principal(bytes: &Bytes) -> Result<(), ErrorCode> {
    let read = |mut d: Decoder| -> Result<i16, DecodeError> {
        let version = d.int16()?;
        let (_kind, _name) = (d.string(true, "Type")?, d.string(true, "Name")?);
        let _token_authenticated = d.bool()?;
        Ok(version)
    };
    match read(Decoder::new(bytes.clone())) {
        Ok(PRINCIPAL_VERSION) => Ok(()),
        _ => Err(ErrorCode::PrincipalDeserializationFailure),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_protocol::{frame, messages};

    fn framed(api: ApiKey, version: i16, body: &impl ottla_protocol::Codec) -> Bytes {
        frame::request(api, version, 7, None, body).expect("valid").into_bytes().slice(LENGTH_SIZE..)
    }

    #[test]
    fn what_is_no_client_s_to_ask_is_not_forwarded() {
        let create = framed(ApiKey::CreateTopics, 7, &messages::CreateTopicsRequest::default());
        assert_eq!(inner(create).map(|request| request.correlation_id), Ok(7));
        let metadata = framed(ApiKey::Metadata, 12, &messages::MetadataRequest::default());
        assert_eq!(inner(metadata).map(|_| ()), Err(ErrorCode::InvalidRequest));
        let nested = framed(ApiKey::Envelope, 0, &EnvelopeRequest::default());
        assert_eq!(inner(nested).map(|_| ()), Err(ErrorCode::InvalidRequest));
    }

    #[test]
    fn what_cannot_be_read_is_a_version_that_is_not_known() {
        let mut future = framed(ApiKey::CreateTopics, 7, &messages::CreateTopicsRequest::default()).to_vec();
        future[2..4].copy_from_slice(&99_i16.to_be_bytes());
        assert_eq!(inner(future.into()).map(|_| ()), Err(ErrorCode::UnsupportedVersion));
        assert_eq!(inner(Bytes::from_static(&[0, 99, 0, 0])).map(|_| ()), Err(ErrorCode::UnsupportedVersion));
        assert_eq!(inner(Bytes::new()).map(|_| ()), Err(ErrorCode::UnsupportedVersion));
    }

    #[test]
    fn addresses_have_four_bytes_or_sixteen() {
        assert_eq!(address(&[127, 0, 0, 1]), "127.0.0.1".parse().ok());
        assert_eq!(address(&[0; 16]), "::".parse().ok());
        assert_eq!(address(&[1, 2, 3]), None);
    }

    #[test]
    fn principals_are_read() {
        let principal = b"\0\0\x05User\x0aANONYMOUS\0\0";
        assert_eq!(check_principal(&Bytes::from_static(principal)), Ok(()));
        for wrong in [&b""[..], &b"\0\x01\x05User\x0aANONYMOUS\0\0"[..], &principal[..10]] {
            let checked = check_principal(&Bytes::copy_from_slice(wrong));
            assert_eq!(checked, Err(ErrorCode::PrincipalDeserializationFailure));
        }
    }
}
