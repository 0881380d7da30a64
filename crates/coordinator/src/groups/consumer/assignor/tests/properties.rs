//! What holds for the assignments of all groups.

use super::generated::{any_group, heterogeneous, homogeneous, separate};
use super::*;
use core::cmp::min;
use proptest::prelude::*;

/// Every partition of every topic is assigned once, to a subscriber, and every member is there.
fn check_complete(group: &GroupSpec, assignment: &GroupAssignment) {
    assert!(group.members.keys().eq(assignment.keys()), "{assignment:?} has other members");
    let mut assigned = Vec::new();
    for (id, of_member) in assignment {
        assert!(of_member.keys().all(|topic| group.members[id].topics.contains(topic)), "{id} is not subscribed");
        assert!(of_member.values().all(|partitions| !partitions.is_empty()), "{id} has a topic without partitions");
        assigned.extend(of_member.iter().flat_map(|(topic, partitions)| partitions.iter().map(|p| (*topic, *p))));
    }
    assigned.sort_unstable();
    let existing = group.partitions.iter().flat_map(|(topic, count)| (0..*count).map(|partition| (*topic, partition)));
    assert_eq!(assigned, existing.collect::<Vec<_>>());
}

/// No member has two more than another that is subscribed to a topic of which it has a partition.
fn check_balanced(group: &GroupSpec, assignment: &GroupAssignment) {
    let sizes = sizes(assignment);
    for (id, of_member) in assignment {
        for (other, spec) in &group.members {
            let can_move = of_member.keys().any(|topic| spec.topics.contains(topic));
            assert!(!can_move || sizes[id] <= sizes[other] + 1, "{id} can give to {other} in {assignment:?}");
        }
    }
}

/// How many partitions members have in both.
fn kept(group: &GroupSpec, assignment: &GroupAssignment) -> usize {
    let of_member = |(id, spec): (&Str, &MemberSpec)| {
        let both = |(topic, partitions): (&Uuid, &BTreeSet<i32>)| {
            assignment[id].get(topic).map_or(0, |assigned| assigned.intersection(partitions).count())
        };
        spec.assignment.iter().map(both).sum::<usize>()
    };
    group.members.iter().map(of_member).sum()
}

/// The group, with partitions that two members have only with the first, and without those that are not there.
fn disjoint(mut group: GroupSpec) -> GroupSpec {
    let existing = group.partitions.iter().flat_map(|(topic, count)| (0..*count).map(|partition| (*topic, partition)));
    let mut free: BTreeSet<_> = existing.collect();
    for spec in group.members.values_mut() {
        let mut assignment = (*spec.assignment).clone();
        for (topic, partitions) in &mut assignment {
            partitions.retain(|partition| free.remove(&(*topic, *partition)));
        }
        spec.assignment = Arc::new(assignment);
    }
    group
}

/// How many partitions members have at most in both, if everybody is to have as many: nobody can keep more than a quota,
/// and only as many as there are extra partitions can keep one more.
fn most_kept(group: &GroupSpec) -> usize {
    let has = |spec: &MemberSpec| spec.assignment.values().map(BTreeSet::len).sum::<usize>();
    let valid: Vec<_> = group.members.values().map(has).collect();
    let count = group.partitions.values().map(|count| usize::try_from(*count).unwrap()).sum::<usize>();
    let (quota, extras) = (count / valid.len(), count % valid.len());
    let with_more = valid.iter().filter(|valid| **valid > quota).count();
    valid.iter().map(|valid| min(*valid, quota)).sum::<usize>() + min(with_more, extras)
}

/// The group without the member at a place, if anybody is left.
fn without(mut group: GroupSpec, place: prop::sample::Index) -> Option<GroupSpec> {
    let id = place.get(&group.members.keys().cloned().collect::<Vec<_>>()).clone();
    group.members.remove(&id);
    let is_subscribed = |id: &Uuid| group.members.values().any(|member| member.topics.contains(id));
    group.partitions.retain(|id, _| is_subscribed(id));
    (!group.members.is_empty()).then_some(group)
}

/// Everybody keeps what it has.
fn check_all_kept(group: &GroupSpec, assignment: &GroupAssignment) {
    let present = group.members.values().flat_map(|spec| spec.assignment.values()).map(BTreeSet::len).sum();
    assert_eq!(kept(group, assignment), present, "{group:?} is assigned {assignment:?}");
}

