//! Runs other programs from the project's root and says which one failed.

use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The folder that holds the workspace's Cargo.toml, asked of `cargo run`: checkouts may share one build of this program.
pub(crate) fn project_root() -> Result<PathBuf> {
    let here = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").context("start this with `cargo xtask`")?);
    let root = here.ancestors().nth(2).context("this crate lies two folders below the root")?;
    Ok(root.to_path_buf())
}

/// Runs cargo with its output on the terminal.
pub(crate) fn cargo(arguments: &[&str]) -> Result<()> {
    let status = cargo_command(arguments)?.status().context("cargo does not start")?;
    if !status.success() {
        bail!("`cargo {}` failed", arguments.join(" "));
    }
    Ok(())
}

/// Runs cargo and returns what it wrote to standard output.
pub(crate) fn cargo_output(arguments: &[&str]) -> Result<String> {
    let mut command = cargo_command(arguments)?;
    let output = command.stderr(Stdio::inherit()).output().context("cargo does not start")?;
    if !output.status.success() {
        bail!("`cargo {}` failed", arguments.join(" "));
    }
    String::from_utf8(output.stdout).context("cargo wrote something that is not UTF-8")
}

/// Runs git and returns what it wrote to standard output.
pub(crate) fn git_output(arguments: &[&str]) -> Result<String> {
    let mut command = Command::new("git");
    command.args(arguments).current_dir(project_root()?).stderr(Stdio::inherit());
    let output = command.output().context("git does not start")?;
    if !output.status.success() {
        bail!("`git {}` failed", arguments.join(" "));
    }
    String::from_utf8(output.stdout).context("git wrote something that is not UTF-8")
}

fn cargo_command(arguments: &[&str]) -> Result<Command> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(arguments).current_dir(project_root()?);
    Ok(command)
}
