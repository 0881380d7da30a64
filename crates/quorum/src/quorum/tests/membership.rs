//! Changes of members, one at a time, calm and under faults; nodes whose disk was replaced.

use super::cluster::{Cluster, directory, seeds};
use super::network::Weather;
use crate::{Change, ChangeError, ChangeRefused, Role, Voter, guard::GuardError};
use ottla_protocol::Uuid;

use super::super::Refused;

/// Has the leader begin a change, with a batch as the broker would.
fn change(cluster: &mut Cluster, change: Change) -> Result<(), ChangeRefused> {
    let leader = cluster.leader().unwrap();
    let data = cluster.batch(leader);
    cluster.quorum(leader).change(change, &data).map(|_| ())
}

/// Has the leader make a change, and waits until it is made.
fn make(cluster: &mut Cluster, wanted: Change) {
    for _ in 0..200 {
        cluster.step();
        let Some(leader) = cluster.leader() else { continue };
        let active = matches!(cluster.nodes[leader].role, Some(Role::Leader { .. }));
        if active && change(cluster, wanted).is_ok() {
            cluster.run(10);
            return;
        }
    }
    panic!("{wanted:?} is not made: {:?}", cluster.describe());
}

fn voter(cluster: &Cluster, at: usize) -> Voter {
    Voter { id: cluster.nodes[at].id, directory_id: cluster.nodes[at].directory_id }
}

fn voters(cluster: &mut Cluster) -> Vec<i32> {
    let leader = cluster.leader().unwrap();
    cluster.quorum(leader).members().voters().map(|voter| voter.id).collect()
}

#[test]
fn one_voter_becomes_three_and_one_again() {
    let mut cluster = Cluster::new(1, 1, 2);
    cluster.step();
    assert!(cluster.propose(0));
    for at in [1, 2] {
        let joining = voter(&cluster, at);
        make(&mut cluster, Change::AddLearner(joining));
        cluster.run_until("it begins from a snapshot", |cluster| cluster.nodes[at].installed == 1);
        make(&mut cluster, Change::Promote(joining.id));
    }
    assert_eq!(voters(&mut cluster), [0, 1, 2]);
    cluster.heal();
    assert_eq!(change(&mut cluster, Change::Remove(0)), Err(ChangeRefused::Leader));
    cluster.quorum(0).transfer_leadership(1).unwrap();
    cluster.run(5);
    make(&mut cluster, Change::Remove(0));
    make(&mut cluster, Change::Remove(2));
    assert_eq!(voters(&mut cluster), [1]);
    let epoch = cluster.nodes[1].role;
    cluster.crash(0);
    cluster.crash(2);
    cluster.run(100);
    assert_eq!(cluster.nodes[1].role, epoch);
    cluster.heal();
}

#[test]
fn the_directories_of_fixed_voters_become_known() {
    let fixed = (0..3).map(|id| Voter { id, directory_id: Uuid::ZERO }).collect();
    let mut cluster = Cluster::of(4, fixed, 0);
    cluster.run_until("one is elected", |cluster| cluster.leader().is_some());
    cluster.run(10);
    for at in 0..3 {
        let known = voter(&cluster, at);
        make(&mut cluster, Change::Identify(known));
    }
    let expected: Vec<Voter> = (0..3).map(|at| voter(&cluster, at)).collect();
    for at in 0..3 {
        assert_eq!(cluster.quorum(at).members().voters().copied().collect::<Vec<_>>(), expected);
    }
    let again = Change::Identify(Voter { directory_id: directory(1, 2), ..expected[1] });
    assert_eq!(change(&mut cluster, again), Err(ChangeError::Absent(1).into()), "once known it stays what it is");
    cluster.crash(1);
    cluster.heal();
    assert_eq!(voters(&mut cluster), [0, 1, 2]);
}

#[test]
fn a_learner_that_is_not_there_gets_no_vote() {
    let mut cluster = Cluster::new(2, 1, 1);
    cluster.step();
    cluster.crash(1);
    let joining = voter(&cluster, 1);
    make(&mut cluster, Change::AddLearner(joining));
    assert!(matches!(change(&mut cluster, Change::Promote(1)), Err(ChangeRefused::Behind(1, _))));
    assert!(cluster.propose(0), "the learner does not count");
    cluster.run(2);
    make(&mut cluster, Change::Remove(1));
}

