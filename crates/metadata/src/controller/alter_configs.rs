//! Changes configs: some of a resource (IncrementalAlterConfigs) or all of it (AlterConfigs).

use super::MAX_RECORDS_PER_USER_OP;
use super::context::{Context, Decision, excessively_large};
use crate::{ApiError, ConfigResource, MetadataRecord, MetadataVersion, ResourceType, topic_name};
use ottla_config::keys;
use ottla_protocol::stored::{ClearElrRecord, ConfigRecord};
use ottla_protocol::{ErrorCode, Str};
use std::collections::{BTreeMap, BTreeSet};

const MIN_INSYNC_REPLICAS: &str = keys::MIN_INSYNC_REPLICAS.name();
const CORDONED_LOG_DIRS: &str = keys::CORDONED_LOG_DIRS.name();
/// The longest value, in Java's characters.
const MAX_VALUE_LENGTH: usize = 32_767;

/// See [`super::Event::IncrementalAlterConfigs`].
#[derive(Clone, Debug, Default)]
pub struct IncrementalAlterConfigs {
    /// The broker that took the request, through which of brokers only its own configs may be changed; none where that was a
    /// controller (KIP-919).
    pub node_id: Option<i32>,
    /// The resources.
    pub resources: Vec<AlterableResource<ConfigChange>>,
    /// Whether to say only what would be.
    pub validate_only: bool,
}

/// See [`super::Event::AlterConfigs`].
#[derive(Clone, Debug, Default)]
pub struct AlterConfigs {
    /// The broker that took the request, through which of brokers only its own configs may be changed; none where that was a
    /// controller (KIP-919).
    pub node_id: Option<i32>,
    /// The resources, with all configs that each is to have.
    pub resources: Vec<AlterableResource<(Str, Option<Str>)>>,
    /// Whether to say only what would be.
    pub validate_only: bool,
}

/// A resource and what is to become of its configs.
#[derive(Clone, Debug, Default)]
pub struct AlterableResource<C> {
    /// The number of its type; see [`ResourceType`].
    pub resource_type: i8,
    /// Its name.
    pub resource_name: Str,
    /// The changes.
    pub configs: Vec<C>,
}

/// A change of one config.
#[derive(Clone, Debug, Default)]
pub struct ConfigChange {
    /// The config.
    pub name: Str,
    /// 0 sets, 1 deletes, 2 appends, 3 subtracts.
    pub operation: i8,
    /// The value.
    pub value: Option<Str>,
}

/// What became of one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlteredResource {
    /// The number of its type.
    pub resource_type: i8,
    /// Its name.
    pub resource_name: Str,
    /// What became of it.
    pub result: Result<(), ApiError>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Set,
    Delete,
    Append,
    Subtract,
}

impl Operation {
    fn from_id(id: i8) -> Result<Self, ApiError> {
        Ok(match id {
            0 => Self::Set,
            1 => Self::Delete,
            2 => Self::Append,
            3 => Self::Subtract,
            _ => {
                return Err(ApiError::invalid_request(format!("Unknown operations type {id}")));
            }
        })
    }

    fn refused(self, kind: ResourceType, name: &str) -> ApiError {
        let (verb, shout) = match self {
            Self::Append => ("append", "APPEND"),
            _ => ("subtract", "SUBTRACT"),
        };
        ApiError::invalid_config(match kind {
            ResourceType::Broker => {
                format!("Config value {verb} is not allowed for config key: {name}")
            }
            _ => format!("Can't {shout} to key {name} because its type is not LIST."),
        })
    }
}

/// Where changes come from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// A broker took the request, and checked what it knows best.
    Broker,
    /// The controller was asked directly.
    Controller,
    /// They come with a topic that is about to be made.
    NewTopic,
}

impl Origin {
    fn of(node_id: Option<i32>) -> Self {
        if node_id.is_some() { Self::Broker } else { Self::Controller }
    }
}

/// New values by name; none is to be deleted.
type Changes = BTreeMap<Str, Option<Str>>;

pub(super) fn decide_incremental(
    c: &Context<'_>,
    event: IncrementalAlterConfigs,
) -> Result<Decision<Vec<AlteredResource>>, ApiError> {
    let no_value =
        |change: &ConfigChange| (change.value.is_none() && change.operation != 1).then(|| change.name.clone());
    decide(c, event.validate_only, Origin::of(event.node_id), event.resources, |r| {
        check_keys(r.configs.iter().map(|change| &change.name))?;
        check_values(r.configs.iter().filter_map(no_value).collect())?;
        let resource = known_resource(c, event.node_id, r)?;
        let changes = incremental_changes(c, &resource, &r.configs)?;
        Ok((resource, changes))
    })
}

