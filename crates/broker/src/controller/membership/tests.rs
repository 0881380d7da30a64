//! What is asked of the voters, against a quorum of two.

use super::*;
use ottla_protocol::Uuid;

fn disk(n: u8) -> Uuid {
    Uuid::from_bytes([n; 16])
}

fn voter(id: i32, directory: u8) -> Voter {
    let levels = KRaftVersionFeature { min_supported_version: 0, max_supported_version: 1, ..Default::default() };
    Voter { voter_id: id, voter_directory_id: disk(directory), k_raft_version_feature: levels, ..Default::default() }
}

fn of(ids: &[i32]) -> QuorumState {
    let voters = ids.iter().map(|id| voter(*id, u8::try_from(*id).expect("a small id"))).collect();
    QuorumState { kraft_version: 1, voters: Some(VotersRecord { voters, ..Default::default() }) }
}

fn remove(id: i32, directory: u8) -> Ask {
    Ask::Remove { voter: ReplicaKey { id, directory_id: disk(directory) }, timeout: Duration::from_secs(1) }
}

fn add(id: i32, directory: u8) -> Ask {
    Ask::Add { voter: voter(id, directory), ack_when_committed: true, timeout: Duration::from_secs(1) }
}

static NOBODY: BTreeMap<i32, Voter> = BTreeMap::new();

fn quiet(state: &QuorumState) -> Situation<'_> {
    Situation {
        state,
        fixed: &[1, 3],
        told: &NOBODY,
        pending: false,
        serves: true,
        uncommitted: false,
        high_watermark: 9,
    }
}

/// The voters after it, or the code.
fn check(situation: &Situation, ask: &Ask) -> Result<Vec<(i32, Uuid)>, ErrorCode> {
    let keys = |record: VotersRecord| record.voters.iter().map(|v| (v.voter_id, v.voter_directory_id)).collect();
    situation.check(ask).map(keys).map_err(|refusal| refusal.code)
}

#[test]
fn voters_come_and_go_by_id_and_directory() {
    let state = of(&[1, 3]);
    let situation = quiet(&state);
    assert_eq!(check(&situation, &add(2, 2)), Ok(vec![(1, disk(1)), (2, disk(2)), (3, disk(3))]));
    assert_eq!(check(&situation, &remove(3, 3)), Ok(vec![(1, disk(1))]));
    assert_eq!(check(&situation, &add(3, 4)), Err(ErrorCode::DuplicateVoter), "the old disk goes first");
    assert_eq!(check(&situation, &remove(3, 4)), Err(ErrorCode::VoterNotFound), "another disk is another voter");
    assert_eq!(check(&situation, &remove(2, 2)), Err(ErrorCode::VoterNotFound));
    let able = KRaftVersionFeature { max_supported_version: 1, ..Default::default() };
    let update = |id, directory| Ask::Update(Voter { k_raft_version_feature: able.clone(), ..voter(id, directory) });
    assert_eq!(check(&situation, &update(3, 4)), Err(ErrorCode::VoterNotFound));
    assert_eq!(check(&situation, &update(3, 3)), Ok(vec![(1, disk(1)), (3, disk(3))]));
}

#[test]
fn the_last_voter_stays() {
    let state = of(&[1]);
    assert_eq!(check(&quiet(&state), &remove(1, 1)), Err(ErrorCode::VoterNotFound));
}

#[test]
fn one_change_at_a_time_and_none_before_the_epoch_has_begun() {
    let state = of(&[1]);
    for situation in [
        Situation { pending: true, ..quiet(&state) },
        Situation { serves: false, ..quiet(&state) },
        Situation { uncommitted: true, ..quiet(&state) },
    ] {
        assert_eq!(check(&situation, &add(2, 2)), Err(ErrorCode::RequestTimedOut));
    }
}

#[test]
fn fixed_voters_stay_what_they_are() {
    let state = QuorumState::default();
    let refused = |ask| quiet(&state).check(&ask).expect_err("refused");
    let message = "Cluster doesn't support adding voter because the kraft.version feature is 0";
    assert_eq!(refused(add(2, 2)), Refusal::new(ErrorCode::UnsupportedVersion, message));
    assert_eq!(refused(remove(1, 1)).code, ErrorCode::UnsupportedVersion);
}

#[test]
fn replicas_are_written_as_kafka_writes_them() {
    let state = of(&[1]);
    let ask = Ask::MayAdd(ReplicaKey { id: 1, directory_id: Uuid::ZERO });
    let refusal = quiet(&state).check(&ask).expect_err("refused");
    let expected = "The voter id for ReplicaKey(id=1, directoryId=<undefined>) is already part of the set of voters \
                    [ReplicaKey(id=1, directoryId=AQEBAQEBAQEBAQEBAQEBAQ)].";
    assert_eq!(refusal.message.as_deref(), Some(expected));
}

#[test]
fn a_voter_must_be_able_to_the_level_there_is() {
    let able = |min, max| Voter {
        k_raft_version_feature: KRaftVersionFeature {
            min_supported_version: min,
            max_supported_version: max,
            ..Default::default()
        },
        ..voter(1, 1)
    };
    let (dynamic, fixed) = (of(&[1]), QuorumState::default());
    assert_eq!(check(&quiet(&dynamic), &Ask::Update(able(0, 1))).map(|voters| voters.len()), Ok(1));
    assert_eq!(check(&quiet(&dynamic), &Ask::Update(able(0, 0))), Err(ErrorCode::InvalidRequest));
    assert_eq!(check(&quiet(&fixed), &Ask::Update(able(0, 1))), Ok(vec![]), "nothing is written down");
    assert_eq!(check(&quiet(&fixed), &Ask::Update(able(1, 1))), Err(ErrorCode::InvalidRequest));
    let stranger = Voter { voter_id: 2, ..able(0, 1) };
    assert_eq!(check(&quiet(&fixed), &Ask::Update(stranger)), Err(ErrorCode::VoterNotFound));
    let key = ReplicaKey { id: 4, directory_id: disk(4) };
    assert_eq!(dynamic.check_able(&key, Some((0, 1))), Ok(()));
    for range in [None, Some((0, 0)), Some((2, 3))] {
        assert_eq!(dynamic.check_able(&key, range).expect_err("refused").code, ErrorCode::InvalidRequest);
    }
}

#[test]
fn fixed_voters_are_let_go_when_all_told_what_they_are() {
    let upgrade = Ask::Upgrade { level: 1, validate_only: false, timeout: Duration::from_secs(1) };
    let fixed = QuorumState::default();
    let mut told = BTreeMap::from([(1, voter(1, 1))]);
    let check = |told: &BTreeMap<i32, Voter>| check(&Situation { told, ..quiet(&fixed) }, &upgrade);
    assert_eq!(check(&told), Err(ErrorCode::InvalidUpdateVersion), "one did not");
    told.insert(3, Voter { k_raft_version_feature: KRaftVersionFeature::default(), ..voter(3, 3) });
    assert_eq!(check(&told), Err(ErrorCode::InvalidUpdateVersion), "one is not able to");
    told.insert(3, voter(3, 3));
    assert_eq!(check(&told), Ok(vec![(1, disk(1)), (3, disk(3))]));
    assert_eq!(
        super::Situation { told: &told, ..quiet(&of(&[1])) }.check(&upgrade),
        Ok(VotersRecord::default()),
        "done"
    );
}
