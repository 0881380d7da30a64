//! Who follows the metadata log without a vote, and how far behind each is (KIP-836).

use ottla_protocol::Uuid;
use std::collections::BTreeMap;

/// A follower that was not heard of for so long is forgotten.
const SESSION_MS: i64 = 300_000;
/// So many are remembered, whatever ids they claim to have.
const MAX_OBSERVERS: usize = 10_000;

/// A replica of the log: a node, and the directory of it that holds the log, if it tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ReplicaKey {
    pub(crate) id: i32,
    pub(crate) directory_id: Uuid,
}

/// How far one has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Observer {
    pub(crate) end_offset: i64,
    pub(crate) last_fetch_ms: i64,
    pub(crate) last_caught_up_ms: i64,
    /// Where the leader's log ended at the last fetch.
    leader_end_then: i64,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Observers(BTreeMap<ReplicaKey, Observer>);

impl Observers {
    /// A fetch from an offset, while the leader's log ends at `leader_end`.
    pub(super) fn note(&mut self, key: ReplicaKey, fetch_offset: i64, leader_end: i64, now_ms: i64) {
        // Whoever has no id is a consumer, not a replica.
        if key.id < 0 {
            return;
        }
        if !self.0.contains_key(&key) && self.0.len() >= MAX_OBSERVERS {
            self.sweep(now_ms);
            if self.0.len() >= MAX_OBSERVERS {
                return;
            }
        }
        let new = Observer { end_offset: -1, last_fetch_ms: -1, last_caught_up_ms: -1, leader_end_then: 0 };
        let observer = self.0.entry(key).or_insert(new);
        if fetch_offset >= leader_end {
            observer.last_caught_up_ms = observer.last_caught_up_ms.max(now_ms);
        } else if observer.leader_end_then > 0 && fetch_offset >= observer.leader_end_then {
            observer.last_caught_up_ms = observer.last_caught_up_ms.max(observer.last_fetch_ms);
        }
        observer.leader_end_then = leader_end;
        observer.last_fetch_ms = observer.last_fetch_ms.max(now_ms);
        observer.end_offset = fetch_offset;
    }

    pub(super) fn all(&mut self, now_ms: i64) -> Vec<(ReplicaKey, Observer)> {
        self.sweep(now_ms);
        self.0.iter().map(|(key, observer)| (*key, *observer)).collect()
    }

    fn sweep(&mut self, now_ms: i64) {
        self.0.retain(|_, observer| now_ms.saturating_sub(observer.last_fetch_ms) < SESSION_MS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: i32) -> ReplicaKey {
        ReplicaKey { id, directory_id: Uuid::ONE }
    }

    /// End offset, last fetch and last time caught up of the only one.
    fn only(observers: &mut Observers, now_ms: i64) -> Option<(i64, i64, i64)> {
        let all = observers.all(now_ms);
        all.first().map(|(_, o)| (o.end_offset, o.last_fetch_ms, o.last_caught_up_ms))
    }

    #[test]
    fn caught_up_is_who_fetches_from_the_end_or_from_where_it_was() {
        let mut observers = Observers::default();
        observers.note(key(2), 0, 10, 1_000);
        assert_eq!(only(&mut observers, 1_000), Some((0, 1_000, -1)));
        observers.note(key(2), 10, 12, 2_000);
        assert_eq!(
            only(&mut observers, 2_000),
            Some((10, 2_000, 1_000)),
            "it had all that there was at the fetch before"
        );
        observers.note(key(2), 12, 12, 3_000);
        assert_eq!(only(&mut observers, 3_000), Some((12, 3_000, 3_000)));
    }

    #[test]
    fn who_is_silent_is_forgotten() {
        let mut observers = Observers::default();
        observers.note(key(2), 1, 1, 0);
        observers.note(key(-1), 1, 1, 0);
        assert_eq!(observers.all(SESSION_MS - 1).len(), 1);
        assert_eq!(observers.all(SESSION_MS), []);
    }

    #[test]
    fn there_are_not_endlessly_many() {
        let mut observers = Observers::default();
        (0..20_000).for_each(|id| observers.note(key(id), 1, 1, 0));
        assert_eq!(observers.all(0).len(), MAX_OBSERVERS);
        observers.note(key(20_000), 1, 1, SESSION_MS);
        assert_eq!(observers.all(SESSION_MS).len(), 1);
    }
}
