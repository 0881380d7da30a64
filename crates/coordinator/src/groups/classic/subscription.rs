//! Which topics the members of a consumer group consume, read from metadata that is otherwise the clients' own business.

use super::group::ClassicGroup;
use ottla_protocol::codec::{DecodeError, Decoder};
use ottla_protocol::stored::ConsumerProtocolSubscription;
use ottla_protocol::{Bytes, Message, Str};
use std::collections::BTreeSet;

/// Each version begins with what version 0 has, so that brokers need not know the newer ones.
const BASE_VERSION: i16 = 0;

/// The topics of all members; none if a member's subscription cannot be read.
pub(super) fn subscribed_topics(group: &ClassicGroup) -> Option<BTreeSet<Str>> {
    let mut topics = BTreeSet::new();
    if group.members().len() == 0 {
        return Some(topics);
    }
    let protocol = group.protocol_name.as_ref()?;
    for member in group.members() {
        topics.extend(read(member.metadata(Some(protocol))).ok()?);
    }
    Some(topics)
}

fn read(metadata: Bytes) -> Result<Vec<Str>, DecodeError> {
    let mut decoder = Decoder::new(metadata);
    decoder.int16()?;
    let subscription = ConsumerProtocolSubscription::read(&mut decoder, BASE_VERSION)?;
    Ok(subscription.topics.iter().map(Str::detached).collect())
}
