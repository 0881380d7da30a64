//! The uniform assignor where members are subscribed to different topics.
//!
//! Partitions without an owner go to the subscribers that have fewest; then partitions move from subscribers that have
//! more to subscribers of the same topic that have at least two fewer, until there are no such two. Each move makes the
//! sum of the squares of the loads smaller, so that this ends, but where subscriptions overlap in long chains it may take
//! very long: it is given up after a number of steps, with what is reached by then.
//!
//! Kafka ends after 16 rounds over all topics instead.

use super::classes::Class;
use super::heaviest::Heaviest;
use super::loads::Loads;
use super::topics::{Topic, Topics};
use core::cmp::Ordering;

/// How many partitions and classes of subscribers are looked at before balancing is given up: 20 rounds over the 200,000
/// partitions of a large cluster, and some tenths of a second at most.
pub(super) const MAX_STEPS: usize = 4_000_000;

/// Gives every partition an owner.
pub(super) fn balance(topics: &mut Topics, classes: &[Class<'_>], max_steps: usize) {
    let mut loads = Loads::new(topics, classes);
    let mut topics = in_order(topics, classes);
    for topic in &mut topics {
        hand_out(topic, &mut loads);
    }
    even_out_all(&mut topics, &mut loads, max_steps);
}

/// The topics with most partitions a subscriber first, then those with fewest subscribers: what leaves least choice. The
/// others can then make up for it.
fn in_order<'a>(topics: &'a mut Topics, classes: &[Class<'_>]) -> Vec<&'a mut Topic> {
    let members_of = |class: &usize| classes.get(*class).map_or(0, |class| class.members.len());
    let subscribers_of = |topic: &Topic| topic.classes.iter().map(members_of).sum::<usize>();
    let mut topics: Vec<_> = topics.values_mut().map(|topic| (subscribers_of(topic), topic)).collect();
    topics.sort_by(|(subscribers, topic), (other_subscribers, other)| {
        by_partitions_a_subscriber((topic.owners.len(), *subscribers), (other.owners.len(), *other_subscribers))
    });
    topics.into_iter().map(|(_, topic)| topic).collect()
}

fn by_partitions_a_subscriber(one: (usize, usize), other: (usize, usize)) -> Ordering {
    let (partitions, subscribers) = one;
    let (other_partitions, other_subscribers) = other;
    let descending = (other_partitions * subscribers).cmp(&(partitions * other_subscribers));
    descending.then(subscribers.cmp(&other_subscribers))
}

fn hand_out(topic: &mut Topic, loads: &mut Loads) {
    if topic.owners.iter().all(Option::is_some) {
        return;
    }
    let mut lightest = loads.lightest(&topic.classes);
    for owner in topic.owners.iter_mut().filter(|owner| owner.is_none()) {
        *owner = lightest.take();
    }
    let gained: Vec<_> = lightest.finish().collect();
    for (member, gained) in gained {
        loads.change(member, gained, 0);
    }
}

/// Goes round the topics until none has changed in a whole round.
fn even_out_all(topics: &mut [&mut Topic], loads: &mut Loads, max_steps: usize) {
    let count = topics.len();
    let (mut steps, mut even_topics) = (0, 0);
    while even_topics < count {
        for topic in &mut *topics {
            let moved = even_out(topic, loads);
            steps += topic.owners.len() + topic.classes.len() + moved;
            even_topics = if moved > 0 { 0 } else { even_topics + 1 };
            if even_topics == count || steps >= max_steps {
                return;
            }
        }
    }
}

/// Moves partitions of one topic, and says how many.
fn even_out(topic: &mut Topic, loads: &mut Loads) -> usize {
    let Some(least) = loads.least(&topic.classes) else { return 0 };
    let mut heaviest = Heaviest::above(least + 1, &mut topic.owners, loads);
    if heaviest.is_empty() {
        return 0;
    }
    let mut lightest = loads.lightest(&topic.classes);
    let mut moved = 0;
    while let (Some(most), Some(least)) = (heaviest.load(), lightest.load())
        && most > least + 1
        && let Some(owner) = heaviest.give()
    {
        *owner = lightest.take();
        moved += 1;
    }
    let gained: Vec<_> = lightest.finish().collect();
    for (member, lost) in heaviest.finish() {
        loads.change(member, 0, lost);
    }
    for (member, gained) in gained {
        loads.change(member, gained, 0);
    }
    moved
}
