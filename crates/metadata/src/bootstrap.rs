//! The records that a new cluster begins with, as `kafka-storage format` writes them.

use crate::features::{FEATURES, Feature, KRAFT_VERSION};
use crate::{MetadataRecord, MetadataVersion};
use ottla_protocol::stored::FeatureLevelRecord;
use std::collections::BTreeMap;

/// Why a cluster cannot begin so; the messages are those of `kafka-storage`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A release that is not known.
    #[error("Unknown metadata.version '{release}'. Supported metadata.version are: {}", supported_releases())]
    UnknownRelease {
        /// The release as given.
        release: String,
    },
    /// `metadata.version` as release and as feature at once.
    #[error("Use --release-version instead of --feature metadata.version=X to avoid ambiguity.")]
    Ambiguous,
    /// A level of `metadata.version` that is not known.
    #[error("No MetadataVersion with feature level {0}. Valid feature levels are from {min} to {max}.", min = MetadataVersion::MINIMUM.level(), max = MetadataVersion::LATEST.level())]
    UnknownMetadataVersion(i16),
    /// A feature that is not known.
    #[error("Unsupported feature: {0}. Supported features are: {names}", names = supported_features())]
    UnknownFeature(String),
    /// A level that the feature does not have.
    #[error("No feature:{name} with feature level {level}")]
    UnknownLevel {
        /// The feature.
        name: &'static str,
        /// The level as given.
        level: i16,
    },
    /// A level that needs another feature.
    #[error("{name} could not be set to {level} because it depends on metadata.version level {needs}")]
    Dependency {
        /// The feature.
        name: &'static str,
        /// The level as given.
        level: i16,
        /// The level of `metadata.version` it needs.
        needs: i16,
    },
    /// A quorum of fixed voters where it is to be dynamic.
    #[error(
        "Cannot set kraft.version to 0 if controller.quorum.voters is empty and one of the flags --standalone, --initial-controllers, or --no-initial-controllers is used. For dynamic controllers support, try removing the --feature flag for kraft.version."
    )]
    DynamicQuorum,
    /// A dynamic quorum where the voters are fixed.
    #[error(
        "Cannot set kraft.version to {0} unless controller.quorum.voters is empty and one of the flags --standalone, --initial-controllers, or --no-initial-controllers is used. For dynamic controllers support, try using one of --standalone, --initial-controllers, or --no-initial-controllers and removing controller.quorum.voters."
    )]
    StaticQuorum(i16),
}

fn supported_releases() -> String {
    let names: Vec<&str> = MetadataVersion::all().map(MetadataVersion::name).collect();
    names.join(", ")
}

fn supported_features() -> String {
    let mut names = FEATURES.map(|f| f.name);
    names.sort_unstable();
    names.join(", ")
}

/// What the operator asks for.
#[derive(Clone, Debug, Default)]
pub struct Bootstrap<'a> {
    /// `--release-version`: `4.3`, or `4.3-IV0`; none means the latest.
    pub release_version: Option<&'a str>,
    /// `--feature name=level` pairs; of a feature given twice the last counts.
    pub features: &'a [(String, i16)],
    /// Whether the controllers' quorum is dynamic: `--standalone` and the like.
    pub dynamic_quorum: bool,
}

/// The levels that a new cluster begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Levels {
    /// The level of `metadata.version`.
    pub metadata_version: MetadataVersion,
    /// The level of `kraft.version`, which is kept in a control record of the first snapshot.
    pub kraft_version: i16,
    /// The levels of the other features, in order of name, those at 0 among them.
    pub features: BTreeMap<&'static str, i16>,
}

impl Bootstrap<'_> {
    /// Works out the levels.
    pub fn levels(&self) -> Result<Levels, Error> {
        let metadata_version = self.metadata_version()?;
        let mut given: BTreeMap<&'static str, i16> = BTreeMap::new();
        for (name, level) in self.features {
            if name != MetadataVersion::FEATURE_NAME {
                let feature = Feature::named(name);
                let feature = feature.ok_or_else(|| Error::UnknownFeature(name.clone()))?;
                given.insert(feature.name, *level);
            }
        }
        let kraft_version = self.kraft_version(given.remove(KRAFT_VERSION))?;
        let others = FEATURES.into_iter().filter(|f| f.name != KRAFT_VERSION);
        let level = |f: Feature| {
            let level = given.get(f.name).copied();
            let level = level.unwrap_or_else(|| f.default_level(metadata_version));
            check(f, level, metadata_version).map(|()| (f.name, level))
        };
        Ok(Levels { metadata_version, kraft_version, features: others.map(level).collect::<Result<_, _>>()? })
    }

    fn metadata_version(&self) -> Result<MetadataVersion, Error> {
        let feature = self.features.iter().rev();
        let feature = feature.clone().find(|(name, _)| name == MetadataVersion::FEATURE_NAME);
        match (self.release_version, feature) {
            (Some(_), Some(_)) => Err(Error::Ambiguous),
            (Some(release), None) => MetadataVersion::from_release(release)
                .ok_or_else(|| Error::UnknownRelease { release: release.to_owned() }),
            (None, Some((_, level))) => {
                MetadataVersion::from_level(*level).ok_or(Error::UnknownMetadataVersion(*level))
            }
            (None, None) => Ok(MetadataVersion::LATEST),
        }
    }

    fn kraft_version(&self, given: Option<i16>) -> Result<i16, Error> {
        let level = given.unwrap_or(i16::from(self.dynamic_quorum));
        match (level, self.dynamic_quorum) {
            (0, true) => Err(Error::DynamicQuorum),
            (level, false) if level != 0 => Err(Error::StaticQuorum(level)),
            (level, _) => known(KRAFT_VERSION, level, 1),
        }
    }
}

fn known(name: &'static str, level: i16, latest: i16) -> Result<i16, Error> {
    match (0..=latest).contains(&level) {
        true => Ok(level),
        false => Err(Error::UnknownLevel { name, level }),
    }
}

fn check(f: Feature, level: i16, version: MetadataVersion) -> Result<(), Error> {
    known(f.name, level, f.latest)?;
    match f.needs(level) {
        Some(needs) if version.level() < needs => Err(Error::Dependency { name: f.name, level, needs }),
        _ => Ok(()),
    }
}

impl Levels {
    /// The records of the bootstrap checkpoint: `metadata.version`, then the features above 0 in order of name.
    pub fn records(&self) -> Vec<MetadataRecord> {
        let version = (MetadataVersion::FEATURE_NAME, self.metadata_version.level());
        let others = self.features.iter().map(|(name, level)| (*name, *level));
        let levels = core::iter::once(version).chain(others.filter(|(_, level)| *level > 0));
        let record = |(name, feature_level): (&'static str, i16)| {
            MetadataRecord::from(FeatureLevelRecord { name: name.into(), feature_level, ..Default::default() })
        };
        levels.map(record).collect()
    }
}

#[cfg(test)]
mod tests;
