//! `ottla format` and `ottla info`: make folders the log dirs of a node, with the files that kafka-storage writes.

mod ensemble;
mod ensure;
mod info;
mod request;
mod scram;
#[cfg(test)]
mod tests;
mod voters;
mod write;

pub(crate) use self::{ensure::ensure_formatted, info::info};

use anyhow::Context as _;
use clap::Args;
use ottla_config::{Loaded, ServerConfig, Sources};
use ottla_metadata::{MetadataRecord, bootstrap::Bootstrap};
use ottla_storage::{fs::RealFs, log_dir};
use std::{
    collections::BTreeSet,
    io::Write,
    path::{Path, PathBuf},
};

/// The records that a new cluster begins with, in every log dir.
pub(crate) const BOOTSTRAP_FILE: &str = "bootstrap.checkpoint";

/// The records of a cluster that nobody asked anything special of.
pub(crate) fn default_bootstrap() -> anyhow::Result<Vec<MetadataRecord>> {
    Ok(Bootstrap::default().levels()?.records())
}

/// Why nothing is formatted, or not everything; the messages are those of `kafka-storage`.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Request(#[from] request::Error),
    #[error(transparent)]
    Ensemble(#[from] ensemble::Error),
    #[error(
        "Log directory {0} is already formatted. Use --ignore-formatted to ignore this directory and format the others."
    )]
    AlreadyFormatted(String),
    #[error("No available log directories to format.")]
    NoDirs,
    #[error("Error while writing meta.properties file {path}: {source}")]
    MetaProperties { path: String, source: log_dir::Error },
    #[error("Error while formatting {path}: {source:#}")]
    Dir { path: String, source: anyhow::Error },
}

/// What to format, and as what: the flags of `kafka-storage format`.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct FormatArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// The cluster ID to use; `ottla random-uuid` makes one.
    #[arg(long, short = 't', value_name = "ID")]
    cluster_id: String,
    /// A SCRAM credential to begin with, as 'SCRAM-SHA-256=[name=alice,password=alice-secret]' or
    /// 'SCRAM-SHA-512=[name=alice,iterations=8192,salt="N3E=",saltedpassword="YCE="]'.
    #[arg(long, short = 'S', value_name = "CREDENTIAL")]
    add_scram: Vec<String>,
    /// Skip the directories that are formatted already rather than failing.
    #[arg(long, short = 'g')]
    ignore_formatted: bool,
    /// The release whose features the cluster begins with, such as 4.0; the default is the latest.
    #[arg(long, short = 'r', value_name = "RELEASE")]
    release_version: Option<String>,
    /// The level of one feature, such as group.version=1.
    #[arg(long, short = 'f', value_name = "NAME=LEVEL")]
    feature: Vec<String>,
    #[command(flatten)]
    quorum: QuorumArgs,
}

/// How the quorum of controllers begins.
#[derive(Clone, Debug, Default, Args)]
#[group(multiple = false)]
struct QuorumArgs {
    /// This controller is alone, others may join it later. controller.quorum.voters must not be set.
    #[arg(long, short = 's')]
    standalone: bool,
    /// The quorum is told by other nodes. controller.quorum.voters should not be set.
    #[arg(long, short = 'N')]
    no_initial_controllers: bool,
    /// The controllers to begin with, the same for all nodes: id@host:port:directory,... controller.quorum.voters must
    /// not be set.
    #[arg(long, short = 'I', value_name = "CONTROLLERS")]
    initial_controllers: Option<String>,
}

/// The config file of a command that only reads it.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ConfigArg {
    /// Kafka's server.properties.
    #[arg(long, short, value_name = "FILE")]
    config: PathBuf,
}

impl ConfigArg {
    /// The configs that a start with this file would have.
    fn load(&self) -> anyhow::Result<ServerConfig> {
        let path = self.config.display();
        let bytes = std::fs::read(&self.config).with_context(|| format!("cannot read {path}"))?;
        let sources = Sources::from_file(&path.to_string(), &bytes)?;
        // Names that are not UTF-8 are nobody's settings.
        let variables = std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
        let Loaded { config, warnings } = sources.environment(variables)?.load()?;
        for warning in warnings {
            eprintln!("{warning}");
        }
        Ok(config)
    }
}

/// Runs `ottla format`.
pub(crate) fn run(args: FormatArgs) -> anyhow::Result<()> {
    let config = args.config.load()?;
    let request = request::Request::new(&args, &config).map_err(Error::from)?;
    let now_ms = crate::clock::wall_ms();
    // What is said does not decide what is done, so a reader that went away is no error.
    write::format(&RealFs::default(), &request, now_ms, &mut |line| _ = writeln!(std::io::stdout(), "{line}"))?;
    Ok(())
}

/// Prints a random id, as `kafka-storage random-uuid` does.
pub(crate) fn random_uuid() {
    println!("{}", crate::entropy::uuid());
}

/// All dirs of a node, that of the metadata log among them.
fn dirs(config: &ServerConfig) -> BTreeSet<String> {
    let mut dirs: BTreeSet<String> = config.log_dirs().iter().cloned().collect();
    dirs.insert(config.metadata_log_dir().to_owned());
    dirs
}

/// A file of a dir.
fn file(dir: &str, name: &str) -> PathBuf {
    Path::new(dir).join(name)
}
