//! Log dirs that take no new replicas (KIP-1066).

use crate::dir::Dir;
use ottla_config::{ServerConfig, keys};
use ottla_protocol::Uuid;
use std::sync::Arc;

/// Stands for all log dirs.
const ALL: &str = "*";

/// Whether a log dir takes none.
pub(crate) fn is_cordoned(config: &ServerConfig, dir: &Dir) -> bool {
    let cordoned = config.get(keys::CORDONED_LOG_DIRS);
    cordoned.iter().any(|path| path == ALL || std::path::Path::new(path) == dir.log_dir.path())
}

/// The log dirs that take none, as the controller is told.
pub(crate) fn ids(config: &ServerConfig, dirs: &[Arc<Dir>]) -> Vec<Uuid> {
    dirs.iter().filter(|dir| !dir.is_offline() && is_cordoned(config, dir)).map(|dir| dir.id).collect()
}
