//! Groups made at random.

use super::*;
use proptest::prelude::*;

const MAX_TOPICS: u8 = 5;
const MAX_PARTITIONS: i32 = 12;
const MAX_MEMBERS: usize = 7;

/// A member's instance id, topics, and what it has.
type Drawn = (bool, BTreeSet<u8>, BTreeMap<u8, BTreeSet<i32>>);

fn drawn() -> impl Strategy<Value = Drawn> {
    let topic = || 0..MAX_TOPICS;
    // Also topics that it is not subscribed to, partitions that are not there, and what others have.
    let has = prop::collection::btree_map(topic(), prop::collection::btree_set(0..MAX_PARTITIONS, 1..8), 0..4);
    (any::<bool>(), prop::collection::btree_set(topic(), 0..5), has)
}

fn counts() -> impl Strategy<Value = Vec<i32>> {
    prop::collection::vec(0..MAX_PARTITIONS, usize::from(MAX_TOPICS))
}

fn members() -> impl Strategy<Value = Vec<Drawn>> {
    prop::collection::vec(drawn(), 1..MAX_MEMBERS)
}

fn topics_of(numbers: &BTreeSet<u8>) -> Arc<BTreeSet<Uuid>> {
    Arc::new(numbers.iter().map(|number| topic(*number)).collect())
}

fn spec(counts: &[i32], members: Vec<Drawn>) -> GroupSpec {
    let member = |(index, (is_static, topics, has)): (usize, Drawn)| {
        let instance_id = is_static.then(|| Str::from(format!("i{}", (index * 5) % MAX_MEMBERS)));
        let assignment = has.into_iter().map(|(number, partitions)| (topic(number), partitions)).collect();
        let spec = MemberSpec { instance_id, topics: topics_of(&topics), assignment: Arc::new(assignment) };
        (Str::from(format!("m{index}")), spec)
    };
    let members: BTreeMap<_, _> = members.into_iter().enumerate().map(member).collect();
    let topics = (0..).map(topic).zip(counts.iter().copied());
    let is_subscribed = |id: &Uuid| members.values().any(|member| member.topics.contains(id));
    GroupSpec { partitions: topics.filter(|(id, _)| is_subscribed(id)).collect(), members }
}

/// A group whose members are subscribed to whatever they like.
pub(super) fn heterogeneous() -> impl Strategy<Value = GroupSpec> {
    (counts(), members()).prop_map(|(counts, members)| spec(&counts, members))
}

/// A group whose members are subscribed to the same topics.
pub(super) fn homogeneous() -> impl Strategy<Value = GroupSpec> {
    let topics = prop::collection::btree_set(0..MAX_TOPICS, 0..5);
    (counts(), topics, members()).prop_map(|(counts, topics, mut members)| {
        for (_, of_member, _) in &mut members {
            of_member.clone_from(&topics);
        }
        spec(&counts, members)
    })
}

/// A group in which a topic's subscribers have all other topics in common too: each topic belongs to one of two kinds of
/// members.
pub(super) fn separate() -> impl Strategy<Value = GroupSpec> {
    (counts(), members()).prop_map(|(counts, mut members)| {
        for (is_static, topics, _) in &mut members {
            *topics = (0..MAX_TOPICS).filter(|number| (number % 2 == 0) == *is_static).collect();
        }
        spec(&counts, members)
    })
}

/// Any group.
pub(super) fn any_group() -> impl Strategy<Value = GroupSpec> {
    prop_oneof![homogeneous(), heterogeneous(), separate()]
}
