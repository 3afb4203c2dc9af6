//! Data sources: which there are, and the way to them through this server, which alone knows their secrets.

pub(crate) mod api;
mod definition;
mod frames;
mod provisioning;
pub(crate) mod proxy;
pub(crate) mod questions;
mod reach;
mod rules;
mod secrets;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use base::Clock;
use config::HttpClientConfig;
use config::http_client::SecretSource;
use exposition::Registry;
use exposition::registry::{Counter, Labelled};
use net::shared::Shared;
use parking_lot::{Mutex, RwLock};
use serde_json::{Map, Value};
use state::{When, Write, Written};
use tokio::sync::Semaphore;

pub(crate) use definition::StoredSource;
use definition::{Credentials, Definition};
pub use definition::{DATA_SOURCE_SIZE_MAX_BYTES, DATA_SOURCES_MAX};
pub(crate) use definition::{Origin, Source};
pub use proxy::{ANSWER_SIZE_MAX_BYTES, BODY_SIZE_MAX_BYTES};
use reach::Reach;
pub use reach::SOURCE_REQUESTS_MAX;
use secrets::Keys;

use crate::documents::kinds;
use crate::error::Error;
use crate::provisioning::Problem;
use crate::store::{Kept, Store, body_of, when};

/// Requests to all data sources at once; more wait.
pub const REQUESTS_MAX: usize = 256;
/// Our own metrics.
const OWN_METRICS: &str = "promontory";
/// Our own Alertmanager.
const OWN_ALERTMANAGER: &str = "promontory-alertmanager";
/// Sets of labels of the metrics: sources and codes.
const METRIC_SETS_MAX: usize = 4_000;

/// What is told about data sources.
#[derive(Clone, Debug, Default)]
pub struct SourceOptions {
    /// Those of the settings.
    pub given: Vec<GivenSource>,
    /// Folders with Grafana's provisioning files, which are followed.
    pub provisioning_dirs: Vec<PathBuf>,
    /// The text from which the key of saved secrets is made. Servers that share a database need the same.
    pub secrets_key: Option<SecretSource>,
    /// The file in which this server keeps a key that it makes, if none is given.
    pub own_key_file: PathBuf,
    /// Whether other servers use the same state: then no key of one's own will do.
    pub state_is_shared: bool,
    /// The header by which data sources are told the login of who asks; none if `None`.
    pub user_header: Option<String>,
    /// Hosts of URLs that may be at addresses at which clouds give credentials to their machines.
    pub allowed_hosts: Vec<String>,
    /// Headers of requests that stay here, beside cookies and credentials.
    pub withheld_headers: Vec<String>,
}

/// A data source of the settings.
#[derive(Clone, Debug, PartialEq)]
pub struct GivenSource {
    /// The identifier; Grafana's way to make one from the name if `None`.
    pub uid: Option<String>,
    /// What people call it.
    pub name: String,
    /// Grafana's name of its type, such as `prometheus`.
    pub kind: String,
    /// Where it is, `http` or `https`.
    pub url: String,
    /// Whether it is the one that is used where none is named.
    pub is_default: bool,
    /// Further settings, as Grafana's `jsonData`.
    pub json_data: Map<String, Value>,
    /// How it is reached.
    pub client: HttpClientConfig,
}

/// Those that files bring.
#[derive(Default)]
struct Provided {
    sources: Vec<Source>,
    problems: Vec<Problem>,
}

/// The data sources. Clones are the same.
#[derive(Clone)]
pub(crate) struct DataSources(Arc<Inner>);

struct Inner {
    options: RwLock<Arc<SourceOptions>>,
    store: Arc<Store>,
    clock: Clock,
    keys: Keys,
    provided: RwLock<Arc<Provided>>,
    /// One look at the files at a time, so that what is found last is what counts.
    scanning: tokio::sync::Mutex<()>,
    reaches: Mutex<HashMap<Arc<str>, Arc<Reach>>>,
    /// The next revision of what files bring; saved ones have positive ones.
    revision: AtomicI64,
    shared: Shared,
    permits: Arc<Semaphore>,
    requests: Labelled<Counter>,
}

impl Inner {
    fn options(&self) -> Arc<SourceOptions> {
        self.options.read().clone()
    }
}

