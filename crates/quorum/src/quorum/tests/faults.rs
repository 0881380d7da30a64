//! Clusters under faults that a seed chooses: nothing committed is lost, no epoch has two leaders, and it goes on afterwards.

use super::cluster::{Cluster, ELECTION_TICKS, seeds};
use super::network::Weather;
use crate::Role;

/// In each of three spells of weather.
const TICKS: usize = 300;

/// A majority may be down, which only costs time.
fn disturb(cluster: &mut Cluster) {
    let nodes = cluster.nodes.len();
    let at = cluster.random.below(nodes);
    match cluster.random.below(100) {
        0..3 if cluster.is_up(at) => cluster.crash(at),
        0..12 if !cluster.is_up(at) => cluster.start(at),
        12..14 => cluster.nodes[at].store.set_failing(true),
        14..18 => {
            let other = cluster.random.below(nodes);
            cluster.network.cuts.insert((cluster.nodes[at].id, cluster.nodes[other].id));
        }
        18..21 => cluster.network.cuts.clear(),
        21..24 if cluster.is_up(at) => cluster.compact(at),
        24..26 if cluster.is_up(at) => {
            let to = cluster.nodes[cluster.random.below(nodes)].id;
            // Only a leader can.
            let _ = cluster.quorum(at).transfer_leadership(to);
        }
        26..70 => {
            for _ in 0..cluster.random.below(4) {
                (0..nodes).for_each(|at| {
                    cluster.propose(at);
                });
            }
        }
        // Its clock runs ahead.
        70..74 if cluster.is_up(at) => {
            (0..cluster.random.below(25)).for_each(|_| cluster.quorum(at).tick());
        }
        _ => {}
    }
}

fn history(seed: u64, voters: i32) -> Cluster {
    let mut cluster = Cluster::new(seed, voters, 0);
    for turn in 0..3 {
        cluster.network.weather = Weather {
            lost: cluster.random.below(20),
            doubled: cluster.random.below(20),
            most_delay: cluster.random.below(8 * turn + 1),
        };
        for _ in 0..TICKS {
            disturb(&mut cluster);
            cluster.step();
        }
    }
    cluster.heal();
    cluster
}

#[test]
fn three_nodes_agree_under_faults() {
    let (mut committed, mut installed) = (0, 0);
    for seed in seeds(100) {
        let cluster = history(seed, 3);
        committed += cluster.committed.len();
        installed += cluster.nodes.iter().map(|node| node.installed).sum::<usize>();
    }
    // The histories are worth something.
    assert!(committed > 5000 && installed > 20, "{committed} committed, {installed} installed");
}

#[test]
fn five_nodes_agree_under_faults() {
    let (mut committed, mut installed) = (0, 0);
    for seed in seeds(60) {
        let cluster = history(seed, 5);
        committed += cluster.committed.len();
        installed += cluster.nodes.iter().map(|node| node.installed).sum::<usize>();
    }
    assert!(committed > 5000 && installed > 20, "{committed} committed, {installed} installed");
}

#[test]
fn a_seed_gives_the_same_history_again() {
    let trace = |seed| {
        let cluster = history(seed, 3);
        (cluster.committed, cluster.now, cluster.proposed)
    };
    assert_eq!(trace(7), trace(7));
}

#[test]
fn a_leader_without_a_majority_steps_down() {
    let mut cluster = Cluster::new(1, 3, 0);
    cluster.run_until("a leader", |cluster| cluster.leader().is_some());
    let leader = cluster.leader().unwrap();
    let id = cluster.nodes[leader].id;
    for other in (0..3).filter(|other| *other != id) {
        cluster.network.cuts.insert((other, id));
    }
    // It still sends, and nobody else may lead before it gave up: they hear of it.
    cluster.run(2 * usize::try_from(ELECTION_TICKS).unwrap() + 2);
    assert!(!matches!(cluster.nodes[leader].role, Some(Role::Leader { .. })), "{:?}", cluster.describe());
    cluster.run_until("another leader", |cluster| cluster.leader().is_some_and(|other| other != leader));
    cluster.heal();
}

