//! Incremental fetch sessions (KIP-227): a client names its partitions once, and hears of those that changed.

use super::session::{Key, Session, Wanted};
use ottla_protocol::ErrorCode;
use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

/// The epoch of a request that opens a session.
const INITIAL_EPOCH: i32 = 0;
/// The epoch of a request that wants no session, or closes the one it names.
const FINAL_EPOCH: i32 = -1;
/// A session that was used within this is not evicted for a new one (`min.incremental.fetch.session.eviction.ms`).
const MIN_EVICTION: Duration = Duration::from_secs(120);

/// What a fetch request says of its session.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) session_id: i32,
    pub(crate) epoch: i32,
    /// Topics are named by id (version 13 and above).
    pub(crate) by_id: bool,
    pub(crate) partitions: Vec<(Key, Wanted)>,
    pub(crate) forgotten: Vec<Key>,
}

/// What to read, and how to answer.
#[derive(Debug)]
pub(crate) enum Plan {
    /// Nothing is read: the session is not what the client thinks.
    Error(ErrorCode),
    /// Everything asked for is answered; no session is kept.
    Sessionless(Vec<(Key, Wanted)>),
    /// Everything asked for is answered, and a session opened if there is room.
    Full(Vec<(Key, Wanted)>),
    /// All partitions of the session are read, those that changed are answered.
    Incremental { session_id: i32, partitions: Vec<(Key, Wanted)> },
}

impl Plan {
    /// The partitions to read, in order.
    pub(crate) fn partitions(&self) -> &[(Key, Wanted)] {
        match self {
            Self::Error(_) => &[],
            Self::Sessionless(partitions) | Self::Full(partitions) | Self::Incremental { partitions, .. } => partitions,
        }
    }
}

/// What was read of one partition, as far as sessions care.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome {
    pub(crate) high_watermark: i64,
    pub(crate) log_start_offset: i64,
    pub(crate) has_records: bool,
    /// An error, a diverging epoch or a preferred replica: must be told at any rate.
    pub(crate) must_tell: bool,
    pub(crate) error: bool,
}

/// All sessions of the broker: at most `max.incremental.fetch.session.cache.slots`.
#[derive(Debug)]
pub(crate) struct Sessions {
    slots: usize,
    by_id: HashMap<i32, Session>,
    /// Least recently used first.
    by_use: BTreeMap<(Duration, i32), ()>,
}

impl Sessions {
    pub(crate) fn new(slots: usize) -> Self {
        Self { slots, by_id: HashMap::new(), by_use: BTreeMap::new() }
    }

    /// Sessions open now.
    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Takes a request in.
    pub(crate) fn plan(&mut self, now: Duration, asked: Asked) -> Plan {
        if asked.epoch == INITIAL_EPOCH || asked.epoch == FINAL_EPOCH {
            self.remove(asked.session_id);
            return match asked.epoch {
                FINAL_EPOCH => Plan::Sessionless(asked.partitions),
                _ => Plan::Full(asked.partitions),
            };
        }
        let Some(session) = self.by_id.get_mut(&asked.session_id) else {
            return Plan::Error(ErrorCode::FetchSessionIdNotFound);
        };
        if session.epoch != asked.epoch {
            return Plan::Error(ErrorCode::InvalidFetchSessionEpoch);
        }
        if session.by_id != asked.by_id {
            return Plan::Error(ErrorCode::FetchSessionTopicIdError);
        }
        session.update(asked.partitions, &asked.forgotten);
        if session.is_empty() {
            self.remove(asked.session_id);
            return Plan::Sessionless(Vec::new());
        }
        session.epoch = next_epoch(session.epoch);
        let partitions = session.partitions();
        self.touch(asked.session_id, now);
        Plan::Incremental { session_id: asked.session_id, partitions }
    }

    /// Opens a session for a full fetch; 0 if there is no room. `id` is a random candidate.
    pub(crate) fn create(
        &mut self,
        now: Duration,
        id: i32,
        by_id: bool,
        read: &[(Key, Wanted)],
        outcomes: &[Outcome],
    ) -> i32 {
        let id = id.checked_abs().unwrap_or(1).max(1);
        if read.is_empty() || self.by_id.contains_key(&id) || !self.make_room(now) {
            return 0;
        }
        self.by_id.insert(id, Session::new(by_id, next_epoch(INITIAL_EPOCH), now, read, outcomes));
        self.by_use.insert((now, id), ());
        id
    }

    /// Whether a high watermark has risen since the session was told of it.
    pub(crate) fn is_behind(&self, session_id: i32, read: &[(Key, Wanted)], outcomes: &[Outcome]) -> bool {
        self.by_id.get(&session_id).is_some_and(|session| session.is_behind(read, outcomes))
    }

    /// Notes what was read and answers which partitions to tell of, as flags beside `read`.
    pub(crate) fn changed(&mut self, session_id: i32, read: &[(Key, Wanted)], outcomes: &[Outcome]) -> Vec<bool> {
        match self.by_id.get_mut(&session_id) {
            Some(session) => session.changed(read, outcomes),
            None => vec![true; read.len()], // evicted meanwhile: the next request will be told so
        }
    }

    fn make_room(&mut self, now: Duration) -> bool {
        if self.by_id.len() < self.slots {
            return true;
        }
        match self.by_use.first_key_value() {
            Some((&(used, id), ())) if now.saturating_sub(used) > MIN_EVICTION => {
                self.remove(id);
                true
            }
            _ => false,
        }
    }

