//! A controller tells where it listens (KIP-919).

use super::context::{Context, Decision};
use crate::image::{BrokerFeature, Controller, Endpoint};
use crate::{ApiError, MetadataVersion};
use ottla_protocol::{ErrorCode, Uuid};

/// See [`super::Event::RegisterController`].
#[derive(Clone, Debug, Default)]
pub struct RegisterController {
    /// Its id.
    pub controller_id: i32,
    /// Random for each run of its process.
    pub incarnation_id: Uuid,
    /// Where it listens.
    pub listeners: Vec<Endpoint>,
    /// What it knows.
    pub features: Vec<BrokerFeature>,
}

pub(super) fn decide(c: &Context<'_>, event: RegisterController) -> Result<Decision<()>, ApiError> {
    if c.hard.metadata_version() < MetadataVersion::CONTROLLER_REGISTRATION {
        return Err(ApiError::new(
            ErrorCode::UnsupportedVersion,
            "The current MetadataVersion is too old to support controller registrations.",
        ));
    }
    let controller = Controller {
        id: event.controller_id,
        incarnation_id: event.incarnation_id,
        zk_migration_ready: false,
        listeners: event.listeners,
        features: event.features,
    };
    Ok(Decision { records: vec![controller.to_record().into()], reply: () })
}
