//! DescribeTransactions and ListTransactions.

use super::{Script, Stage};
use crate::differential::run::Run;
use ottla_protocol::{ApiKey, Str, any::AnyRequest, messages as m};

pub(super) fn describe(ids: &[&str]) -> AnyRequest {
    AnyRequest::DescribeTransactions(m::DescribeTransactionsRequest {
        transactional_ids: ids.iter().map(|id| Str::from(*id)).collect(),
        ..Default::default()
    })
}

pub(super) fn play(run: &mut Run, script: &Script) -> anyhow::Result<()> {
    let mut producers = Vec::new();
    for stage in Stage::ALL {
        producers.push(script.producer_at(run, "asked", 0, stage)?);
    }
    let ids: Vec<&str> = producers.iter().map(|producer| producer.id.as_str()).collect();
    let step = |name: &str| script.step(&format!("describe-{name}"));
    run.each(&step("all"), ApiKey::DescribeTransactions, |_| describe(&ids))?;
    run.each(&step("none"), ApiKey::DescribeTransactions, |_| describe(&[]))?;
    run.each(&step("unknown"), ApiKey::DescribeTransactions, |_| describe(&["d-nobody"]))?;
    run.each(&step("empty"), ApiKey::DescribeTransactions, |_| describe(&[""]))?;
    list(run, script)?;
    for producer in &producers {
        let by_producer = Ask { producers: vec![producer.producer_id], ..Ask::default() };
        run.each(&script.step(&format!("list-of-{}", producer.id)), ApiKey::ListTransactions, |version| {
            by_producer.request(version)
        })?;
    }
    for producer in producers {
        producer.leaves(run)?;
    }
    Ok(())
}

#[derive(Clone)]
struct Ask {
    states: &'static [&'static str],
    producers: Vec<i64>,
    duration_ms: i64,
    pattern: Option<String>,
}

impl Default for Ask {
    fn default() -> Self {
        Self { states: &[], producers: Vec::new(), duration_ms: -1, pattern: None }
    }
}

impl Ask {
    fn request(&self, version: i16) -> AnyRequest {
        let mut request = m::ListTransactionsRequest {
            state_filters: self.states.iter().map(|state| Str::from_static(state)).collect(),
            producer_id_filters: self.producers.clone(),
            ..Default::default()
        };
        if version >= 1 {
            request.duration_filter = self.duration_ms;
        }
        request.transactional_id_pattern = self.pattern.as_deref().map(Str::from);
        AnyRequest::ListTransactions(request)
    }
}

fn list(run: &mut Run, script: &Script) -> anyhow::Result<()> {
    let pattern = |pattern: &str| Ask { pattern: Some(pattern.to_owned()), ..Ask::default() };
    let asked = format!("d-txn{}-asked-", script.level);
    let cases = [
        ("all", Ask::default()),
        ("ongoing", Ask { states: &["Ongoing"], ..Ask::default() }),
        ("complete", Ask { states: &["CompleteCommit", "CompleteAbort"], ..Ask::default() }),
        (
            "every-state",
            Ask {
                states: &[
                    "Empty",
                    "Ongoing",
                    "PrepareCommit",
                    "PrepareAbort",
                    "CompleteCommit",
                    "CompleteAbort",
                    "Dead",
                    "PrepareEpochFence",
                ],
                ..Ask::default()
            },
        ),
        ("unknown-state", Ask { states: &["Sleepy"], ..Ask::default() }),
        ("other-case", Ask { states: &["ongoing", "Ongoing", "ONGOING"], ..Ask::default() }),
        ("empty-state", Ask { states: &[""], ..Ask::default() }),
        ("unknown-producer", Ask { producers: vec![1 << 40, -1], ..Ask::default() }),
        ("hours", Ask { duration_ms: 7_200_000, ..Ask::default() }),
        ("any-duration", Ask { duration_ms: -7, states: &["Ongoing"], ..Ask::default() }),
        ("pattern", pattern(&format!("{asked}.*"))),
        ("pattern-choice", pattern(&format!("{asked}(empty|ongoing)-v0"))),
        ("pattern-part", pattern("asked")),
        ("pattern-empty", pattern("")),
        ("pattern-wrong", pattern("(")),
        ("pattern-range", pattern(&format!("{asked}[a-e]\\w+-v\\d"))),
        ("pattern-and-state", Ask { states: &["Empty"], ..pattern(&format!("{asked}.*")) }),
    ];
    for (name, ask) in cases {
        run.each(&script.step(&format!("list-{name}")), ApiKey::ListTransactions, |version| ask.request(version))?;
    }
    Ok(())
}
