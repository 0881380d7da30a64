//! What the group coordinators tell: why groups rebalance, what groups there are, and how far each is behind.

use super::heading;
use ottla_coordinator::{Cause, GroupType, ListedGroup, MeasuredGroup};
use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::atomic::{AtomicU64, Ordering},
};

const TYPES: [GroupType; 2] = [GroupType::Classic, GroupType::Consumer];

/// How often groups began to rebalance, by protocol and cause.
#[derive(Debug)]
pub(crate) struct Rebalances(Vec<((GroupType, Cause), AtomicU64)>);

impl Default for Rebalances {
    fn default() -> Self {
        let all = TYPES.into_iter().flat_map(|group_type| Cause::ALL.map(|cause| (group_type, cause)));
        Self(all.map(|key| (key, AtomicU64::new(0))).collect())
    }
}

impl Rebalances {
    pub(crate) fn began(&self, group_type: GroupType, cause: Cause) {
        let counter = self.0.iter().find(|(key, _)| *key == (group_type, cause));
        if let Some((_, counter)) = counter {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn render(&self, out: &mut String) {
        let name = "ottla_group_rebalances_total";
        heading(out, name, "Rebalances of groups that began, by protocol and cause.", "counter");
        for ((group_type, cause), counter) in &self.0 {
            let (count, cause) = (counter.load(Ordering::Relaxed), cause.name());
            if count > 0 {
                let _ = writeln!(out, "{name}{{protocol=\"{group_type}\",cause=\"{cause}\"}} {count}");
            }
        }
    }
}

/// How many groups there are, by protocol and state.
pub(super) fn count(out: &mut String, groups: &[ListedGroup]) {
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for group in groups {
        *counts.entry((group.group_type.name(), group.state)).or_default() += 1;
    }
    heading(out, "ottla_groups", "Groups that this broker coordinates, by protocol and state.", "gauge");
    for ((protocol, state), count) in counts {
        let _ = writeln!(out, "ottla_groups{{protocol=\"{protocol}\",state=\"{state}\"}} {count}");
    }
}

/// Each group by itself. `end` knows the offset up to which consumers may read a partition, if it is led here.
pub(crate) fn render_each(groups: &[MeasuredGroup], end: impl Fn(&str, i32) -> Option<i64>) -> String {
    let mut out = String::new();
    heading(&mut out, "ottla_group_members", "Members of the group.", "gauge");
    for group in groups {
        let (id, protocol, state) = (escape(&group.group_id), group.group_type, group.state);
        let members = group.members;
        let _ =
            writeln!(out, "ottla_group_members{{group=\"{id}\",protocol=\"{protocol}\",state=\"{state}\"}} {members}");
    }
    let help = "The offset that the group committed, the next that it is to read.";
    heading(&mut out, "ottla_group_committed_offset", help, "gauge");
    for_offsets(groups, |labels, _, _, committed| {
        let _ = writeln!(out, "ottla_group_committed_offset{{{labels}}} {committed}");
    });
    let help = "Records between the committed offset and the end of the partition: LAG of kafka-consumer-groups.";
    heading(&mut out, "ottla_group_lag_records", help, "gauge");
    for_offsets(groups, |labels, topic, partition, committed| {
        if let Some(end) = end(topic, partition) {
            let lag = end.saturating_sub(committed);
            let _ = writeln!(out, "ottla_group_lag_records{{{labels}}} {lag}");
        }
    });
    out
}

fn for_offsets(groups: &[MeasuredGroup], mut each: impl FnMut(&str, &str, i32, i64)) {
    for group in groups {
        let id = escape(&group.group_id);
        for (topic, offsets) in &group.offsets {
            let name = escape(topic);
            for (partition, committed) in offsets {
                let labels = format!("group=\"{id}\",topic=\"{name}\",partition=\"{partition}\"");
                each(&labels, topic, *partition, *committed);
            }
        }
    }
}

/// A label's value; clients choose the names of groups.
fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_protocol::Str;

    fn group(name: &'static str) -> MeasuredGroup {
        MeasuredGroup {
            group_id: Str::from_static(name),
            group_type: GroupType::Consumer,
            state: "Stable",
            members: 2,
            offsets: vec![(Str::from_static("t"), vec![(0, 5), (1, 9)])],
        }
    }

    #[test]
    fn rebalances_are_counted_by_protocol_and_cause() {
        let rebalances = Rebalances::default();
        rebalances.began(GroupType::Consumer, Cause::MemberJoined);
        rebalances.began(GroupType::Consumer, Cause::MemberJoined);
        rebalances.began(GroupType::Classic, Cause::SessionExpired);
        let mut out = String::new();
        rebalances.render(&mut out);
        let lines: Vec<&str> = out.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            lines,
            [
                "ottla_group_rebalances_total{protocol=\"classic\",cause=\"session_expired\"} 1",
                "ottla_group_rebalances_total{protocol=\"consumer\",cause=\"member_joined\"} 2",
            ]
        );
    }

    #[test]
    fn each_group_tells_how_far_it_is_behind() {
        let text = render_each(&[group("a\"\\\nb")], |_, partition| (partition == 0).then_some(7));
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        let name = "group=\"a\\\"\\\\\\nb\"";
        assert_eq!(
            lines,
            [
                format!("ottla_group_members{{{name},protocol=\"consumer\",state=\"Stable\"}} 2"),
                format!("ottla_group_committed_offset{{{name},topic=\"t\",partition=\"0\"}} 5"),
                format!("ottla_group_committed_offset{{{name},topic=\"t\",partition=\"1\"}} 9"),
                format!("ottla_group_lag_records{{{name},topic=\"t\",partition=\"0\"}} 2"),
            ]
        );
    }

    #[test]
    fn groups_are_counted() {
        let mut out = String::new();
        let listed = |name| ListedGroup {
            group_id: Str::from_static(name),
            protocol_type: Str::from_static("consumer"),
            state: "Stable",
            group_type: GroupType::Consumer,
        };
        count(&mut out, &[listed("a"), listed("b")]);
        assert!(out.ends_with("ottla_groups{protocol=\"consumer\",state=\"Stable\"} 2\n"));
    }
}
