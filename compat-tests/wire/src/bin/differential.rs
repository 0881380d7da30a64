//! Sends the same requests to Apache Kafka and to Ottla and says where the answers differ.
//!
//! `differential KAFKA OTTLA [--known FILE] [--self]`: each of the two is HOST:PORT, or a file that
//! `differential --record HOST:PORT FILE` wrote. With `--controller` these are listeners of controllers; `--only SUBJECT` leaves all but one part of the script out. It fails upon a difference that is not in the list of known ones, and
//! upon an entry of the list that no longer occurs. With `--self` both are the same kind of broker and may not differ.

use anyhow::{Context, bail};
use ottla_protocol::{
    ApiKey,
    any::{AnyRequest, AnyResponse},
    messages::ApiVersionsRequest,
};
use ottla_wire_tests::differential::{
    compare, known,
    run::{Outcome, Run, Versions},
    script,
};
use std::{fmt::Write, path::Path, process::ExitCode};

type Script = Box<dyn Fn(&mut Run) -> anyhow::Result<()>>;

fn main() -> anyhow::Result<ExitCode> {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let known_file = take_value(&mut args, "--known")?;
    let to_self = take_flag(&mut args, "--self");
    let record = take_flag(&mut args, "--record");
    let only = take_value(&mut args, "--only")?;
    let script: Script = match take_flag(&mut args, "--controller") {
        true => Box::new(script::play_controller),
        false => Box::new(move |run| script::play(run, only.as_deref())),
    };
    let [first, second] = args.as_slice() else {
        bail!(
            "usage: differential KAFKA OTTLA [--known FILE] [--self], or differential --record HOST:PORT FILE; [--controller] [--only SUBJECT]"
        );
    };
    let now_ms = now_ms()?;
    if record {
        std::fs::write(second, printed(&outcomes(&script, first, &offered(first)?, now_ms)?))?;
        return Ok(ExitCode::SUCCESS);
    }
    let versions = if Path::new(second).exists() { Versions::new() } else { offered(second)? };
    let found = compare::differences(
        &outcomes(&script, first, &versions, now_ms)?,
        &outcomes(&script, second, &versions, now_ms)?,
    );
    let known = match known_file {
        Some(file) if !to_self => known::parse(&std::fs::read_to_string(&file).context(file)?)?,
        _ => Vec::new(),
    };
    let (unknown, unused) = compare::unknown(&found, &known);
    compare::print(&unknown);
    for known in &unused {
        println!("no longer occurs, so strike it from the list: {known}");
    }
    println!("{} differences, {} of them not in the list; {} entries unused", found.len(), unknown.len(), unused.len());
    Ok(ExitCode::from(u8::from(!unknown.is_empty() || !unused.is_empty())))
}

fn take_flag(args: &mut Vec<String>, flag: &str) -> bool {
    let before = args.len();
    args.retain(|arg| arg != flag);
    args.len() != before
}

fn take_value(args: &mut Vec<String>, flag: &str) -> anyhow::Result<Option<String>> {
    let Some(at) = args.iter().position(|arg| arg == flag) else {
        return Ok(None);
    };
    args.remove(at);
    if at == args.len() {
        bail!("{flag} needs a value");
    }
    Ok(Some(args.remove(at)))
}

fn now_ms() -> anyhow::Result<i64> {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    Ok(i64::try_from(since.as_millis())?)
}

/// The versions that a broker offers and this program can write and read.
fn offered(address: &str) -> anyhow::Result<Versions> {
    let mut run = Run::new(address, Versions::new(), 0)?;
    let request = ApiVersionsRequest {
        client_software_name: "differential".into(),
        client_software_version: "1".into(),
        ..Default::default()
    };
    let AnyResponse::ApiVersions(response) = run.quietly(&AnyRequest::ApiVersions(request))? else {
        bail!("no answer to ApiVersions");
    };
    let offered = response.api_keys.iter().filter_map(|one| {
        let api = ApiKey::from_key(one.api_key)?;
        let (min, max) = (*api.versions().start(), *api.versions().end());
        Some((api, one.min_version.max(min)..=one.max_version.min(max)))
    });
    Ok(offered.collect())
}

/// What comes of the script at a broker, or came of it when the file was written.
fn outcomes(script: &Script, place: &str, versions: &Versions, now_ms: i64) -> anyhow::Result<Vec<Outcome>> {
    if Path::new(place).exists() {
        return parsed(&std::fs::read_to_string(place)?);
    }
    let mut run = Run::new(place, versions.clone(), now_ms)?;
    script(&mut run).with_context(|| format!("at {place}"))?;
    let not_sayable = run.not_sayable;
    let outcomes = run.into_outcomes();
    println!("{place}: {} requests sent; {not_sayable} could not be said at a version", outcomes.len());
    Ok(outcomes)
}

fn printed(outcomes: &[Outcome]) -> String {
    let mut out = String::new();
    for outcome in outcomes {
        for (path, value) in &outcome.fields {
            let _ = writeln!(out, "{}\t{path}\t{value}", outcome.step);
        }
    }
    out
}

fn parsed(text: &str) -> anyhow::Result<Vec<Outcome>> {
    let mut outcomes: Vec<Outcome> = Vec::new();
    for line in text.lines() {
        let (step, rest) = line.split_once('\t').with_context(|| line.to_owned())?;
        let (path, value) = rest.split_once('\t').with_context(|| line.to_owned())?;
        let field = (path.to_owned(), value.to_owned());
        match outcomes.last_mut() {
            Some(outcome) if outcome.step == step => outcome.fields.push(field),
            _ => outcomes.push(Outcome { step: step.to_owned(), fields: vec![field] }),
        }
    }
    Ok(outcomes)
}
