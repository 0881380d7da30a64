//! Every API served, one file each: the list below makes dispatch, the ApiVersions answers and the docs' table.

use crate::{
    broker::Broker,
    controllers::{self, Remote},
    network::{Outgoing, Peer, Scope},
};
use ottla_protocol::{
    ApiKey, Codec, Message, Str,
    codec::{DecodeError, Decoder, EncodeError},
    frame::{self, RequestFrame},
};
use std::{future::Future, pin::Pin, sync::Arc};

/// A request that was started; polling it to the end gives its answer.
pub(crate) type Pending = dyn Future<Output = Answered> + Send;

/// The response, or none (`acks=0`), or why the connection must end.
pub(crate) type Answered = Result<Option<Outgoing>, Refusal>;

/// Why a request ends its connection, as it does in Kafka.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("{api} version {version} is not served")]
    NotServed { api: ApiKey, version: i16 },
    #[error("{api} version {version} cannot be read: {error}")]
    Malformed { api: ApiKey, version: i16, error: DecodeError },
    #[error("the answer to {api} version {version} cannot be written: {error}")]
    Unanswerable { api: ApiKey, version: i16, error: EncodeError },
    #[error("{api} names {count} things, more than the {MAX_NAMED} that are answered at a time")]
    TooMany { api: ApiKey, count: usize },
    #[error("{0} has a type or operation that is UNKNOWN")]
    UnknownElement(ApiKey),
    #[error("a produce request with acks=0 failed, which only closing can tell: {0}")]
    UnacknowledgedProduce(String),
}

/// Groups, members, partitions or ACLs that a request may name: a few bytes each, and a hundred times as much in
/// the answer.
const MAX_NAMED: usize = 200_000;

/// What a handler knows of its request besides the body.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) broker: Arc<Broker>,
    pub(crate) peer: Arc<Peer>,
    pub(crate) api: ApiKey,
    pub(crate) version: i16,
    pub(crate) correlation_id: i32,
    pub(crate) client_id: Option<Str>,
    /// Set where a broker handed the request on.
    forwarded: Option<Arc<envelope::Forwarded>>,
}

impl Context {
    pub(crate) fn new(broker: Arc<Broker>, peer: Arc<Peer>, request: &RequestFrame) -> Self {
        Self {
            broker,
            peer,
            api: request.api_key,
            version: request.version,
            correlation_id: request.correlation_id,
            client_id: request.client_id.clone(),
            forwarded: None,
        }
    }

    /// The client id, empty where the client sent none.
    pub(crate) fn client_id(&self) -> Str {
        self.client_id.as_ref().map(Str::detached).unwrap_or_default()
    }

    /// Frames a response for this request.
    pub(crate) fn respond(&self, response: &impl Codec) -> Result<Outgoing, Refusal> {
        let encoded = frame::response(self.api, self.version, self.correlation_id, response)
            .map_err(|error| Refusal::Unanswerable { api: self.api, version: self.version, error })?;
        Ok(Outgoing { encoded, records: Vec::new() })
    }
}

mod acls;
mod alterations;
mod ask_controller;
mod broker_loggers;
mod client_host;
mod consumer_groups;
mod current_leader;
mod fetch_metadata;
mod raft_voters;
pub(crate) mod topics;