pub(super) fn decide_legacy(c: &Context<'_>, event: AlterConfigs) -> Result<Decision<Vec<AlteredResource>>, ApiError> {
    let no_value = |(name, value): &(Str, Option<Str>)| value.is_none().then(|| name.clone());
    decide(c, event.validate_only, Origin::of(event.node_id), event.resources, |r| {
        check_keys(r.configs.iter().map(|(name, _)| name))?;
        check_values(r.configs.iter().filter_map(no_value).collect())?;
        let resource = known_resource(c, event.node_id, r)?;
        let mut changes: Changes = r.configs.iter().cloned().collect();
        for name in current(c, &resource).into_keys() {
            changes.entry(name).or_insert(None);
        }
        Ok((resource, changes))
    })
}

/// The records that set the configs of a topic about to be made.
pub(super) fn for_new_resource(
    c: &Context<'_>,
    resource: &ConfigResource,
    changes: Changes,
) -> Result<Vec<MetadataRecord>, ApiError> {
    if changes.is_empty() {
        return Ok(Vec::new());
    }
    let mut records = checked_records(c, resource, changes, Origin::NewTopic)?;
    records.extend(clear_elr_records(c, &records));
    Ok(records)
}

fn decide<C>(
    c: &Context<'_>,
    validate_only: bool,
    origin: Origin,
    resources: Vec<AlterableResource<C>>,
    changes: impl Fn(&AlterableResource<C>) -> Result<(ConfigResource, Changes), ApiError>,
) -> Result<Decision<Vec<AlteredResource>>, ApiError> {
    let mut records = Vec::new();
    let repeated = repeated(resources.iter().map(|r| (r.resource_type, &r.resource_name)));
    let mut reply = Vec::with_capacity(resources.len());
    for r in &resources {
        let result = match repeated.contains(&(r.resource_type, &r.resource_name)) {
            true => Err(ApiError::invalid_request("Each resource must appear at most once.")),
            false => changes(r).and_then(|(resource, changes)| checked_records(c, &resource, changes, origin)),
        };
        reply.push(AlteredResource {
            resource_type: r.resource_type,
            resource_name: r.resource_name.clone(),
            result: result.map(|new| records.extend(new)),
        });
    }
    records.extend(clear_elr_records(c, &records));
    if records.len() > MAX_RECORDS_PER_USER_OP {
        return Err(excessively_large());
    }
    if validate_only {
        records.clear();
    }
    Ok(Decision { records, reply })
}

fn repeated<T: Ord + Copy>(things: impl Iterator<Item = T>) -> BTreeSet<T> {
    let mut seen = BTreeSet::new();
    things.filter(|thing| !seen.insert(*thing)).collect()
}

fn check_keys<'a>(names: impl Iterator<Item = &'a Str>) -> Result<(), ApiError> {
    match repeated(names).is_empty() {
        true => Ok(()),
        false => Err(ApiError::invalid_request("Error due to duplicate config keys")),
    }
}

fn check_values(without: Vec<Str>) -> Result<(), ApiError> {
    if without.is_empty() {
        return Ok(());
    }
    Err(ApiError::invalid_request(format!("Null value not supported for : {}", without.join(", "))))
}

fn known_resource<C>(
    c: &Context<'_>,
    node_id: Option<i32>,
    r: &AlterableResource<C>,
) -> Result<ConfigResource, ApiError> {
    let unknown = || ApiError::invalid_request(format!("Unknown resource type {}", r.resource_type));
    let kind = ResourceType::from_id(r.resource_type).ok_or_else(unknown)?;
    match kind {
        ResourceType::BrokerLogger => return Err(unknown()),
        ResourceType::Broker => check_node(c, node_id, &r.resource_name)?,
        ResourceType::Topic if r.resource_name.is_empty() => {
            return Err(ApiError::invalid_request("Default topic resources are not allowed."));
        }
        ResourceType::Topic => topic_name::validate(&r.resource_name)?,
        ResourceType::Group if r.resource_name.is_empty() => {
            return Err(ApiError::invalid_request("Default group resources are not allowed."));
        }
        ResourceType::Group | ResourceType::ClientMetrics => {}
    }
    Ok(ConfigResource::new(kind, r.resource_name.clone()))
}

