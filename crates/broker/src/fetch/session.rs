//! One fetch session: the partitions a client follows and what it was last told of each.

use super::sessions::Outcome;
use ottla_protocol::{Str, Uuid};
use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

/// How the client named the topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum TopicKey {
    Name(Str),
    Id(Uuid),
}

/// A partition as the client named it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) topic: TopicKey,
    pub(crate) partition: i32,
}

/// What the client wants of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) fetch_offset: i64,
    pub(crate) max_bytes: i32,
    pub(crate) current_leader_epoch: i32,
    pub(crate) last_fetched_epoch: i32,
    /// Where a follower's log starts.
    pub(crate) log_start_offset: i64,
}

/// Nothing was told yet, or an error: whatever comes next is news.
const UNTOLD: i64 = -1;

#[derive(Debug)]
struct Followed {
    key: Key,
    wanted: Wanted,
    high_watermark: i64,
    log_start_offset: i64,
}

#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) by_id: bool,
    pub(crate) epoch: i32,
    pub(crate) used: Duration,
    /// In the order they are read; one that had records goes to the end.
    order: BTreeMap<u64, Followed>,
    places: HashMap<Key, u64>,
    next_place: u64,
}

impl Session {
    pub(crate) fn new(by_id: bool, epoch: i32, used: Duration, read: &[(Key, Wanted)], outcomes: &[Outcome]) -> Self {
        let mut session = Self { by_id, epoch, used, order: BTreeMap::new(), places: HashMap::new(), next_place: 0 };
        session.update(read.to_vec(), &[]);
        session.changed(read, outcomes);
        session
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    pub(crate) fn partitions(&self) -> Vec<(Key, Wanted)> {
        self.order.values().map(|f| (f.key.clone(), f.wanted)).collect()
    }

    /// Takes in what a request adds, changes and forgets.
    pub(crate) fn update(&mut self, partitions: Vec<(Key, Wanted)>, forgotten: &[Key]) {
        for (key, wanted) in partitions {
            match self.places.get(&key).and_then(|place| self.order.get_mut(place)) {
                Some(followed) => followed.wanted = wanted,
                None => {
                    let key = detached(key);
                    self.push(Followed { key, wanted, high_watermark: UNTOLD, log_start_offset: UNTOLD });
                }
            }
        }
        for key in forgotten {
            if let Some(place) = self.places.remove(key) {
                self.order.remove(&place);
            }
        }
    }

    fn push(&mut self, followed: Followed) {
        let place = self.next_place;
        self.next_place += 1;
        self.places.insert(followed.key.clone(), place);
        self.order.insert(place, followed);
    }

    /// Which of the partitions read have news; notes that they are told.
    pub(crate) fn changed(&mut self, read: &[(Key, Wanted)], outcomes: &[Outcome]) -> Vec<bool> {
        read.iter().zip(outcomes).map(|((key, _), outcome)| self.tell(key, outcome)).collect()
    }

    /// Whether a high watermark has risen since it was told.
    pub(crate) fn is_behind(&self, read: &[(Key, Wanted)], outcomes: &[Outcome]) -> bool {
        read.iter().zip(outcomes).any(|((key, _), outcome)| {
            let followed = self.places.get(key).and_then(|place| self.order.get(place));
            let told = followed.map(|followed| followed.high_watermark).filter(|told| *told != UNTOLD);
            told.is_some_and(|told| outcome.high_watermark > told)
        })
    }

    fn tell(&mut self, key: &Key, outcome: &Outcome) -> bool {
        let Some(followed) = self.places.get(key).and_then(|place| self.order.get_mut(place)) else {
            return true;
        };
        let news = outcome.has_records
            || outcome.must_tell
            || followed.high_watermark != outcome.high_watermark
            || followed.log_start_offset != outcome.log_start_offset;
        followed.high_watermark = if outcome.error { UNTOLD } else { outcome.high_watermark };
        followed.log_start_offset = outcome.log_start_offset;
        if outcome.has_records
            && let Some(followed) = self.places.remove(key).and_then(|place| self.order.remove(&place))
        {
            self.push(followed);
        }
        news
    }
}

/// A session outlives the request that named the topic, and must not keep its bytes.
fn detached(key: Key) -> Key {
    match key.topic {
        TopicKey::Name(name) => Key { topic: TopicKey::Name(name.detached()), ..key },
        TopicKey::Id(_) => key,
    }
}
