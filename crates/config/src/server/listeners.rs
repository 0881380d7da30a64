//! Listeners: names, security protocols and addresses, read with Kafka's rules.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::Texts;
use crate::value::parse_list;
use crate::{ConfigError, Value};

/// The name of a listener, in upper case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListenerName(String);

impl ListenerName {
    fn new(text: &str) -> Result<Self, ConfigError> {
        if text.trim().is_empty() {
            return Err(ConfigError::Rule("The provided listener name is null or empty string".to_owned()));
        }
        Ok(Self(text.to_uppercase()))
    }

    /// The name as clients see it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for ListenerName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// How a listener is secured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecurityProtocol {
    Plaintext,
    Ssl,
    SaslPlaintext,
    SaslSsl,
}

impl SecurityProtocol {
    const ALL: [(&'static str, Self); 4] = [
        ("PLAINTEXT", Self::Plaintext),
        ("SSL", Self::Ssl),
        ("SASL_PLAINTEXT", Self::SaslPlaintext),
        ("SASL_SSL", Self::SaslSsl),
    ];

    /// Kafka's name for it.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, each)| *each == self).map_or("", |(name, _)| name)
    }

    /// Its number in requests and records.
    pub fn id(self) -> i16 {
        match self {
            Self::Plaintext => 0,
            Self::Ssl => 1,
            Self::SaslPlaintext => 2,
            Self::SaslSsl => 3,
        }
    }

    fn read(text: &str, config: &str) -> Result<Self, ConfigError> {
        let found = Self::ALL.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
        let invalid = || ConfigError::Rule(format!("Invalid security protocol `{text}` defined in {config}"));
        found.map(|(_, protocol)| *protocol).ok_or_else(invalid)
    }
}

/// One listener's address. Without a host it is all addresses (to bind) or the machine's own name (to advertise).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    pub listener: ListenerName,
    pub security_protocol: SecurityProtocol,
    pub host: Option<String>,
    pub port: u16,
}

