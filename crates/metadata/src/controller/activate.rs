//! The controller begins to serve: it writes the first records of a new cluster, or ends what its predecessor left open.

use super::{Controller, Hard, Reply, Settings, Soft, Timer};
use crate::features::ELIGIBLE_LEADER_REPLICAS_VERSION;
use crate::{ApiError, ConfigResource, MetadataRecord, MetadataVersion};
use core::time::Duration;
use ottla_config::keys;
use ottla_protocol::stored::{AbortTransactionRecord, BeginTransactionRecord, ConfigRecord, FeatureLevelRecord};
use ottla_protocol::{ErrorCode, Str};
use ottla_state_machine::{Outcome, Ticket};
use std::sync::Arc;

/// See [`super::Event::Activate`].
#[derive(Clone, Debug)]
pub struct Activate {
    /// What the driver's configuration says.
    pub settings: Arc<Settings>,
    /// The records of the bootstrap checkpoint, written if the log is empty.
    pub bootstrap: Vec<MetadataRecord>,
}

pub(super) fn decide(
    hard: &Hard,
    soft: &mut Soft,
    now: Duration,
    ticket: Ticket,
    activate: Activate,
    out: &mut Outcome<Controller>,
) {
    if let Some(fault) = &hard.fault {
        let error = ApiError::new(ErrorCode::UnknownServerError, fault.to_string());
        return out.reply(ticket, Reply::Activate(Err(error)));
    }
    // Bootstrap records of a transaction that never ended do not count: they are written again.
    let records = match hard.image.settled().features().metadata_version() {
        None => for_empty_log(hard, &activate),
        Some(_) if hard.image.in_transaction() => vec![abort()],
        Some(_) => Vec::new(),
    };
    for record in records {
        out.record(record);
    }
    // Nothing is known of the brokers' heartbeats to the controller before: each that serves gets a whole session to be
    // heard of. The broker of this process, though, cannot be another than the one about to register.
    let ends = now.saturating_add(activate.settings.broker_session_timeout);
    for (id, broker) in hard.image.cluster().brokers() {
        if activate.settings.node_id != *id && !broker.fenced {
            soft.sessions.touch(*id, ends);
        }
        out.set_timer(Timer::BrokerSession(*id), ends);
    }
    if let Some(interval) = activate.settings.leader_balance_interval {
        out.set_timer(Timer::BalanceLeaders, now.saturating_add(interval));
    }
    out.set_timer(Timer::ElectUnclean, now.saturating_add(activate.settings.unclean_election_interval));
    if let Some(interval) = activate.settings.max_idle_interval {
        out.set_timer(Timer::Idle, now.saturating_add(interval));
    }
    soft.settings = Some(activate.settings);
    out.reply(ticket, Reply::Activate(Ok(())));
}

fn abort() -> MetadataRecord {
    AbortTransactionRecord { reason: Some(Str::from_static("Controller failover")), ..Default::default() }.into()
}

fn level_of(records: &[MetadataRecord], name: &str) -> Option<i16> {
    records.iter().find_map(|record| match record {
        MetadataRecord::FeatureLevel(FeatureLevelRecord { name: n, feature_level, .. }) if *n == name => {
            Some(*feature_level)
        }
        _ => None,
    })
}

fn for_empty_log(hard: &Hard, activate: &Activate) -> Vec<MetadataRecord> {
    let bootstrap = &activate.bootstrap;
    let version = level_of(bootstrap, MetadataVersion::FEATURE_NAME);
    let transaction = version.unwrap_or(0) >= MetadataVersion::TRANSACTIONS.level();
    let mut records = Vec::new();
    if hard.image.in_transaction() {
        records.push(abort());
    }
    if transaction {
        let begin = BeginTransactionRecord { name: Some(Str::from_static("Bootstrap records")), ..Default::default() };
        records.push(begin.into());
    }
    records.extend(bootstrap.iter().cloned());
    if level_of(bootstrap, ELIGIBLE_LEADER_REPLICAS_VERSION).unwrap_or(0) > 0 {
        records.push(cluster_min_insync_replicas(&activate.settings));
    }
    if transaction {
        records.push(MetadataRecord::EndTransaction(Default::default()));
    }
    records
}

/// With eligible leader replicas the cluster must have one `min.insync.replicas`, not one for each broker (KIP-966).
pub(super) fn cluster_min_insync_replicas(settings: &Settings) -> MetadataRecord {
    let resource = ConfigResource::default_broker();
    ConfigRecord {
        resource_type: resource.kind.id(),
        resource_name: resource.name,
        name: Str::from_static(keys::MIN_INSYNC_REPLICAS.name()),
        value: Some(settings.min_insync_replicas.to_string().into()),
        ..Default::default()
    }
    .into()
}
