//! Envelope: what a broker hands on, and what it may not.

use crate::differential::{client::Client, run::Run};
use ottla_protocol::{ApiKey, Bytes, any::AnyRequest, messages as m};

/// Type, name and whether a token was shown, as Kafka's brokers write them.
const ANONYMOUS: &[u8] = b"\0\0\x05User\x0aANONYMOUS\0\0";
const LOCALHOST: &[u8] = &[127, 0, 0, 1];

/// A step's name, the request inside, and who it says asks from where.
type Case<'a> = (&'a str, Bytes, Option<&'a [u8]>, &'a [u8]);

pub(super) fn play(run: &mut Run) -> anyhow::Result<()> {
    let unregister = m::UnregisterBrokerRequest { broker_id: 99, ..Default::default() };
    let unregister = framed(&AnyRequest::UnregisterBroker(unregister))?;
    let later = {
        let mut later = unregister.to_vec();
        later.splice(2..4, 9i16.to_be_bytes());
        Bytes::from(later)
    };
    let cut = unregister.slice(..unregister.len() - 3);
    let nested = framed(&AnyRequest::Envelope(m::EnvelopeRequest::default()))?;
    let cases: [Case<'_>; 12] = [
        ("envelope", unregister.clone(), Some(ANONYMOUS), LOCALHOST),
        ("envelope-ipv6", unregister.clone(), Some(ANONYMOUS), &[0; 16]),
        ("envelope-no-address", unregister.clone(), Some(ANONYMOUS), b""),
        ("envelope-odd-address", unregister.clone(), Some(ANONYMOUS), b"12345"),
        ("envelope-no-principal", unregister.clone(), None, LOCALHOST),
        ("envelope-odd-principal", unregister, Some(b"\0\x07User"), LOCALHOST),
        ("envelope-of-metadata", framed(&AnyRequest::default_of(ApiKey::Metadata))?, Some(ANONYMOUS), LOCALHOST),
        (
            "envelope-of-heartbeat",
            framed(&AnyRequest::default_of(ApiKey::BrokerHeartbeat))?,
            Some(ANONYMOUS),
            LOCALHOST,
        ),
        ("envelope-of-envelope", nested, Some(ANONYMOUS), LOCALHOST),
        ("envelope-of-later-version", later, Some(ANONYMOUS), LOCALHOST),
        ("envelope-cut-off", cut, Some(ANONYMOUS), LOCALHOST),
        ("envelope-of-unknown-api", Bytes::from_static(b"\x03\xe8\0\0\0\0\0\x07\xff\xff"), Some(ANONYMOUS), LOCALHOST),
    ];
    for (step, request_data, principal, address) in cases {
        let request = m::EnvelopeRequest {
            request_data,
            request_principal: principal.map(Bytes::copy_from_slice),
            client_host_address: Bytes::copy_from_slice(address),
            ..Default::default()
        };
        run.each(step, ApiKey::Envelope, |_| AnyRequest::Envelope(request.clone()))?;
    }
    Ok(())
}

/// A request without the length before it.
fn framed(request: &AnyRequest) -> anyhow::Result<Bytes> {
    let version = *request.api_key().stable_versions().end();
    Ok(Bytes::from(Client::frame(request, version)?).slice(4..))
}
