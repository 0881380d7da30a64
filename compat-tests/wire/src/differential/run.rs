//! A run of the script against one broker: sends each request at each version, and keeps what came of it.

use super::{
    client::{Answer, Client},
    normal::Normal,
    tree::{self, Field},
};
use anyhow::ensure;
use ottla_protocol::{
    ApiKey, Bytes, Records, Uuid,
    any::{AnyRequest, AnyResponse},
};
use std::{
    collections::BTreeMap,
    ops::RangeInclusive,
    time::{Duration, Instant},
};

/// What one request at one version led to.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Name of the step and version of the request.
    pub step: String,
    /// The fields of the answer, without what no two brokers share.
    pub fields: Vec<Field>,
}

/// The versions of each API that are asked for.
pub type Versions = BTreeMap<ApiKey, RangeInclusive<i16>>;

/// A run in progress.
pub struct Run {
    client: Client,
    normal: Normal,
    versions: Versions,
    pub(super) ids: BTreeMap<String, Uuid>,
    outcomes: Vec<Outcome>,
    /// Steps at versions that cannot say what the step asks.
    pub not_sayable: usize,
}

impl Run {
    /// A run against the broker at `address`. Two runs that are compared have the same `now_ms`.
    pub fn new(address: &str, versions: Versions, now_ms: i64) -> anyhow::Result<Self> {
        let port = address.rsplit(':').next().unwrap_or_default().parse()?;
        let normal = Normal { port, now_ms, aliases: Vec::new() };
        let client = Client::new(address);
        Ok(Self { client, normal, versions, ids: BTreeMap::new(), outcomes: Vec::new(), not_sayable: 0 })
    }

    /// What came of all requests.
    pub fn into_outcomes(self) -> Vec<Outcome> {
        self.outcomes
    }

    /// The clock of the run, for timestamps of records.
    pub fn now_ms(&self) -> i64 {
        self.normal.now_ms
    }

    /// The port of the listener that is asked.
    pub fn port(&self) -> u16 {
        self.normal.port
    }

    /// The versions asked for of an API: none when it is not advertised.
    pub fn versions(&self, api: ApiKey) -> Vec<i16> {
        self.versions.get(&api).cloned().into_iter().flatten().collect()
    }

    /// The newest version asked for of an API.
    pub fn newest(&self, api: ApiKey) -> i16 {
        self.versions(api).last().copied().unwrap_or(0)
    }

    /// Whether clients are served, and not other nodes and operators.
    pub fn is_of_broker(&self) -> bool {
        self.versions.contains_key(&ApiKey::Metadata)
    }

    /// Sends a request at every version.
    pub fn each(&mut self, step: &str, api: ApiKey, request: impl Fn(i16) -> AnyRequest) -> anyhow::Result<()> {
        for version in self.versions(api) {
            self.one(step, version, &request(version))?;
        }
        Ok(())
    }

    /// Sends a request at one version.
    pub fn one(&mut self, step: &str, version: i16, request: &AnyRequest) -> anyhow::Result<Option<AnyResponse>> {
        self.one_naming(step, version, request, |_| None)
    }

    /// The same, where the answer may hold a text of this broker alone: `find` gives it and what stands for it.
    pub fn one_naming(
        &mut self,
        step: &str,
        version: i16,
        request: &AnyRequest,
        find: impl FnOnce(&AnyResponse) -> Option<(String, String)>,
    ) -> anyhow::Result<Option<AnyResponse>> {
        let Ok(bytes) = Client::frame(request, version) else {
            self.not_sayable += 1;
            return Ok(None);
        };
        let answer = self.client.send(&bytes, request.api_key(), version)?;
        if let Answer::Response(response) = &answer
            && let Some((text, alias)) = find(response)
        {
            self.alias(&text, &alias);
        }
        Ok(self.note(step, version, answer))
    }

    /// Sends bytes that ask `api` at `version` for something.
    pub fn raw(&mut self, step: &str, bytes: &[u8], api: ApiKey, version: i16) -> anyhow::Result<Option<AnyResponse>> {
        let answer = self.client.send(bytes, api, version)?;
        Ok(self.note(step, version, answer))
    }

    /// Keeps an answer, without what no two brokers share.
    fn note(&mut self, step: &str, version: i16, answer: Answer) -> Option<AnyResponse> {
        let fields = match &answer {
            Answer::Response(response) => {
                let mut fields = tree::flatten(&format!("{response:#?}"));
                fields.extend(fetched(response));
                fields
            }
            Answer::Unreadable(error) => vec![("response".into(), format!("unreadable: {error}"))],
            Answer::Closed => vec![("connection".into(), "closed".into())],
            Answer::Silent => vec![("connection".into(), "silent".into())],
        };
        let fields = fields.into_iter().map(|field| self.normal.apply(field)).collect();
        self.outcomes.push(Outcome { step: format!("{step} v{version}"), fields });
        match answer {
            Answer::Response(response) => Some(*response),
            _ => None,
        }
    }

    /// Sends a request whose answer is not compared.
    pub fn quietly(&mut self, request: &AnyRequest) -> anyhow::Result<AnyResponse> {
        let version = *request.api_key().stable_versions().end();
        let bytes = Client::frame(request, version)?;
        match self.client.send(&bytes, request.api_key(), version)? {
            Answer::Response(response) => Ok(*response),
            other => anyhow::bail!("{}: {other:?}", request.api_key()),
        }
    }

    /// Lets `alias` stand for a text of this broker alone.
    pub fn alias(&mut self, text: &str, alias: &str) {
        if !text.is_empty() {
            self.normal.aliases.push((text.to_owned(), alias.to_owned()));
        }
    }

    /// Asks again until `done`, as answers to changes may come before every part of a broker knows of them.
    pub fn until(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> anyhow::Result<bool>) -> anyhow::Result<()> {
        if !self.is_of_broker() {
            // A controller's answer comes when all it knows is as it says.
            return Ok(());
        }
        let begun = Instant::now();
        while !done(self)? {
            ensure!(begun.elapsed() < Duration::from_secs(30), "{what} took over 30 s");
            #[expect(clippy::disallowed_methods, reason = "a test client with nothing else to do, and a deadline")]
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// The id of a topic that was awaited; of none for others.
    pub fn id(&self, name: &str) -> Uuid {
        self.ids.get(name).copied().unwrap_or(Uuid::ZERO)
    }
}

/// The bytes of fetched records, which a response prints the number of only.
fn fetched(response: &AnyResponse) -> Vec<Field> {
    let AnyResponse::Fetch(response) = response else {
        return Vec::new();
    };
    let partitions = response.responses.iter().flat_map(|topic| &topic.partitions);
    partitions
        .enumerate()
        .filter_map(|(n, partition)| match &partition.records {
            Some(Records::Bytes(bytes)) => Some((format!("bytes[{n}]"), format!("{:?}", without_clock(bytes)))),
            _ => None,
        })
        .collect()
}

/// The batches without checksums and timestamps of their headers, as two recorded runs have not the same clock.
fn without_clock(records: &Bytes) -> Bytes {
    const CLOCKED: [core::ops::Range<usize>; 2] = [17..21, 27..43];
    let mut bytes = records.to_vec();
    let mut at = 0;
    while let Some(length) = bytes.get(at + 8..).and_then(|rest| rest.first_chunk::<4>()).copied() {
        for range in CLOCKED {
            bytes.iter_mut().skip(at + range.start).take(range.len()).for_each(|byte| *byte = 0);
        }
        at += 12 + usize::try_from(i32::from_be_bytes(length)).unwrap_or(bytes.len());
    }
    Bytes::from(bytes)
}
