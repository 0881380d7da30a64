//! Subscriptions by regular expressions, which are resolved here and not by clients (KIP-848).

use super::draft::Draft;
use super::group::ConsumerGroup;
use super::heartbeat::Refused;
use super::member::Member;
use super::re2::translate;
use super::record::ConsumerGroupRecord;
use super::target::refresh_epoch;
use super::topics::Topics;
use crate::context::Context;
use crate::groups::cause::{Cause, Why};
use crate::machine::{Hard, Soft, StoredGroup};
use crate::{Error, GroupCoordinator, Timer};
use ottla_protocol::Str;
use ottla_protocol::stored::ConsumerGroupRegularExpressionValue;
use ottla_state_machine::{Now, Outcome};
use regex::Regex;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Expressions are not resolved again sooner.
const MIN_REFRESH_INTERVAL_MS: i64 = 10_000;

/// When and with which metadata a group's expressions were resolved last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resolved {
    version: i64,
    wall_ms: i64,
}

/// What a heartbeat means for a group's expressions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RegexChange {
    /// Nothing.
    None,
    /// The member names another one, which is still to be resolved.
    Unresolved,
    /// The member names another one, whose topics are known, or none any more.
    Resolved,
}

/// Sees what a member names now. An expression that nobody names any more is forgotten.
pub(super) fn change(draft: &mut Draft<'_>, before: &Member, member: &Member) -> Result<RegexChange, Refused> {
    let (old, new) = (before.regex(), member.regex());
    if old == new {
        return Ok(RegexChange::None);
    }
    if let Some(old) = old
        && !draft.group().regex_subscribers.contains_key(old)
    {
        draft.write(ConsumerGroupRecord::Regex(old.clone(), None));
    }
    match new {
        Some(new) if draft.group().regexes.contains_key(new) => Ok(RegexChange::Resolved),
        Some(new) => compile(new).map(|_| RegexChange::Unresolved),
        None => Ok(RegexChange::Resolved),
    }
}

/// An expression matches a name as a whole.
fn compile(expression: &Str) -> Result<Regex, Refused> {
    let refuse = |what: &str| {
        let message = format!("SubscribedTopicRegex `{expression}` is not a valid regular expression: {what}.");
        Refused::new(Error::InvalidRegularExpression, message)
    };
    let translated = translate(expression).map_err(refuse)?;
    // By itself first, so that no parenthesis of it closes ours.
    let whole = Regex::new(&translated).and_then(|_| Regex::new(&format!(r"\A(?:{translated})\z")));
    // The lines before the last show where it is.
    let words = |error: regex::Error| error.to_string().lines().last().unwrap_or_default().to_owned();
    whole.map_err(|error| refuse(words(error).trim_start_matches("error: ")))
}

/// Whether the group's expressions are to be resolved: there is a new one, there may be new topics, or it is long ago. Where none
/// was resolved before there is nothing to wait for: then `last` is none, as in Kafka, where the time is kept with expressions.
pub(super) fn wants_refresh(
    group: &ConsumerGroup,
    member: &Member,
    change: RegexChange,
    last: Option<&Resolved>,
    soft: &Soft,
    now: Now,
) -> bool {
    if group.regex_subscribers.is_empty() {
        return false;
    }
    let is_first = change == RegexChange::Unresolved
        && member.regex().is_some_and(|regex| group.regex_subscribers.get(regex) == Some(&1));
    let Some(last) = last else {
        return true;
    };
    if now.wall_ms <= last.wall_ms.saturating_add(MIN_REFRESH_INTERVAL_MS) {
        return false;
    }
    let refresh_ms = i64::from(soft.settings.group_consumer_regex_refresh_interval_ms);
    is_first
        || group.regex_subscribers.len() != group.regexes.len()
        || last.version != soft.topics.version()
        || now.wall_ms > last.wall_ms.saturating_add(refresh_ms)
}

/// Has them resolved by a decision of its own, soon: the member that asks does not wait for it.
pub(super) fn schedule(cx: &mut Context<'_>, group_id: &Str) {
    cx.set_timer(Timer::Regexes { group_id: group_id.clone() }, 0);
}

/// Resolves all expressions of a group.
pub(crate) fn resolve(hard: &Hard, soft: &mut Soft, now: Now, group_id: &Str, out: &mut Outcome<GroupCoordinator>) {
    let Some((group_id, StoredGroup::Consumer(group))) = hard.groups.get_key_value(group_id) else {
        return;
    };
    soft.resolved.insert(group_id.clone(), Resolved { version: soft.topics.version(), wall_ms: now.wall_ms });
    let mut draft = Draft::of(group_id.clone(), group);
    let mut has_changed = false;
    for regex in group.regex_subscribers.keys() {
        let Ok(compiled) = compile(regex) else {
            continue; // it was valid when it was named
        };
        let topics = matching(&compiled, &soft.topics);
        let known = group.regexes.get(regex);
        if known.is_some_and(|known| known.topics.iter().collect::<BTreeSet<_>>() == topics.iter().collect()) {
            continue;
        }
        has_changed |= !topics.is_empty() || known.is_some();
        let value = ConsumerGroupRegularExpressionValue {
            topics,
            version: soft.topics.version(),
            timestamp: now.wall_ms,
            ..ConsumerGroupRegularExpressionValue::default()
        };
        draft.write(ConsumerGroupRecord::Regex(regex.clone(), Some(Arc::new(value))));
    }
    let why = has_changed.then(|| Why::new(Cause::TopicsChanged, "a regular expression matches other topics"));
    refresh_epoch(&mut draft, soft, why, now, out);
    let mut cx = soft.context(now, out);
    match draft.fits(&cx) {
        true => draft.finish(&mut cx),
        false => cx.log(
            crate::Level::Warn,
            group_id,
            "the topics of its regular expressions fill more than a batch".to_owned(),
        ),
    }
}

/// In the order of names.
fn matching(regex: &Regex, topics: &Topics) -> Vec<Str> {
    let mut matching: Vec<Str> = topics.names().filter(|name| regex.is_match(name)).cloned().collect();
    matching.sort();
    matching
}
