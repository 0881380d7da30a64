//! The levels of features rise and fall (KIP-584, KIP-778).

use super::activate::cluster_min_insync_replicas;
use super::context::{Context, Decision};
use crate::features::{ELIGIBLE_LEADER_REPLICAS_VERSION, Feature, KRAFT_VERSION};
use crate::image::BrokerFeature;
use crate::{ApiError, ConfigResource, MetadataRecord, MetadataVersion, ResourceType};
use ottla_config::keys;
use ottla_protocol::stored::{ConfigRecord, FeatureLevelRecord};
use ottla_protocol::{ErrorCode, Str};
use std::collections::BTreeMap;

/// See [`super::Event::UpdateFeatures`].
#[derive(Clone, Debug, Default)]
pub struct UpdateFeatures {
    /// The levels that features are to have; of two for one feature the last counts.
    pub updates: Vec<FeatureUpdate>,
    /// Whether to say only what would be.
    pub validate_only: bool,
}

/// The level that a feature is to have.
#[derive(Clone, Debug)]
pub struct FeatureUpdate {
    /// The feature.
    pub name: Str,
    /// Its level; 0 is none.
    pub level: i16,
    /// 1 is an upgrade, 2 a downgrade that loses nothing, 3 any downgrade.
    pub upgrade_type: i8,
}

/// The type of an upgrade.
pub const UPGRADE: i8 = 1;
const SAFE_DOWNGRADE: i8 = 2;
const UNSAFE_DOWNGRADE: i8 = 3;

/// The levels of `metadata.version` that brought no records, which can be left downwards.
const WITHOUT_NEW_RECORDS: [i16; 15] = [9, 10, 12, 16, 18, 19, 20, 21, 22, 24, 25, 26, 27, 28, 29];

pub(super) fn decide(c: &Context<'_>, event: &UpdateFeatures) -> Result<Decision<()>, ApiError> {
    let updates: BTreeMap<&Str, &FeatureUpdate> = event.updates.iter().map(|update| (&update.name, update)).collect();
    let mut proposed = c.features().all();
    proposed.extend(updates.values().map(|update| (update.name.detached(), update.level)));
    let mut records = Vec::new();
    let keeps_eligible = updates.get(&Str::from_static(ELIGIBLE_LEADER_REPLICAS_VERSION));
    if keeps_eligible.is_some_and(|update| update.level > 0) {
        records.extend(one_minimum_for_all(c));
    }
    for update in updates.into_values() {
        records.extend(level_record(c, update, &proposed)?);
    }
    if event.validate_only {
        records.clear();
    }
    Ok(Decision { records, reply: () })
}

fn invalid(update: &FeatureUpdate, reason: &str) -> ApiError {
    let message = format!("Invalid update version {} for feature {}. {reason}", update.level, update.name);
    ApiError::new(ErrorCode::InvalidUpdateVersion, message)
}

fn level_record(
    c: &Context<'_>,
    update: &FeatureUpdate,
    proposed: &BTreeMap<Str, i16>,
) -> Result<Option<MetadataRecord>, ApiError> {
    let refuse = |reason: &str| Err(invalid(update, reason));
    if !(UPGRADE..=UNSAFE_DOWNGRADE).contains(&update.upgrade_type) {
        return refuse("The controller does not support the given upgrade type.");
    }
    let current = match update.name.as_str() {
        KRAFT_VERSION => c.settings.kraft_version,
        name => c.features().level(name),
    };
    if update.level < 0 {
        return refuse("A feature version cannot be less than 0.");
    }
    if let Some(reason) = not_supported(c, update) {
        return refuse(&reason);
    }
    if update.level < current && update.upgrade_type == UPGRADE {
        return refuse(
            "Can't downgrade the version of this feature without setting the upgrade type to either safe or unsafe downgrade.",
        );
    }
    if update.level > current && update.upgrade_type != UPGRADE {
        return refuse("Can't downgrade to a newer version.");
    }
    match update.name.as_str() {
        MetadataVersion::FEATURE_NAME => check_metadata_version(c, update)?,
        KRAFT_VERSION => return check_kraft_version(update, current).map(|()| None),
        name => check_dependencies(update, name, proposed)?,
    }
    let record = FeatureLevelRecord {
        name: update.name.detached(),
        feature_level: update.level,
        ..FeatureLevelRecord::default()
    };
    Ok(Some(record.into()))
}

