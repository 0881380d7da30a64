//! One partition's log on one disk: segments, indexes, producer state, recovery, retention.
