//! Access control entries, kept as their records are.

use ottla_protocol::stored::AccessControlEntryRecord;
use ottla_protocol::{Str, Uuid};
use std::collections::BTreeMap;

/// All access control entries by id.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Acls {
    by_id: BTreeMap<Uuid, AccessControlEntryRecord>,
}

impl Acls {
    /// The entries by id.
    pub fn by_id(&self) -> &BTreeMap<Uuid, AccessControlEntryRecord> {
        &self.by_id
    }

    pub(super) fn insert(&mut self, record: &AccessControlEntryRecord) {
        let mut kept = record.clone();
        for text in [&mut kept.resource_name, &mut kept.principal, &mut kept.host] {
            *text = Str::detached(text);
        }
        self.by_id.insert(record.id, kept);
    }

    pub(super) fn remove(&mut self, id: &Uuid) {
        self.by_id.remove(id);
    }
}
