//! The names of folders in a log dir.

/// Longest name a file system takes.
const MAX_NAME_BYTES: usize = 255;
const DELETE: &str = "-delete";
const STRAY: &str = "-stray";
const FUTURE: &str = "-future";

/// What a folder is, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Folder {
    /// The log of a partition.
    Partition(String, i32),
    /// A log on its way out.
    Deleted,
    /// A log that belongs to no partition the cluster knows; it is kept.
    Stray,
    /// A log that is copied here from another log dir, to become the partition's.
    Future(String, i32),
    /// None of Kafka's.
    Other,
}

/// The folder of a partition.
pub fn partition(topic: &str, partition: i32) -> String {
    format!("{topic}-{partition}")
}

/// The folder of a partition that is to be deleted; `unique` keeps it apart from those before.
pub fn to_delete(topic: &str, partition: i32, unique: [u8; 16]) -> String {
    capped(topic, partition, unique, DELETE)
}

/// The folder of a log that belongs to no known partition.
pub fn to_stray(topic: &str, partition: i32, unique: [u8; 16]) -> String {
    capped(topic, partition, unique, STRAY)
}

/// The folder of a log that is copied here from another log dir; none where the topic's name leaves no room for it, which
/// cannot be cut as it is read again (KAFKA-4893).
pub fn to_future(topic: &str, partition: i32, unique: [u8; 16]) -> Option<String> {
    let unique = u128::from_be_bytes(unique);
    Some(format!("{topic}-{partition}.{unique:032x}{FUTURE}")).filter(|name| name.len() <= MAX_NAME_BYTES)
}

/// What a folder is.
pub fn parse(name: &str) -> Folder {
    let suffixed = [(DELETE, Folder::Deleted), (STRAY, Folder::Stray)];
    for (suffix, folder) in suffixed {
        if let Some(rest) = name.strip_suffix(suffix) {
            return if without_unique(rest).is_some() { folder } else { Folder::Other };
        }
    }
    if let Some(rest) = name.strip_suffix(FUTURE) {
        let parsed = without_unique(rest).and_then(topic_partition);
        return parsed.map_or(Folder::Other, |(topic, partition)| Folder::Future(topic, partition));
    }
    topic_partition(name).map_or(Folder::Other, |(topic, partition)| Folder::Partition(topic, partition))
}

/// `topic-partition` of `topic-partition.unique`.
fn without_unique(name: &str) -> Option<&str> {
    let (name, unique) = name.rsplit_once('.')?;
    (!unique.is_empty() && name.contains('-')).then_some(name)
}

fn topic_partition(name: &str) -> Option<(String, i32)> {
    let (topic, partition) = name.rsplit_once('-')?;
    let digits = !partition.is_empty() && partition.bytes().all(|byte| byte.is_ascii_digit());
    if topic.is_empty() || !digits {
        return None;
    }
    Some((topic.to_owned(), partition.parse().ok()?))
}

/// Topic names may be as long as the name of a folder: they are cut to leave room.
fn capped(topic: &str, partition: i32, unique: [u8; 16], suffix: &str) -> String {
    let unique = u128::from_be_bytes(unique);
    let rest = format!("-{partition}.{unique:032x}{suffix}");
    let mut kept = topic.len().min(MAX_NAME_BYTES - rest.len());
    while !topic.is_char_boundary(kept) {
        kept -= 1;
    }
    format!("{}{rest}", &topic[..kept])
}