/// Subscriptions that members do not share.
fn unshared(group: &GroupSpec) -> GroupSpec {
    let member = |spec: &MemberSpec| MemberSpec {
        instance_id: spec.instance_id.clone(),
        topics: Arc::new((*spec.topics).clone()),
        assignment: spec.assignment.clone(),
    };
    let members = group.members.iter().map(|(id, spec)| (id.clone(), member(spec))).collect();
    GroupSpec { members, partitions: group.partitions.clone() }
}

/// Subscriptions that members share.
fn shared(mut group: GroupSpec) -> GroupSpec {
    let mut known = BTreeMap::new();
    for spec in group.members.values_mut() {
        spec.topics = known.entry(spec.topics.clone()).or_insert(spec.topics.clone()).clone();
    }
    group
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_partition_is_assigned_once(group in any_group()) {
        for assignor in Assignor::ALL {
            check_complete(&group, &assignor.assign(&group));
        }
    }

    #[test]
    fn assigning_again_changes_nothing(group in any_group()) {
        for assignor in Assignor::ALL {
            let assignment = assignor.assign(&group);
            let again = assigned(unshared(&group), assignment.clone());
            prop_assert_eq!(&assignor.assign(&again), &assignment);
        }
    }

    #[test]
    fn it_does_not_matter_who_shares_a_subscription(group in any_group()) {
        for assignor in Assignor::ALL {
            let assignment = assignor.assign(&unshared(&group));
            prop_assert_eq!(&assignor.assign(&shared(unshared(&group))), &assignment);
        }
    }

    #[test]
    fn uniform_is_balanced(group in prop_oneof![heterogeneous(), separate()]) {
        check_balanced(&group, &Assignor::Uniform.assign(&group));
    }

    #[test]
    fn uniform_is_even_for_equal_subscriptions(group in homogeneous()) {
        let assignment = Assignor::Uniform.assign(&group);
        let sizes = sizes(&assignment);
        prop_assert!(sizes.values().max().unwrap() - sizes.values().min().unwrap() <= 1, "{:?}", sizes);
    }

    #[test]
    fn uniform_keeps_as_much_as_balance_allows(group in homogeneous()) {
        let group = disjoint(group);
        prop_assert_eq!(kept(&group, &Assignor::Uniform.assign(&group)), most_kept(&group));
    }

    #[test]
    fn uniform_moves_only_what_a_leaving_member_had(
        group in prop_oneof![homogeneous(), separate()],
        place in any::<prop::sample::Index>(),
    ) {
        let assignment = Assignor::Uniform.assign(&group);
        if let Some(rest) = without(assigned(group, assignment), place) {
            let assignment = Assignor::Uniform.assign(&rest);
            check_complete(&rest, &assignment);
            check_all_kept(&rest, &assignment);
        }
    }

    #[test]
    fn uniform_stays_balanced_when_a_member_leaves(
        group in heterogeneous(),
        place in any::<prop::sample::Index>(),
    ) {
        let assignment = Assignor::Uniform.assign(&group);
        if let Some(rest) = without(assigned(group, assignment), place) {
            let assignment = Assignor::Uniform.assign(&rest);
            check_complete(&rest, &assignment);
            check_balanced(&rest, &assignment);
        }
    }

    #[test]
    fn range_cuts_topics_into_contiguous_ranges(group in any_group()) {
        let assignment = Assignor::Range.assign(&group);
        for (topic, count) in &group.partitions {
            let subscribers = group.members.values().filter(|spec| spec.topics.contains(topic)).count();
            let subscribers = i32::try_from(subscribers).unwrap();
            for partitions in assignment.values().filter_map(|of_member| of_member.get(topic)) {
                let (first, last) = (*partitions.first().unwrap(), *partitions.last().unwrap());
                let size = i32::try_from(partitions.len()).unwrap();
                prop_assert_eq!(last - first + 1, size);
                prop_assert!(size == count / subscribers || size == count / subscribers + 1);
                // The longer ranges come first.
                let longer = min(first / (count / subscribers + 1), count % subscribers);
                prop_assert_eq!(size > count / subscribers, longer < count % subscribers);
            }
        }
    }

    #[test]
    fn range_splits_equal_topics_alike(group in any_group()) {
        let assignment = Assignor::Range.assign(&group);
        let subscribers = |topic| group.members.values().map(move |spec| spec.topics.contains(topic));
        for (topic, count) in &group.partitions {
            for (other, other_count) in &group.partitions {
                if count == other_count && subscribers(topic).eq(subscribers(other)) {
                    prop_assert!(assignment.values().all(|of_member| of_member.get(topic) == of_member.get(other)));
                }
            }
        }
    }
}
