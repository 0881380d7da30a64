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
    messages as m,
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

/// What a text of one broker alone is to be called in answers.
type Named = Option<(String, String)>;

/// How long nothing may be answered to be taken for waiting.
const SILENCE: Duration = Duration::from_millis(200);
/// And for never being answered.
const NEVER: Duration = Duration::from_secs(4);

/// A run in progress.
pub struct Run {
    client: Client,
    /// Connections of those who wait for one another, with what each has asked for.
    others: BTreeMap<String, (Client, Option<(ApiKey, i16)>)>,
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
        let (others, ids) = (BTreeMap::new(), BTreeMap::new());
        Ok(Self { client, others, normal, versions, ids, outcomes: Vec::new(), not_sayable: 0 })
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
        find: impl FnOnce(&AnyResponse) -> Named,
    ) -> anyhow::Result<Option<AnyResponse>> {
        let Ok(bytes) = Client::frame(request, version) else {
            self.not_sayable += 1;
            return Ok(None);
        };
        let answer = self.client.send(&bytes, request.api_key(), version)?;
        Ok(self.note_naming(step, version, answer, find))
    }

    /// The same of a request that one of the brokers never answers.
    pub fn one_or_silence(&mut self, step: &str, version: i16, request: &AnyRequest) -> anyhow::Result<()> {
        let Ok(bytes) = Client::frame(request, version) else {
            self.not_sayable += 1;
            return Ok(());
        };
        self.client.ask(&bytes)?;
        let answer = match self.client.is_silent_for(NEVER)? {
            true => self.client.gives_up(),
            false => self.client.answer(request.api_key(), version)?,
        };
        self.note(step, version, answer);
        Ok(())
    }

    /// Sends a request on the connection of `who`, which may be answered after what others do: `hears` takes the answer.
    pub fn asks(&mut self, who: &str, version: i16, request: &AnyRequest) -> anyhow::Result<()> {
        let address = self.client.address().to_owned();
        let (client, asked) = self.others.entry(who.to_owned()).or_insert_with(|| (Client::new(&address), None));
        ensure!(asked.is_none(), "{who} has not been answered yet");
        let Ok(bytes) = Client::frame(request, version) else {
            self.not_sayable += 1;
            return Ok(());
        };
        *asked = Some((request.api_key(), version));
        client.ask(&bytes)
    }

    /// Notes whether `who` is still waiting for an answer. Whoever asks next is taken in after `who`, though nothing was done for a
    /// while on a busy machine: somebody else has been answered by then.
    pub fn waits(&mut self, who: &str, step: &str) -> anyhow::Result<()> {
        let Some((client, Some((_, version)))) = self.others.get(who) else { return Ok(()) };
        let (version, waits) = (*version, client.is_silent_for(SILENCE)?);
        self.quietly(&AnyRequest::ListGroups(m::ListGroupsRequest::default()))?;
        self.outcomes.push(Outcome {
            step: format!("{step} v{version}"),
            fields: vec![("waits".to_owned(), waits.to_string())],
        });
        Ok(())
    }

    /// What `who` is answered.
    pub fn hears(
        &mut self,
        who: &str,
        step: &str,
        find: impl FnOnce(&AnyResponse) -> Named,
    ) -> anyhow::Result<Option<AnyResponse>> {
        let Some((client, asked)) = self.others.get_mut(who) else { return Ok(None) };
        let Some((api, version)) = asked.take() else { return Ok(None) };
        let answer = client.answer(api, version)?;
        Ok(self.note_naming(step, version, answer, find))
    }

    fn note_naming(
        &mut self,
        step: &str,
        version: i16,
        answer: Answer,
        find: impl FnOnce(&AnyResponse) -> Named,
    ) -> Option<AnyResponse> {
        if let Answer::Response(response) = &answer
            && let Some((text, alias)) = find(response)
        {
            self.alias(&text, &alias);
        }
        self.note(step, version, answer)
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
        self.quietly_at(*request.api_key().stable_versions().end(), request)
    }

    /// The same at a version.
    pub fn quietly_at(&mut self, version: i16, request: &AnyRequest) -> anyhow::Result<AnyResponse> {
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
        let begun = Instant::now();
        let mut pause = Duration::from_millis(1);
        while !done(self)? {
            ensure!(begun.elapsed() < Duration::from_secs(30), "{what} took over 30 s");
            #[expect(clippy::disallowed_methods, reason = "a test client with nothing else to do, and a deadline")]
            std::thread::sleep(pause);
            pause = (2 * pause).min(Duration::from_millis(20));
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

/// The batches without checksums, timestamps and producer ids of their headers, which two recorded runs do not share.
fn without_clock(records: &Bytes) -> Bytes {
    const CLOCKED: [core::ops::Range<usize>; 2] = [17..21, 27..51];
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
