//! The uniform assignor where all members are subscribed to the same topics: everybody has a quota.
//!
//! The result is as balanced as can be, and no other balanced one would let members keep more of what they have.

use super::topics::Topics;
use core::iter::repeat_n;

/// A partition's owner, to be changed.
type Owner<'a> = &'a mut Option<usize>;

/// Gives every partition an owner.
pub(super) fn balance(topics: &mut Topics, member_count: usize) {
    let mut shares = shares(topics, member_count);
    let free = release(topics, &mut shares);
    let takers = shares.iter().enumerate().flat_map(|(member, share)| repeat_n(member, share.quota - share.kept));
    for (owner, taker) in free.into_iter().zip(takers) {
        *owner = Some(taker);
    }
}

/// A member's part of all partitions.
#[derive(Clone, Default)]
struct Share {
    /// What it has so far.
    present: usize,
    /// What it is to have.
    quota: usize,
    /// What it keeps of what it has.
    kept: usize,
}

/// Counts what everybody has, and says what everybody is to have.
fn shares(topics: &Topics, member_count: usize) -> Vec<Share> {
    let mut shares = vec![Share::default(); member_count];
    let owners = topics.values().flat_map(|topic| &topic.owners);
    let mut partitions = 0;
    for owner in owners {
        partitions += 1;
        if let Some(share) = owner.and_then(|owner| shares.get_mut(owner)) {
            share.present += 1;
        }
    }
    set_quotas(&mut shares, partitions);
    shares
}

/// Where partitions do not divide evenly, those that have one more keep it, the first of them if they are too many; what
/// nobody claims so goes to the last members.
fn set_quotas(shares: &mut [Share], partitions: usize) {
    let mut members_left = shares.len();
    let minimum = partitions.checked_div(members_left).unwrap_or(0);
    let mut extras = partitions - minimum * members_left;
    for share in shares {
        let has_extra = extras > 0 && (share.present > minimum || members_left == extras);
        share.quota = minimum + usize::from(has_extra);
        extras -= usize::from(has_extra);
        members_left -= 1;
    }
}

/// What can be given away: first what nobody had, then what members have beyond their quotas, member by member.
fn release<'a>(topics: &'a mut Topics, shares: &mut [Share]) -> Vec<Owner<'a>> {
    let mut free = Vec::new();
    let mut released = Vec::new();
    for owner in topics.values_mut().flat_map(|topic| &mut topic.owners) {
        let member = *owner;
        match member.and_then(|member| shares.get_mut(member)) {
            Some(share) if share.kept < share.quota => share.kept += 1,
            Some(_) => released.push((member, owner)),
            None => free.push(owner),
        }
    }
    released.sort_by_key(|(member, _)| *member);
    free.extend(released.into_iter().map(|(_, owner)| owner));
    free
}
