//! Transactions: what producers, their coordinators and operators ask, good and bad, in every state that a transaction can be in.
//!
//! All of it is played at each level of `transaction.version`. Old versions of the APIs are those of clients that go by level 1 or 0,
//! and a broker serves them at any level.

mod ask;
mod ending;
mod init;
mod markers;
mod offsets;
mod partitions;
mod produce;
mod reading;
mod stage;

use self::stage::Stage;
use super::records::{Batch, batch};
use crate::differential::run::Run;
use m::update_features_request::FeatureUpdateKey;
use ottla_protocol::{
    ApiKey, Bytes, Str,
    any::{AnyRequest, AnyResponse},
    messages as m,
};

/// Where transactions write.
const TOPIC: &str = "d-transacted";
const NEWEST_LEVEL: i16 = 2;
/// The last versions that say nothing of KIP-890.
const ADD_PARTITIONS_OF_CLIENTS: i16 = 3;
const END_TXN_BY_STATE: i16 = 4;
const NONE: i16 = 0;

pub(super) fn play(run: &mut Run) -> anyhow::Result<()> {
    if run.versions(ApiKey::EndTxn).is_empty() {
        return Ok(());
    }
    run.topic(TOPIC, 4, &[])?;
    find_coordinator(run)?;
    for level in [NEWEST_LEVEL, 1, 0] {
        finalize(run, level)?;
        let script = Script { level };
        init::play(run, &script)?;
        partitions::play(run, &script)?;
        produce::play(run, &script)?;
        offsets::play(run, &script)?;
        ending::play(run, &script)?;
        markers::play(run, &script)?;
        reading::play(run, &script)?;
        ask::play(run, &script)?;
    }
    finalize(run, NEWEST_LEVEL)
}

/// The first that asks for a coordinator has the topic made, which takes a moment.
fn find_coordinator(run: &mut Run) -> anyhow::Result<()> {
    let find = |version: i16, key: &'static str| {
        let mut request = m::FindCoordinatorRequest { key_type: 1, ..Default::default() };
        if version < 4 {
            request.key = Str::from_static(key);
        } else {
            request.coordinator_keys = vec![Str::from_static(key), Str::from_static("d-another")];
        }
        AnyRequest::FindCoordinator(request)
    };
    run.until("the transaction coordinator", |run| match run.quietly(&find(6, "d-found"))? {
        AnyResponse::FindCoordinator(response) => Ok(response.coordinators.iter().all(|one| one.error_code == NONE)),
        _ => Ok(false),
    })?;
    run.await_topic("__transaction_state")?;
    for key in ["d-found", ""] {
        run.each(&format!("txn-find-coordinator-{key:?}"), ApiKey::FindCoordinator, |version| find(version, key))?;
    }
    Ok(())
}

/// Sets the level of `transaction.version`.
fn finalize(run: &mut Run, level: i16) -> anyhow::Result<()> {
    const UPGRADE: i8 = 1;
    const SAFE_DOWNGRADE: i8 = 2;
    const FEATURE: &str = "transaction.version";
    let update = |upgrade_type| {
        let update = FeatureUpdateKey {
            feature: Str::from_static(FEATURE),
            max_version_level: level,
            upgrade_type,
            ..Default::default()
        };
        let request =
            m::UpdateFeaturesRequest { timeout_ms: 10_000, feature_updates: vec![update], ..Default::default() };
        AnyRequest::UpdateFeatures(request)
    };
    run.quietly(&update(UPGRADE))?;
    run.quietly(&update(SAFE_DOWNGRADE))?;
    run.until(&format!("{FEATURE} {level}"), |run| {
        let request = m::ApiVersionsRequest {
            client_software_name: "differential".into(),
            client_software_version: "1".into(),
            ..Default::default()
        };
        let AnyResponse::ApiVersions(response) = run.quietly(&AnyRequest::ApiVersions(request))? else {
            return Ok(false);
        };
        let found = response.finalized_features.iter().find(|feature| feature.name.as_str() == FEATURE);
        Ok(found.map_or(0, |feature| feature.max_version_level) == level)
    })
}

/// The script at one level.
struct Script {
    level: i16,
}

impl Script {
    fn step(&self, name: &str) -> String {
        format!("txn{}-{name}", self.level)
    }

    /// The versions of an API that clients send at the level. Those of level 2 are sent at level 1 too, as some clients do not ask
    /// for it; at level 0 what they begin can never be ended, by Apache Kafka either.
    fn versions(&self, run: &Run, api: ApiKey) -> Vec<i16> {
        let newest = match api {
            ApiKey::AddPartitionsToTxn => ADD_PARTITIONS_OF_CLIENTS,
            ApiKey::EndTxn => END_TXN_BY_STATE,
            ApiKey::Produce => produce::ADDS_SINCE - 1,
            ApiKey::TxnOffsetCommit => offsets::COMMIT_ADDS_SINCE - 1,
            _ => i16::MAX,
        };
        let newest = if self.level == 0 { newest } else { i16::MAX };
        run.versions(api).into_iter().filter(|version| *version <= newest).collect()
    }

    /// A producer that nobody knows, with epoch 1.
    fn producer(&self, run: &mut Run, name: &str, version: i16) -> anyhow::Result<Producer> {
        let id = format!("d-txn{}-{name}-v{version}", self.level);
        Producer::begins(run, &id)?;
        Producer::begins(run, &id)
    }

