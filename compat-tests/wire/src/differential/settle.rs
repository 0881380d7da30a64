//! What a run waits for, so that neither broker is asked before it is ready.

use super::run::Run;
use ottla_protocol::{
    Str, Uuid,
    any::{AnyRequest, AnyResponse},
    messages as m,
};

impl Run {
    /// Makes a topic and waits until its partitions take requests.
    pub fn topic(&mut self, name: &str, partitions: i32, configs: &[(&str, &str)]) -> anyhow::Result<()> {
        use m::create_topics_request::{CreatableTopic, CreatableTopicConfig};
        let configs = configs
            .iter()
            .map(|(name, value)| CreatableTopicConfig {
                name: Str::from(*name),
                value: Some(Str::from(*value)),
                ..Default::default()
            })
            .collect();
        let topic = CreatableTopic {
            name: Str::from(name),
            num_partitions: partitions,
            replication_factor: 1,
            configs,
            ..Default::default()
        };
        let request = m::CreateTopicsRequest { topics: vec![topic], timeout_ms: 10_000, ..Default::default() };
        self.quietly(&AnyRequest::CreateTopics(request))?;
        self.await_topic(name)
    }

    /// Waits until a topic's partitions take requests, and keeps its id. A controller tells nothing of topics, and takes what it
    /// has decided for done.
    pub fn await_topic(&mut self, name: &str) -> anyhow::Result<()> {
        if !self.is_of_broker() {
            return Ok(());
        }
        let mut partitions = Vec::new();
        self.until(&format!("topic {name}"), |run| {
            let Some(topic) = run.metadata(name)? else {
                return Ok(false);
            };
            run.ids.insert(name.to_owned(), topic.topic_id);
            partitions = topic.partitions.iter().map(|partition| partition.partition_index).collect();
            Ok(topic.error_code == 0 && topic.partitions.iter().all(|partition| partition.error_code == 0))
        })?;
        if self.id(name) != Uuid::ZERO {
            self.alias(&self.id(name).to_string(), &format!("<id of {name}>"));
        }
        self.until(&format!("the leaders of {name}"), |run| run.leads(name, &partitions))
    }

    /// Waits until a topic is gone, as a broker tells.
    pub fn await_gone(&mut self, name: &str) -> anyhow::Result<()> {
        const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
        if !self.is_of_broker() {
            return Ok(());
        }
        self.until(&format!("the end of {name}"), |run| {
            Ok(run.metadata(name)?.is_none_or(|topic| topic.error_code == UNKNOWN_TOPIC_OR_PARTITION))
        })
    }

    /// Waits until a topic has as many partitions, and all take requests.
    pub fn await_partitions(&mut self, name: &str, count: usize) -> anyhow::Result<()> {
        if self.is_of_broker() {
            self.until(&format!("{count} partitions of {name}"), |run| {
                Ok(run.metadata(name)?.is_some_and(|topic| topic.partitions.len() == count))
            })?;
        }
        self.await_topic(name)
    }

    fn metadata(&mut self, name: &str) -> anyhow::Result<Option<m::metadata_response::MetadataResponseTopic>> {
        let topic = m::metadata_request::MetadataRequestTopic { name: Some(Str::from(name)), ..Default::default() };
        let request =
            m::MetadataRequest { topics: Some(vec![topic]), allow_auto_topic_creation: false, ..Default::default() };
        match self.quietly(&AnyRequest::Metadata(request))? {
            AnyResponse::Metadata(response) => Ok(response.topics.into_iter().next()),
            _ => Ok(None),
        }
    }

    fn leads(&mut self, name: &str, partitions: &[i32]) -> anyhow::Result<bool> {
        use m::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
        let partitions = partitions
            .iter()
            .map(|index| ListOffsetsPartition { partition_index: *index, timestamp: -1, ..Default::default() })
            .collect();
        let topics = vec![ListOffsetsTopic { name: Str::from(name), partitions, ..Default::default() }];
        let request = m::ListOffsetsRequest { replica_id: -1, topics, timeout_ms: 1000, ..Default::default() };
        match self.quietly(&AnyRequest::ListOffsets(request))? {
            AnyResponse::ListOffsets(response) => Ok(response
                .topics
                .iter()
                .flat_map(|topic| &topic.partitions)
                .all(|partition| partition.error_code == 0)),
            _ => Ok(false),
        }
    }

    /// Learns what is this broker's alone, and waits until it coordinates groups.
    pub fn settle(&mut self, group: &str) -> anyhow::Result<()> {
        let request = m::MetadataRequest { topics: Some(Vec::new()), ..Default::default() };
        if let AnyResponse::Metadata(response) = self.quietly(&AnyRequest::Metadata(request))? {
            self.alias(response.cluster_id.as_deref().unwrap_or_default(), "<cluster>");
        }
        self.until("the group coordinator", |run| Ok(run.finds_coordinator(group)? && run.loaded(group)?))?;
        self.until("producer ids", |run| {
            let request = m::InitProducerIdRequest {
                transactional_id: None,
                transaction_timeout_ms: 1000,
                producer_id: -1,
                producer_epoch: -1,
                ..Default::default()
            };
            match run.quietly(&AnyRequest::InitProducerId(request))? {
                AnyResponse::InitProducerId(response) => Ok(response.error_code == 0),
                _ => Ok(false),
            }
        })?;
        self.await_topic("__consumer_offsets")
    }

    fn finds_coordinator(&mut self, group: &str) -> anyhow::Result<bool> {
        let request = m::FindCoordinatorRequest { coordinator_keys: vec![Str::from(group)], ..Default::default() };
        match self.quietly(&AnyRequest::FindCoordinator(request))? {
            AnyResponse::FindCoordinator(response) => Ok(response.coordinators.iter().all(|one| one.error_code == 0)),
            _ => Ok(false),
        }
    }

    fn loaded(&mut self, group: &str) -> anyhow::Result<bool> {
        let group = m::offset_fetch_request::OffsetFetchRequestGroup {
            group_id: Str::from(group),
            member_epoch: -1,
            ..Default::default()
        };
        let request = m::OffsetFetchRequest { groups: vec![group], ..Default::default() };
        match self.quietly(&AnyRequest::OffsetFetch(request))? {
            AnyResponse::OffsetFetch(response) => Ok(response.groups.iter().all(|one| one.error_code == 0)),
            _ => Ok(false),
        }
    }
}