/// A broker takes changes of its own configs and of the cluster's, not of another's; the controller of any that there is.
fn check_node(c: &Context<'_>, node_id: Option<i32>, name: &Str) -> Result<(), ApiError> {
    if name.is_empty() {
        return Ok(());
    }
    let Some(node_id) = node_id else {
        return check_registered(c, name);
    };
    let id: i32 = name
        .parse()
        .map_err(|_| ApiError::invalid_request(format!("Node id must be an integer, but it is: {name}")))?;
    match id == node_id {
        true => Ok(()),
        false => {
            Err(ApiError::invalid_request(format!("Unexpected broker id, expected {node_id}, but received {name}")))
        }
    }
}

fn check_registered(c: &Context<'_>, name: &Str) -> Result<(), ApiError> {
    let unreadable = |_| ApiError::invalid_request("Unable to parse broker name as a base 10 number.");
    let id: i32 = name.parse().map_err(unreadable)?;
    let known = c.cluster().broker(id).is_some()
        || c.cluster().controllers().contains_key(&id)
        || c.settings.controller_ids.contains(&id);
    // `01` is no other name of the broker: configs stored under it would belong to nobody.
    match known && name.as_str() == id.to_string() {
        true => Ok(()),
        false => Err(ApiError::new(ErrorCode::BrokerIdNotRegistered, format!("No node with id {name} found."))),
    }
}

fn current(c: &Context<'_>, resource: &ConfigResource) -> BTreeMap<Str, Str> {
    let configs = c.image().configs().of(resource);
    configs.map(|configs| (**configs).clone()).unwrap_or_default()
}

fn incremental_changes(
    c: &Context<'_>,
    resource: &ConfigResource,
    wanted: &[ConfigChange],
) -> Result<Changes, ApiError> {
    let current = current(c, resource);
    let mut changes = Changes::new();
    for change in wanted {
        let operation = Operation::from_id(change.operation)?;
        let value = match operation {
            Operation::Set => change.value.clone(),
            Operation::Delete => None,
            Operation::Append | Operation::Subtract => {
                if !c.settings.schema.is_list(resource.kind, &change.name) {
                    return Err(operation.refused(resource.kind, &change.name));
                }
                let old = current.get(&change.name).map(|v| v.as_str().to_owned());
                let old = old.or_else(|| default_value(c, resource, &change.name));
                let given = change.value.as_deref().unwrap_or_default();
                Some(combine(operation, &old.unwrap_or_default(), given).into())
            }
        };
        changes.insert(change.name.clone(), value);
    }
    Ok(changes)
}

fn default_value(c: &Context<'_>, resource: &ConfigResource, name: &str) -> Option<String> {
    c.settings.schema.default_value(resource.kind, name)
}

/// Splits as Java does: empty parts at the end are dropped, but for the whole being empty.
fn split(list: &str) -> Vec<&str> {
    let mut parts: Vec<&str> = list.split(',').collect();
    while parts.len() > 1 && parts.last() == Some(&"") {
        parts.pop();
    }
    match parts.as_slice() {
        [""] if !list.is_empty() => Vec::new(),
        _ => parts,
    }
}

fn combine(operation: Operation, old: &str, given: &str) -> String {
    let mut parts: Vec<&str> = split(old).into_iter().filter(|p| !p.is_empty()).collect();
    for part in split(given) {
        let found = parts.iter().position(|p| *p == part);
        match (operation, found) {
            (Operation::Append, None) => parts.push(part),
            (Operation::Subtract, Some(at)) => {
                parts.remove(at);
            }
            _ => {}
        }
    }
    parts.join(",")
}

