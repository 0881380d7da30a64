//! SCRAM credentials and delegation tokens, kept as their records are.

use ottla_protocol::stored::{DelegationTokenRecord, UserScramCredentialRecord};
use ottla_protocol::{Bytes, Str};
use std::collections::BTreeMap;

/// SCRAM credentials by mechanism and user (KIP-554).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScramCredentials {
    by_user: BTreeMap<(i8, Str), UserScramCredentialRecord>,
}

impl ScramCredentials {
    /// A user's credential for a mechanism.
    pub fn get(&self, mechanism: i8, user: &Str) -> Option<&UserScramCredentialRecord> {
        self.by_user.get(&(mechanism, user.clone()))
    }

    /// All credentials by mechanism and user.
    pub fn by_user(&self) -> &BTreeMap<(i8, Str), UserScramCredentialRecord> {
        &self.by_user
    }

    pub(super) fn insert(&mut self, record: &UserScramCredentialRecord) {
        let mut kept = record.clone();
        kept.name = kept.name.detached();
        for secret in [&mut kept.salt, &mut kept.stored_key, &mut kept.server_key] {
            *secret = Bytes::copy_from_slice(secret);
        }
        let key = (kept.mechanism, kept.name.clone());
        self.by_user.insert(key, kept);
    }

    pub(super) fn remove(&mut self, mechanism: i8, user: &Str) {
        self.by_user.remove(&(mechanism, user.clone()));
    }
}

/// Delegation tokens by id (KIP-900).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DelegationTokens {
    by_id: BTreeMap<Str, DelegationTokenRecord>,
}

impl DelegationTokens {
    /// The tokens by id.
    pub fn by_id(&self) -> &BTreeMap<Str, DelegationTokenRecord> {
        &self.by_id
    }

    pub(super) fn insert(&mut self, record: &DelegationTokenRecord) {
        let mut kept = record.clone();
        for text in [&mut kept.owner, &mut kept.requester, &mut kept.token_id] {
            *text = Str::detached(text);
        }
        kept.renewers = kept.renewers.iter().map(Str::detached).collect();
        self.by_id.insert(kept.token_id.clone(), kept);
    }

    pub(super) fn remove(&mut self, token_id: &Str) {
        self.by_id.remove(token_id);
    }
}
