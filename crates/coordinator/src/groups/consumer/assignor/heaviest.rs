//! Which of a topic's owners gives its next partition.

use super::loads::Loads;

/// Givers in rounds: each owner of the largest load gives its last partition, which brings them down to the next load,
/// where those that already have it join them at the end. Among owners of the same load at the start, the one with the
/// larger id is first.
pub(super) struct Heaviest<'a> {
    /// Those that have not come in, the heaviest last.
    waiting: Vec<Giver<'a>>,
    round: Vec<Giver<'a>>,
    /// Those that have nothing left to give.
    spent: Vec<Giver<'a>>,
    turn: usize,
    load: usize,
}

struct Giver<'a> {
    member: usize,
    /// At the start.
    load: usize,
    partitions: Vec<&'a mut Option<usize>>,
    given: usize,
}

impl<'a> Heaviest<'a> {
    /// From a topic's owners, only those with more than `load` partitions.
    pub(super) fn above(load: usize, owners: &'a mut [Option<usize>], loads: &Loads) -> Self {
        let mut owned = Vec::new();
        for owner in owners {
            if let Some(member) = *owner {
                owned.push((loads.of(member), member, owner));
            }
        }
        owned.retain(|(of_member, ..)| *of_member > load);
        owned.sort_by_key(|(load, member, _)| (*load, *member));
        let mut waiting: Vec<Giver<'a>> = Vec::new();
        for (load, member, owner) in owned {
            match waiting.last_mut().filter(|giver| giver.member == member) {
                Some(giver) => giver.partitions.push(owner),
                None => waiting.push(Giver { member, load, partitions: vec![owner], given: 0 }),
            }
        }
        let load = waiting.last().map_or(0, |giver| giver.load);
        Self { waiting, round: Vec::new(), spent: Vec::new(), turn: 0, load }
    }

    /// Whether nobody has anything to give.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.round.is_empty()
    }

    /// The load of who is next.
    pub(super) fn load(&mut self) -> Option<usize> {
        if self.turn == self.round.len() && !self.admit() {
            self.start_round();
        }
        (self.turn < self.round.len()).then_some(self.load)
    }

    /// Who is next gives a partition.
    pub(super) fn give(&mut self) -> Option<&'a mut Option<usize>> {
        self.load()?;
        let giver = self.round.get_mut(self.turn)?;
        self.turn += 1;
        giver.given += 1;
        giver.partitions.pop()
    }

    /// Lets one more owner of the present load in.
    fn admit(&mut self) -> bool {
        let giver = self.waiting.pop_if(|giver| giver.load == self.load);
        let is_admitted = giver.is_some();
        self.round.extend(giver);
        is_admitted
    }

    fn start_round(&mut self) {
        self.spent.extend(self.round.extract_if(.., |giver| giver.partitions.is_empty()));
        self.turn = 0;
        self.load = self.load.saturating_sub(1);
        if self.round.is_empty() {
            self.load = self.waiting.last().map_or(0, |giver| giver.load);
            self.admit();
        }
    }

    /// How many partitions each member gave.
    pub(super) fn finish(self) -> impl Iterator<Item = (usize, usize)> {
        let givers = self.round.into_iter().chain(self.spent);
        givers.filter(|giver| giver.given > 0).map(|giver| (giver.member, giver.given))
    }
}
