//! Every generated type by its name, so that tests can go over the schema tables.

use ottla_protocol::{
    Bytes, Message,
    codec::{DecodeError, Decoder, EncodeError},
    messages, stored,
};
use std::ops::RangeInclusive;

/// What becomes of bytes that are read, and then written.
type Converted = Result<Result<Bytes, EncodeError>, DecodeError>;

/// One generated type.
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) id: Option<i16>,
    pub(crate) versions: RangeInclusive<i16>,
    pub(crate) flexible_since: Option<i16>,
    /// Reads bytes of the first version and writes the message at the second.
    pub(crate) convert: fn(Bytes, i16, i16) -> Converted,
    /// Reads bytes that may be anything.
    pub(crate) decode: fn(Bytes, i16) -> Result<(), DecodeError>,
    rewrite: fn(Bytes, i16) -> Bytes,
    /// The default message at a version.
    pub(crate) default: fn(i16) -> Result<Bytes, EncodeError>,
}

impl Entry {
    fn of<M: Message>() -> Self {
        Self {
            name: M::NAME,
            id: M::ID,
            versions: M::VERSIONS,
            flexible_since: M::FLEXIBLE_SINCE,
            convert: |bytes, from, to| Ok(M::from_bytes(bytes, from)?.to_bytes(to)),
            decode: |bytes, version| M::read(&mut Decoder::new(bytes), version).map(|_| ()),
            rewrite: |bytes, version| {
                let message = M::read(&mut Decoder::new(bytes), version).expect("readable");
                message.to_bytes(version).expect("what was read can be written")
            },
            default: |version| M::default().to_bytes(version),
        }
    }

    /// The bytes we would have written for what `bytes` begin with.
    pub(crate) fn rewrite(&self, bytes: &[u8], version: i16) -> Bytes {
        (self.rewrite)(Bytes::copy_from_slice(bytes), version)
    }

    /// Reads and writes at the same version.
    pub(crate) fn round_trip(&self, bytes: &[u8], version: i16) -> Result<Bytes, String> {
        let bytes = Bytes::copy_from_slice(bytes);
        let out = (self.convert)(bytes, version, version).map_err(|e| format!("decode: {e}"))?;
        out.map_err(|e| format!("encode: {e}"))
    }
}

/// The type that a row of the tables names.
pub(crate) fn entry(name: &str) -> Entry {
    find(name).unwrap_or_else(|| panic!("{name} is not in the registry"))
}

macro_rules! registry {
    ($($module:ident { $($name:ident)* })*) => {
        /// The names, in the order of the tables: of messages, then of records.
        pub(crate) const NAMES: [&[&str]; 2] = [$(&[$(stringify!($name)),*]),*];

        fn find(name: &str) -> Option<Entry> {
            Some(match name {
                $($(stringify!($name) => Entry::of::<$module::$name>(),)*)*
                _ => return None,
            })
        }
    };
}