macro_rules! handlers {
    ($($api:ident => $module:ident,)*) => {
        $(mod $module;)*

        /// The APIs served, on one kind of listener or on both, each at every version of 4.3.1.
        const SERVED: &[ApiKey] = &[$(ApiKey::$api),*];

        fn dispatch(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Refusal> {
            match cx.api {
                $(ApiKey::$api => $module::start(cx, request),)*
                api => Err(Refusal::NotServed { api, version: cx.version }),
            }
        }
    };
}

handlers! {
    Produce => produce,
    Fetch => fetch,
    ListOffsets => list_offsets,
    Metadata => metadata,
    ApiVersions => api_versions,
    DeleteRecords => delete_records,
    InitProducerId => init_producer_id,
    AddPartitionsToTxn => add_partitions_to_txn,
    AddOffsetsToTxn => add_offsets_to_txn,
    EndTxn => end_txn,
    WriteTxnMarkers => write_txn_markers,
    TxnOffsetCommit => txn_offset_commit,
    DescribeTransactions => describe_transactions,
    ListTransactions => list_transactions,
    OffsetForLeaderEpoch => offset_for_leader_epoch,
    CreateTopics => create_topics,
    DeleteTopics => delete_topics,
    CreatePartitions => create_partitions,
    DescribeQuorum => describe_quorum,
    AddRaftVoter => add_raft_voter,
    RemoveRaftVoter => remove_raft_voter,
    UpdateRaftVoter => update_raft_voter,
    UpdateFeatures => update_features,
    UnregisterBroker => unregister_broker,
    ElectLeaders => elect_leaders,
    AlterPartitionReassignments => alter_partition_reassignments,
    ListPartitionReassignments => list_partition_reassignments,
    DescribeAcls => describe_acls,
    CreateAcls => create_acls,
    DeleteAcls => delete_acls,
    DescribeConfigs => describe_configs,
    AlterConfigs => alter_configs,
    IncrementalAlterConfigs => incremental_alter_configs,
    AlterReplicaLogDirs => alter_replica_log_dirs,
    DescribeLogDirs => describe_log_dirs,
    DescribeCluster => describe_cluster,
    DescribeProducers => describe_producers,
    ListConfigResources => list_config_resources,
    DescribeTopicPartitions => describe_topic_partitions,
    FindCoordinator => find_coordinator,
    JoinGroup => join_group,
    SyncGroup => sync_group,
    Heartbeat => heartbeat,
    LeaveGroup => leave_group,
    OffsetCommit => offset_commit,
    OffsetFetch => offset_fetch,
    OffsetDelete => offset_delete,
    ListGroups => list_groups,
    DescribeGroups => describe_groups,
    DeleteGroups => delete_groups,
    ConsumerGroupHeartbeat => consumer_group_heartbeat,
    ConsumerGroupDescribe => consumer_group_describe,
    AlterPartition => alter_partition,
    Envelope => envelope,
    FetchSnapshot => fetch_snapshot,
    BrokerRegistration => broker_registration,
    BrokerHeartbeat => broker_heartbeat,
    AllocateProducerIds => allocate_producer_ids,
    ControllerRegistration => controller_registration,
    AssignReplicasToDirs => assign_replicas_to_dirs,
}

/// The APIs that a kind of listener serves.
pub(crate) fn served(scope: Scope) -> impl Iterator<Item = ApiKey> {
    SERVED.iter().copied().filter(move |api| scope.has(*api))
}

/// Reads the request's body and starts its handler.
pub(crate) fn start(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Refusal> {
    if !cx.peer.scope.has(cx.api) {
        return Err(Refusal::NotServed { api: cx.api, version: cx.version });
    }
    cx.broker.metrics.request(cx.api);
    let is_forwarded = cx.peer.scope == Scope::Broker && controllers::is_forwarded(cx.api);
    match cx.broker.controller().remote().filter(|_| is_forwarded) {
        Some(remote) => Ok(Box::pin(forward(cx.clone(), remote.clone(), request))),
        None => dispatch(cx, request),
    }
}

/// Where no controller answers in time, the answer is that of a broker whose controller is not available.
async fn forward(cx: Context, remote: Arc<Remote>, request: RequestFrame) -> Answered {
    match controllers::forward(&remote, &cx, &request).await {
        Some(answer) => Ok(Some(answer)),
        None => dispatch(cx, request)?.await,
    }
}

/// The answer to an ApiVersions request of a version that does not exist, at version 0 so that any client reads it.
pub(crate) fn unsupported_api_versions(correlation_id: i32) -> Result<Outgoing, Refusal> {
    let unanswerable = |error| Refusal::Unanswerable { api: ApiKey::ApiVersions, version: 0, error };
    let encoded =
        frame::response(ApiKey::ApiVersions, 0, correlation_id, &api_versions::unsupported()).map_err(unanswerable)?;
    Ok(Outgoing { encoded, records: Vec::new() })
}

/// Reads the body at the request's version.
fn read<Q: Message>(cx: &Context, request: RequestFrame) -> Result<Q, Refusal> {
    let malformed = |error| Refusal::Malformed { api: cx.api, version: cx.version, error };
    Q::read(&mut Decoder::new(request.body), cx.version).map_err(malformed)
}

/// A handler whose answer is a plain message.
fn plain<Q, R, F>(cx: Context, request: RequestFrame, handle: fn(Context, Q) -> F) -> Result<Pin<Box<Pending>>, Refusal>
where
    Q: Message + Send + 'static,
    R: Message + Send,
    F: Future<Output = R> + Send + 'static,
{
    plain_within(cx, request, |_| 0, handle)
}

/// The same for requests whose answer grows with what they name.
fn plain_within<Q, R, F>(
    cx: Context,
    request: RequestFrame,
    named: fn(&Q) -> usize,
    handle: fn(Context, Q) -> F,
) -> Result<Pin<Box<Pending>>, Refusal>
where
    Q: Message + Send + 'static,
    R: Message + Send,
    F: Future<Output = R> + Send + 'static,
{
    let body = read(&cx, request)?;
    let count = named(&body);
    if count > MAX_NAMED {
        return Err(Refusal::TooMany { api: cx.api, count });
    }
    let handling = handle(cx.clone(), body);
    Ok(Box::pin(async move { cx.respond(&handling.await).map(Some) }))
}
