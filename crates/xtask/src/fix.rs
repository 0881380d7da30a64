//! Everything that a program can put right, in the order that leaves nothing half done.

use crate::{commands, docs, tidy};
use anyhow::Result;

/// Formats, applies clippy's own fixes, rewrites generated documents and tightens the ratchet.
pub(crate) fn run() -> Result<()> {
    commands::cargo(&["fmt", "--all"])?;
    commands::cargo(&["clippy", "--fix", "--workspace", "--all-targets", "--allow-dirty", "--allow-staged"])?;
    commands::cargo(&["fmt", "--all"])?;
    docs::write()?;
    tidy::tighten_ratchet()
}
