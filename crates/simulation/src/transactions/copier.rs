//! The consuming side of a producer that copies: a member of the group, which reads an input and says with its transactions how far.

use crate::groups::{Member, Offsets, Part, Topics, to_commit};
use crate::random::Random;
use ottla_coordinator::OffsetCommit;
use ottla_coordinator::transactions::Producer;
use ottla_protocol::Str;
use std::collections::BTreeMap;

/// The group of all copiers.
pub(super) const GROUP: &str = "g";
/// What sets copies apart from all other values.
const COPIED: u64 = 1 << 63;
const PART_BITS: u32 = 56;
const OFFSET_BITS: u32 = 32;

/// What there is to copy. The records of a partition are their offsets.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) topics: Topics,
    /// How many records are in each partition.
    pub(super) length: i64,
    /// Up to where transactions were committed of which their copiers were told so.
    pub(super) acknowledged: Offsets,
    /// A number that makes values differ, also those of two copies of one record.
    pub(super) next_value: u64,
}

impl Input {
    pub(super) fn value(&mut self) -> u64 {
        self.next_value += 1;
        self.next_value
    }

    fn copy(&mut self, (_, number): Part, offset: i64) -> u64 {
        let (number, offset) = (u64::try_from(number).unwrap_or(0), u64::try_from(offset).unwrap_or(0));
        COPIED | number << PART_BITS | offset << OFFSET_BITS | self.value()
    }
}

/// Which record a value is a copy of, if it is one.
pub(super) fn copied(value: u64) -> Option<(Part, i64)> {
    let bits = |from: u32, to: u32| (value >> from) & ((1 << (to - from)) - 1);
    let number = i32::try_from(bits(PART_BITS, 63)).ok()?;
    let offset = i64::try_from(bits(OFFSET_BITS, PART_BITS)).ok()?;
    (value & COPIED != 0).then_some(((0, number), offset))
}

/// From where to where a transaction copies partitions.
pub(super) type Ranges = BTreeMap<Part, (i64, i64)>;

pub(super) struct Copier {
    pub(super) member: Member,
    /// What it was called when it read what it copies (KIP-447).
    member_id: Str,
    generation_id: i32,
}

impl Copier {
    pub(super) fn new(mut member: Member) -> Self {
        member.commits = false;
        Self { member, member_id: Str::default(), generation_id: -1 }
    }

    /// Reads what is next in the partitions it has, if there is anything, and makes values of it.
    pub(super) fn read(&mut self, random: &mut Random, input: &mut Input) -> Option<(Ranges, Vec<Vec<u64>>)> {
        if !self.member.is_in() {
            return None;
        }
        let (mut ranges, mut values) = (Ranges::new(), Vec::new());
        for (part, from) in self.member.positions.iter().filter(|(part, _)| self.member.owned.contains(*part)) {
            let count = i64::try_from(random.between(1, 60)).unwrap_or(1).min(input.length - from);
            if count > 0 {
                ranges.insert(*part, (*from, from + count));
                values.push((*from..from + count).map(|offset| input.copy(*part, offset)).collect());
            }
        }
        self.member_id = self.member.id.clone();
        self.generation_id = self.member.epoch;
        (!ranges.is_empty()).then_some((ranges, values))
    }

    /// What it says with its transaction.
    pub(super) fn commit(&self, producer: Producer, ranges: &Ranges, metadata: &Str) -> OffsetCommit {
        let offsets = ranges.iter().map(|(part, (_, to))| (*part, *to)).collect();
        OffsetCommit {
            group_id: Str::from_static(GROUP),
            member_id: self.member_id.clone(),
            generation_id: self.generation_id,
            supports_member_epochs: true,
            producer_id: Some(producer.id),
            topics: to_commit(&offsets, Some(metadata)),
            ..OffsetCommit::default()
        }
    }

    /// Goes on behind what was committed; what was taken from it meanwhile it has asked for anew.
    pub(super) fn committed(&mut self, ranges: &Ranges, acknowledged: &mut Offsets) {
        for (part, (from, to)) in ranges {
            if let Some(position) = self.member.positions.get_mut(part).filter(|position| **position == *from) {
                *position = *to;
            }
            let furthest = acknowledged.entry((Str::from_static(GROUP), *part)).or_insert(*to);
            *furthest = (*furthest).max(*to);
        }
    }

    /// Goes back to what is committed.
    pub(super) fn aborted(&mut self, ranges: &Ranges) {
        self.member.positions.retain(|part, _| !ranges.contains_key(part));
    }
}
