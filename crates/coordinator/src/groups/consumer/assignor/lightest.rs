//! Which of a topic's subscribers gets the next partition.

use core::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::btree_set::Iter;

/// Takers in rounds: each member of the smallest load takes one, which lifts them to the next load, where those that
/// already have it join them at the end. Among members of the same load at the start, the one with the smaller id is
/// first.
///
/// Only the members that take something, and the first of each class, are ever looked at.
pub(super) struct Lightest<'a> {
    /// Load, member and class of the first of each class that has not come in.
    heads: BinaryHeap<Reverse<(usize, usize, usize)>>,
    /// The others, by class.
    rest: Vec<Iter<'a, (usize, usize)>>,
    round: Vec<Taker>,
    turn: usize,
    load: usize,
}

struct Taker {
    member: usize,
    taken: usize,
}

impl<'a> Lightest<'a> {
    /// From classes of members, each with load and member in that order.
    pub(super) fn new(classes: impl Iterator<Item = Iter<'a, (usize, usize)>>) -> Self {
        let mut rest: Vec<_> = classes.collect();
        let head = |(class, members): (usize, &mut Iter<'a, _>)| {
            let (load, member) = members.next()?;
            Some(Reverse((*load, *member, class)))
        };
        let heads: BinaryHeap<_> = rest.iter_mut().enumerate().filter_map(head).collect();
        let load = heads.peek().map_or(0, |Reverse((load, ..))| *load);
        Self { heads, rest, round: Vec::new(), turn: 0, load }
    }

    /// The load of who is next.
    pub(super) fn load(&mut self) -> Option<usize> {
        if self.turn == self.round.len() && !self.admit() {
            self.load += 1;
            self.turn = 0;
        }
        (self.turn < self.round.len()).then_some(self.load)
    }

    /// Who is next takes a partition.
    pub(super) fn take(&mut self) -> Option<usize> {
        self.load()?;
        let taker = self.round.get_mut(self.turn)?;
        self.turn += 1;
        taker.taken += 1;
        Some(taker.member)
    }

    /// Lets one more member of the present load in.
    fn admit(&mut self) -> bool {
        let Some(mut head) = self.heads.peek_mut().filter(|head| head.0.0 == self.load) else { return false };
        let Reverse((_, member, class)) = *head;
        match self.rest.get_mut(class).and_then(Iter::next) {
            Some((load, member)) => *head = Reverse((*load, *member, class)),
            None => drop(std::collections::binary_heap::PeekMut::pop(head)),
        }
        self.round.push(Taker { member, taken: 0 });
        true
    }

    /// How many partitions each member took.
    pub(super) fn finish(self) -> impl Iterator<Item = (usize, usize)> {
        self.round.into_iter().map(|taker| (taker.member, taker.taken))
    }
}
