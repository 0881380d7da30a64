//! Documents made from the code: `docs` writes them, `docs --check` says which are stale.

mod api_table;
mod markers;

use crate::commands;
use anyhow::{Context, Result, bail};

/// A document with how it is made from what it holds now.
struct Document {
    path: &'static str,
    render: fn(current: &str) -> Result<String>,
}

const DOCUMENTS: &[Document] = &[Document {
    path: "README.md",
    render: api_table::render,
}];

/// Writes every generated document that is stale.
pub(crate) fn write() -> Result<()> {
    for stale in stale_documents()? {
        std::fs::write(commands::project_root()?.join(stale.path), stale.text)
            .with_context(|| format!("cannot write {}", stale.path))?;
        println!("wrote {}", stale.path);
    }
    Ok(())
}

/// Fails where a generated document is not what the code would make it now.
pub(crate) fn check() -> Result<()> {
    let stale: Vec<&str> = stale_documents()?.iter().map(|stale| stale.path).collect();
    if !stale.is_empty() {
        bail!("stale: {}", stale.join(", "));
    }
    println!("{} generated documents are fresh", DOCUMENTS.len());
    Ok(())
}

struct Stale {
    path: &'static str,
    text: String,
}

fn stale_documents() -> Result<Vec<Stale>> {
    let root = commands::project_root()?;
    let mut stale = Vec::new();
    for document in DOCUMENTS {
        let current = std::fs::read_to_string(root.join(document.path)).unwrap_or_default();
        let text = (document.render)(&current).with_context(|| document.path)?;
        if text != current {
            stale.push(Stale {
                path: document.path,
                text,
            });
        }
    }
    Ok(stale)
}