/// Why somebody in the cluster could not run at the level.
fn not_supported(c: &Context<'_>, update: &FeatureUpdate) -> Option<String> {
    let local = match update.name.as_str() {
        MetadataVersion::FEATURE_NAME => (MetadataVersion::MINIMUM.level(), MetadataVersion::LATEST.level()),
        name => (0, Feature::named(name).map_or(0, |feature| feature.latest)),
    };
    let range_of = |features: &[BrokerFeature]| {
        let known = features.iter().find(|feature| feature.name == update.name);
        known.map_or((0, 0), |feature| (feature.min_supported_version, feature.max_supported_version))
    };
    let this = (format!("Local controller {}", c.settings.node_id), local);
    let brokers = c.cluster().brokers().values();
    let brokers = brokers.map(|broker| (format!("Broker {}", broker.id), range_of(&broker.features)));
    let controllers = c.cluster().controllers().values().filter(|controller| controller.id != c.settings.node_id);
    let controllers =
        controllers.map(|controller| (format!("Controller {}", controller.id), range_of(&controller.features)));
    let reason = |(who, (min, max)): (String, (i16, i16))| match (min..=max).contains(&update.level) {
        true => None,
        false if max == 0 => Some(format!("{who} does not support this feature.")),
        false if min == max => Some(format!("{who} only supports versions {min}")),
        false => Some(format!("{who} only supports versions {min}-{max}")),
    };
    let refusal = core::iter::once(this).chain(brokers).chain(controllers).find_map(reason);
    refusal.or_else(|| {
        let registers = c.hard.metadata_version() >= MetadataVersion::CONTROLLER_REGISTRATION;
        let known = |id: &i32| *id == c.settings.node_id || c.cluster().controllers().contains_key(id);
        let unknown = c.settings.controller_ids.iter().find(|id| registers && !known(id));
        unknown.map(|id| format!("controller {id} has not registered, and may not support this feature"))
    })
}

fn check_metadata_version(c: &Context<'_>, update: &FeatureUpdate) -> Result<(), ApiError> {
    let current = c.hard.metadata_version();
    let Some(new) = MetadataVersion::from_level(update.level) else {
        let (min, max) = (MetadataVersion::MINIMUM.level(), MetadataVersion::LATEST.level());
        let message = format!("Invalid metadata.version {}. Valid versions are from {min} to {max}.", update.level);
        return Err(ApiError::new(ErrorCode::InvalidUpdateVersion, message));
    };
    let mut left = new.level().saturating_add(1)..=current.level();
    if left.all(|level| WITHOUT_NEW_RECORDS.contains(&level)) {
        return Ok(());
    }
    let reason = match update.upgrade_type == SAFE_DOWNGRADE {
        true => "Refusing to perform the requested downgrade because it might delete metadata information.",
        false => "Unsafe metadata downgrade is not supported in this version.",
    };
    let message =
        format!("Unsupported metadata.version downgrade from {} to {}. {reason}", current.level(), new.level());
    Err(ApiError::new(ErrorCode::InvalidUpdateVersion, message))
}

/// Its level is the quorum's, which has to take an upgrade before it is decided on here; there is no way back.
fn check_kraft_version(update: &FeatureUpdate, current: i16) -> Result<(), ApiError> {
    match update.level == current || update.upgrade_type == UPGRADE {
        true => Ok(()),
        false => Err(invalid(update, "Can't downgrade the version of this feature.")),
    }
}

fn check_dependencies(update: &FeatureUpdate, name: &str, proposed: &BTreeMap<Str, i16>) -> Result<(), ApiError> {
    let Some(feature) = Feature::named(name) else {
        return Err(invalid(update, &format!("Feature {name} not found.")));
    };
    let needs = feature.needs(update.level);
    let has = proposed.get(MetadataVersion::FEATURE_NAME).copied().unwrap_or(0);
    match needs.filter(|needs| has < *needs) {
        None => Ok(()),
        Some(needs) => {
            let (level, on) = (update.level, MetadataVersion::FEATURE_NAME);
            let reason = format!("{name} could not be set to {level} because it depends on {on} level {needs}");
            Err(invalid(update, &reason))
        }
    }
}

/// With eligible leader replicas `min.insync.replicas` is the same on all brokers.
fn one_minimum_for_all(c: &Context<'_>) -> Vec<MetadataRecord> {
    let name = keys::MIN_INSYNC_REPLICAS.name();
    let configs = c.image().configs();
    let mut records = Vec::new();
    if configs.value(&ConfigResource::default_broker(), name).is_none() {
        records.push(cluster_min_insync_replicas(c.settings));
    }
    let brokers = configs.resources(ResourceType::Broker).filter(|resource| !resource.name.is_empty());
    let set = brokers.filter(|resource| configs.value(resource, name).is_some());
    records.extend(set.map(|resource| {
        let record = ConfigRecord {
            resource_type: resource.kind.id(),
            resource_name: resource.name.clone(),
            name: Str::from_static(name),
            value: None,
            ..ConfigRecord::default()
        };
        MetadataRecord::from(record)
    }));
    records
}