registry! {
    messages {
        AddOffsetsToTxnRequest AddOffsetsToTxnResponse AddPartitionsToTxnRequest
        AddPartitionsToTxnResponse AddRaftVoterRequest AddRaftVoterResponse
        AllocateProducerIdsRequest AllocateProducerIdsResponse AlterClientQuotasRequest
        AlterClientQuotasResponse AlterConfigsRequest AlterConfigsResponse
        AlterPartitionReassignmentsRequest AlterPartitionReassignmentsResponse
        AlterPartitionRequest AlterPartitionResponse AlterReplicaLogDirsRequest
        AlterReplicaLogDirsResponse AlterShareGroupOffsetsRequest AlterShareGroupOffsetsResponse
        AlterUserScramCredentialsRequest AlterUserScramCredentialsResponse ApiVersionsRequest
        ApiVersionsResponse AssignReplicasToDirsRequest AssignReplicasToDirsResponse
        BeginQuorumEpochRequest BeginQuorumEpochResponse BrokerHeartbeatRequest
        BrokerHeartbeatResponse BrokerRegistrationRequest BrokerRegistrationResponse
        ConsumerGroupDescribeRequest ConsumerGroupDescribeResponse ConsumerGroupHeartbeatRequest
        ConsumerGroupHeartbeatResponse ControllerRegistrationRequest
        ControllerRegistrationResponse CreateAclsRequest CreateAclsResponse
        CreateDelegationTokenRequest CreateDelegationTokenResponse CreatePartitionsRequest
        CreatePartitionsResponse CreateTopicsRequest CreateTopicsResponse DeleteAclsRequest
        DeleteAclsResponse DeleteGroupsRequest DeleteGroupsResponse DeleteRecordsRequest
        DeleteRecordsResponse DeleteShareGroupOffsetsRequest DeleteShareGroupOffsetsResponse
        DeleteShareGroupStateRequest DeleteShareGroupStateResponse DeleteTopicsRequest
        DeleteTopicsResponse DescribeAclsRequest DescribeAclsResponse DescribeClientQuotasRequest
        DescribeClientQuotasResponse DescribeClusterRequest DescribeClusterResponse
        DescribeConfigsRequest DescribeConfigsResponse DescribeDelegationTokenRequest
        DescribeDelegationTokenResponse DescribeGroupsRequest DescribeGroupsResponse
        DescribeLogDirsRequest DescribeLogDirsResponse DescribeProducersRequest
        DescribeProducersResponse DescribeQuorumRequest DescribeQuorumResponse
        DescribeShareGroupOffsetsRequest DescribeShareGroupOffsetsResponse
        DescribeTopicPartitionsRequest DescribeTopicPartitionsResponse
        DescribeTransactionsRequest DescribeTransactionsResponse
        DescribeUserScramCredentialsRequest DescribeUserScramCredentialsResponse
        ElectLeadersRequest ElectLeadersResponse EndQuorumEpochRequest EndQuorumEpochResponse
        EndTxnRequest EndTxnResponse EnvelopeRequest EnvelopeResponse
        ExpireDelegationTokenRequest ExpireDelegationTokenResponse FetchRequest FetchResponse
        FetchSnapshotRequest FetchSnapshotResponse FindCoordinatorRequest FindCoordinatorResponse
        GetTelemetrySubscriptionsRequest GetTelemetrySubscriptionsResponse HeartbeatRequest
        HeartbeatResponse IncrementalAlterConfigsRequest IncrementalAlterConfigsResponse
        InitProducerIdRequest InitProducerIdResponse InitializeShareGroupStateRequest
        InitializeShareGroupStateResponse JoinGroupRequest JoinGroupResponse LeaveGroupRequest
        LeaveGroupResponse ListConfigResourcesRequest ListConfigResourcesResponse
        ListGroupsRequest ListGroupsResponse ListOffsetsRequest ListOffsetsResponse
        ListPartitionReassignmentsRequest ListPartitionReassignmentsResponse
        ListTransactionsRequest ListTransactionsResponse MetadataRequest MetadataResponse
        OffsetCommitRequest OffsetCommitResponse OffsetDeleteRequest OffsetDeleteResponse
        OffsetFetchRequest OffsetFetchResponse OffsetForLeaderEpochRequest
        OffsetForLeaderEpochResponse ProduceRequest ProduceResponse PushTelemetryRequest
        PushTelemetryResponse ReadShareGroupStateRequest ReadShareGroupStateResponse
        ReadShareGroupStateSummaryRequest ReadShareGroupStateSummaryResponse
        RemoveRaftVoterRequest RemoveRaftVoterResponse RenewDelegationTokenRequest
        RenewDelegationTokenResponse RequestHeader ResponseHeader SaslAuthenticateRequest
        SaslAuthenticateResponse SaslHandshakeRequest SaslHandshakeResponse
        ShareAcknowledgeRequest ShareAcknowledgeResponse ShareFetchRequest ShareFetchResponse
        ShareGroupDescribeRequest ShareGroupDescribeResponse ShareGroupHeartbeatRequest
        ShareGroupHeartbeatResponse StreamsGroupDescribeRequest StreamsGroupDescribeResponse
        StreamsGroupHeartbeatRequest StreamsGroupHeartbeatResponse SyncGroupRequest
        SyncGroupResponse TxnOffsetCommitRequest TxnOffsetCommitResponse UnregisterBrokerRequest
        UnregisterBrokerResponse UpdateFeaturesRequest UpdateFeaturesResponse
        UpdateRaftVoterRequest UpdateRaftVoterResponse VoteRequest VoteResponse
        WriteShareGroupStateRequest WriteShareGroupStateResponse WriteTxnMarkersRequest
        WriteTxnMarkersResponse
    }
    stored {
        ConsumerGroupCurrentMemberAssignmentKey ConsumerGroupCurrentMemberAssignmentValue
        ConsumerGroupMemberMetadataKey ConsumerGroupMemberMetadataValue ConsumerGroupMetadataKey
        ConsumerGroupMetadataValue ConsumerGroupPartitionMetadataKey
        ConsumerGroupPartitionMetadataValue ConsumerGroupRegularExpressionKey
        ConsumerGroupRegularExpressionValue ConsumerGroupTargetAssignmentMemberKey
        ConsumerGroupTargetAssignmentMemberValue ConsumerGroupTargetAssignmentMetadataKey
        ConsumerGroupTargetAssignmentMetadataValue GroupMetadataKey GroupMetadataValue
        LegacyOffsetCommitKey LegacyOffsetCommitValue OffsetCommitKey OffsetCommitValue
        ShareGroupCurrentMemberAssignmentKey ShareGroupCurrentMemberAssignmentValue
        ShareGroupMemberMetadataKey ShareGroupMemberMetadataValue ShareGroupMetadataKey
        ShareGroupMetadataValue ShareGroupStatePartitionMetadataKey
        ShareGroupStatePartitionMetadataValue ShareGroupTargetAssignmentMemberKey
        ShareGroupTargetAssignmentMemberValue ShareGroupTargetAssignmentMetadataKey
        ShareGroupTargetAssignmentMetadataValue StreamsGroupCurrentMemberAssignmentKey
        StreamsGroupCurrentMemberAssignmentValue StreamsGroupMemberMetadataKey
        StreamsGroupMemberMetadataValue StreamsGroupMetadataKey StreamsGroupMetadataValue
        StreamsGroupTargetAssignmentMemberKey StreamsGroupTargetAssignmentMemberValue
        StreamsGroupTargetAssignmentMetadataKey StreamsGroupTargetAssignmentMetadataValue
        StreamsGroupTopologyKey StreamsGroupTopologyValue AbortTransactionRecord
        AccessControlEntryRecord BeginTransactionRecord BrokerRegistrationChangeRecord
        ClearElrRecord ClientQuotaRecord ConfigRecord DelegationTokenRecord FeatureLevelRecord
        FenceBrokerRecord PartitionChangeRecord PartitionRecord ProducerIdsRecord
        RegisterBrokerRecord RegisterControllerRecord RemoveAccessControlEntryRecord
        RemoveDelegationTokenRecord RemoveTopicRecord RemoveUserScramCredentialRecord TopicRecord
        UnfenceBrokerRecord UnregisterBrokerRecord UserScramCredentialRecord
        ZkMigrationStateRecord QuorumStateData ShareSnapshotKey ShareSnapshotValue ShareUpdateKey
        ShareUpdateValue TransactionLogKey TransactionLogValue AbortedTxn ControlRecordTypeSchema
        EndTxnMarker KRaftVersionRecord LeaderChangeMessage SnapshotFooterRecord
        SnapshotHeaderRecord VotersRecord ConsumerProtocolAssignment ConsumerProtocolSubscription
        DefaultPrincipalData
    }
}
