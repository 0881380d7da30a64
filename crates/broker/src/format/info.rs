//! `ottla info`: what the log dirs of a node are, and what is wrong with them.

use super::{ConfigArg, dirs, ensemble};
use ottla_config::{ServerConfig, keys};
use ottla_storage::{
    fs::{Fs, RealFs},
    log_dir::MetaProperties,
};
use std::{collections::BTreeSet, io::Write, path::Path, process::ExitCode};

/// Runs the command; it fails where it found a problem.
pub(crate) fn info(config: &ConfigArg) -> anyhow::Result<ExitCode> {
    let config: ServerConfig = config.load()?;
    let report = Report::of(&RealFs::default(), &dirs(&config));
    _ = std::io::stdout().write_all(report.text().as_bytes());
    Ok(if report.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Report {
    dirs: Vec<String>,
    metadata: Option<MetaProperties>,
    pub(super) problems: Vec<String>,
}

impl Report {
    pub(super) fn of(fs: &dyn Fs, dirs: &BTreeSet<String>) -> Self {
        let mut report = Self::default();
        for dir in dirs {
            match fs.list(Path::new(dir)) {
                Ok(_) => report.take_dir(fs, dir),
                Err(error) => report.problems.push(match error.kind() {
                    std::io::ErrorKind::NotFound => format!("{dir} does not exist"),
                    std::io::ErrorKind::NotADirectory => format!("{dir} is not a directory"),
                    _ => format!("Error loading {dir}: {error}"),
                }),
            }
        }
        report
    }

    fn take_dir(&mut self, fs: &dyn Fs, dir: &str) {
        self.dirs.push(dir.to_owned());
        match (ensemble::read(fs, dir), &self.metadata) {
            (Err(error), _) => self.problems.push(format!("Error loading {error}")),
            (Ok(None), _) => self.problems.push(format!("{dir} is not formatted.")),
            (Ok(found), None) => self.metadata = found,
            (Ok(Some(found)), Some(first)) => {
                if found.cluster_id != first.cluster_id {
                    self.problems.push("Mismatched cluster IDs between storage directories.".to_owned());
                } else if found.node_id != first.node_id {
                    self.problems.push("Mismatched node IDs between storage directories.".to_owned());
                }
            }
        }
    }

    /// The report as `kafka-storage info` prints it.
    pub(super) fn text(&self) -> String {
        let mut text = list("Found log directory:", "Found log directories:", &self.dirs);
        if let Some(metadata) = &self.metadata {
            text.push_str(&format!("Found metadata: {{{}}}\n\n", describe(metadata)));
        }
        text.push_str(&list("Found problem:", "Found problems:", &self.problems));
        text
    }
}

fn list(one: &str, many: &str, lines: &[String]) -> String {
    let title = match lines.len() {
        0 => return String::new(),
        1 => one,
        _ => many,
    };
    let lines: String = lines.iter().map(|line| format!("  {line}\n")).collect();
    format!("{title}\n{lines}\n")
}

fn describe(properties: &MetaProperties) -> String {
    let named = [
        ("cluster.id", properties.cluster_id.clone()),
        ("directory.id", properties.directory_id.map(|id| id.to_string())),
        (keys::NODE_ID.name(), properties.node_id.map(|id| id.to_string())),
        ("version", Some("1".to_owned())),
    ];
    let named = named.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", value?)));
    named.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
