//! One small request after another on one connection, each when the last was answered.

use std::time::{Duration, Instant};

use ottla_protocol::messages::metadata_request::MetadataRequestTopic;
use ottla_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse, MetadataRequest, MetadataResponse};
use ottla_protocol::{ApiKey, Str};

use crate::client;
use crate::figures::Figures;

const API_VERSIONS_VERSION: i16 = 3;
const METADATA_VERSION: i16 = 12;

#[derive(clap::Args, Clone)]
pub(crate) struct Ask {
    /// Metadata of the topic, not ApiVersions
    #[arg(long)]
    metadata: bool,
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
}

impl Ask {
    pub(crate) fn run(&self, address: &str, topic: &str) -> anyhow::Result<Figures> {
        let frame = if self.metadata { metadata(topic)? } else { api_versions()? };
        let (mut sender, mut receiver) = client::connect(address)?;
        let mut figures = Figures::new()?;
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs_f64(self.seconds) {
            let sent = Instant::now();
            sender.send(&frame)?;
            let error = if self.metadata {
                let response: MetadataResponse = receiver.response(ApiKey::Metadata, METADATA_VERSION)?;
                response.topics.first().map_or(-1, |topic| topic.error_code)
            } else {
                let response: ApiVersionsResponse = receiver.response(ApiKey::ApiVersions, API_VERSIONS_VERSION)?;
                response.error_code
            };
            anyhow::ensure!(error == 0, "error {error} in an answer");
            figures.add(sent.elapsed(), frame.len(), 0);
        }
        figures.seconds = begin.elapsed().as_secs_f64();
        Ok(figures)
    }
}

fn api_versions() -> anyhow::Result<Vec<u8>> {
    let body = ApiVersionsRequest {
        client_software_name: Str::from_static("ottla-load"),
        client_software_version: Str::from_static("1"),
        ..Default::default()
    };
    client::request(ApiKey::ApiVersions, API_VERSIONS_VERSION, &body)
}

fn metadata(topic: &str) -> anyhow::Result<Vec<u8>> {
    let topics = Some(vec![MetadataRequestTopic { name: Some(Str::from(topic)), ..Default::default() }]);
    client::request(ApiKey::Metadata, METADATA_VERSION, &MetadataRequest { topics, ..Default::default() })
}
