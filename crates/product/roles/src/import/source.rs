//! Where samples come from.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use model::storage::{MetricReader, Select, TimeRange};
use model::{LabelTable, Labels, MatchOp, Matcher, Samples};
use net::client::{Client, ClientError, Limits, Request, Response};
use tsdb::Db;
use wire::Reader;
use wire::read::{ReadMatcher, ReadQuery, ReadRequest};
use wire::remote::{Point, TimeSeries};

use super::{From, Import, To, victoria};
use crate::directory::Staged;

/// Bounds of one answer.
const LIMITS: Limits = Limits { timeout: Duration::from_secs(300), body_size_max_bytes: 512 << 20 };
/// Size of an answer without its compression.
const ANSWER_MAX_BYTES: usize = 2 << 30;

/// Why a slice could not be read.
#[derive(Debug)]
pub(super) enum Fetch {
    /// A smaller one might be.
    TooLarge(String),
    /// Later it might be.
    Unavailable(String),
    /// It never will be.
    Failed(String),
}

/// Series with their samples.
pub(super) type Series = Vec<(Labels, Samples)>;

/// A source that is open.
pub(super) struct Source {
    kind: Kind,
    sets: Vec<Vec<Matcher>>,
}

enum Kind {
    Directory(Box<Staged>),
    RemoteRead(Http),
    VictoriaMetrics(Http),
}

pub(super) struct Http {
    client: Client,
    url: String,
}

impl Source {
    pub(super) fn open(import: &Import, sets: Vec<Vec<Matcher>>) -> Result<Source, String> {
        let http = |url: &str| -> Result<Http, String> {
            let client = Client::new(&import.http).map_err(|error| error.to_string())?;
            Ok(Http { client, url: url.to_string() })
        };
        let kind = match &import.from {
            From::Directory(dir) => {
                // Beside the target: on the same disk as likely as not, so that blocks can be linked.
                let root = match &import.to {
                    To::Directory(into) => into.clone(),
                    To::RemoteWrite(_) => std::env::temp_dir(),
                };
                Kind::Directory(Box::new(Staged::open(dir, &root)?))
            }
            From::RemoteRead(url) => Kind::RemoteRead(http(url)?),
            From::VictoriaMetrics(url) => Kind::VictoriaMetrics(http(url)?),
        };
        Ok(Source { kind, sets })
    }

    /// The times of what is there, if that can be told.
    pub(super) fn bounds(&self) -> Option<TimeRange> {
        match &self.kind {
            Kind::Directory(staged) => staged.bounds(),
            Kind::RemoteRead(_) | Kind::VictoriaMetrics(_) => None,
        }
    }

    /// All samples in a span of time, series by series. Before the first is taken it is certain that a server's
    /// answer is whole; an error of `take` is [`Fetch::Failed`].
    pub(super) fn read(
        &mut self,
        range: TimeRange,
        runtime: &tokio::runtime::Runtime,
        take: &mut dyn FnMut(&Labels, &Samples) -> Result<(), String>,
    ) -> Result<(), Fetch> {
        let answer = match &self.kind {
            Kind::Directory(staged) => {
                return read(staged.db(), range, &self.sets, take).map_err(Fetch::Failed);
            }
            Kind::RemoteRead(http) => runtime.block_on(http.remote_read(range, &self.sets))?,
            Kind::VictoriaMetrics(http) => runtime.block_on(http.export(range, &self.sets))?,
        };
        answer.iter().try_for_each(|(labels, samples)| take(labels, samples)).map_err(Fetch::Failed)
    }
}

impl Http {
    async fn send(&self, request: Request) -> Result<Response, Fetch> {
        let url = request.url.clone();
        let answer = self.client.send(request, LIMITS).await.map_err(|error| match error {
            ClientError::TooLarge => Fetch::TooLarge(format!("{url}: {error}")),
            ClientError::Config(_) | ClientError::Url(_) => Fetch::Failed(format!("{url}: {error}")),
            error => Fetch::Unavailable(format!("{url}: {error}")),
        })?;
        if answer.status.is_success() {
            return Ok(answer);
        }
        let said = String::from_utf8_lossy(&answer.body);
        let said = said.trim();
        let error = format!("{url}: status {}: {}", answer.status, said.get(..300).unwrap_or(said));
        let is_about_size = ["limit", "too many", "too large", "more than", "maxSamples"];
        Err(match answer.status.as_u16() {
            413 => Fetch::TooLarge(error),
            400 | 422 | 503 if is_about_size.iter().any(|words| said.contains(words)) => {
                Fetch::TooLarge(error)
            }
            429 | 500..=599 => Fetch::Unavailable(error),
            _ => Fetch::Failed(error),
        })
    }

