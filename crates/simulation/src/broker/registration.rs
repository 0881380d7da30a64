//! What a broker says of itself when it registers.

use crate::controller::CLUSTER;
use ottla_metadata::controller::RegisterBroker;
use ottla_metadata::image::BrokerFeature;
use ottla_metadata::{MetadataVersion, features};
use ottla_protocol::{Str, Uuid};

pub(super) fn registration(id: i32, run: u64, previous_broker_epoch: i64) -> RegisterBroker {
    let feature = |name: &'static str, max| BrokerFeature {
        name: Str::from_static(name),
        min_supported_version: 0,
        max_supported_version: max,
    };
    let mut supported: Vec<_> = features::FEATURES.iter().map(|f| feature(f.name, f.latest)).collect();
    supported.push(feature(MetadataVersion::FEATURE_NAME, MetadataVersion::LATEST.level()));
    RegisterBroker {
        broker_id: id,
        cluster_id: Str::from_static(CLUSTER),
        incarnation_id: uuid(7, id, run),
        previous_broker_epoch,
        features: supported,
        log_dirs: vec![log_dir(id)],
        ..RegisterBroker::default()
    }
}

/// The one log dir of a broker.
pub(super) fn log_dir(id: i32) -> Uuid {
    uuid(9, id, 0)
}

fn uuid(kind: u8, id: i32, number: u64) -> Uuid {
    let mut bytes = [kind; 16];
    for (byte, of) in bytes.iter_mut().zip(id.to_be_bytes().into_iter().chain(number.to_be_bytes())) {
        *byte = of;
    }
    Uuid::from_bytes(bytes)
}
