//! `ottla check`: looks for what is wrong in log dirs while no broker runs on them, and changes nothing.

use clap::Args;
use ottla_storage::{
    check::{self, Counts, Finding},
    fs::{Fs, RealFs},
};
use std::{
    io::{BufWriter, Write},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
};

/// There are findings.
const FINDINGS: u8 = 1;
/// A log dir could not be checked.
const CANNOT_CHECK: u8 = 2;

/// Ends with 0 if nothing is wrong, with 1 if something is, and with 2 where it could not look.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Log dirs to check.
    #[arg(required = true, value_name = "DIR")]
    dirs: Vec<PathBuf>,
    /// Print each finding as a JSON object on a line of its own.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn run(args: &CheckArgs) -> ExitCode {
    let fs: Arc<dyn Fs> = Arc::new(RealFs::default());
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut code = 0;
    for dir in &args.dirs {
        let mut tell = |finding: &Finding| {
            // Whoever reads may leave early: the exit code still tells.
            _ = match args.json {
                true => writeln!(out, "{}", finding.to_json()),
                false => writeln!(out, "{finding}"),
            };
        };
        match check::check(&fs, dir, &mut tell) {
            Ok(Counts { partitions, segments, batches, findings }) => {
                _ = out.flush();
                eprintln!(
                    "{}: {partitions} partitions, {segments} segments, {batches} batches: {findings} findings",
                    dir.display()
                );
                code = code.max(if findings > 0 { FINDINGS } else { 0 });
            }
            Err(error) => {
                eprintln!("ottla: {error}");
                code = CANNOT_CHECK;
            }
        }
    }
    _ = out.flush();
    ExitCode::from(code)
}
