//! Fetch with and without sessions.

use super::produce::fill;
use crate::differential::run::Run;
use m::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};
use ottla_protocol::{ApiKey, Str, Uuid, any::AnyRequest, any::AnyResponse, messages as m};

/// What a request asks for, other than its version.
#[derive(Clone)]
struct Ask {
    topic: &'static str,
    id: Uuid,
    partition: i32,
    offset: i64,
    leader_epoch: i32,
    isolation_level: i8,
    max_bytes: i32,
    partition_max_bytes: i32,
}

impl Ask {
    fn request(&self, version: i16) -> m::FetchRequest {
        let mut partition = FetchPartition {
            partition: self.partition,
            fetch_offset: self.offset,
            partition_max_bytes: self.partition_max_bytes,
            ..Default::default()
        };
        if version >= 9 {
            partition.current_leader_epoch = self.leader_epoch;
        }
        let mut topic = FetchTopic { partitions: vec![partition], ..Default::default() };
        if version >= 13 {
            topic.topic_id = self.id;
        } else {
            topic.topic = Str::from_static(self.topic);
        }
        m::FetchRequest {
            max_wait_ms: 10,
            min_bytes: 1,
            max_bytes: self.max_bytes,
            isolation_level: self.isolation_level,
            topics: vec![topic],
            ..Default::default()
        }
    }
}

pub(super) fn play(run: &mut Run) -> anyhow::Result<()> {
    run.topic("d-fetched", 2, &[])?;
    fill(run, "d-fetched", 3)?;
    let good = Ask {
        topic: "d-fetched",
        id: run.id("d-fetched"),
        partition: 0,
        offset: 0,
        leader_epoch: -1,
        isolation_level: 0,
        max_bytes: 1 << 20,
        partition_max_bytes: 1 << 20,
    };
    let unknown = Uuid::from_bytes([7; 16]);
    let cases = [
        ("fetch", good.clone()),
        ("fetch-middle", Ask { offset: 4, ..good.clone() }),
        ("fetch-end", Ask { offset: 9, ..good.clone() }),
        ("fetch-beyond", Ask { offset: 10, ..good.clone() }),
        ("fetch-negative", Ask { offset: -1, ..good.clone() }),
        ("fetch-empty-partition", Ask { partition: 1, ..good.clone() }),
        ("fetch-partition-7", Ask { partition: 7, ..good.clone() }),
        ("fetch-partition-minus-1", Ask { partition: -1, ..good.clone() }),
        ("fetch-unknown-topic", Ask { topic: "d-unknown", id: unknown, ..good.clone() }),
        ("fetch-no-topic", Ask { topic: "", id: Uuid::ZERO, ..good.clone() }),
        ("fetch-bad-topic", Ask { topic: "d bad/name", id: unknown, ..good.clone() }),
        ("fetch-committed", Ask { isolation_level: 1, ..good.clone() }),
        ("fetch-isolation-9", Ask { isolation_level: 9, ..good.clone() }),
        ("fetch-current-epoch", Ask { leader_epoch: 0, ..good.clone() }),
        ("fetch-newer-epoch", Ask { leader_epoch: 5, ..good.clone() }),
        ("fetch-few-bytes", Ask { max_bytes: 1, partition_max_bytes: 1, ..good.clone() }),
        ("fetch-no-bytes", Ask { max_bytes: 0, partition_max_bytes: 0, ..good.clone() }),
        ("fetch-one-batch", Ask { partition_max_bytes: 200, ..good.clone() }),
        ("fetch-negative-bytes", Ask { partition_max_bytes: -1, ..good.clone() }),
    ];
    for (step, ask) in cases {
        run.each(step, ApiKey::Fetch, |version| AnyRequest::Fetch(ask.request(version)))?;
    }
    let versions: Vec<i16> = run.versions(ApiKey::Fetch).into_iter().filter(|version| *version >= 7).collect();
    for version in versions {
        session(run, &good, version)?;
    }
    Ok(())
}

fn session(run: &mut Run, ask: &Ask, version: i16) -> anyhow::Result<()> {
    let mut request = ask.request(version);
    request.session_epoch = 0;
    let answer = run.one("session-new", version, &AnyRequest::Fetch(request.clone()))?;
    let Some(AnyResponse::Fetch(response)) = answer else {
        return Ok(());
    };
    request.session_id = response.session_id;
    request.session_epoch = 1;
    request.topics.clear();
    run.one("session-next", version, &AnyRequest::Fetch(request.clone()))?;
    run.one("session-same-epoch", version, &AnyRequest::Fetch(request.clone()))?;
    request.session_epoch = 9;
    run.one("session-wrong-epoch", version, &AnyRequest::Fetch(request.clone()))?;
    request.session_epoch = 2;
    request.topics = ask.request(version).topics;
    run.one("session-again", version, &AnyRequest::Fetch(request.clone()))?;
    let mut forgotten = ForgottenTopic { partitions: vec![0], ..Default::default() };
    if version >= 13 {
        forgotten.topic_id = ask.id;
    } else {
        forgotten.topic = Str::from_static(ask.topic);
    }
    request.session_epoch = 3;
    request.topics.clear();
    request.forgotten_topics_data = vec![forgotten];
    run.one("session-forget", version, &AnyRequest::Fetch(request.clone()))?;
    request.forgotten_topics_data.clear();
    request.session_id = 12345;
    request.session_epoch = 1;
    run.one("session-unknown", version, &AnyRequest::Fetch(request.clone()))?;
    request.session_id = response.session_id;
    request.session_epoch = -1;
    run.one("session-close", version, &AnyRequest::Fetch(request.clone()))?;
    request.session_epoch = 4;
    run.one("session-closed", version, &AnyRequest::Fetch(request))?;
    Ok(())
}