impl DataSources {
    pub(crate) fn new(
        options: SourceOptions,
        store: Arc<Store>,
        clock: &Clock,
        registry: &Registry,
    ) -> DataSources {
        let sources = DataSources(Arc::new(Inner {
            keys: Keys::new(
                options.secrets_key.clone(),
                options.own_key_file.clone(),
                options.state_is_shared,
            ),
            store,
            clock: clock.clone(),
            provided: RwLock::default(),
            scanning: tokio::sync::Mutex::default(),
            reaches: Mutex::default(),
            revision: AtomicI64::new(-1),
            shared: Shared::new(clock.clone()),
            permits: Arc::new(Semaphore::new(REQUESTS_MAX)),
            requests: registry.counters(
                "promontory_data_source_requests_total",
                "Requests that were sent on to data sources, by what they answered.",
                &["source", "code"],
                METRIC_SETS_MAX,
            ),
            options: RwLock::new(Arc::new(options)),
        }));
        let inner = Arc::downgrade(&sources.0);
        registry.counter_fn(
            "promontory_data_source_shared_answers_total",
            "Requests to data sources answered with what another client had asked for, as their max-age allowed.",
            move || inner.upgrade().map_or(0.0, |inner| inner.shared.joined() as f64),
        );
        let inner = Arc::downgrade(&sources.0);
        registry.gauge_fn(
            "promontory_data_sources_provisioning_problems",
            "Files of data sources that cannot be used.",
            move || inner.upgrade().map_or(0.0, |inner| inner.provided.read().problems.len() as f64),
        );
        sources
    }

    /// Takes over what the settings say now: the sources themselves, the header with the login, hosts that are
    /// allowed and headers that stay here. The rest is read at the start.
    pub(crate) async fn configure(&self, told: SourceOptions) {
        let SourceOptions { given, user_header, allowed_hosts, withheld_headers, .. } = told;
        let before = SourceOptions::clone(&self.0.options());
        let has_other_hosts = before.allowed_hosts != allowed_hosts;
        let now = SourceOptions { given, user_header, allowed_hosts, withheld_headers, ..before };
        *self.0.options.write() = now.into();
        if has_other_hosts {
            // The ways there are built with them.
            self.0.reaches.lock().clear();
        }
        self.scan().await;
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.0.clock.now_ms()
    }

    /// Looks at the files now.
    pub(crate) async fn scan(&self) {
        let _one = self.0.scanning.lock().await;
        let options = self.0.options();
        let dirs = options.provisioning_dirs.clone();
        let read = tokio::task::spawn_blocking(move || {
            dirs.iter().map(|dir| provisioning::read_dir(dir)).collect::<Vec<_>>()
        });
        let Ok(found) = read.await else { return };
        let before = self.0.provided.read().clone();
        let mut provided = Provided::default();
        let mut deleted = Vec::new();
        let own = self.own();
        let given: Vec<Source> = options
            .given
            .iter()
            .filter_map(|given| match from_settings(given) {
                Ok(source) => Some(source),
                Err(error) => {
                    provided.problems.push(Problem::new(given.name.clone(), error.to_string()));
                    None
                }
            })
            .collect();
        let found_sources: Vec<Source> =
            found.iter().flat_map(|found| found.sources.iter().cloned()).collect();
        for mut source in given.into_iter().chain(found_sources) {
            let taken = own
                .iter()
                .chain(&provided.sources)
                .find(|known| known.uid == source.uid || known.definition.name == source.definition.name);
            if let Some(taken) = taken {
                let message = format!("left out: {:?} has this name or uid already", taken.definition.name);
                provided.problems.push(Problem::new(source.definition.name.clone(), message));
                continue;
            }
            let known = before.sources.iter().find(|known| known.uid == source.uid);
            source.revision = match known {
                Some(known) if is_same(known, &source) => known.revision,
                _ => self.0.revision.fetch_sub(1, Ordering::Relaxed),
            };
            if source.definition.is_default
                && provided.sources.iter().any(|known| known.definition.is_default)
            {
                let message = "only one data source can be the default; an earlier one is";
                provided.problems.push(Problem::new(source.definition.name.clone(), message));
            }
            provided.sources.push(source);
        }
        for found in found {
            provided.problems.extend(found.problems);
            deleted.extend(found.deleted);
        }
        // A file that cannot be read leaves what was there.
        if !provided.problems.is_empty() {
            let is_there = |source: &Source| {
                let mut all = own.iter().chain(&provided.sources);
                all.any(|known| known.uid == source.uid || known.definition.name == source.definition.name)
            };
            let is_given_up = |source: &Source| {
                let name = &source.definition.name;
                let is_of_settings = matches!(source.credentials, Credentials::Client(_));
                is_of_settings && !options.given.iter().any(|given| given.name == *name)
            };
            let is_left = |source: &&Source| !is_there(source) && !is_given_up(source);
            let left: Vec<Source> = before.sources.iter().filter(is_left).cloned().collect();
            provided.sources.extend(left);
        }
        for problem in &provided.problems {
            if !before.problems.contains(problem) {
                tracing::warn!("provisioned data sources: {problem}");
            }
        }
        *self.0.provided.write() = Arc::new(provided);
        for name in deleted {
            let saved = self
                .0
                .store
                .index()
                .data_sources
                .iter()
                .find_map(|(uid, kept)| (kept.value.definition.name == name).then(|| uid.clone()));
            if let Some(uid) = saved
                && let Err(error) = self.0.store.delete(kinds::DATA_SOURCE, &uid).await
            {
                tracing::warn!(%error, "the data source {name} shall go, and could not be deleted");
            }
        }
    }