    fn touch(&mut self, id: i32, now: Duration) {
        if let Some(session) = self.by_id.get_mut(&id) {
            self.by_use.remove(&(session.used, id));
            session.used = now;
            self.by_use.insert((now, id), ());
        }
    }

    fn remove(&mut self, id: i32) {
        if let Some(session) = self.by_id.remove(&id) {
            self.by_use.remove(&(session.used, id));
        }
    }
}

fn next_epoch(epoch: i32) -> i32 {
    epoch.checked_add(1).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::session::TopicKey;
    use ottla_protocol::Str;

    fn key(topic: &str) -> Key {
        Key { topic: TopicKey::Name(Str::from(topic)), partition: 0 }
    }

    fn wanted(fetch_offset: i64) -> Wanted {
        Wanted { fetch_offset, max_bytes: 100, current_leader_epoch: -1, last_fetched_epoch: -1, log_start_offset: -1 }
    }

    fn asked(session_id: i32, epoch: i32, topics: &[&str]) -> Asked {
        let partitions = topics.iter().map(|t| (key(t), wanted(0))).collect();
        Asked { session_id, epoch, by_id: false, partitions, forgotten: Vec::new() }
    }

    fn outcome(high_watermark: i64, has_records: bool) -> Outcome {
        Outcome { high_watermark, log_start_offset: 0, has_records, must_tell: false, error: false }
    }

    const T: Duration = Duration::from_secs(1);

    fn opened(sessions: &mut Sessions, id: i32, topics: &[&str]) -> i32 {
        let plan = sessions.plan(T, asked(0, 0, topics));
        let outcomes = vec![outcome(5, true); topics.len()];
        sessions.create(T, id, false, plan.partitions(), &outcomes)
    }

    #[test]
    fn a_session_tells_only_what_changed() {
        let mut sessions = Sessions::new(10);
        let id = opened(&mut sessions, 7, &["a", "b"]);
        assert_eq!(id, 7);
        let plan = sessions.plan(T, asked(7, 1, &[]));
        assert_eq!(plan.partitions().len(), 2);
        assert_eq!(sessions.changed(7, plan.partitions(), &[outcome(5, false), outcome(6, false)]), [false, true]);
        let plan = sessions.plan(T, asked(7, 2, &[]));
        assert_eq!(sessions.changed(7, plan.partitions(), &[outcome(5, true), outcome(6, false)]), [true, false]);
        // The one that had records goes to the back, so that others are not starved of the byte limit.
        let plan = sessions.plan(T, asked(7, 3, &[]));
        assert_eq!(plan.partitions()[1].0, key("a"));
    }

    #[test]
    fn an_error_is_told_and_its_end_too() {
        let mut sessions = Sessions::new(10);
        opened(&mut sessions, 7, &["a"]);
        let plan = sessions.plan(T, asked(7, 1, &[]));
        let error = Outcome { must_tell: true, error: true, ..outcome(-1, false) };
        assert_eq!(sessions.changed(7, plan.partitions(), &[error]), [true]);
        let plan = sessions.plan(T, asked(7, 2, &[]));
        assert_eq!(sessions.changed(7, plan.partitions(), &[outcome(5, false)]), [true]);
    }

    #[test]
    fn wrong_epochs_ids_and_kinds_are_refused() {
        let mut sessions = Sessions::new(10);
        opened(&mut sessions, 7, &["a"]);
        assert!(matches!(sessions.plan(T, asked(8, 1, &[])), Plan::Error(ErrorCode::FetchSessionIdNotFound)));
        assert!(matches!(sessions.plan(T, asked(7, 2, &[])), Plan::Error(ErrorCode::InvalidFetchSessionEpoch)));
        let by_id = Asked { by_id: true, ..asked(7, 1, &[]) };
        assert!(matches!(sessions.plan(T, by_id), Plan::Error(ErrorCode::FetchSessionTopicIdError)));
    }

    #[test]
    fn forgetting_everything_ends_the_session() {
        let mut sessions = Sessions::new(10);
        opened(&mut sessions, 7, &["a"]);
        let forget = Asked { forgotten: vec![key("a")], ..asked(7, 1, &[]) };
        assert!(matches!(sessions.plan(T, forget), Plan::Sessionless(p) if p.is_empty()));
        assert_eq!(sessions.len(), 0);
    }

    #[test]
    fn a_full_cache_evicts_only_what_is_old() {
        let mut sessions = Sessions::new(1);
        assert_eq!(opened(&mut sessions, 7, &["a"]), 7);
        assert_eq!(opened(&mut sessions, 8, &["a"]), 0);
        let later = T + MIN_EVICTION * 2;
        let plan = sessions.plan(later, asked(0, 0, &["b"]));
        assert_eq!(sessions.create(later, 9, false, plan.partitions(), &[outcome(1, false)]), 9);
        assert_eq!(sessions.len(), 1);
    }

    #[test]
    fn closing_a_session_frees_it() {
        let mut sessions = Sessions::new(1);
        opened(&mut sessions, 7, &["a"]);
        assert!(matches!(sessions.plan(T, asked(7, -1, &[])), Plan::Sessionless(_)));
        assert_eq!(sessions.len(), 0);
    }
}
