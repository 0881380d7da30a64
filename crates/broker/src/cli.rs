//! The command line.

use crate::{check, format, handlers, logging, network::Scope, node};
use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use ottla_config::{Loaded, Sources};
use std::{path::PathBuf, process::ExitCode};

/// Where `ottla` keeps its data when nothing says otherwise.
const DEFAULT_DATA: &str = "ottla-data";

/// A broker that Kafka's clients and tools take for Apache Kafka.
///
/// Without a command it starts a broker for this machine: on 127.0.0.1:9092, with its data in ./ottla-data.
#[derive(Debug, Parser)]
#[command(name = "ottla", version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    start: StartArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the broker, with Kafka's own server.properties if there is one.
    Start(StartArgs),
    /// Format the log dirs of a node, as kafka-storage does.
    Format(format::FormatArgs),
    /// Tell what the log dirs of a node are.
    Info(format::ConfigArg),
    /// Look for what is wrong in log dirs, while no broker runs on them; nothing is changed.
    Check(check::CheckArgs),
    /// Print a random UUID, such as a cluster ID.
    RandomUuid,
    /// List the APIs served: key, name, first and last version.
    Apis,
}

#[derive(Debug, Default, Args)]
struct StartArgs {
    /// Kafka's server.properties.
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Set one config, whatever the file says.
    #[arg(long = "override", value_name = "NAME=VALUE")]
    overrides: Vec<String>,
    /// Folder for the data where no config is given: ./ottla-data by default.
    #[arg(long, value_name = "FOLDER", conflicts_with = "config")]
    data: Option<PathBuf>,
    /// Serve /metrics, /metrics/groups, /health and /log on this address.
    #[arg(long, value_name = "HOST:PORT", env = "OTTLA_HTTP")]
    http: Option<String>,
    /// What to log: a level, or levels by module such as `info,ottla::network=debug`.
    #[arg(long, default_value = "info", env = "OTTLA_LOG")]
    log: String,
    /// How to write the log.
    #[arg(long, value_enum, default_value_t, env = "OTTLA_LOG_FORMAT")]
    log_format: logging::Format,
}

/// Runs what the command line says.
pub(crate) fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(usage) => {
            _ = usage.print();
            // Kafka's tools end with 1, whatever was wrong.
            return if usage.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
        }
    };
    let done = |()| ExitCode::SUCCESS;
    let outcome = match cli.command {
        None => start(cli.start).map(done),
        Some(Command::Start(args)) => start(args).map(done),
        Some(Command::Format(args)) => format::run(args).map(done),
        Some(Command::Info(args)) => format::info(&args),
        Some(Command::Check(args)) => Ok(check::run(&args)),
        Some(Command::RandomUuid) => {
            format::random_uuid();
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::Apis) => {
            apis();
            Ok(ExitCode::SUCCESS)
        }
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("ottla: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn apis() {
    // Of the controller's listener other nodes want to know, not clients.
    for api in handlers::served(Scope::Broker) {
        let versions = api.stable_versions();
        println!("{}\t{api}\t{}\t{}", api.key(), versions.start(), versions.end());
    }
}

fn start(args: StartArgs) -> anyhow::Result<()> {
    let clock = crate::clock::Clock::starting_now();
    let log_levels = logging::start(args.log_format, &args.log)?;
    let Loaded { config, warnings } = load(&args)?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    let must_be_formatted = args.config.is_some();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let options = node::Options { config, http: args.http, must_be_formatted, log_levels, clock };
    let outcome = runtime.block_on(node::run(options));
    // Whatever still blocks is not waited for: everything that must be on disk is.
    runtime.shutdown_background();
    outcome
}

fn load(args: &StartArgs) -> anyhow::Result<Loaded> {
    let mut sources = match &args.config {
        Some(path) => {
            let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            Sources::from_file(&path.display().to_string(), &bytes)?
        }
        None => {
            let data = args.data.clone().unwrap_or_else(|| DEFAULT_DATA.into());
            Sources::standalone(&std::path::absolute(&data)?.display().to_string())
        }
    };
    // Names that are not UTF-8 are nobody's settings.
    let variables = std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
    sources = sources.environment(variables)?;
    for text in &args.overrides {
        sources = sources.override_with(text)?;
    }
    Ok(sources.load()?)
}