    /// What of the files cannot be used.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        self.0.provided.read().problems.clone()
    }

    /// Those that are this server itself.
    fn own(&self) -> Vec<Source> {
        let own = |uid: &str, name: &str, kind: &str, json_data: Value| Source {
            uid: uid.into(),
            definition: Arc::new(Definition {
                name: name.into(),
                kind: kind.into(),
                access: "proxy".into(),
                version: 1,
                json_data: json_data.as_object().cloned().unwrap_or_default(),
                ..Definition::default()
            }),
            credentials: Credentials::Open(BTreeMap::new()),
            origin: Origin::Own,
            revision: 0,
        };
        vec![
            own(OWN_METRICS, "Promontory", "prometheus", serde_json::json!({"httpMethod": "POST"})),
            own(
                OWN_ALERTMANAGER,
                "Promontory Alertmanager",
                "alertmanager",
                serde_json::json!({"implementation": "prometheus"}),
            ),
        ]
    }

    /// All of them by name; one is the default. What files bring hides what was saved under the same name or uid.
    pub(crate) fn all(&self) -> Vec<Source> {
        let mut all = self.own();
        all.extend(self.0.provided.read().sources.iter().cloned());
        let index = self.0.store.index();
        let saved: Vec<Source> = index
            .data_sources
            .iter()
            .filter(|(uid, kept)| {
                !all.iter()
                    .any(|known| known.uid == **uid || known.definition.name == kept.value.definition.name)
            })
            .map(|(uid, kept)| saved(uid, kept))
            .collect();
        drop(index);
        all.extend(saved);
        let default = all.iter().find(|source| source.definition.is_default).map(|source| source.uid.clone());
        let default = default.unwrap_or_else(|| OWN_METRICS.into());
        for source in &mut all {
            let is_default = source.uid == default;
            if source.definition.is_default != is_default {
                Arc::make_mut(&mut source.definition).is_default = is_default;
            }
        }
        all.sort_by_cached_key(|source| (source.definition.name.to_lowercase(), source.uid.clone()));
        all
    }

    fn find(&self, is_it: impl Fn(&Source) -> bool) -> Result<Source, Error> {
        let found = self.all().into_iter().find(|source| is_it(source));
        match found {
            Some(source) => Ok(source),
            // It may be one that was saved.
            None => {
                self.0.store.check_loaded()?;
                Err(Error::DATA_SOURCE_NOT_FOUND)
            }
        }
    }

    pub(crate) fn by_uid(&self, uid: &str) -> Result<Source, Error> {
        self.find(|source| *source.uid == *uid)
    }

    /// The data source that a panel means: by uid, by name, the default one, or one of the type in place of one that is
    /// not there.
    pub(crate) fn meant(&self, name: &str, kind: &str) -> Option<Source> {
        let all = self.all();
        let of_kind = || {
            let mut fitting = all.iter().filter(|source| kind.is_empty() || source.definition.kind == kind);
            let first = fitting.clone().next();
            fitting.find(|source| source.definition.is_default).or(first)
        };
        let default = || all.iter().find(|source| source.definition.is_default);
        let found = if matches!(name, "" | "default") {
            of_kind().or_else(default)
        } else {
            let by_uid = all.iter().find(|source| *source.uid == *name);
            let by_name = || all.iter().find(|source| source.definition.name.eq_ignore_ascii_case(name));
            // What no variable stands for is an input that nobody filled in.
            let is_open = name.starts_with('$') || name.starts_with("[[");
            by_uid.or_else(by_name).or_else(|| if is_open || !kind.is_empty() { of_kind() } else { None })
        };
        found.cloned()
    }

    /// The way to a data source, kept as long as nothing of it changes.
    fn reach(&self, source: &Source) -> Result<Arc<Reach>, Error> {
        let mut reaches = self.0.reaches.lock();
        if let Some(reach) = reaches.get(&source.uid)
            && reach.revision == source.revision
        {
            return Ok(reach.clone());
        }
        let reach = Arc::new(Reach::new(source, &self.0.keys, &self.0.options().allowed_hosts)?);
        // Deleted ones go some time.
        if reaches.len() > 3 * DATA_SOURCES_MAX {
            reaches.clear();
        }
        reaches.insert(source.uid.clone(), reach.clone());
        Ok(reach)
    }

    /// Saves a data source, in place of `before` if there is one. `false` if somebody else was faster.
    async fn save(&self, uid: &str, stored: &StoredSource, before: Option<&Source>) -> Result<bool, Error> {
        let store = &self.0.store;
        let condition = before.map_or(When::Absent, |before| When::At(before.revision));
        let mut writes = vec![Write::put(kinds::DATA_SOURCE, uid, body_of(stored)?).when(condition)];
        if stored.definition.is_default {
            let index = store.index();
            for (other, kept) in &index.data_sources {
                if **other != *uid && kept.value.definition.is_default {
                    let mut stored = StoredSource::clone(&kept.value);
                    stored.definition.is_default = false;
                    let write = Write::put(kinds::DATA_SOURCE, &**other, body_of(&stored)?);
                    writes.push(write.when(when(Some(kept))));
                }
            }
        }
        let written = store.write(writes).await?;
        Ok(matches!(written.first(), Some(Written::Done { .. })))
    }
}

