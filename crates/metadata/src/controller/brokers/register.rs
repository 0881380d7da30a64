//! A broker tells the controller that it exists and where it listens.

use super::super::context::{Context, Decision};
use super::super::leadership::BrokerNews;
use super::super::{Soft, Timer};
use super::Sessions;
use crate::features::KRAFT_VERSION;
use crate::image::{Broker, BrokerFeature, Endpoint};
use crate::{ApiError, MetadataVersion};
use core::time::Duration;
use ottla_protocol::stored::{RegisterBrokerRecord, register_broker_record as stored};
use ottla_protocol::{ErrorCode, Str, Uuid};
use std::collections::BTreeSet;

/// See [`super::super::Event::RegisterBroker`].
#[derive(Clone, Debug, Default)]
pub struct RegisterBroker {
    /// Its id.
    pub broker_id: i32,
    /// The cluster it takes itself to be of.
    pub cluster_id: Str,
    /// Random for each run of its process.
    pub incarnation_id: Uuid,
    /// The epoch of the run before, if that ended in order; else -1.
    pub previous_broker_epoch: i64,
    /// Where it listens.
    pub listeners: Vec<Endpoint>,
    /// What it knows, `metadata.version` among it.
    pub features: Vec<BrokerFeature>,
    /// Where it stands.
    pub rack: Option<Str>,
    /// Its log directories that are online.
    pub log_dirs: Vec<Uuid>,
    /// Those of them that take no new replicas (KIP-1066).
    pub cordoned_log_dirs: Vec<Uuid>,
}

/// Decides; on success the reply is the broker's epoch.
pub(in crate::controller) fn decide(
    c: &Context<'_>,
    soft: &mut Soft,
    now: Duration,
    event: RegisterBroker,
) -> Result<(Decision<i64>, (Timer, Duration)), ApiError> {
    let existing = c.cluster().broker(event.broker_id).map(|b| &**b);
    check_cluster(c, &event)?;
    check_duplicate(existing, &soft.sessions, now, &event)?;
    check_directories(c, &event)?;
    check_features(c, &event)?;

    let mut records = Vec::new();
    let same_run = existing.filter(|b| b.incarnation_id == event.incarnation_id);
    let record = match same_run {
        Some(broker) => RegisterBrokerRecord {
            fenced: broker.fenced,
            in_controlled_shutdown: broker.in_controlled_shutdown,
            broker_epoch: broker.epoch,
            ..record(c, &event)
        },
        None => {
            records = c.partition_changes(news(c, existing, &event));
            RegisterBrokerRecord { broker_epoch: c.image().offset(), ..record(c, &event) }
        }
    };
    let reply = record.broker_epoch;
    records.push(record.into());
    if same_run.is_none() {
        soft.sessions.end(event.broker_id);
    }
    // A session begins with the first heartbeat: who dies before it may come back at once.
    let ends = now.saturating_add(c.settings.broker_session_timeout);
    Ok((Decision { records, reply }, (Timer::BrokerSession(event.broker_id), ends)))
}

/// A broker that names the epoch it had has stopped in order, and lost nothing.
fn news(c: &Context<'_>, existing: Option<&Broker>, event: &RegisterBroker) -> BrokerNews {
    let clean = existing.is_some_and(|b| b.epoch == event.previous_broker_epoch);
    match c.features().eligible_leader_replicas() && !clean {
        true => BrokerNews::StoppedUncleanly(event.broker_id),
        false => BrokerNews::Leaves(event.broker_id),
    }
}

fn check_cluster(c: &Context<'_>, event: &RegisterBroker) -> Result<(), ApiError> {
    match event.cluster_id == c.settings.cluster_id {
        true => Ok(()),
        false => Err(ApiError::new(
            ErrorCode::InconsistentClusterId,
            format!("Expected cluster ID {}, but got cluster ID {}", c.settings.cluster_id, event.cluster_id),
        )),
    }
}

fn check_duplicate(
    existing: Option<&Broker>,
    sessions: &Sessions,
    now: Duration,
    event: &RegisterBroker,
) -> Result<(), ApiError> {
    let other = existing.is_some_and(|b| b.incarnation_id != event.incarnation_id);
    match other && sessions.is_valid(event.broker_id, now) {
        true => Err(ApiError::new(
            ErrorCode::DuplicateBrokerRegistration,
            "Another broker is registered with that broker id. If the broker was recently restarted this should self-resolve once the heartbeat manager expires the broker's session.",
        )),
        false => Ok(()),
    }
}