    async fn remote_read(&self, range: TimeRange, sets: &[Vec<Matcher>]) -> Result<Series, Fetch> {
        let query = |matchers: &'_ [Matcher]| ReadQuery {
            start_ms: range.start_ms,
            end_ms: range.end_ms,
            matchers: Vec::with_capacity(matchers.len()),
        };
        let mut body = Vec::new();
        let mut queries = Vec::with_capacity(sets.len());
        for matchers in sets {
            let mut query = query(matchers);
            query.matchers.extend(matchers.iter().map(|matcher| ReadMatcher {
                kind: match matcher.op {
                    MatchOp::Equal => 0,
                    MatchOp::NotEqual => 1,
                    MatchOp::Regex => 2,
                    MatchOp::NotRegex => 3,
                },
                name: &matcher.name,
                value: &matcher.value,
            }));
            queries.push(query);
        }
        ReadRequest { queries, accepted: vec![0] }.encode(&mut body);
        let failed = |error: String| Fetch::Failed(format!("{}: {error}", self.url));
        let body =
            snap::raw::Encoder::new().compress_vec(&body).map_err(|error| failed(error.to_string()))?;
        let request = Request::post(&self.url, "application/x-protobuf", body)
            .header("content-encoding", "snappy")
            .header("x-prometheus-remote-read-version", "0.1.0");
        let answer = self.send(request).await?;
        let size = snap::raw::decompress_len(&answer.body).map_err(|error| failed(error.to_string()))?;
        if size > ANSWER_MAX_BYTES {
            return Err(Fetch::TooLarge(format!("{}: the answer has {size} bytes", self.url)));
        }
        let plain = snap::raw::Decoder::new()
            .decompress_vec(&answer.body)
            .map_err(|error| failed(error.to_string()))?;
        decode(&plain).map_err(|error| failed(error.to_string()))
    }

    async fn export(&self, range: TimeRange, sets: &[Vec<Matcher>]) -> Result<Series, Fetch> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        for matchers in sets {
            form.append_pair("match[]", &victoria::selector(matchers));
        }
        form.append_pair("start", &victoria::seconds(range.start_ms));
        form.append_pair("end", &victoria::seconds(range.end_ms));
        let url = format!("{}/api/v1/export", self.url.trim_end_matches('/'));
        let request = Request::post(&url, "application/x-www-form-urlencoded", form.finish());
        let answer = self.send(request).await?;
        victoria::lines(&answer.body, range).map_err(|error| Fetch::Failed(format!("{url}: {error}")))
    }
}

/// The series of a store, one at a time: all samples of a slice may be more than fit into memory.
fn read(
    db: &Db,
    range: TimeRange,
    sets: &[Vec<Matcher>],
    take: &mut dyn FnMut(&Labels, &Samples) -> Result<(), String>,
) -> Result<(), String> {
    let mut seen = HashSet::new();
    let mut samples = Samples::default();
    for matchers in sets {
        let mut table = LabelTable::new();
        let selected =
            db.select(&Select::new(range, matchers), &mut table).map_err(|error| error.to_string())?;
        for (at, set) in selected.sets.iter().enumerate() {
            let labels: Labels = table.labels(*set);
            if sets.len() > 1 && !seen.insert(labels.clone()) {
                continue;
            }
            samples.clear();
            selected.samples.read(at, &mut samples).map_err(|error| error.to_string())?;
            if !samples.is_empty() {
                take(&labels, &samples)?;
            }
        }
    }
    Ok(())
}

/// The series of a `ReadResponse`; one that several queries found counts once.
pub(super) fn decode(message: &[u8]) -> Result<Series, wire::DecodeError> {
    let mut found: BTreeMap<Labels, Samples> = BTreeMap::new();
    for result in Reader::new(message) {
        let result = result?;
        if result.number != 1 {
            continue;
        }
        for series in result.message()? {
            let series = series?;
            if series.number != 1 {
                continue;
            }
            let series = TimeSeries::read(series.bytes()?)?;
            let pairs = series.labels().collect::<Result<Vec<_>, _>>()?;
            let labels = Labels::from_pairs(pairs);
            if found.contains_key(&labels) {
                continue;
            }
            let mut samples = Samples::default();
            for point in series.points() {
                match point? {
                    Point::Sample { timestamp_ms, value } => samples.push(timestamp_ms, value),
                    Point::Histogram(message) => {
                        samples.push_histogram(message.timestamp_ms, message.decode()?.into());
                    }
                    Point::Exemplar(_) => {}
                }
            }
            found.insert(labels, samples);
        }
    }
    Ok(found.into_iter().collect())
}
