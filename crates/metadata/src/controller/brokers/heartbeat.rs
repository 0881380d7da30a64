//! A broker tells that it lives, and asks to serve or to stop.

use super::super::context::{Context, Decision};
use super::super::leadership::BrokerNews;
use super::super::{Soft, Timer};
use super::sessions::Session;
use super::{FENCE, UNFENCE, change, set_fenced};
use crate::image::Broker;
use crate::{ApiError, MetadataRecord, MetadataVersion};
use core::time::Duration;
use ottla_protocol::Uuid;
use ottla_protocol::stored::BrokerRegistrationChangeRecord;

/// See [`super::super::Event::BrokerHeartbeat`].
#[derive(Clone, Debug, Default)]
pub struct BrokerHeartbeat {
    /// The broker.
    pub broker_id: i32,
    /// The epoch it registered with.
    pub broker_epoch: i64,
    /// How far it has followed the metadata log: the highest offset it has.
    pub current_metadata_offset: i64,
    /// Whether it asks not to serve.
    pub want_fence: bool,
    /// Whether it asks to stop.
    pub want_shut_down: bool,
    /// Its log directories that failed.
    pub offline_log_dirs: Vec<Uuid>,
    /// Those that take no new replicas (KIP-1066), if it tells.
    pub cordoned_log_dirs: Option<Vec<Uuid>>,
}

/// What the broker is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokerStatus {
    /// Whether it has followed the metadata log up to its own registration.
    pub is_caught_up: bool,
    /// Whether it may not serve.
    pub is_fenced: bool,
    /// Whether it is to stop now.
    pub should_shut_down: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Fenced,
    Unfenced,
    ControlledShutdown,
    ShutdownNow,
}

impl State {
    fn of(broker: &Broker) -> Self {
        match (broker.fenced, broker.in_controlled_shutdown) {
            (true, _) => Self::Fenced,
            (false, true) => Self::ControlledShutdown,
            (false, false) => Self::Unfenced,
        }
    }
}

pub(in crate::controller) fn decide(
    c: &Context<'_>,
    soft: &mut Soft,
    now: Duration,
    event: BrokerHeartbeat,
) -> Result<(Decision<BrokerStatus>, (Timer, Duration)), ApiError> {
    let broker = c.check_broker_epoch(event.broker_id, event.broker_epoch)?;
    let session = soft.sessions.get(broker.id);
    let registered_at = c.hard.registered_at.get(&broker.id).copied().unwrap_or(0);
    let is_caught_up = event.current_metadata_offset >= registered_at;
    let state = State::of(broker);
    let next = next_state(c, soft, broker, &session, &event, is_caught_up);
    let mut records = Vec::from_iter(directories_cordoned(c, broker, event.cordoned_log_dirs.as_ref()));
    records.extend(match next {
        _ if next == state => Vec::new(),
        State::Fenced | State::ShutdownNow => fence(c, broker),
        State::Unfenced => unfence(c, broker),
        State::ControlledShutdown => begin_shutdown(c, broker),
    });
    records.extend(directories_failed(c, broker, &event.offline_log_dirs));

    let ends = now.saturating_add(c.settings.broker_session_timeout);
    let kept = soft.sessions.touch(broker.id, ends);
    kept.metadata_offset = event.current_metadata_offset;
    kept.told_to_stop |= next == State::ShutdownNow;
    if next == State::ControlledShutdown {
        let written = i64::try_from(records.len()).unwrap_or(i64::MAX);
        let offset = c.image().offset().saturating_add(written);
        kept.shutdown_offset.get_or_insert(offset.saturating_sub(1));
    }
    let reply = BrokerStatus {
        is_caught_up,
        is_fenced: matches!(next, State::Fenced | State::ShutdownNow),
        should_shut_down: next == State::ShutdownNow,
    };
    Ok((Decision { records, reply }, (Timer::BrokerSession(broker.id), ends)))
}