    /// One whose transaction is at a stage.
    fn producer_at(&self, run: &mut Run, name: &str, version: i16, stage: Stage) -> anyhow::Result<Producer> {
        let mut producer = self.producer(run, &format!("{name}-{}", stage.name()), version)?;
        stage.reach(run, &mut producer)?;
        Ok(producer)
    }
}

/// A producer as its coordinator knows it.
#[derive(Clone, Debug)]
struct Producer {
    id: String,
    producer_id: i64,
    epoch: i16,
    /// The next in the partition it writes to.
    sequence: i32,
}

impl Producer {
    /// Gets its id and epoch, ending what there was.
    fn begins(run: &mut Run, id: &str) -> anyhow::Result<Self> {
        let request = m::InitProducerIdRequest {
            transactional_id: Some(Str::from(id)),
            transaction_timeout_ms: 600_000,
            producer_id: -1,
            producer_epoch: -1,
            ..Default::default()
        };
        let mut given = None;
        run.until(&format!("{id} to begin"), |run| {
            match run.quietly(&AnyRequest::InitProducerId(request.clone()))? {
                AnyResponse::InitProducerId(answer) if answer.error_code == NONE => {
                    given = Some((answer.producer_id, answer.producer_epoch));
                    Ok(true)
                }
                _ => Ok(false),
            }
        })?;
        let (producer_id, epoch) = given.unwrap_or((-1, -1));
        Ok(Self { id: id.to_owned(), producer_id, epoch, sequence: 0 })
    }

    /// Puts a partition into its transaction as clients of level 1 do.
    fn adds(&self, run: &mut Run, topic: &str, partition: i32) -> anyhow::Result<()> {
        let request = partitions::add(ADD_PARTITIONS_OF_CLIENTS, self, &[(topic, &[partition])], false);
        run.until(&format!("{} to add a partition", self.id), |run| {
            match run.quietly_at(ADD_PARTITIONS_OF_CLIENTS, &request)? {
                AnyResponse::AddPartitionsToTxn(answer) => Ok(answer
                    .results_by_topic_v3_and_below
                    .iter()
                    .flat_map(|topic| &topic.results_by_partition)
                    .all(|partition| partition.partition_error_code == NONE)),
                _ => Ok(false),
            }
        })
    }

    /// Adds a partition and writes a batch into it.
    fn writes(&mut self, run: &mut Run, topic: &str, partition: i32) -> anyhow::Result<()> {
        const OF_CLIENTS: i16 = 11;
        self.adds(run, topic, partition)?;
        let batch = self.records(run, true)?;
        let request = produce::request(run, OF_CLIENTS, Some(&self.id), (topic, partition), batch);
        run.until(&format!("{} to write", self.id), |run| match run.quietly_at(OF_CLIENTS, &request)? {
            AnyResponse::Produce(answer) => Ok(answer
                .responses
                .iter()
                .flat_map(|topic| &topic.partition_responses)
                .all(|partition| partition.error_code == NONE)),
            _ => Ok(false),
        })?;
        self.sequence += produce::RECORDS;
        Ok(())
    }

    /// Ends its transaction as clients of level 1 do, and waits until all partitions know.
    fn ends(&mut self, run: &mut Run, committed: bool) -> anyhow::Result<()> {
        let request = ending::end(self, committed);
        run.until(&format!("{} to end", self.id), |run| match run.quietly_at(END_TXN_BY_STATE, &request)? {
            AnyResponse::EndTxn(answer) => Ok(answer.error_code == NONE),
            _ => Ok(false),
        })?;
        self.settles(run)
    }

    /// Waits until its transaction is not being ended.
    fn settles(&self, run: &mut Run) -> anyhow::Result<()> {
        run.until(&format!("{} to settle", self.id), |run| {
            let AnyResponse::DescribeTransactions(answer) = run.quietly(&ask::describe(&[self.id.as_str()]))? else {
                return Ok(false);
            };
            Ok(answer.transaction_states.iter().all(|one| !one.transaction_state.as_str().starts_with("Prepare")))
        })
    }

    /// Ends what is open, so that nothing holds readers back.
    fn leaves(&self, run: &mut Run) -> anyhow::Result<()> {
        Self::begins(run, &self.id).map(drop)
    }

    /// What others claim to be, and at last the truth.
    fn claims(&self) -> Vec<(&'static str, Self)> {
        let epoch = |epoch| Self { epoch, ..self.clone() };
        let producer_id = |producer_id| Self { producer_id, ..self.clone() };
        let id = |id: &str| Self { id: id.to_owned(), ..self.clone() };
        vec![
            ("epoch-before", epoch(self.epoch - 1)),
            ("epoch-after", epoch(self.epoch + 1)),
            ("epoch-far-after", epoch(self.epoch + 7)),
            ("no-epoch", epoch(-1)),
            ("other-producer", producer_id(self.producer_id + 100_000)),
            ("no-producer", producer_id(-1)),
            ("unknown-id", id("d-nobody")),
            ("empty-id", id("")),
            ("itself", self.clone()),
        ]
    }

    fn id(&self) -> Str {
        Str::from(self.id.as_str())
    }

    fn records(&self, run: &Run, transactional: bool) -> anyhow::Result<Bytes> {
        let producer = Some((self.producer_id, self.epoch, self.sequence));
        batch(run, Batch { producer, transactional, ..Batch::default() })
    }
}