#[test]
fn a_voter_is_not_removed_when_too_few_would_be_left() {
    let mut cluster = Cluster::new(3, 3, 0);
    cluster.run_until("a leader", |cluster| cluster.leader().is_some());
    cluster.run(20);
    let leader = cluster.leader().unwrap();
    let (dead, alive) = ((leader + 1) % 3, (leader + 2) % 3);
    cluster.crash(dead);
    cluster.run(25);
    let (dead, alive) = (cluster.nodes[dead].id, cluster.nodes[alive].id);
    assert_eq!(change(&mut cluster, Change::Remove(alive)), Err(ChangeRefused::Unsafe));
    make(&mut cluster, Change::Remove(dead));
    cluster.heal();
}

/// A change that its leader did not see committed is committed by the next leader, though it is about itself.
#[test]
fn a_leader_that_finds_itself_removed_steps_down() {
    let mut found = 0;
    for seed in 0..20 {
        let mut cluster = Cluster::new(seed, 3, 0);
        cluster.run_until("a leader", |cluster| cluster.leader().is_some());
        cluster.run(10);
        let first = cluster.leader().unwrap();
        let removed = (first + 1) % 3;
        let (first_id, removed_id) = (cluster.nodes[first].id, cluster.nodes[removed].id);
        (0..3).for_each(|from| {
            cluster.network.cuts.insert((from, first_id));
        });
        change(&mut cluster, Change::Remove(removed_id)).unwrap();
        cluster.run(3);
        cluster.crash(first);
        let led = |cluster: &Cluster| matches!(cluster.nodes[removed].role, Some(Role::Leader { .. }));
        for _ in 0..60 {
            cluster.step();
            found += usize::from(led(&cluster));
            // With this one back it has a majority that hears it, and has to step down all the same.
            if cluster.leader().is_some() && !cluster.is_up(first) {
                cluster.network.cuts.clear();
                cluster.start(first);
            }
        }
        assert!(!led(&cluster), "seed {seed}: {:?}", cluster.describe());
        cluster.heal();
        assert!(!voters(&mut cluster).contains(&removed_id), "seed {seed}");
    }
    assert!(found > 0, "in some seed it led");
}

#[test]
fn a_voter_whose_disk_was_replaced_does_not_count() {
    let mut cluster = Cluster::new(4, 3, 0);
    cluster.run_until("a leader", |cluster| cluster.leader().is_some());
    cluster.run(10);
    let leader = cluster.leader().unwrap();
    let (wiped, other) = ((leader + 1) % 3, (leader + 2) % 3);
    cluster.wipe(wiped, 2);
    cluster.crash(other);
    let last = cluster.committed.len();
    assert!(cluster.propose(leader));
    cluster.run(30);
    assert_eq!(cluster.committed.len(), last, "two of three have it, and one of them might have forgotten");
    assert!(cluster.leader().is_none());
    let known = directory(cluster.nodes[wiped].id, 1);
    assert_eq!(cluster.nodes[wiped].refused.last(), Some(&Refused::Guard(GuardError::OtherDirectory(known))));

    cluster.start(other);
    cluster.run_until("a leader", |cluster| cluster.leader().is_some());
    let (id, anew) = (cluster.nodes[wiped].id, voter(&cluster, wiped));
    make(&mut cluster, Change::Remove(id));
    make(&mut cluster, Change::AddLearner(anew));
    make(&mut cluster, Change::Promote(id));
    cluster.heal();
    assert_eq!(cluster.nodes[wiped].installed, 1);
}

#[test]
fn an_answer_from_another_directory_is_refused() {
    // The node that was replaced believes what it is told, and answers: as it would if it did not check itself.
    let mut cluster = Cluster::new(5, 3, 0);
    cluster.run_until("a leader", |cluster| cluster.leader().is_some());
    let leader = cluster.leader().unwrap();
    let from = (leader + 1) % 3;
    let (from, to) = (cluster.nodes[from].id, cluster.nodes[leader].id);
    let bytes = super::hostile::heartbeat_response(from, directory(from, 9), to, directory(to, 1), 2);
    let refused = cluster.quorum(leader).receive(bytes).unwrap_err();
    let (found, expected) = (directory(from, 9), directory(from, 1));
    assert_eq!(refused, Refused::Guard(GuardError::Wiped { id: from, found, expected }));
}