fn checked_records(
    c: &Context<'_>,
    resource: &ConfigResource,
    changes: Changes,
    origin: Origin,
) -> Result<Vec<MetadataRecord>, ApiError> {
    let old = current(c, resource);
    let mut new = old.clone();
    let mut records = Vec::new();
    for (name, value) in changes {
        // A broker takes a config again even when it is the same, say to read a renewed key store.
        let unchanged = old.get(&name) == value.as_ref();
        if unchanged && resource.kind != ResourceType::Broker {
            continue;
        }
        check_change(c, resource, &name, value.as_ref())?;
        if origin == Origin::Controller && resource.kind == ResourceType::Broker && name == CORDONED_LOG_DIRS {
            check_cordons(old.get(&name), value.as_ref())?;
        }
        match &value {
            Some(value) => new.insert(name.clone(), value.clone()),
            None => new.remove(&name),
        };
        records.push(
            ConfigRecord {
                resource_type: resource.kind.id(),
                resource_name: resource.name.clone(),
                name,
                value,
                ..Default::default()
            }
            .into(),
        );
    }
    c.settings.schema.validate(resource, &new, &old)?;
    if origin != Origin::NewTopic {
        check_exists(c, resource)?;
    }
    Ok(records)
}

/// What Kafka refuses whatever the schema says.
fn check_change(c: &Context<'_>, resource: &ConfigResource, name: &Str, value: Option<&Str>) -> Result<(), ApiError> {
    if resource.kind == ResourceType::Broker {
        let elr = c.features().eligible_leader_replicas() && *name == MIN_INSYNC_REPLICAS;
        if elr && !resource.name.is_empty() {
            return Err(ApiError::invalid_config(
                "Broker-level min.insync.replicas cannot be altered while ELR is enabled.",
            ));
        }
        if elr && value.is_none() {
            return Err(ApiError::invalid_config(
                "Cluster-level min.insync.replicas cannot be removed while ELR is enabled.",
            ));
        }
        let cordons = c.hard.metadata_version() >= MetadataVersion::CORDONED_LOG_DIRS;
        if *name == CORDONED_LOG_DIRS && !cordons {
            return Err(ApiError::invalid_config(format!(
                "The cordoned.log.dirs configuration value cannot be set because it requires metadata.version >= {}",
                MetadataVersion::CORDONED_LOG_DIRS
            )));
        }
    }
    match value.is_some_and(|v| v.encode_utf16().count() > MAX_VALUE_LENGTH) {
        true => Err(ApiError::invalid_config(
            "The configuration value cannot be added because it exceeds the maximum value size of 32767 bytes.",
        )),
        false => Ok(()),
    }
}

/// Which log dirs a broker has only itself knows: who asks the controller directly can but end cordons (KIP-1066).
fn check_cordons(old: Option<&Str>, new: Option<&Str>) -> Result<(), ApiError> {
    let dirs = |list: &Str| -> BTreeSet<String> { list.trim().split(',').map(|dir| dir.trim().to_owned()).collect() };
    let Some(new) = new.filter(|new| !new.trim().is_empty()) else { return Ok(()) };
    match dirs(new).is_subset(&old.map(dirs).unwrap_or_default()) {
        true => Ok(()),
        false => Err(ApiError::invalid_config(
            "When updating cordoned.log.dirs via controllers,  the new value must be a subset of the current configuration value.",
        )),
    }
}

fn check_exists(c: &Context<'_>, resource: &ConfigResource) -> Result<(), ApiError> {
    let name = &resource.name;
    match resource.kind {
        ResourceType::Broker if !name.is_empty() => {
            let id: i32 = name.parse().map_err(|_| ApiError::invalid_request(format!("Invalid broker name {name}")))?;
            let known = c.cluster().broker(id).is_some() || c.settings.controller_ids.contains(&id);
            match known {
                true => Ok(()),
                false => Err(ApiError::new(ErrorCode::BrokerIdNotRegistered, format!("No node with id {id} found."))),
            }
        }
        ResourceType::Topic if c.topics().by_name(name).is_none() => {
            Err(ApiError::new(ErrorCode::UnknownTopicOrPartition, format!("The topic '{name}' does not exist.")))
        }
        _ => Ok(()),
    }
}

/// With another `min.insync.replicas`, who is eligible to lead must be found out anew (KIP-966).
fn clear_elr_records(c: &Context<'_>, records: &[MetadataRecord]) -> Vec<MetadataRecord> {
    if !c.features().eligible_leader_replicas() {
        return Vec::new();
    }
    let clear = |record: &MetadataRecord| match record {
        MetadataRecord::Config(r) if r.name == MIN_INSYNC_REPLICAS => {
            let topic_name = match r.resource_type == ResourceType::Topic.id() {
                true => r.resource_name.clone(),
                false => Str::default(),
            };
            let record = ClearElrRecord { topic_name, ..Default::default() };
            Some(record.into())
        }
        _ => None,
    };
    records.iter().filter_map(clear).collect()
}
