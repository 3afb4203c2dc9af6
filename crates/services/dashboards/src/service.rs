//! The service: what it is given, and what stays the same over requests.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use base::Clock;
use exposition::Registry;
use exposition::registry::Counter;
use parking_lot::{Mutex, RwLock};
use state::{State, When, Written};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::card::Card;
use crate::catalog::Folder;
use crate::documents::{StoredDashboard, kinds};
use crate::provisioning::files::Scanner;
use crate::provisioning::providers::Provider;
use crate::provisioning::{BUILT_IN, Given, GivenFolder, Problem, SourceStatus, Sources, View};
use crate::public::visitors::Strangers;
use crate::sources::{DataSources, SourceOptions};
use crate::store::Store;

/// How long the start waits for the first look at files: they may lie on a disk far away that does not answer.
pub const FIRST_SCAN_TIMEOUT: Duration = Duration::from_secs(3);

/// What the service is told.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The path under which people see everything, without a slash at its end; empty for none.
    pub base_path: String,
    /// The whole address under which people see everything, without a slash at its end; empty if it is not known.
    pub external_url: String,
    /// The version that the program tells of itself.
    pub version: String,
    /// Folders of files that are watched.
    pub providers: Vec<Provider>,
    /// Folders with Grafana's provider files, which name further ones.
    pub provisioning_dirs: Vec<PathBuf>,
    /// Dashboards that come with the program: name and JSON.
    pub built_in: Vec<(&'static str, &'static str)>,
    /// Data sources.
    pub data_sources: SourceOptions,
}

/// A user or a team, as lists of permissions name them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// What stays when it is renamed: what a `Caller` carries.
    pub uid: Arc<str>,
    /// The number that Grafana's clients use.
    pub id: i64,
    /// The login, or a team's name.
    pub name: Arc<str>,
}

/// Who there is: asked to show names, and to understand the numbers that clients of Grafana send.
pub trait People: Send + Sync {
    /// A user or service account, by uid, number or login.
    fn user(&self, key: &str) -> Option<Named>;
    /// A team, by uid, number or name.
    fn team(&self, key: &str) -> Option<Named>;
}

/// What the service needs.
pub struct Deps {
    /// Where what people save is kept.
    pub state: State,
    /// The time.
    pub clock: Clock,
    /// Where its metrics go.
    pub registry: Registry,
    /// Who there is, if anybody knows.
    pub people: Option<Arc<dyn People>>,
}

/// Dashboards and what belongs to them. Clones are the same.
#[derive(Clone)]
pub struct Dashboards(Arc<Inner>);

struct Inner {
    options: Options,
    store: Arc<Store>,
    clock: Clock,
    started_ms: i64,
    people: Option<Arc<dyn People>>,
    sources: Mutex<Sources>,
    data_sources: DataSources,
    strangers: Strangers,
    view: RwLock<Arc<View>>,
    scanner: Scanner,
    /// Held by whoever looks at files.
    scanning: tokio::sync::Mutex<()>,
    saves: Counter,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.tasks.get_mut().iter().for_each(JoinHandle::abort);
    }
}

