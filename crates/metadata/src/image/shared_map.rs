//! An ordered map whose clones share all but what changes, so that publishing an image costs little however large it is.

use core::borrow::Borrow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A chunk that grows past this is split in two.
const MAX_CHUNK: usize = 128;

/// Chunks in rising order of their keys, none of them empty.
#[derive(Clone, Debug)]
pub(super) struct SharedMap<K, V> {
    chunks: Vec<Arc<BTreeMap<K, V>>>,
    len: usize,
}

impl<K, V> Default for SharedMap<K, V> {
    fn default() -> Self {
        Self { chunks: Vec::new(), len: 0 }
    }
}

impl<K: Ord, V> SharedMap<K, V> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The chunk that has the key if any has: the first that does not end before it.
    fn chunk_of<Q: Ord + ?Sized>(&self, key: &Q) -> usize
    where
        K: Borrow<Q>,
    {
        let ends_before = |chunk: &Arc<BTreeMap<K, V>>| chunk.keys().next_back().is_some_and(|k| k.borrow() < key);
        self.chunks.partition_point(ends_before)
    }

    pub(super) fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.chunks.get(self.chunk_of(key))?.get(key)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.chunks.iter().flat_map(|chunk| chunk.iter())
    }

    /// The entries from a key on.
    pub(super) fn iter_from<'a, Q: Ord + ?Sized>(
        &'a self,
        key: &Q,
    ) -> impl Iterator<Item = (&'a K, &'a V)> + use<'a, K, V, Q>
    where
        K: Borrow<Q>,
    {
        use core::ops::Bound::{Included, Unbounded};
        let at = self.chunk_of(key);
        let first = self.chunks.get(at).map(|chunk| chunk.range::<Q, _>((Included(key), Unbounded)));
        let others = self.chunks.get(at.saturating_add(1)..).unwrap_or_default();
        first.into_iter().flatten().chain(others.iter().flat_map(|chunk| chunk.iter()))
    }
}

impl<K: Ord + Clone, V: Clone> SharedMap<K, V> {
    pub(super) fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let at = self.chunk_of(key);
        let chunk = self.chunks.get_mut(at)?;
        match chunk.contains_key(key) {
            true => Arc::make_mut(chunk).get_mut(key),
            false => None,
        }
    }

    pub(super) fn insert(&mut self, key: K, value: V) {
        let at = self.chunk_of(&key).min(self.chunks.len().saturating_sub(1));
        let Some(chunk) = self.chunks.get_mut(at) else {
            self.chunks.push(Arc::new(BTreeMap::from([(key, value)])));
            self.len = 1;
            return;
        };
        let chunk = Arc::make_mut(chunk);
        if chunk.insert(key, value).is_none() {
            self.len += 1;
        }
        if chunk.len() > MAX_CHUNK
            && let Some(middle) = chunk.keys().nth(chunk.len() / 2).cloned()
        {
            let upper = chunk.split_off(&middle);
            self.chunks.insert(at + 1, Arc::new(upper));
        }
    }

    pub(super) fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let at = self.chunk_of(key);
        let chunk = self.chunks.get_mut(at).filter(|chunk| chunk.contains_key(key))?;
        let removed = Arc::make_mut(chunk).remove(key);
        if chunk.is_empty() {
            self.chunks.remove(at);
        }
        self.len -= usize::from(removed.is_some());
        removed
    }
}

/// The same entries, however they are chunked.
impl<K: Ord, V: PartialEq> PartialEq for SharedMap<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().eq(other.iter())
    }
}

impl<K: Ord, V: Eq> Eq for SharedMap<K, V> {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

        /// It is a `BTreeMap`, and a clone stays as it was.
        #[test]
        fn it_is_a_map(steps in prop::collection::vec((0u8..6, 0u16..600), 0..2000)) {
            let mut map = SharedMap::default();
            let mut model = BTreeMap::new();
            let mut clones = Vec::new();
            for (i, (step, key)) in steps.into_iter().enumerate() {
                match step {
                    0..=2 => {
                        map.insert(key, i);
                        model.insert(key, i);
                    }
                    3 => prop_assert_eq!(map.remove(&key), model.remove(&key)),
                    4 => {
                        if let Some(value) = map.get_mut(&key) {
                            *value += 1;
                        }
                        model.entry(key).and_modify(|value| *value += 1);
                    }
                    _ => {
                        prop_assert_eq!(map.get(&key), model.get(&key));
                        prop_assert!(map.iter_from(&key).eq(model.range(key..)));
                        if i % 50 == 0 {
                            clones.push((map.clone(), model.clone()));
                        }
                    }
                }
                prop_assert_eq!(map.len(), model.len());
            }
            clones.push((map, model));
            for (map, model) in clones {
                prop_assert!(map.iter().eq(model.iter()));
                prop_assert!(map.chunks.iter().all(|chunk| !chunk.is_empty() && chunk.len() <= MAX_CHUNK));
                let mut again = SharedMap::default();
                model.into_iter().for_each(|(key, value)| again.insert(key, value));
                prop_assert_eq!(again, map);
            }
        }
    }

    #[test]
    fn a_change_copies_one_chunk() {
        let mut map = SharedMap::default();
        (0..10_000).for_each(|i| map.insert(i, i));
        let before = map.clone();
        map.insert(5_000, 0);
        let same = map.chunks.iter().zip(&before.chunks).filter(|(a, b)| Arc::ptr_eq(a, b));
        assert_eq!(same.count(), map.chunks.len() - 1);
        assert!(map.chunks.len() > 50);
    }
}