#[test]
fn a_node_that_is_cut_off_does_not_disturb_the_others() {
    let mut cluster = Cluster::new(2, 3, 0);
    cluster.run_until("a leader", |cluster| cluster.leader().is_some());
    let leader = cluster.leader().unwrap();
    let lone = (leader + 1) % 3;
    let id = cluster.nodes[lone].id;
    for other in (0..3).filter(|other| *other != id) {
        cluster.network.cuts.insert((other, id));
        cluster.network.cuts.insert((id, other));
    }
    cluster.run(200);
    let role = cluster.nodes[leader].role;
    cluster.heal();
    assert_eq!(cluster.nodes[leader].role, role, "the epoch is the same");
}

#[test]
fn a_node_that_lags_behind_gets_a_snapshot() {
    let (mut cluster, _, lagging) = one_that_lags_behind(3);
    // Messages of the snapshot are lost for a while.
    cluster.network.weather.lost = 70;
    cluster.start(lagging);
    cluster.run(100);
    cluster.heal();
    assert_eq!(cluster.nodes[lagging].installed, 1);
}

#[test]
fn a_snapshot_that_comes_slowly_is_not_given_up_for_a_later_one() {
    let (mut cluster, leader, lagging) = one_that_lags_behind(11);
    (cluster.snapshots_take, cluster.keeps_snapshots) = (40, true);
    cluster.start(lagging);
    // A later one is made more often than one comes.
    for _ in 0..40 {
        cluster.run(10);
        assert!(cluster.propose(leader));
        cluster.run(2);
        cluster.compact(leader);
    }
    assert!(cluster.nodes[lagging].installed >= 1, "{:?}", cluster.describe());
    cluster.heal();
}

#[test]
fn a_snapshot_that_is_gone_is_followed_by_the_next_at_once() {
    let (mut cluster, leader, lagging) = one_that_lags_behind(12);
    cluster.snapshots_take = 10;
    cluster.start(lagging);
    cluster.run_until("it is asked for", |cluster| cluster.nodes[lagging].fetching.is_some());
    let asked = cluster.now;
    assert!(cluster.propose(leader));
    cluster.run(5);
    cluster.compact(leader);
    cluster.run_until("the next is in place", |cluster| cluster.nodes[lagging].installed == 1);
    let (took, election) = (cluster.now - asked, usize::try_from(ELECTION_TICKS).unwrap());
    assert!(took <= 2 * 10 + 2 * election, "{took} ticks: the leader names it once an election timeout");
    cluster.heal();
}

/// A cluster with its leader, and a node that is down and needs a snapshot.
fn one_that_lags_behind(seed: u64) -> (Cluster, usize, usize) {
    let mut cluster = Cluster::new(seed, 3, 0);
    cluster.run_until("a leader", |cluster| cluster.leader().is_some());
    let leader = cluster.leader().unwrap();
    let lagging = (leader + 1) % 3;
    cluster.crash(lagging);
    for _ in 0..20 {
        cluster.run(3);
        assert!(cluster.propose(leader));
    }
    cluster.run(5);
    cluster.compact(leader);
    (cluster, leader, lagging)
}

#[test]
fn the_leadership_is_handed_over() {
    let mut cluster = Cluster::new(4, 3, 0);
    cluster.run_until("a leader", |cluster| cluster.leader().is_some());
    cluster.run(5);
    let leader = cluster.leader().unwrap();
    let next = (leader + 1) % 3;
    assert!(cluster.propose(leader));
    let id = cluster.nodes[next].id;
    cluster.quorum(leader).transfer_leadership(id).unwrap();
    assert!(!cluster.propose(leader), "proposals wait for the next leader");
    cluster.run_until("the next leader", |cluster| cluster.leader() == Some(next));
    assert!(cluster.now < 100, "no election timeout was needed");
    cluster.heal();
}

#[test]
fn proposals_of_one_call_are_synced_at_once() {
    let mut cluster = Cluster::new(5, 3, 0);
    cluster.run_until("a leader", |cluster| cluster.leader().is_some());
    cluster.run(5);
    let leader = cluster.leader().unwrap();
    let before = cluster.nodes[leader].store.syncs();
    for _ in 0..50 {
        assert!(cluster.propose(leader));
    }
    cluster.advance(leader);
    assert_eq!(cluster.nodes[leader].store.syncs(), before + 1);
}
