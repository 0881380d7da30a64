//! An image written as the records of a checkpoint, in the order of Kafka's.

use crate::image::Image;
use crate::{ConfigResource, MetadataRecord, MetadataVersion};
use ottla_protocol::stored::{ClientQuotaRecord, ConfigRecord, FeatureLevelRecord, ProducerIdsRecord, TopicRecord};
use ottla_protocol::{Bytes, Str};

/// The records that make an empty image this one, but for its offset and epoch.
///
/// Of an image in a transaction it is what stood before, as the transaction may yet be undone.
pub fn records(image: &Image) -> Vec<MetadataRecord> {
    let image = image.settled();
    let mut out = Vec::new();
    features(image, &mut out);
    cluster(image, &mut out);
    topics(image, &mut out);
    configs(image, &mut out);
    client_quotas(image, &mut out);
    out.extend(image.next_producer_id().map(|next_producer_id| {
        let record = ProducerIdsRecord { broker_id: -1, broker_epoch: -1, next_producer_id, ..Default::default() };
        MetadataRecord::from(record)
    }));
    out.extend(image.acls().by_id().values().cloned().map(MetadataRecord::from));
    out.extend(image.scram().by_user().values().cloned().map(MetadataRecord::from));
    let tokens = image.delegation_tokens().by_id().values();
    out.extend(tokens.cloned().map(MetadataRecord::from));
    out
}

/// `metadata.version` comes first, as it says how to read the others.
fn features(image: &Image, out: &mut Vec<MetadataRecord>) {
    let level = |name: &Str, feature_level: i16| {
        MetadataRecord::from(FeatureLevelRecord { name: name.clone(), feature_level, ..Default::default() })
    };
    let features = image.features();
    let version = features.metadata_version();
    let name = Str::from_static(MetadataVersion::FEATURE_NAME);
    out.extend(version.map(|v| level(&name, v.level())));
    let others = features.finalized().iter();
    out.extend(others.map(|(name, feature_level)| level(name, *feature_level)));
}

fn cluster(image: &Image, out: &mut Vec<MetadataRecord>) {
    let brokers = image.cluster().brokers().values();
    out.extend(brokers.map(|b| MetadataRecord::from(b.to_record())));
    let controllers = image.cluster().controllers().values();
    out.extend(controllers.map(|c| MetadataRecord::from(c.to_record())));
}

fn topics(image: &Image, out: &mut Vec<MetadataRecord>) {
    let version = image.features().metadata_version().unwrap_or_default();
    let directories = version >= MetadataVersion::DIRECTORIES;
    for topic in image.topics().iter() {
        let record = TopicRecord { name: topic.name.clone(), topic_id: topic.id, ..Default::default() };
        out.push(record.into());
        let record = |(number, p): (&i32, &std::sync::Arc<crate::image::Partition>)| {
            MetadataRecord::from(p.to_record(topic.id, *number, directories))
        };
        out.extend(topic.partitions.iter().map(record));
    }
}

fn configs(image: &Image, out: &mut Vec<MetadataRecord>) {
    for (ConfigResource { kind, name }, configs) in image.configs().iter() {
        out.extend(configs.iter().map(|(key, value)| {
            MetadataRecord::from(ConfigRecord {
                resource_type: kind.id(),
                resource_name: name.clone(),
                name: key.clone(),
                value: Some(value.clone()),
                ..Default::default()
            })
        }));
    }
}

fn client_quotas(image: &Image, out: &mut Vec<MetadataRecord>) {
    for (entity, quotas) in image.client_quotas().entities() {
        out.extend(quotas.iter().map(|(key, value)| {
            MetadataRecord::from(ClientQuotaRecord {
                entity: entity.to_data(),
                key: key.clone(),
                value: *value,
                remove: false,
                ..Default::default()
            })
        }));
    }
}

/// The same, each encoded at the image's `metadata.version`.
pub fn encoded(image: &Image) -> Result<Vec<Bytes>, ottla_protocol::codec::EncodeError> {
    let version = image.features().metadata_version().unwrap_or_default();
    records(image).iter().map(|r| r.encode(version)).collect()
}
