//! Subscriptions by regular expression, which the broker resolves.

use super::{Heartbeat, Member, Run, assigned, describe, join, names, newest, regex};

const GROUP: &str = "d-regex";
const EXPRESSION: &str = "d-consumed(-too)?";

/// Expressions that RE2/J refuses.
const INVALID: [&str; 14] =
    ["*", "+a", "a**", "(", ")", "(?P<n", "(?P<n>a)(?P<n>b)", "[", "[b-a]", "a{2,1}", "a{1001}", "\\", "(?=a)", "\\1"];

/// Expressions that it takes, however odd.
const VALID: [&str; 8] =
    ["", "a{", "a{,2}", "[[:alpha:]]", "\\pN", "(?i)D-CONSUMED", "\\Qd-consumed\\E", "^d-consumed$"];

fn subscribed(group: &str, member: &str, expression: &str) -> Heartbeat {
    Heartbeat { subscribed_topic_names: None, subscribed_topic_regex: regex(expression), ..join(group, member, &[]) }
}

pub(super) fn play(run: &mut Run) -> anyhow::Result<()> {
    for (n, expression) in INVALID.into_iter().enumerate() {
        newest(run, &format!("regex-invalid-{n}"), subscribed("d-regex-invalid", "a", expression))?;
    }
    let mut a = Member::new(run, GROUP, "a");
    a.says(run, "regex-joins", subscribed(GROUP, "a", EXPRESSION))?;
    // Expressions are resolved in the background, so the first answers may lack their topics.
    a.waits(run, "an expression's topics", |answer| assigned(answer) == Some(6))?;
    describe(run, "regex", &[GROUP])?;
    a.says(run, "regex-again", Heartbeat { member_epoch: a.epoch, ..subscribed(GROUP, "a", EXPRESSION) })?;
    let mut b = Member::new(run, GROUP, "b");
    b.says(run, "regex-same-of-another", subscribed(GROUP, "b", EXPRESSION))?;
    a.says(run, "regex-invalid-later", Heartbeat { subscribed_topic_regex: regex("("), ..a.beat() })?;
    b.leaves(run, "regex-another-leaves")?;
    let with_names = Heartbeat { subscribed_topic_names: Some(names(&["d-consumed-later"])), ..a.beat() };
    a.says(run, "regex-and-names", with_names)?;
    describe(run, "regex-and-names", &[GROUP])?;
    a.says(run, "regex-to-none", Heartbeat { subscribed_topic_regex: regex(""), ..a.beat() })?;
    describe(run, "regex-to-none", &[GROUP])?;
    a.leaves(run, "regex-leaves")?;
    let mut c = Member::new(run, GROUP, "c");
    c.says(run, "regex-comes-back", subscribed(GROUP, "c", EXPRESSION))?;
    c.leaves(run, "regex-leaves-again")?;
    topics_that_come(run)?;
    odd(run)
}

fn odd(run: &mut Run) -> anyhow::Result<()> {
    for (n, expression) in VALID.into_iter().enumerate() {
        let group = format!("d-regex-odd-{n}");
        let mut member = Member::new(run, &group, "a");
        member.says(run, &format!("regex-odd-{n}"), subscribed(&group, "a", expression))?;
        member.leaves(run, &format!("regex-odd-{n}-leaves"))?;
    }
    Ok(())
}

/// Expressions are resolved again when there are new topics, though not at once.
fn topics_that_come(run: &mut Run) -> anyhow::Result<()> {
    const GROUP: &str = "d-regex-later";
    let mut member = Member::new(run, GROUP, "a");
    member.says(run, "regex-matches-nothing", subscribed(GROUP, "a", "d-matched-.*"))?;
    run.topic("d-matched-1", 1, &[])?;
    member.waits(run, "a topic that matches", |answer| assigned(answer) == Some(1))?;
    describe(run, "regex-topic-came", &[GROUP])?;
    member.leaves(run, "regex-later-leaves")
}
