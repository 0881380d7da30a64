//! Kafka's APIs and the versions of each, generated from `data/apis.tsv`.

use core::ops::RangeInclusive;

include!(concat!(env!("OUT_DIR"), "/api_key.rs"));

struct Facts {
    name: &'static str,
    min: i16,
    max: i16,
    max_stable: i16,
    on_broker: bool,
    on_controller: bool,
    flexible_request: i16,
    flexible_response: i16,
}

impl ApiKey {
    /// The number on the wire.
    pub fn key(self) -> i16 {
        self as i16
    }

    /// Kafka's name of the API.
    pub fn name(self) -> &'static str {
        self.facts().name
    }

    /// Every version of 4.3.1, unstable ones included.
    pub fn versions(self) -> RangeInclusive<i16> {
        let facts = self.facts();
        facts.min..=facts.max
    }

    /// The versions that are finished in 4.3.1: those that brokers offer, and take.
    pub fn stable_versions(self) -> RangeInclusive<i16> {
        let facts = self.facts();
        facts.min..=facts.max_stable
    }

    /// Whether a broker's listeners serve it.
    pub fn is_on_broker(self) -> bool {
        self.facts().on_broker
    }

    /// Whether a controller's listener serves it.
    pub fn is_on_controller(self) -> bool {
        self.facts().on_controller
    }

    /// The version of the header before a request of `version`.
    pub fn request_header_version(self, version: i16) -> i16 {
        if version >= self.facts().flexible_request { 2 } else { 1 }
    }

    /// The version of the header before a response of `version`: always 0 for ApiVersions, so that a client can read
    /// the refusal of a version it does not share with the broker (KIP-511).
    pub fn response_header_version(self, version: i16) -> i16 {
        i16::from(self != Self::ApiVersions && version >= self.facts().flexible_response)
    }
}

impl core::fmt::Display for ApiKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}
