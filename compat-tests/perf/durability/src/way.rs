//! The ways that are compared.

/// How batches are written and made durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Into segments in the page cache; acknowledged at once, as Apache Kafka does.
    Plain,
    /// Into segments; a group is acknowledged after fdatasync of each segment it wrote to.
    GroupSync,
    /// Into segments; a group is acknowledged after syncfs.
    GroupSyncFs,
    /// Into segments and, in groups, into a journal that is synced.
    Beside,
    /// The same with a journal that bypasses the page cache.
    BesideDirect,
    /// As beside, and one thread writes the segments back, a file after the other.
    Paced,
    /// The same with a journal that bypasses the page cache.
    PacedDirect,
    /// Into a journal, and into segments later from memory.
    Behind,
    /// The same with a journal that bypasses the page cache.
    BehindDirect,
    /// As beside, but a group of one partition's large writes is synced in its segment.
    Bypass,
}

impl Way {
    pub(crate) const ALL: [(&'static str, Self); 10] = [
        ("plain", Self::Plain),
        ("group-fdatasync", Self::GroupSync),
        ("group-syncfs", Self::GroupSyncFs),
        ("journal-beside", Self::Beside),
        ("journal-beside-direct", Self::BesideDirect),
        ("journal-paced", Self::Paced),
        ("journal-paced-direct", Self::PacedDirect),
        ("journal-behind", Self::Behind),
        ("journal-behind-direct", Self::BehindDirect),
        ("journal-bypass", Self::Bypass),
    ];

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, way)| *way)
    }

    pub(crate) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, way)| *way == self).map_or("", |(name, _)| name)
    }

    pub(crate) fn is_direct(self) -> bool {
        matches!(self, Self::BesideDirect | Self::BehindDirect | Self::PacedDirect)
    }

    pub(crate) fn has_journal(self) -> bool {
        !matches!(self, Self::Plain | Self::GroupSync | Self::GroupSyncFs)
    }

    /// Whether segments are written back all the time.
    pub(crate) fn is_paced(self) -> bool {
        matches!(self, Self::Paced | Self::PacedDirect)
    }

    /// Whether segments are written after the acknowledgement.
    pub(crate) fn is_behind(self) -> bool {
        matches!(self, Self::Behind | Self::BehindDirect)
    }
}
