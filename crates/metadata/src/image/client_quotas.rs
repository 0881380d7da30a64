//! Quotas of users, clients and addresses (KIP-546).

use ottla_protocol::Str;
use ottla_protocol::stored::ClientQuotaRecord;
use ottla_protocol::stored::client_quota_record::EntityData;
use std::collections::BTreeMap;

/// Whom a quota binds: pairs of type (`user`, `client-id`, `ip`) and name, where no name means the default.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct QuotaEntity(BTreeMap<Str, Option<Str>>);

impl QuotaEntity {
    /// An entity of such pairs.
    pub fn new(parts: impl IntoIterator<Item = (Str, Option<Str>)>) -> Self {
        Self(parts.into_iter().collect())
    }

    /// The pairs in order of type.
    pub fn parts(&self) -> &BTreeMap<Str, Option<Str>> {
        &self.0
    }

    pub(super) fn from_record(record: &ClientQuotaRecord) -> Self {
        let part = |e: &EntityData| {
            let name = e.entity_name.as_ref().map(Str::detached);
            (e.entity_type.detached(), name)
        };
        Self::new(record.entity.iter().map(part))
    }

    pub(crate) fn to_data(&self) -> Vec<EntityData> {
        let data = |(kind, name): (&Str, &Option<Str>)| EntityData {
            entity_type: kind.clone(),
            entity_name: name.clone(),
            ..Default::default()
        };
        self.0.iter().map(data).collect()
    }
}

/// The quotas of each entity.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClientQuotas {
    entities: BTreeMap<QuotaEntity, BTreeMap<Str, f64>>,
}

impl ClientQuotas {
    /// All entities with their quotas by name.
    pub fn entities(&self) -> &BTreeMap<QuotaEntity, BTreeMap<Str, f64>> {
        &self.entities
    }

    pub(super) fn apply(&mut self, record: &ClientQuotaRecord) {
        let entity = QuotaEntity::from_record(record);
        if !record.remove {
            let quotas = self.entities.entry(entity).or_default();
            quotas.insert(record.key.detached(), record.value);
            return;
        }
        if let Some(quotas) = self.entities.get_mut(&entity) {
            quotas.remove(&record.key);
            if quotas.is_empty() {
                self.entities.remove(&entity);
            }
        }
    }
}
