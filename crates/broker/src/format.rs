//! `ottla format`: makes folders the log dirs of a node, with the files that kafka-storage writes.

mod ensemble;
mod ensure;

pub(crate) use self::ensure::ensure_formatted;

use ottla_metadata::{MetadataRecord, bootstrap::Bootstrap};

/// The records that a new cluster begins with, in every log dir.
pub(crate) const BOOTSTRAP_FILE: &str = "bootstrap.checkpoint";

/// The records of a cluster that nobody asked anything special of.
pub(crate) fn default_bootstrap() -> anyhow::Result<Vec<MetadataRecord>> {
    Ok(Bootstrap::default().levels()?.records())
}

/// What to format, and with which levels.
#[derive(Debug, clap::Args)]
pub(crate) struct FormatArgs {}

/// Runs the command.
pub(crate) fn run(args: FormatArgs) -> anyhow::Result<()> {
    let FormatArgs {} = args;
    Ok(())
}
