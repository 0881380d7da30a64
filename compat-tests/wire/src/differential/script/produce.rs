//! Produce and InitProducerId.

use super::records::{Batch, batch, with_crc};
use crate::differential::run::Run;
use m::produce_request::{PartitionProduceData, TopicProduceData};
use ottla_protocol::{
    ApiKey, Bytes, Records, Str, Uuid, any::AnyRequest, any::AnyResponse, compression::Compression, messages as m,
};

pub(super) fn play(run: &mut Run) -> anyhow::Result<()> {
    run.topic("d-produced", 2, &[("max.message.bytes", "5000")])?;
    run.topic("d-compacted", 1, &[("cleanup.policy", "compact")])?;
    good(run)?;
    bad(run)?;
    init_producer_id(run)?;
    idempotent(run)
}

/// A request for one partition.
#[derive(Clone)]
struct To {
    topic: &'static str,
    id: Uuid,
    partition: i32,
    acks: i16,
}

impl To {
    fn request(&self, version: i16, records: Option<Bytes>) -> AnyRequest {
        let partition =
            PartitionProduceData { index: self.partition, records: records.map(Records::Bytes), ..Default::default() };
        let mut topic = TopicProduceData { partition_data: vec![partition], ..Default::default() };
        if version >= 13 {
            topic.topic_id = self.id;
        } else {
            topic.name = Str::from_static(self.topic);
        }
        let request =
            m::ProduceRequest { acks: self.acks, timeout_ms: 5000, topic_data: vec![topic], ..Default::default() };
        AnyRequest::Produce(request)
    }
}

fn to(run: &Run, topic: &'static str) -> To {
    To { topic, id: run.id(topic), partition: 0, acks: -1 }
}

fn good(run: &mut Run) -> anyhow::Result<()> {
    let target = to(run, "d-produced");
    for compression in Compression::ALL {
        let records = batch(run, Batch { compression, ..Batch::default() })?;
        let step = format!("produce-{}", compression.name());
        run.each(&step, ApiKey::Produce, |version| target.request(version, Some(records.clone())))?;
    }
    let records = batch(run, Batch::default())?;
    let target = To { acks: 1, ..target };
    run.each("produce-acks-1", ApiKey::Produce, |version| target.request(version, Some(records.clone())))
}

fn bad(run: &mut Run) -> anyhow::Result<()> {
    let records = batch(run, Batch::default())?;
    let target = to(run, "d-produced");
    let changed = |at: usize, byte: u8, crc: bool| {
        let mut bytes = records.to_vec();
        if let Some(place) = bytes.get_mut(at) {
            *place = byte;
        }
        Some(if crc { with_crc(bytes) } else { Bytes::from(bytes) })
    };
    let cut = |end: usize| Some(records.slice(..records.len().min(end)));
    let cases = [
        ("produce-empty", Some(Bytes::new())),
        ("produce-corrupt", changed(70, 0xff, false)),
        ("produce-magic-0", changed(16, 0, false)),
        ("produce-magic-1", changed(16, 1, false)),
        ("produce-magic-3", changed(16, 3, false)),
        ("produce-codec-7", changed(22, 7, true)),
        ("produce-control", changed(22, 0x20, true)),
        ("produce-transactional", changed(22, 0x10, true)),
        ("produce-log-append-time", changed(22, 0x08, true)),
        ("produce-gzip-that-is-not", changed(22, 1, true)),
        ("produce-base-offset-5", changed(7, 5, true)),
        ("produce-leader-epoch-5", changed(15, 5, true)),
        ("produce-last-delta-9", changed(26, 9, true)),
        ("produce-count-9", changed(60, 9, true)),
        ("produce-length-short", changed(11, 60, false)),
        ("produce-length-long", changed(11, 250, false)),
        ("produce-cut-in-header", cut(40)),
        ("produce-cut-in-records", cut(80)),
        ("produce-garbage", Some(Bytes::from_static(&[1; 100]))),
        ("produce-two-batches", Some(Bytes::from([records.as_ref(), records.as_ref()].concat()))),
        ("produce-trailing", Some(Bytes::from([records.as_ref(), &[0; 5]].concat()))),
        ("produce-too-large", Some(batch(run, Batch { value: 6000, ..Batch::default() })?)),
        ("produce-old", Some(batch(run, Batch { timestamp: 1, ..Batch::default() })?)),
        ("produce-no-timestamp", Some(batch(run, Batch { timestamp: -1, ..Batch::default() })?)),
        ("produce-future", Some(batch(run, Batch { timestamp: run.now_ms() + 86_400_000 * 2, ..Batch::default() })?)),
    ];
    for (step, records) in cases {
        run.each(step, ApiKey::Produce, |version| target.request(version, records.clone()))?;
    }
    // Apache Kafka never answers this one, so it is sent at one version only.
    run.one_or_silence("produce-null", 12, &target.request(12, None))?;
    let compacted = to(run, "d-compacted");
    let keyless = batch(run, Batch { keyless: true, ..Batch::default() })?;
    let places = [
        ("produce-keyless-to-compacted", compacted, keyless),
        ("produce-unknown-topic", to(run, "d-unknown"), records.clone()),
        ("produce-unknown-id", To { id: Uuid::from_bytes([7; 16]), ..to(run, "d-unknown") }, records.clone()),
        ("produce-bad-topic", to(run, "d bad/name"), records.clone()),
        ("produce-partition-7", To { partition: 7, ..target.clone() }, records.clone()),
        ("produce-partition-minus-1", To { partition: -1, ..target.clone() }, records.clone()),
        ("produce-acks-2", To { acks: 2, ..target.clone() }, records.clone()),
        ("produce-acks-minus-2", To { acks: -2, ..target }, records),
    ];
    for (step, place, records) in places {
        run.each(step, ApiKey::Produce, |version| place.request(version, Some(records.clone())))?;
    }
    Ok(())
}

