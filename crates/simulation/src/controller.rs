//! The one controller of the world: the machine of production on a log in memory.

use crate::message::{Body, CONTROLLER, Message};
use core::time::Duration;
use ottla_metadata::bootstrap::Bootstrap;
use ottla_metadata::controller::{
    Activate, AlterPartition, ConfigSchema, Controller as Machine, Event, IsrChange, Reply, Settings,
};
use ottla_metadata::features::ELIGIBLE_LEADER_REPLICAS_VERSION;
use ottla_metadata::{ApiError, ConfigResource, Image, MetadataRecord, MetadataVersion, ResourceType};
use ottla_protocol::{ErrorCode, Str, Uuid};
use ottla_state_machine::{Now, Shard, Ticket};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Records of the metadata log that one answer holds.
const RECORDS_AT_A_TIME: usize = 50;
pub(crate) const SESSION: Duration = Duration::from_secs(9);

struct AnyConfig;

impl ConfigSchema for AnyConfig {
    fn is_list(&self, _kind: ResourceType, _name: &str) -> bool {
        false
    }

    fn default_value(&self, _kind: ResourceType, _name: &str) -> Option<String> {
        None
    }

    fn validate(
        &self,
        _resource: &ConfigResource,
        _new: &BTreeMap<Str, Str>,
        _old: &BTreeMap<Str, Str>,
    ) -> Result<(), ApiError> {
        Ok(())
    }
}

fn settings() -> Arc<Settings> {
    Arc::new(Settings {
        cluster_id: Str::from_static("simulated"),
        node_id: 1_000,
        controller_ids: vec![1_000],
        kraft_version: 1,
        num_partitions: 1,
        default_replication_factor: 3,
        min_insync_replicas: 1,
        unclean_leader_election_enable: false,
        broker_session_timeout: SESSION,
        leader_balance_interval: Some(Duration::from_secs(20)),
        unclean_election_interval: Duration::from_secs(300),
        schema: Arc::new(AnyConfig),
    })
}

pub(crate) struct Controller {
    shard: Shard<Machine>,
    log: Vec<MetadataRecord>,
    tickets: u64,
    /// The last wish for another in-sync set of each run of a broker.
    asked: BTreeMap<(i32, u64), u64>,
}

impl Controller {
    pub(crate) fn new(eligible_leader_replicas: bool) -> Self {
        let mut controller = Self { shard: Shard::new(), log: Vec::new(), tickets: 0, asked: BTreeMap::new() };
        let features = [
            (MetadataVersion::FEATURE_NAME.to_owned(), MetadataVersion::LATEST.level()),
            (ELIGIBLE_LEADER_REPLICAS_VERSION.to_owned(), i16::from(eligible_leader_replicas)),
        ];
        let bootstrap = Bootstrap { features: &features, dynamic_quorum: true, ..Default::default() };
        let bootstrap = bootstrap.levels().map(|levels| levels.records()).unwrap_or_default();
        controller.shard.activate(Now::default(), 0, 0);
        controller
            .decide(Duration::ZERO, |ticket| Event::Activate(ticket, Activate { settings: settings(), bootstrap }));
        controller
    }

    pub(crate) fn image(&self) -> &Image {
        self.shard.hard().image()
    }

    /// The first record that could not be applied, if there is one.
    pub(crate) fn fault(&self) -> Option<String> {
        self.shard.hard().fault().map(ToString::to_string)
    }

    fn end(&self) -> i64 {
        i64::try_from(self.log.len()).unwrap_or(i64::MAX)
    }

    /// Another controller takes up the log; it knows nothing of heartbeats.
    pub(crate) fn fail_over(&mut self, now: Duration) {
        let mut shard = Shard::new();
        for (offset, record) in (0..).zip(&self.log) {
            shard.replay(offset, record);
        }
        shard.activate(Now { monotonic: now, wall_ms: 0 }, self.end(), self.end());
        self.shard = shard;
        self.decide(now, |ticket| Event::Activate(ticket, Activate { settings: settings(), bootstrap: Vec::new() }));
    }

    pub(crate) fn decide(&mut self, now: Duration, event: impl FnOnce(Ticket) -> Event) -> Option<Reply> {
        self.tickets += 1;
        let event = event(Ticket(self.tickets));
        let now = Now { monotonic: now, wall_ms: 0 };
        let Ok(records) = self.shard.decide(now, event) else { return None };
        self.shard.appended(self.end(), &records);
        self.log.extend(records);
        self.shard.committed(self.end()).replies.pop().map(|(_, reply)| reply)
    }

    pub(crate) fn tick(&mut self, now: Duration) {
        while let Some(event) = self.shard.pop_timeout(Now { monotonic: now, wall_ms: 0 }) {
            self.decide(now, |_| event);
        }
    }

    /// What a broker asked is answered.
    pub(crate) fn take(&mut self, message: Message, now: Duration) -> Option<Message> {
        let body = match message.body {
            Body::Register(event) => match self.decide(now, |ticket| Event::RegisterBroker(ticket, event))? {
                Reply::RegisterBroker(result) => Body::Registered(result.map_err(|error| error.code)),
                _ => return None,
            },
            Body::Heartbeat(event) => match self.decide(now, |ticket| Event::BrokerHeartbeat(ticket, event))? {
                Reply::BrokerHeartbeat(result) => Body::Status(result.map_err(|error| error.code)),
                _ => return None,
            },
            Body::Follow(from) => {
                let skipped = usize::try_from(from).ok()?;
                let records = self.log.iter().skip(skipped).take(RECORDS_AT_A_TIME).cloned().collect();
                Body::Metadata { from, records }
            }
            Body::AlterPartition { broker_epoch, partition, number, proposal } => {
                let last = self.asked.entry((message.from, message.run)).or_default();
                if number < *last {
                    return None;
                }
                *last = number;
                let topic_id = self.topic_id();
                let change = IsrChange {
                    topic_id,
                    partition,
                    leader_epoch: proposal.leader_epoch,
                    partition_epoch: proposal.partition_epoch,
                    isr: proposal.isr.clone(),
                    leader_recovery_state: 0,
                };
                let event = AlterPartition { broker_id: message.from, broker_epoch, partitions: vec![change] };
                match self.decide(now, |ticket| Event::AlterPartition(ticket, event))? {
                    Reply::AlterPartition(result) => {
                        let answer = match result {
                            Ok(mut all) => all.pop().unwrap_or(Err(ErrorCode::UnknownServerError)),
                            Err(error) => Err(error.code),
                        };
                        Body::AlteredPartition { partition, number, answer }
                    }
                    _ => return None,
                }
            }
            _ => return None,
        };
        Some(Message { from: CONTROLLER, to: message.from, run: message.run, body })
    }

    fn topic_id(&self) -> Uuid {
        self.image().topics().iter().next().map_or(Uuid::ZERO, |topic| topic.id)
    }
}