impl Dashboards {
    /// Starts on the current tokio runtime: reads the files once, as long as that takes no longer than
    /// [`FIRST_SCAN_TIMEOUT`], and follows them and the state from then on.
    pub async fn start(options: Options, deps: Deps) -> Dashboards {
        let store = Arc::new(Store::new(deps.state, deps.clock.clone()));
        let data_sources =
            DataSources::new(options.data_sources.clone(), store.clone(), &deps.clock, &deps.registry);
        let strangers = Strangers::new(&deps.clock);
        let scanner = Scanner::new(options.providers.clone(), options.provisioning_dirs.clone());
        let dashboards = Dashboards(Arc::new(Inner {
            started_ms: deps.clock.now_ms(),
            clock: deps.clock,
            store: store.clone(),
            people: deps.people,
            sources: Mutex::default(),
            data_sources,
            strangers,
            view: RwLock::default(),
            scanner,
            scanning: tokio::sync::Mutex::default(),
            saves: deps
                .registry
                .counter("promontory_dashboards_saved_total", "Saves of dashboards by people and tools."),
            tasks: Mutex::default(),
            options,
        }));
        dashboards.register(&deps.registry);
        if let Err(error) = store.catch_up().await {
            tracing::warn!(%error, "saved dashboards cannot be read yet; files are served meanwhile");
        }
        let built_in = dashboards.0.options.built_in.iter().map(|(name, text)| Given {
            name: (*name).to_string(),
            folder: GivenFolder::titled("Promontory"),
            text: (*text).into(),
            is_editable: false,
            changed_ms: dashboards.0.started_ms,
        });
        dashboards.provide(BUILT_IN, built_in.collect(), Vec::new());
        let (scanned, mut first) = mpsc::channel::<()>(1);
        let following = tokio::spawn(store.follow());
        let boards =
            tokio::spawn(follow_files(Arc::downgrade(&dashboards.0), scanned.clone(), |dashboards| {
                Box::pin(async move { dashboards.scan().await })
            }));
        let sources = tokio::spawn(follow_files(Arc::downgrade(&dashboards.0), scanned, |dashboards| {
            Box::pin(async move { dashboards.data_sources().scan().await })
        }));
        dashboards.0.tasks.lock().extend([following, boards, sources]);
        // Ends when both have let go of their ends.
        let first = async { while first.recv().await.is_some() {} };
        if tokio::time::timeout(FIRST_SCAN_TIMEOUT, first).await.is_err() {
            tracing::warn!(
                "files with dashboards or data sources have not been read after {} s; everything else starts \
                 without them, and they are shown when they come",
                FIRST_SCAN_TIMEOUT.as_secs()
            );
        }
        dashboards
    }

    /// Takes over what the settings say of data sources now, but for the key of saved secrets and the folders with
    /// provisioning files.
    pub async fn set_data_sources(&self, told: SourceOptions) {
        self.0.data_sources.configure(told).await;
    }

    /// Takes over everything that a source has now: dashboards that it had and that are not among these are gone,
    /// what cannot be read leaves the last good one in place. Sources go before each other in the order in which
    /// they came first.
    pub fn provide(&self, source: &str, given: Vec<Given>, problems: Vec<Problem>) {
        self.set(source, given, problems);
        self.rebuild();
    }

    fn set(&self, source: &str, given: Vec<Given>, problems: Vec<Problem>) -> Vec<Arc<Card>> {
        self.0.sources.lock().set(source, given, problems)
    }

    /// How the sources stand.
    pub fn sources(&self) -> Vec<SourceStatus> {
        self.view().sources.clone()
    }

    /// Looks at all files now.
    pub async fn scan(&self) {
        let dashboards = self.clone();
        // To its end even if whoever asked goes away: what has changed is found once.
        if let Err(error) = tokio::spawn(async move { dashboards.scan_once().await }).await {
            tracing::error!(%error, "files with dashboards cannot be looked at");
        }
    }

    async fn scan_once(&self) {
        // One after the other: what was found later also counts later.
        let _turn = self.0.scanning.lock().await;
        let found = self.0.scanner.scan().await;
        let (before, dashboards) = (self.view(), self.clone());
        // Reading many dashboards takes a while.
        let taken = tokio::task::spawn_blocking(move || {
            let mut gone = Vec::new();
            for found in found {
                let cards = dashboards.set(&found.source, found.given, found.problems);
                if found.keeps_deleted {
                    gone.extend(cards);
                }
            }
            gone
        });
        for card in taken.await.unwrap_or_default() {
            // The one that was shown, where it was shown; a file that only has another name now still brings it.
            let shown = before.dashboards.get(&card.uid).filter(|shown| is_same(shown, &card));
            let is_brought = self.0.sources.lock().bring(&card.uid);
            if let Some(shown) = shown.filter(|_| !is_brought) {
                self.keep(shown, &self.folder_chain(&shown.folder).unwrap_or_default()).await;
            }
        }
        self.rebuild();
    }

    /// What sources bring, put together anew: folders that people saved meanwhile are used.
    fn rebuild(&self) {
        let sources = self.0.sources.lock();
        let index = self.0.store.index();
        let saved = |parent: &str, title: &str| {
            let mut found = index
                .folders
                .iter()
                .filter(|(_, folder)| *folder.value.parent == *parent && *folder.value.title == *title);
            found.next().map(|(uid, _)| uid.clone())
        };
        let view = sources.view(saved);
        drop(index);
        let before = std::mem::replace(&mut *self.0.view.write(), Arc::new(view));
        for status in &self.view().sources {
            let known = before.sources.iter().find(|known| known.name == status.name);
            for problem in &status.problems {
                // Each is told once.
                if !known.is_some_and(|known| known.problems.contains(problem)) {
                    tracing::warn!("provisioned dashboards: {problem}");
                }
            }
        }
    }

