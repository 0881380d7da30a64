//! Clients' requests that only the active controller can decide go there as they are, in an envelope (KIP-590).

use super::remote::{ANOTHER, Remote};
use crate::{
    client::Error,
    handlers::Context,
    network::{Outgoing, Peer},
};
use ottla_protocol::{
    ApiKey, Bytes, Codec, ErrorCode, Message, Str,
    codec::{Decoder, EncodeError, Encoder},
    frame::{self, RequestFrame, ResponseFrame},
    messages::{EnvelopeRequest, EnvelopeResponse},
};
use std::{net::IpAddr, time::Duration};
use tokio::time::{Instant, sleep};
use tracing::{debug, warn};

/// How long to wait before another controller, or the same, is asked.
const RETRY: Duration = Duration::from_millis(50);

/// The APIs that are forwarded whole. Of changes of configs only a rest is: brokers have their own part in these.
const FORWARDED: &[ApiKey] = &[
    ApiKey::CreateTopics,
    ApiKey::DeleteTopics,
    ApiKey::CreatePartitions,
    ApiKey::ElectLeaders,
    ApiKey::AlterPartitionReassignments,
    ApiKey::ListPartitionReassignments,
    ApiKey::UpdateFeatures,
    ApiKey::UnregisterBroker,
    ApiKey::DescribeQuorum,
    ApiKey::AddRaftVoter,
    ApiKey::RemoveRaftVoter,
];

/// Whether a broker forwards requests of this API.
pub(crate) fn is_forwarded(api: ApiKey) -> bool {
    FORWARDED.contains(&api)
}

/// The active controller's answer to a client's request; none if there was none in time.
pub(crate) async fn forward(remote: &Remote, cx: &Context, request: &RequestFrame) -> Option<Outgoing> {
    outgoing(answer(remote, cx, request.to_bytes().ok()?).await?)
}

/// The same of what is left of a client's request when the broker has done its part.
pub(crate) async fn forward_rest<R: Message>(remote: &Remote, cx: &Context, rest: &impl Codec) -> Option<R> {
    let mut e = Encoder::new();
    rest.encode(&mut e, cx.version).ok()?;
    let request = RequestFrame {
        api_key: cx.api,
        version: cx.version,
        correlation_id: cx.correlation_id,
        client_id: cx.client_id.clone(),
        body: e.finish().into_bytes(),
    };
    let response = answer(remote, cx, request.to_bytes().ok()?).await?;
    let read = |response| {
        let response = ResponseFrame::parse(response, cx.api, cx.version)?;
        Ok(R::read(&mut Decoder::new(response.body), cx.version)?)
    };
    read(response).inspect_err(|error: &Error| warn!(api = %cx.api, %error, "the controller was asked in vain")).ok()
}

async fn answer(remote: &Remote, cx: &Context, request_data: Bytes) -> Option<Bytes> {
    let envelope = EnvelopeRequest {
        request_data,
        request_principal: Some(principal().ok()?),
        client_host_address: address(&cx.peer),
        ..Default::default()
    };
    let deadline = Instant::now() + remote.channel().patience();
    loop {
        let answer: Result<EnvelopeResponse, _> =
            remote.channel().call_until(deadline, ApiKey::Envelope, &envelope).await;
        match answer {
            Ok(answer) => match ErrorCode::from_code(answer.error_code) {
                Some(ErrorCode::None) => return answer.response_data,
                Some(code) if code == ANOTHER => debug!("the controller asked is not active any more"),
                code => {
                    debug!(api = %cx.api, ?code, "the controller does not take a client's request");
                    return None;
                }
            },
            Err(error) => debug!(api = %cx.api, %error, "the controller does not answer"),
        }
        if Instant::now() + RETRY >= deadline {
            return None;
        }
        sleep(RETRY).await;
    }
}

fn outgoing(response: Bytes) -> Option<Outgoing> {
    let encoded = frame::framed(&response).ok()?;
    Some(Outgoing { encoded, records: Vec::new() })
}

/// Who asks, as Kafka writes it: without authentication everybody is `User:ANONYMOUS`.
fn principal() -> Result<Bytes, EncodeError> {
    let mut e = Encoder::new();
    e.int16(0);
    e.string(true, &Str::from_static("User"))?;
    e.string(true, &Str::from_static("ANONYMOUS"))?;
    e.bool(false);
    e.unsigned_varint(0);
    Ok(e.finish().into_bytes())
}

fn address(peer: &Peer) -> Bytes {
    match peer.address.ip().to_canonical() {
        IpAddr::V4(v4) => Bytes::copy_from_slice(&v4.octets()),
        IpAddr::V6(v6) => Bytes::copy_from_slice(&v6.octets()),
    }
}
