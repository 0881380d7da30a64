//! AddRaftVoter, RemoveRaftVoter and UpdateRaftVoter of a quorum that has one voter: all that is refused, and what changes nothing.

use super::Known;
use crate::differential::run::Run;
use ottla_protocol::{ApiKey, Str, Uuid, any::AnyRequest, messages as m};

const LISTENER: &str = "CONTROLLER";
/// Where nobody listens.
const NOBODY: u16 = 1;

pub(super) fn play(run: &mut Run, known: &Known) -> anyhow::Result<()> {
    run.alias(&format!("\\\"{}\\\"", known.cluster_id), "<cluster>");
    run.alias(&known.log_dir.to_string(), "<log-dir>");
    update(run, known)?;
    remove(run, known)?;
    add(run, known)
}

fn other() -> Uuid {
    Uuid::from_bytes([7; 16])
}

/// Cluster, voter, directory, and listeners with their ports.
type Added = (&'static str, Option<&'static str>, i32, Uuid, Vec<(&'static str, u16)>);

fn add(run: &mut Run, known: &Known) -> anyhow::Result<()> {
    let port = run.port();
    let here = || vec![(LISTENER, port)];
    let cases: [Added; 12] = [
        ("add-voter-other-cluster", Some("another"), 9, other(), here()),
        ("add-voter-negative", None, -1, other(), here()),
        ("add-voter-no-directory", None, 9, Uuid::ZERO, here()),
        ("add-voter-no-listener", None, 9, other(), vec![]),
        ("add-voter-other-listener", None, 9, other(), vec![("PLAINTEXT", 5)]),
        ("add-voter-lower-case-listener", None, 1, other(), vec![("controller", 5)]),
        ("add-voter-duplicate", None, 1, known.log_dir, here()),
        ("add-voter-duplicate-elsewhere", None, 1, known.log_dir, vec![(LISTENER, NOBODY)]),
        ("add-voter-other-disk", None, 1, other(), here()),
        ("add-voter-duplicate-second-listener", None, 1, known.log_dir, vec![(LISTENER, 5), ("OTHER", 6)]),
        ("add-voter-that-does-not-follow", None, 9, other(), here()),
        ("add-voter-that-is-not-there", None, 10, other(), vec![(LISTENER, NOBODY)]),
    ];
    for (step, cluster_id, voter_id, voter_directory_id, listeners) in cases {
        let listener = |(name, port): &(&'static str, u16)| m::add_raft_voter_request::Listener {
            name: Str::from_static(name),
            host: Str::from_static("127.0.0.1"),
            port: *port,
            ..Default::default()
        };
        let request = m::AddRaftVoterRequest {
            cluster_id: cluster_id.map(Str::from),
            timeout_ms: 1_000,
            voter_id,
            voter_directory_id,
            listeners: listeners.iter().map(listener).collect(),
            ..Default::default()
        };
        match listeners.as_slice() {
            // Once: Apache Kafka does not so much as try to reach it again at once.
            [(_, NOBODY)] if voter_id == 10 => {
                run.one(step, run.newest(ApiKey::AddRaftVoter), &AnyRequest::AddRaftVoter(request)).map(drop)?;
            }
            _ => run.each(step, ApiKey::AddRaftVoter, |_| AnyRequest::AddRaftVoter(request.clone()))?,
        }
    }
    Ok(())
}

fn remove(run: &mut Run, known: &Known) -> anyhow::Result<()> {
    let cases = [
        ("remove-voter-other-cluster", Some("another"), 1, known.log_dir),
        ("remove-voter-negative", None, -1, known.log_dir),
        ("remove-voter-no-directory", None, 1, Uuid::ZERO),
        ("remove-voter-unknown", None, 9, other()),
        ("remove-voter-other-disk", None, 1, other()),
        ("remove-voter-the-last", None, 1, known.log_dir),
    ];
    for (step, cluster_id, voter_id, voter_directory_id) in cases {
        let request = m::RemoveRaftVoterRequest {
            cluster_id: cluster_id.map(Str::from),
            voter_id,
            voter_directory_id,
            ..Default::default()
        };
        run.each(step, ApiKey::RemoveRaftVoter, |_| AnyRequest::RemoveRaftVoter(request.clone()))?;
    }
    Ok(())
}

fn update(run: &mut Run, known: &Known) -> anyhow::Result<()> {
    let port = run.port();
    let (epoch, own) = (known.epoch, known.log_dir);
    // Cluster, epoch, voter, directory, listener, range.
    type Updated = (&'static str, Option<&'static str>, i32, i32, Uuid, &'static str, (i16, i16));
    // One of the leader itself that is in order ends Apache Kafka's controller.
    let cases: [Updated; 12] = [
        ("update-voter-other-cluster", Some("another"), epoch, 1, own, LISTENER, (0, 1)),
        ("update-voter-old-epoch", None, epoch - 1, 1, own, LISTENER, (0, 1)),
        ("update-voter-new-epoch", None, epoch + 1, 1, own, LISTENER, (0, 1)),
        ("update-voter-negative", None, epoch, -1, own, LISTENER, (0, 1)),
        ("update-voter-no-directory", None, epoch, 1, Uuid::ZERO, LISTENER, (0, 1)),
        ("update-voter-other-listener", None, epoch, 1, own, "PLAINTEXT", (0, 1)),
        ("update-voter-unable", None, epoch, 1, own, LISTENER, (0, 0)),
        ("update-voter-later-version", None, epoch, 1, own, LISTENER, (2, 3)),
        ("update-voter-no-range", None, epoch, 1, own, LISTENER, (1, 0)),
        ("update-voter-negative-range", None, epoch, 1, own, LISTENER, (-1, 1)),
        ("update-voter-unknown", None, epoch, 9, other(), LISTENER, (0, 1)),
        ("update-voter-other-disk", None, epoch, 1, other(), LISTENER, (0, 1)),
    ];
    for (step, cluster_id, current_leader_epoch, voter_id, voter_directory_id, name, (min, max)) in cases {
        let listener = m::update_raft_voter_request::Listener {
            name: Str::from_static(name),
            host: Str::from_static("127.0.0.1"),
            port,
            ..Default::default()
        };
        let request = m::UpdateRaftVoterRequest {
            cluster_id: cluster_id.map(Str::from),
            current_leader_epoch,
            voter_id,
            voter_directory_id,
            listeners: vec![listener],
            k_raft_version_feature: m::update_raft_voter_request::KRaftVersionFeature {
                min_supported_version: min,
                max_supported_version: max,
                ..Default::default()
            },
            ..Default::default()
        };
        run.each(step, ApiKey::UpdateRaftVoter, |_| AnyRequest::UpdateRaftVoter(request.clone()))?;
    }
    Ok(())
}