fn next_state(
    c: &Context<'_>,
    soft: &Soft,
    broker: &Broker,
    session: &Session,
    event: &BrokerHeartbeat,
    is_caught_up: bool,
) -> State {
    let leads = || {
        let mut partitions = c.topics().iter().flat_map(|t| t.partitions.values());
        partitions.any(|p| p.leader == broker.id)
    };
    match State::of(broker) {
        State::Fenced if event.want_shut_down => State::ShutdownNow,
        // In Kafka a heartbeat that comes late has a broker lead again that is gone.
        State::Fenced if session.told_to_stop || broker.in_controlled_shutdown => State::Fenced,
        State::Fenced if !event.want_fence && is_caught_up => State::Unfenced,
        State::Unfenced if event.want_fence && event.want_shut_down => State::ShutdownNow,
        State::Unfenced if event.want_fence => State::Fenced,
        State::Unfenced if event.want_shut_down => match leads() {
            true => State::ControlledShutdown,
            false => State::ShutdownNow,
        },
        State::ControlledShutdown => {
            let others_know = session.shutdown_offset.is_none_or(|offset| offset <= lowest_active_offset(c, soft));
            match !leads() && others_know {
                true => State::ShutdownNow,
                false => State::ControlledShutdown,
            }
        }
        state => state,
    }
}

/// How far the slowest of the brokers that serve has followed the metadata log.
fn lowest_active_offset(c: &Context<'_>, soft: &Soft) -> i64 {
    let active = c.cluster().brokers().values().filter(|b| b.is_active());
    let offsets = active.map(|b| soft.sessions.get(b.id).metadata_offset);
    offsets.min().unwrap_or(i64::MAX)
}

/// The partitions change before the broker does, so that it is never seen to lead while fenced.
fn fence(c: &Context<'_>, broker: &Broker) -> Vec<MetadataRecord> {
    let mut records = c.partition_changes(BrokerNews::Leaves(broker.id));
    records.push(set_fenced(broker, FENCE));
    records
}

fn unfence(c: &Context<'_>, broker: &Broker) -> Vec<MetadataRecord> {
    let mut records = vec![set_fenced(broker, UNFENCE)];
    records.extend(c.partition_changes(BrokerNews::Joins(broker.id)));
    records
}

fn begin_shutdown(c: &Context<'_>, broker: &Broker) -> Vec<MetadataRecord> {
    let record = BrokerRegistrationChangeRecord { in_controlled_shutdown: 1, ..change(broker) };
    let mut records = vec![record.into()];
    records.extend(c.partition_changes(BrokerNews::Leaves(broker.id)));
    records
}

/// Replicas on disks that failed neither lead nor are in sync any more (KIP-858).
fn directories_failed(c: &Context<'_>, broker: &Broker, offline: &[Uuid]) -> Vec<MetadataRecord> {
    let online = broker.log_dirs.iter().copied();
    let (failed, left): (Vec<Uuid>, Vec<Uuid>) = online.partition(|dir| offline.contains(dir));
    if failed.is_empty() {
        return Vec::new();
    }
    let news = BrokerNews::Leaves(broker.id);
    let mut records =
        c.partition_changes_where(news, |p| p.directory(broker.id).is_some_and(|dir| failed.contains(&dir)));
    let record = BrokerRegistrationChangeRecord { log_dirs: left, ..change(broker) };
    records.push(record.into());
    records
}

/// What the broker says of its directories, where that is news.
fn directories_cordoned(c: &Context<'_>, broker: &Broker, told: Option<&Vec<Uuid>>) -> Option<MetadataRecord> {
    let told = told.filter(|_| c.hard.metadata_version() >= MetadataVersion::CORDONED_LOG_DIRS)?;
    let same = |known: &Vec<Uuid>| known.len() == told.len() && told.iter().all(|dir| known.contains(dir));
    if broker.cordoned_log_dirs.as_ref().is_some_and(same) {
        return None;
    }
    let record = BrokerRegistrationChangeRecord { cordoned_log_dirs: Some(told.clone()), ..change(broker) };
    Some(record.into())
}

/// A broker was not heard of for too long.
pub(in crate::controller) fn session_ended(c: &Context<'_>, soft: &mut Soft, broker_id: i32) -> Vec<MetadataRecord> {
    soft.sessions.end(broker_id);
    match c.cluster().broker(broker_id) {
        Some(broker) if !broker.fenced => fence(c, broker),
        _ => Vec::new(),
    }
}

/// A broker's process has ended, unless it has registered anew since. A heartbeat that comes after all ends what this begins.
pub(in crate::controller) fn gone(c: &Context<'_>, soft: &mut Soft, id: i32, epoch: i64) -> Vec<MetadataRecord> {
    match c.check_broker_epoch(id, epoch) {
        Ok(_) => session_ended(c, soft, id),
        Err(_) => Vec::new(),
    }
}