type Protocols = BTreeMap<ListenerName, SecurityProtocol>;
type NamedError = (Option<&'static str>, ConfigError);

const LISTENERS: &str = "listeners";
const ADVERTISED: &str = "advertised.listeners";
const CONTROLLER_NAMES: &str = "controller.listener.names";
const PROTOCOL_MAP: &str = "listener.security.protocol.map";
const INTER_BROKER_NAME: &str = "inter.broker.listener.name";
const INTER_BROKER_PROTOCOL: &str = "security.inter.broker.protocol";

/// Everything about listeners, read together because each part needs the others.
#[derive(Debug, Clone)]
pub(super) struct Listeners {
    pub(super) all: Vec<Endpoint>,
    pub(super) advertised: Vec<Endpoint>,
    pub(super) advertised_controller: Vec<Endpoint>,
    pub(super) controller_names: Vec<String>,
    pub(super) inter_broker: ListenerName,
    pub(super) inter_broker_protocol: SecurityProtocol,
    pub(super) protocols: Protocols,
}

impl Listeners {
    pub(super) fn new(values: &BTreeMap<&'static str, Value>, texts: &Texts) -> Result<Self, NamedError> {
        let on = |name: &'static str| move |error| (Some(name), error);
        let controller_names = list(values, CONTROLLER_NAMES);
        let entries = list(values, LISTENERS);
        let protocols = protocols(values, texts, &controller_names, &entries).map_err(on(PROTOCOL_MAP))?;
        let all = endpoints(&entries, &protocols, true).map_err(on(LISTENERS))?;
        let advertised = match values.get(ADVERTISED) {
            Some(Value::List(entries)) => Some(endpoints(entries, &protocols, false).map_err(on(ADVERTISED))?),
            _ => None,
        };
        let (inter_broker, inter_broker_protocol) =
            inter_broker(values, texts, &protocols).map_err(on(INTER_BROKER_NAME))?;
        let is_controller = |endpoint: &&Endpoint| controller_names.contains(&endpoint.listener.0);
        let advertised_controller = advertised_controller(&controller_names, advertised.as_deref(), &all);
        let advertised =
            advertised.as_ref().unwrap_or(&all).iter().filter(|each| !is_controller(each)).cloned().collect();
        Ok(Self {
            all,
            advertised,
            advertised_controller,
            controller_names,
            inter_broker,
            inter_broker_protocol,
            protocols,
        })
    }

    fn is_controller(&self, endpoint: &Endpoint) -> bool {
        self.controller_names.contains(&endpoint.listener.0)
    }

    pub(super) fn of_broker(&self) -> impl Iterator<Item = &Endpoint> {
        self.all.iter().filter(|endpoint| !self.is_controller(endpoint))
    }

    pub(super) fn of_controller(&self) -> impl Iterator<Item = &Endpoint> {
        self.all.iter().filter(|endpoint| self.is_controller(endpoint))
    }
}

fn list(values: &BTreeMap<&'static str, Value>, name: &str) -> Vec<String> {
    match values.get(name) {
        Some(Value::List(values)) => values.clone(),
        _ => Vec::new(),
    }
}

fn string<'a>(values: &'a BTreeMap<&'static str, Value>, name: &str) -> Option<&'a str> {
    match values.get(name) {
        Some(Value::String(value)) => Some(value),
        _ => None,
    }
}

/// A controller listener is advertised as told, else where it listens; every address stands for "the machine's name".
fn advertised_controller(names: &[String], advertised: Option<&[Endpoint]>, all: &[Endpoint]) -> Vec<Endpoint> {
    let find = |endpoints: &[Endpoint], name: &str| {
        endpoints.iter().find(|endpoint| endpoint.listener.0 == name.to_uppercase()).cloned()
    };
    let bound = |name: &String| {
        let mut endpoint = find(all, name)?;
        endpoint.host = endpoint.host.filter(|host| host != "0.0.0.0");
        Some(endpoint)
    };
    names.iter().filter_map(|name| find(advertised.unwrap_or_default(), name).or_else(|| bound(name))).collect()
}

/// `name:value,name:value`; the last colon divides, so that a name may be an IPv6 address. Commas at the end are dropped, as by
/// Java's `split`.
pub(super) fn parse_map(config: &str, text: &str) -> Result<Vec<(String, String)>, ConfigError> {
    let pair = |entry: String| match entry.rsplit_once(':') {
        Some((name, value)) => Ok((name.trim().to_owned(), value.trim().to_owned())),
        None => Err(ConfigError::Rule(format!(
            "Error parsing configuration property '{config}': begin 0, end -1, length {}",
            entry.len()
        ))),
    };
    let mut entries = parse_list(text);
    entries.truncate(entries.iter().rposition(|entry| !entry.is_empty()).map_or(0, |last| last + 1));
    entries.into_iter().map(pair).collect()
}

/// The protocol of each listener. Without an explicit map a controller listener of any name is PLAINTEXT, if all are.
fn protocols(
    values: &BTreeMap<&'static str, Value>,
    texts: &Texts,
    controller_names: &[String],
    listeners: &[String],
) -> Result<Protocols, ConfigError> {
    let mut protocols = Protocols::new();
    for (name, protocol) in parse_map(PROTOCOL_MAP, string(values, PROTOCOL_MAP).unwrap_or(""))? {
        protocols.insert(ListenerName::new(&name)?, SecurityProtocol::read(&protocol, PROTOCOL_MAP)?);
    }
    if texts.contains_key(PROTOCOL_MAP) {
        return Ok(protocols);
    }
    let is_secured = |name: &str| matches!(name, "SSL" | "SASL_SSL" | "SASL_PLAINTEXT");
    let listener_is_secured =
        |entry: &String| entry.split_once(':').is_some_and(|(name, _)| is_secured(&name.to_uppercase()));
    if controller_names.iter().any(|name| is_secured(name)) || listeners.iter().any(listener_is_secured) {
        return Ok(protocols);
    }
    protocols.extend(controller_names.iter().map(|name| (ListenerName(name.clone()), SecurityProtocol::Plaintext)));
    Ok(protocols)
}

fn inter_broker(
    values: &BTreeMap<&'static str, Value>,
    texts: &Texts,
    protocols: &Protocols,
) -> Result<(ListenerName, SecurityProtocol), ConfigError> {
    let Some(name) = string(values, INTER_BROKER_NAME) else {
        let text = string(values, INTER_BROKER_PROTOCOL).unwrap_or("PLAINTEXT");
        let protocol = SecurityProtocol::read(text, INTER_BROKER_PROTOCOL)?;
        return Ok((ListenerName(protocol.name().to_owned()), protocol));
    };
    if texts.contains_key(INTER_BROKER_PROTOCOL) {
        let message = format!("Only one of {INTER_BROKER_NAME} and {INTER_BROKER_PROTOCOL} should be set.");
        return Err(ConfigError::Rule(message));
    }
    let name = ListenerName::new(name)?;
    match protocols.get(&name) {
        Some(protocol) => Ok((name, *protocol)),
        None => Err(ConfigError::Rule(format!(
            "Listener with name {name} defined in {INTER_BROKER_NAME} not found in {PROTOCOL_MAP}."
        ))),
    }
}

fn endpoints(entries: &[String], protocols: &Protocols, distinct_ports: bool) -> Result<Vec<Endpoint>, ConfigError> {
    let shown = format!("[{}]", entries.join(", "));
    let parsed: Result<Vec<Endpoint>, String> = entries.iter().map(|entry| endpoint(entry, protocols)).collect();
    let checked = parsed.and_then(|endpoints| {
        check_names(&endpoints, &shown)?;
        if distinct_ports {
            check_ports(&endpoints, &shown)?;
        }
        Ok(endpoints)
    });
    checked.map_err(|reason| ConfigError::Rule(format!("Error creating broker listeners from '{shown}': {reason}")))
}

fn endpoint(entry: &str, protocols: &Protocols) -> Result<Endpoint, String> {
    let unparsable = || format!("Unable to parse {entry} to a broker endpoint");
    let (name, address) = entry.rsplit_once("://").ok_or_else(unparsable)?;
    let (host, port) = crate::table::host_and_port(address).ok_or_else(unparsable)?;
    let listener = ListenerName::new(name).map_err(|error| error.to_string())?;
    let Some(security_protocol) = protocols.get(&listener).copied() else {
        return Err(format!("No security protocol defined for listener {listener}"));
    };
    Ok(Endpoint { listener, security_protocol, host: Some(host.to_owned()).filter(|host| !host.is_empty()), port })
}

fn check_names(endpoints: &[Endpoint], shown: &str) -> Result<(), String> {
    let names: BTreeSet<&ListenerName> = endpoints.iter().map(|endpoint| &endpoint.listener).collect();
    if names.len() == endpoints.len() {
        return Ok(());
    }
    Err(format!("Each listener must have a different name, listeners: {shown}"))
}

/// A port may be shared only by one IPv4 and one IPv6 address. Port 0 is for the system to choose.
fn check_ports(endpoints: &[Endpoint], shown: &str) -> Result<(), String> {
    let ports: BTreeSet<u16> = endpoints.iter().map(|endpoint| endpoint.port).filter(|port| *port != 0).collect();
    for port in ports {
        let sharing: Vec<&Endpoint> = endpoints.iter().filter(|endpoint| endpoint.port == port).collect();
        if sharing.len() < 2 {
            continue;
        }
        let address = |endpoint: &&Endpoint| endpoint.host.as_ref().and_then(|host| host.parse::<IpAddr>().ok());
        let addresses: Vec<IpAddr> = sharing.iter().filter_map(address).collect();
        if sharing.len() - addresses.len() > 1 || addresses.is_empty() {
            return Err(format!("Each listener must have a different port, listeners: {shown}"));
        }
        match addresses.as_slice() {
            [first, second] if first.is_ipv4() != second.is_ipv4() && sharing.len() == 2 => {}
            [_, _] => {
                return Err(format!(
                    "If you have two listeners on the same port then one needs to be IPv4 and the other IPv6, \
                     listeners: {shown}, port: {port}"
                ));
            }
            _ => {
                return Err(format!(
                    "Each listener must have a different port unless exactly one listener has an IPv4 address and the \
                     other IPv6 address, listeners: {shown}, port: {port}"
                ));
            }
        }
    }
    Ok(())
}
