//! What to write: worked out from the flags and the config before anything is touched.

use super::{
    FormatArgs, dirs, scram,
    voters::{self, Voter, Voters},
};
use crate::entropy;
use ottla_config::{ProcessRole, ServerConfig, keys};
use ottla_metadata::{
    MetadataRecord, MetadataVersion,
    bootstrap::{self, Bootstrap, Levels},
};
use std::collections::BTreeSet;

/// 3.5-IV2 brought SCRAM records (KIP-900).
const SCRAM_SINCE: i16 = 11;

/// Why flags and config make no sense together; the messages are those of `kafka-storage`.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    #[error("Can't parse feature=level string {0}: equals sign not found.")]
    NoLevel(String),
    #[error("Can't parse feature=level string {text}: unable to parse {level} as a short.")]
    Level { text: String, level: String },
    #[error(
        "You cannot specify controller.quorum.voters and format the node with --initial-controllers or --standalone. If you want to use dynamic quorum, please remove controller.quorum.voters and specify controller.quorum.bootstrap.servers instead."
    )]
    FixedVoters,
    #[error("You can only use --standalone on a controller.")]
    NoController,
    #[error("No controller listeners found.")]
    NoListener,
    #[error(
        "Because controller.quorum.voters is not set on this controller, you must specify one of the following: --standalone, --initial-controllers, or --no-initial-controllers."
    )]
    NoQuorum,
    #[error("SCRAM is only supported in metadata.version 3.5-IV2 or later.")]
    ScramVersion,
    #[error(transparent)]
    Voters(#[from] voters::Error),
    #[error(transparent)]
    Scram(#[from] scram::Error),
    #[error(transparent)]
    Levels(#[from] bootstrap::Error),
}

/// What to write where.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) node_id: i32,
    pub(super) cluster_id: String,
    pub(super) dirs: BTreeSet<String>,
    pub(super) metadata_dir: String,
    pub(super) ignore_formatted: bool,
    pub(super) voters: Option<Voters>,
    /// The name under which voters reach one another.
    pub(super) listener_name: String,
    pub(super) levels: Levels,
    pub(super) records: Vec<MetadataRecord>,
}

impl Request {
    pub(super) fn new(args: &FormatArgs, config: &ServerConfig) -> Result<Self, Error> {
        let features: Vec<(String, i16)> = args.feature.iter().map(|text| feature(text)).collect::<Result<_, _>>()?;
        let voters = initial_voters(args, config)?;
        let bootstrap = Bootstrap {
            release_version: args.release_version.as_deref(),
            features: &features,
            dynamic_quorum: !has_fixed_voters(config),
        };
        let levels = bootstrap.levels()?;
        let mut records = levels.records();
        records.extend(credentials(&args.add_scram, levels.metadata_version)?);
        Ok(Self {
            node_id: config.node_id(),
            cluster_id: args.cluster_id.clone(),
            dirs: dirs(config),
            metadata_dir: config.metadata_log_dir().to_owned(),
            ignore_formatted: args.ignore_formatted,
            voters,
            listener_name: config.get(keys::CONTROLLER_LISTENER_NAMES).first().cloned().unwrap_or_default(),
            levels,
            records,
        })
    }
}

/// Reads `name=level`.
fn feature(text: &str) -> Result<(String, i16), Error> {
    let (name, level) = text.split_once('=').ok_or_else(|| Error::NoLevel(text.to_owned()))?;
    let level = level.trim();
    let parsed = level.parse().map_err(|_| Error::Level { text: text.to_owned(), level: level.to_owned() })?;
    Ok((name.trim().to_owned(), parsed))
}

pub(super) fn has_fixed_voters(config: &ServerConfig) -> bool {
    !config.get(keys::CONTROLLER_QUORUM_VOTERS).is_empty()
}

fn initial_voters(args: &FormatArgs, config: &ServerConfig) -> Result<Option<Voters>, Error> {
    let quorum = &args.quorum;
    let is_controller = config.roles().contains(&ProcessRole::Controller);
    if has_fixed_voters(config) && (quorum.standalone || quorum.initial_controllers.is_some()) {
        return Err(Error::FixedVoters);
    }
    if let Some(text) = &quorum.initial_controllers {
        return Ok(Some(Voters::parse(text)?));
    }
    if quorum.standalone {
        if !is_controller {
            return Err(Error::NoController);
        }
        let (host, port) = advertised_controller(config).ok_or(Error::NoListener)?;
        let voter = Voter { directory_id: entropy::uuid(), host, port };
        return Ok(Some(Voters::only(config.node_id(), voter)));
    }
    if is_controller && !has_fixed_voters(config) && !quorum.no_initial_controllers {
        return Err(Error::NoQuorum);
    }
    Ok(None)
}

/// Where others reach this controller: as told by `advertised.listeners`, else where it listens.
pub(super) fn advertised_controller(config: &ServerConfig) -> Option<(String, u16)> {
    let advertised = config.get(keys::ADVERTISED_LISTENERS).unwrap_or_default();
    let told = |name: &String| {
        let entry = advertised.iter().find_map(|entry| {
            let (listener, address) = entry.split_once("://")?;
            listener.eq_ignore_ascii_case(name).then_some(address)
        })?;
        let (host, port) = entry.rsplit_once(':')?;
        Some((Some(host.trim_matches(['[', ']']).to_owned()), port.parse().ok()?))
    };
    let listened = |name: &String| {
        let endpoints = config.controller_listeners();
        let endpoint = endpoints.iter().find(|e| e.listener.as_str().eq_ignore_ascii_case(name))?;
        Some((endpoint.host.clone().filter(|host| host != "0.0.0.0"), endpoint.port))
    };
    let names = config.get(keys::CONTROLLER_LISTENER_NAMES);
    let (host, port) = names.iter().find_map(|name| told(name).or_else(|| listened(name)))?;
    Some((host.filter(|host| !host.is_empty()).unwrap_or_else(|| "localhost".to_owned()), port))
}

fn credentials(arguments: &[String], version: MetadataVersion) -> Result<Vec<MetadataRecord>, Error> {
    if !arguments.is_empty() && version.level() < SCRAM_SINCE {
        return Err(Error::ScramVersion);
    }
    let record = |argument: &String| Ok(scram::parse(argument, random_salt)?.into());
    arguments.iter().map(record).collect()
}

fn random_salt() -> Vec<u8> {
    [entropy::u64().to_be_bytes(), entropy::u64().to_be_bytes()].concat()
}