fn init_producer_id(run: &mut Run) -> anyhow::Result<()> {
    let request = |transactional_id: Option<&'static str>, producer_id: i64, producer_epoch: i16| {
        AnyRequest::InitProducerId(m::InitProducerIdRequest {
            transactional_id: transactional_id.map(Str::from_static),
            transaction_timeout_ms: 60_000,
            producer_id,
            producer_epoch,
            ..Default::default()
        })
    };
    for (step, id, producer_id, epoch) in [
        ("init-producer-id", None, -1, -1),
        ("init-producer-id-empty", Some(""), -1, -1),
        ("init-producer-id-again", None, 5, 0),
        ("init-producer-id-no-epoch", None, 5, -1),
    ] {
        run.each(step, ApiKey::InitProducerId, |_| request(id, producer_id, epoch))?;
    }
    Ok(())
}

fn idempotent(run: &mut Run) -> anyhow::Result<()> {
    let request = m::InitProducerIdRequest {
        transactional_id: None,
        transaction_timeout_ms: 1000,
        producer_id: -1,
        producer_epoch: -1,
        ..Default::default()
    };
    let id = match run.quietly(&AnyRequest::InitProducerId(request))? {
        AnyResponse::InitProducerId(response) => response.producer_id,
        _ => -1,
    };
    let version = run.newest(ApiKey::Produce);
    let target = To { partition: 1, ..to(run, "d-produced") };
    let cases = [
        ("sequence-first", id, 0, 0),
        ("sequence-next", id, 0, 3),
        ("sequence-duplicate", id, 0, 3),
        ("sequence-older-duplicate", id, 0, 0),
        ("sequence-gap", id, 0, 9),
        ("sequence-overlap", id, 0, 5),
        ("sequence-new-epoch", id, 1, 0),
        ("sequence-new-epoch-gap", id, 2, 4),
        ("sequence-old-epoch", id, 0, 6),
        ("sequence-unknown-producer", id + 500, 0, 7),
        ("sequence-negative", id, 1, -1),
        ("sequence-no-producer", -1, 0, 0),
    ];
    for (step, id, epoch, sequence) in cases {
        let records = batch(run, Batch { producer: Some((id, epoch, sequence)), ..Batch::default() })?;
        run.one(step, version, &target.request(version, Some(records)))?;
    }
    describe_producers(run)
}

fn describe_producers(run: &mut Run) -> anyhow::Result<()> {
    use m::describe_producers_request::TopicRequest;
    let cases = [
        ("describe-producers", "d-produced", 1),
        ("describe-producers-none", "d-base", 1),
        ("describe-producers-partition-7", "d-produced", 7),
        ("describe-producers-unknown", "d-unknown", 0),
        ("describe-producers-bad-name", "d bad/name", 0),
    ];
    for (step, name, partition) in cases {
        run.each(step, ApiKey::DescribeProducers, |_| {
            let topic =
                TopicRequest { name: Str::from(name), partition_indexes: vec![partition], ..Default::default() };
            AnyRequest::DescribeProducers(m::DescribeProducersRequest { topics: vec![topic], ..Default::default() })
        })?;
    }
    Ok(())
}

/// Puts batches of three records into the first partition of a topic.
pub(super) fn fill(run: &mut Run, topic: &'static str, batches: usize) -> anyhow::Result<()> {
    let target = to(run, topic);
    let version = run.newest(ApiKey::Produce);
    for _ in 0..batches {
        let records = batch(run, Batch::default())?;
        run.one(&format!("fill-{topic}"), version, &target.request(version, Some(records)))?;
    }
    Ok(())
}
