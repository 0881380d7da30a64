//! Frames of honest requests at every version, as seeds for mutations.

use ottla_protocol::{
    ApiKey, Bytes, Records, Str, Uuid,
    any::AnyRequest,
    batch::{Builder, NewRecord},
    compression::{Compression, Level},
    frame,
    messages::{self as m},
};

/// One frame a served API and version, length first.
pub fn frames() -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    for api in ApiKey::ALL.iter().copied().filter(|api| api.is_on_broker() || api.is_on_controller()) {
        for version in api.stable_versions() {
            for body in [AnyRequest::default_of(api), filled(api), of_a_node(api)] {
                if let Some(frame) = frame(&body, version) {
                    frames.push(frame);
                }
            }
        }
    }
    frames
}

fn frame(body: &AnyRequest, version: i16) -> Option<Vec<u8>> {
    struct Body<'a>(&'a AnyRequest);
    impl ottla_protocol::Codec for Body<'_> {
        fn decode(
            _: &mut ottla_protocol::codec::Decoder,
            version: i16,
        ) -> Result<Self, ottla_protocol::codec::DecodeError> {
            Err(ottla_protocol::codec::DecodeError::Version { message: "a sample", version })
        }
        fn encode(
            &self,
            e: &mut ottla_protocol::codec::Encoder,
            version: i16,
        ) -> Result<(), ottla_protocol::codec::EncodeError> {
            self.0.encode(e, version)
        }
    }
    let client = Str::from_static("hostile");
    let encoded = frame::request(body.api_key(), version, 7, Some(&client), &Body(body)).ok()?;
    Some(encoded.into_bytes().to_vec())
}

fn records(compression: Compression) -> Records {
    let mut builder = Builder::new().compression(compression, Level::Default);
    for n in 0..3u8 {
        builder.push(NewRecord { timestamp: 1, key: Some(&[n]), value: Some(&[n; 40]), ..NewRecord::default() });
    }
    Records::Bytes(builder.build_bytes().unwrap_or_default())
}

/// What other nodes ask of a controller.
fn of_a_node(api: ApiKey) -> AnyRequest {
    let name = || Str::from_static("__cluster_metadata");
    match api {
        ApiKey::Envelope => {
            let inner = frame(&filled(ApiKey::CreateTopics), *ApiKey::CreateTopics.versions().end());
            AnyRequest::Envelope(m::EnvelopeRequest {
                request_data: Bytes::from(inner.unwrap_or_default()).split_off(4),
                request_principal: Some(Bytes::from_static(b"\0\0\x05User\x0aANONYMOUS\0\0")),
                client_host_address: Bytes::from_static(&[127, 0, 0, 1]),
                ..Default::default()
            })
        }
        ApiKey::Fetch => AnyRequest::Fetch(m::FetchRequest {
            max_bytes: 1000,
            topics: vec![m::fetch_request::FetchTopic {
                topic_id: Uuid::ONE,
                partitions: vec![m::fetch_request::FetchPartition {
                    current_leader_epoch: 1,
                    last_fetched_epoch: 1,
                    ..Default::default()
                }],
                ..Default::default()
            }],
            ..Default::default()
        }),
        ApiKey::FetchSnapshot => {
            let partition =
                m::fetch_snapshot_request::PartitionSnapshot { current_leader_epoch: 1, ..Default::default() };
            let topic = m::fetch_snapshot_request::TopicSnapshot {
                name: name(),
                partitions: vec![partition],
                ..Default::default()
            };
            AnyRequest::FetchSnapshot(m::FetchSnapshotRequest { topics: vec![topic], ..Default::default() })
        }
        ApiKey::BrokerRegistration => AnyRequest::BrokerRegistration(m::BrokerRegistrationRequest {
            broker_id: 9,
            listeners: vec![Default::default()],
            features: vec![Default::default()],
            log_dirs: vec![Uuid::from_bytes([9; 16])],
            ..Default::default()
        }),
        ApiKey::AlterPartition => {
            let partition = m::alter_partition_request::PartitionData { new_isr: vec![1], ..Default::default() };
            let topic = m::alter_partition_request::TopicData { partitions: vec![partition], ..Default::default() };
            AnyRequest::AlterPartition(m::AlterPartitionRequest { topics: vec![topic], ..Default::default() })
        }
        ApiKey::AssignReplicasToDirs => {
            use m::assign_replicas_to_dirs_request::{DirectoryData, TopicData};
            let topic = TopicData { partitions: vec![Default::default()], ..Default::default() };
            let directory = DirectoryData { topics: vec![topic], ..Default::default() };
            let directories = vec![directory];
            AnyRequest::AssignReplicasToDirs(m::AssignReplicasToDirsRequest { directories, ..Default::default() })
        }
        api => AnyRequest::default_of(api),
    }
}

/// The same with something in the arrays of the requests that matter most.
fn filled(api: ApiKey) -> AnyRequest {
    let topic = || Str::from_static("hostile-topic");
    match api {
        ApiKey::Produce => AnyRequest::Produce(m::ProduceRequest {
            acks: -1,
            timeout_ms: 1000,
            topic_data: vec![m::produce_request::TopicProduceData {
                name: topic(),
                partition_data: [
                    Compression::None,
                    Compression::Zstd,
                    Compression::Lz4,
                    Compression::Snappy,
                    Compression::Gzip,
                ]
                .into_iter()
                .map(|compression| m::produce_request::PartitionProduceData {
                    records: Some(records(compression)),
                    ..Default::default()
                })
                .collect(),
                ..Default::default()
            }],
            ..Default::default()
        }),
        ApiKey::Fetch => AnyRequest::Fetch(m::FetchRequest {
            max_wait_ms: 1,
            min_bytes: 1,
            topics: vec![m::fetch_request::FetchTopic {
                topic: topic(),
                partitions: vec![m::fetch_request::FetchPartition { partition_max_bytes: 1000, ..Default::default() }],
                ..Default::default()
            }],
            ..Default::default()
        }),
        ApiKey::Metadata => AnyRequest::Metadata(m::MetadataRequest {
            topics: Some(vec![m::metadata_request::MetadataRequestTopic { name: Some(topic()), ..Default::default() }]),
            allow_auto_topic_creation: false,
            ..Default::default()
        }),
        ApiKey::ListOffsets => AnyRequest::ListOffsets(m::ListOffsetsRequest {
            replica_id: -1,
            topics: vec![m::list_offsets_request::ListOffsetsTopic {
                name: topic(),
                partitions: vec![m::list_offsets_request::ListOffsetsPartition { timestamp: -1, ..Default::default() }],
                ..Default::default()
            }],
            ..Default::default()
        }),
        ApiKey::OffsetCommit => AnyRequest::OffsetCommit(m::OffsetCommitRequest {
            group_id: Str::from_static("hostile-group"),
            topics: vec![m::offset_commit_request::OffsetCommitRequestTopic {
                name: topic(),
                partitions: vec![Default::default()],
                ..Default::default()
            }],
            ..Default::default()
        }),
        ApiKey::FindCoordinator => AnyRequest::FindCoordinator(m::FindCoordinatorRequest {
            key: Str::from_static("hostile-group"),
            coordinator_keys: vec![Str::from_static("hostile-group")],
            ..Default::default()
        }),
        ApiKey::DescribeConfigs => AnyRequest::DescribeConfigs(m::DescribeConfigsRequest {
            resources: vec![m::describe_configs_request::DescribeConfigsResource {
                resource_type: 2,
                resource_name: topic(),
                ..Default::default()
            }],
            ..Default::default()
        }),
        other => AnyRequest::default_of(other),
    }
}
