//! The project's own tool: the gate (`ci`), what rewrites (`fix`), generated documents and tidy checks.

mod commands;
mod docs;
mod fix;
mod gate;
mod rust_text;
mod sabotage;
mod tidy;
mod tree;

use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask <command>

  ci      the gate: format, tidy, clippy, generated documents, tests; stops at the first failure
  fix     everything that can be put right by a program: format, clippy's fixes, documents, ratchet
  tidy    the project's own checks only
  docs    write the generated documents (`docs --check` only says which are stale)
  sabotage [NAME]  breaks rules one by one (crates/simulation/sabotage.tsv), those with NAME in theirs or tried on the
                   simulation NAME, which the seeds must find; takes long";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["ci"] => gate::run(),
        ["fix"] => fix::run(),
        ["tidy"] => tidy::run(),
        ["sabotage"] => sabotage::run(""),
        ["sabotage", name] => sabotage::run(name),
        ["docs"] => docs::write(),
        ["docs", "--check"] => docs::check(),
        _ => Err(anyhow::anyhow!("{USAGE}")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why:#}");
            ExitCode::FAILURE
        }
    }
}