fn check_directories(c: &Context<'_>, event: &RegisterBroker) -> Result<(), ApiError> {
    if c.hard.metadata_version() < MetadataVersion::DIRECTORIES {
        return Ok(());
    }
    let invalid = |message: String| ApiError::new(ErrorCode::InvalidRegistration, message);
    let dirs = &event.log_dirs;
    if dirs.is_empty() {
        return Err(invalid("No directories specified in request".to_owned()));
    }
    if dirs.iter().any(is_reserved) {
        return Err(invalid("Reserved directory ID in request".to_owned()));
    }
    if dirs.iter().collect::<BTreeSet<_>>().len() != dirs.len() {
        return Err(invalid("Duplicate directory ID in request".to_owned()));
    }
    let others = c.cluster().brokers().values();
    for other in others.filter(|b| b.id != event.broker_id) {
        if let Some(dir) = dirs.iter().find(|dir| other.log_dirs.contains(dir)) {
            return Err(invalid(format!("Broker {} is already registered with directory {dir}", other.id)));
        }
    }
    Ok(())
}

/// The first hundred ids stand for something else than a directory.
fn is_reserved(dir: &Uuid) -> bool {
    match dir.as_bytes() {
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last] => *last < 100,
        _ => false,
    }
}

/// What is finalized must be known to the broker; what it knows must be able to run at the level there is, which is 0 for
/// features that are not finalized.
fn check_features(c: &Context<'_>, event: &RegisterBroker) -> Result<(), ApiError> {
    let mut finalized = c.features().all();
    finalized.insert(KRAFT_VERSION.into(), c.settings.kraft_version);
    let check = |name: &str, min: i16, max: i16, level: i16| match (min..=max).contains(&level) {
        true => Ok(()),
        false => Err(ApiError::new(
            ErrorCode::UnsupportedVersion,
            format!(
                "Unable to register because the broker does not support finalized version {level} of {name}. The broker wants a version between {min} and {max}, inclusive."
            ),
        )),
    };
    for feature in &event.features {
        let level = finalized.remove(&feature.name).unwrap_or(0);
        check(&feature.name, feature.min_supported_version, feature.max_supported_version, level)?;
    }
    if !event.features.iter().any(|feature| feature.name == MetadataVersion::FEATURE_NAME) {
        return Err(ApiError::new(
            ErrorCode::InvalidRegistration,
            "Request features do not contain 'metadata.version'",
        ));
    }
    finalized.iter().try_for_each(|(name, level)| check(name, 0, 0, *level))
}

fn record(c: &Context<'_>, event: &RegisterBroker) -> RegisterBrokerRecord {
    let version = c.hard.metadata_version();
    let mut listeners: Vec<&Endpoint> = event.listeners.iter().collect();
    listeners.sort_by(|a, b| a.name.cmp(&b.name));
    let end_point = |e: &Endpoint| stored::BrokerEndpoint {
        name: e.name.clone(),
        host: e.host.clone(),
        port: e.port,
        security_protocol: e.security_protocol,
        ..Default::default()
    };
    let feature = |f: &BrokerFeature| stored::BrokerFeature {
        name: f.name.clone(),
        min_supported_version: f.min_supported_version,
        max_supported_version: f.max_supported_version,
        ..Default::default()
    };
    RegisterBrokerRecord {
        broker_id: event.broker_id,
        incarnation_id: event.incarnation_id,
        end_points: listeners.into_iter().map(end_point).collect(),
        features: event.features.iter().map(feature).collect(),
        rack: event.rack.clone(),
        fenced: true,
        log_dirs: match version >= MetadataVersion::DIRECTORIES {
            true => event.log_dirs.clone(),
            false => Vec::new(),
        },
        cordoned_log_dirs: match version >= MetadataVersion::CORDONED_LOG_DIRS {
            true if !event.cordoned_log_dirs.is_empty() => Some(event.cordoned_log_dirs.clone()),
            _ => None,
        },
        ..Default::default()
    }
}
