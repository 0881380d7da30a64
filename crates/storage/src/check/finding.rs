//! One thing that is wrong with a file, in words and as JSON.

use std::fmt;
use std::path::{Path, PathBuf};

use super::Counts;

/// What the next start makes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtStart {
    /// Nobody looks there: it stays as it is.
    Nothing,
    /// It stays as it is, and is not served: nor is the partition if the start meets it.
    NotServed,
    /// It is made anew from the log.
    Rebuilt,
    /// It is removed.
    Removed,
    /// Everything from there on is cut off the log.
    Cut,
    /// The partition is not served.
    Offline,
    /// The segment takes the place of those that it was made from.
    PutInPlace,
    /// It is read as if it were not there.
    Ignored,
    /// The broker does not start.
    Refused,
}

impl AtStart {
    fn text(self) -> &'static str {
        match self {
            Self::Nothing => "stays as it is",
            Self::NotServed => "stays as it is and is not served",
            Self::Rebuilt => "is rebuilt from the log",
            Self::Removed => "is removed",
            Self::Cut => "the log is cut here",
            Self::Offline => "the partition is offline",
            Self::PutInPlace => "takes the place of what it replaces",
            Self::Ignored => "is ignored",
            Self::Refused => "the broker does not start",
        }
    }
}

/// Something wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file or folder, within the log dir.
    pub path: PathBuf,
    /// Bytes into the file.
    pub position: Option<u64>,
    /// The offset it is about.
    pub offset: Option<i64>,
    /// What is wrong.
    pub problem: String,
    /// What the next start makes of it.
    pub at_start: AtStart,
}

impl Finding {
    /// The finding as a JSON object on one line.
    pub fn to_json(&self) -> String {
        serde_json::json!({
            "path": self.path.display().to_string(),
            "position": self.position,
            "offset": self.offset,
            "problem": self.problem,
            "atStart": self.at_start.text(),
        })
        .to_string()
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.path.display())?;
        if let Some(position) = self.position {
            write!(f, " position {position}:")?;
        }
        if let Some(offset) = self.offset {
            write!(f, " offset {offset}:")?;
        }
        write!(f, " {}; at the next start: {}", self.problem, self.at_start.text())
    }
}

/// Takes findings in and counts.
pub(super) struct Report<'a> {
    root: &'a Path,
    tell: &'a mut dyn FnMut(&Finding),
    pub(super) counts: Counts,
}

impl<'a> Report<'a> {
    pub(super) fn new(root: &'a Path, tell: &'a mut dyn FnMut(&Finding)) -> Self {
        Self { root, tell, counts: Counts::default() }
    }

    /// Something wrong with a file as a whole.
    pub(super) fn file(&mut self, path: &Path, at_start: AtStart, problem: impl fmt::Display) {
        self.at(path, None, None, at_start, problem);
    }

    pub(super) fn at(
        &mut self,
        path: &Path,
        position: Option<u64>,
        offset: Option<i64>,
        at_start: AtStart,
        problem: impl fmt::Display,
    ) {
        let path = path.strip_prefix(self.root).unwrap_or(path).to_path_buf();
        self.counts.findings += 1;
        (self.tell)(&Finding { path, position, offset, problem: problem.to_string(), at_start });
    }
}