/// A data source of the settings, as any other.
fn from_settings(given: &GivenSource) -> Result<Source, Error> {
    let mut sent = Map::new();
    for (name, value) in [
        ("name", Value::from(given.name.as_str())),
        ("type", given.kind.as_str().into()),
        ("url", given.url.as_str().into()),
        ("isDefault", given.is_default.into()),
        ("jsonData", given.json_data.clone().into()),
        ("uid", given.uid.clone().into()),
    ] {
        sent.insert(name.into(), value);
    }
    let definition = Definition::read(&sent)?;
    let uid = definition::read_uid(&sent)?.unwrap_or_else(|| definition::uid_of_name(&definition.name));
    Ok(Source {
        uid: uid.into(),
        definition: definition.into(),
        credentials: Credentials::Client(Box::new(given.client.clone())),
        origin: Origin::File,
        revision: 0,
    })
}

fn saved(uid: &Arc<str>, kept: &Kept<StoredSource>) -> Source {
    Source {
        uid: uid.clone(),
        definition: Arc::new(kept.value.definition.clone()),
        credentials: Credentials::Sealed(Arc::new(kept.value.secrets.clone())),
        origin: Origin::Saved,
        revision: kept.revision,
    }
}

fn is_same(one: &Source, other: &Source) -> bool {
    let credentials = match (&one.credentials, &other.credentials) {
        (Credentials::Open(one), Credentials::Open(other)) => one == other,
        (Credentials::Client(one), Credentials::Client(other)) => one == other,
        _ => false,
    };
    credentials && one.definition == other.definition
}