#[test]
fn a_node_that_comes_back_with_another_disk_may_lead_those_who_know_the_old_one() {
    let mut cluster = Cluster::new(6, 3, 0);
    cluster.run_until("a leader", |cluster| cluster.leader().is_some());
    cluster.run(10);
    let leader = cluster.leader().unwrap();
    let (replaced, lagging) = ((leader + 1) % 3, (leader + 2) % 3);
    cluster.crash(lagging);
    cluster.wipe(replaced, 2);
    cluster.start(lagging);
    cluster.run(10);
    let (id, anew) = (cluster.nodes[replaced].id, voter(&cluster, replaced));
    make(&mut cluster, Change::Remove(id));
    let lagging_id = cluster.nodes[lagging].id;
    for other in 0..3 {
        cluster.network.cuts.insert((lagging_id, other));
        cluster.network.cuts.insert((other, lagging_id));
    }
    // The lagging one is needed for a majority of two, so it hears of this much and no more.
    cluster.network.cuts.clear();
    make(&mut cluster, Change::AddLearner(anew));
    make(&mut cluster, Change::Promote(id));
    let leader_id = cluster.nodes[leader].id;
    cluster.network.cuts.insert((leader_id, lagging_id));
    cluster.quorum(leader).transfer_leadership(id).unwrap();
    cluster.run(5);
    cluster.crash(leader);
    cluster.run_until("the replaced node leads", |cluster| cluster.leader() == Some(replaced));
    cluster.heal();
}

fn disturb(cluster: &mut Cluster, turn: &mut u8) {
    let nodes = cluster.nodes.len();
    let at = cluster.random.below(nodes);
    match cluster.random.below(100) {
        0..2 if cluster.is_up(at) => cluster.crash(at),
        0..15 if !cluster.is_up(at) => cluster.start(at),
        15..17 => {
            let other = cluster.random.below(nodes);
            cluster.network.cuts.insert((cluster.nodes[at].id, cluster.nodes[other].id));
        }
        17..20 => cluster.network.cuts.clear(),
        20..22 if cluster.is_up(at) => cluster.compact(at),
        22..50 => {
            (0..nodes).for_each(|at| {
                cluster.propose(at);
            });
        }
        50..80 => random_change(cluster, at),
        80..82 => {
            // Only a disk that no member has is replaced: a majority may not lose theirs.
            let members = cluster.leader().map(|leader| cluster.quorum(leader).members().clone());
            let id = cluster.nodes[at].id;
            if members.is_some_and(|members| members.get(id).is_none()) && !is_member_anywhere(cluster, id) {
                *turn += 1;
                cluster.wipe(at, *turn);
            }
        }
        _ => {}
    }
}

fn is_member_anywhere(cluster: &Cluster, id: i32) -> bool {
    cluster.nodes.iter().any(|node| match &node.quorum {
        Some(quorum) => node.id != id && quorum.members().get(id).is_some(),
        None => true,
    })
}

fn random_change(cluster: &mut Cluster, at: usize) {
    let Some(leader) = cluster.leader() else { return };
    let Some(Role::Leader { epoch }) = cluster.nodes[leader].role else { return };
    if cluster.nodes[leader].driver_epoch() != epoch {
        return;
    }
    let target = voter(cluster, at);
    let member = cluster.quorum(leader).members().get(target.id).copied();
    let wanted = match member {
        None => Change::AddLearner(target),
        Some(member) if member.learner && cluster.random.chance(80) => Change::Promote(target.id),
        Some(_) if cluster.random.chance(30) => Change::Remove(target.id),
        Some(_) => return,
    };
    // It may be too early for it, or unsafe.
    let _ = change(cluster, wanted);
}

#[test]
fn members_change_under_faults() {
    let (mut committed, mut changes, mut installed) = (0, 0, 0);
    for seed in seeds(60) {
        let mut cluster = Cluster::new(1000 + seed, 3, 3);
        let mut turn = 1;
        for _ in 0..3 {
            cluster.network.weather =
                Weather { lost: cluster.random.below(15), doubled: 5, most_delay: cluster.random.below(6) };
            for _ in 0..300 {
                disturb(&mut cluster, &mut turn);
                cluster.step();
            }
        }
        cluster.heal();
        committed += cluster.committed.len();
        changes += cluster.changes;
        installed += cluster.nodes.iter().map(|node| node.installed).sum::<usize>();
    }
    assert!(
        committed > 5000 && changes > 500 && installed > 50,
        "{committed} committed, {changes} changes, {installed} installed"
    );
}
