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

const DOCUMENTS: &[Document] = &[
    Document { path: "docs/configuration.md", render: |_| Ok(ottla_config::docs::markdown()) },
    Document { path: "README.md", render: api_table::render },
];

/// Writes every generated document that is stale.
pub(crate) fn write() -> Result<()> {
    for document in DOCUMENTS {
        if let Some(text) = fresh_text(document)? {
            std::fs::write(commands::project_root()?.join(document.path), text)
                .with_context(|| format!("cannot write {}", document.path))?;
            println!("wrote {}", document.path);
        }
    }
    Ok(())
}

/// Fails where a generated document is not what the code would make it now.
pub(crate) fn check() -> Result<()> {
    let mut stale = Vec::new();
    for document in DOCUMENTS {
        if fresh_text(document)?.is_some() {
            stale.push(document.path);
        }
    }
    if !stale.is_empty() {
        bail!("stale: {}", stale.join(", "));
    }
    println!("{} generated documents are fresh", DOCUMENTS.len());
    Ok(())
}

/// What the document should hold, where that is not what it holds.
fn fresh_text(document: &Document) -> Result<Option<String>> {
    let path = commands::project_root()?.join(document.path);
    // A document that was never written is stale like any other.
    let current = std::fs::read_to_string(path).unwrap_or_default();
    let text = (document.render)(&current).with_context(|| document.path)?;
    Ok((text != current).then_some(text))
}