    /// Saves a dashboard whose source is gone but must not take it away, and the folders that it is in: what they
    /// allow goes on, and nobody else sees it.
    async fn keep(&self, card: &Card, folders: &[Folder]) {
        let Some(provided) = card.provided() else { return };
        let Ok(mut read) = crate::reading::read_text(&provided.text) else { return };
        if read.api_version.is_none() {
            for field in ["id", "uid", "version"] {
                read.spec.remove(field);
            }
        }
        for folder in folders.iter().filter(|folder| folder.revision.is_none()) {
            if let Err(error) =
                self.store().put(kinds::FOLDER, &folder.uid, &*folder.kept, When::Absent).await
            {
                tracing::warn!(%error, "the folder of {} could not be kept", provided.name);
            }
        }
        let stored = StoredDashboard {
            folder: card.folder.clone(),
            version: card.version,
            parent_version: 0,
            restored_from: 0,
            created_ms: card.created_ms,
            created_by: card.created_by.clone(),
            updated_ms: card.updated_ms,
            updated_by: card.updated_by.clone(),
            message: String::new(),
            api_version: card.api_version.clone(),
            grants: None,
            edited_from: None,
            spec: read.spec,
        };
        if let Err(error) = self.store().put(kinds::DASHBOARD, &card.uid, &stored, When::Absent).await {
            tracing::warn!(%error, "{} is gone and could not be kept", provided.name);
        }
    }

    pub(crate) fn data_sources(&self) -> &DataSources {
        &self.0.data_sources
    }

    pub(crate) fn strangers(&self) -> &Strangers {
        &self.0.strangers
    }

    pub(crate) fn store(&self) -> &Store {
        &self.0.store
    }

    pub(crate) fn view(&self) -> Arc<View> {
        self.0.view.read().clone()
    }

    pub(crate) fn options(&self) -> &Options {
        &self.0.options
    }

    pub(crate) fn started_ms(&self) -> i64 {
        self.0.started_ms
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.0.clock.now_ms()
    }

    pub(crate) fn people(&self) -> Option<&dyn People> {
        self.0.people.as_deref()
    }

    pub(crate) fn note_save(&self, written: &[Written]) -> bool {
        let is_done = matches!(written.first(), Some(Written::Done { .. }));
        if is_done {
            self.0.saves.inc();
        }
        is_done
    }

    fn register(&self, registry: &Registry) {
        type Get = fn(&Inner) -> f64;
        let gauges: [(&'static str, &'static str, Get); 4] = [
            ("promontory_dashboards_stored", "Dashboards that people and tools have saved.", |inner| {
                inner.store.index().dashboards.len() as f64
            }),
            (
                "promontory_dashboards_provisioned",
                "Dashboards that files and other sources bring.",
                |inner| inner.view.read().dashboards.len() as f64,
            ),
            (
                "promontory_dashboards_provisioning_problems",
                "Files and other things of sources of dashboards that cannot be used.",
                |inner| {
                    inner.view.read().sources.iter().map(|source| source.problems.len()).sum::<usize>() as f64
                },
            ),
            ("promontory_dashboards_annotations", "Annotations that people and tools have made.", |inner| {
                inner.store.index().annotations.len() as f64
            }),
        ];
        for (name, help, get) in gauges {
            let inner = Arc::downgrade(&self.0);
            registry.gauge_fn(name, help, move || inner.upgrade().map_or(0.0, |inner| get(&inner)));
        }
    }
}

/// Whether a dashboard is the one that a source brought.
fn is_same(shown: &Card, card: &Card) -> bool {
    shown.provided().zip(card.provided()).is_some_and(|(shown, brought)| Arc::ptr_eq(shown, brought))
}

/// What looks at files once.
type Look = fn(Dashboards) -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// Looks at files as often as their providers ask, for as long as someone has the service. `scanned` is let go of
/// after the first time.
async fn follow_files(inner: Weak<Inner>, scanned: mpsc::Sender<()>, look: Look) {
    let mut scanned = Some(scanned);
    loop {
        let Some(now) = inner.upgrade() else { return };
        let interval = now.scanner.interval();
        look(Dashboards(now)).await;
        drop(scanned.take());
        tokio::time::sleep(interval).await;
    }
}
