//! One run, from the start to the stop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ::dashboards::Dashboards;
use accounts::Accounts;
use alerting::replicas::SharedReplicas;
use arc_swap::ArcSwap;
use axum::Router;
use base::Clock;
use exposition::Registry;
use exposition::registry::Gauge;
use ingest::Gateway;
use model::storage::MetricWriter;
use net::server::{ServerConfig, ServerError};
use query::{Queries, Sources};
use rules::GroupSpec;
use spans::Tracer;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tsdb::Retention;

use crate::access;
use crate::agent;
use crate::alert::{self, Alert};
use crate::ask::{self, EvaluatedRules, ProcessStatus, ScrapedTargets, Shown, StoreAdmin, StoredExemplars};
use crate::backtest;
use crate::collect::{self, Collect};
use crate::dashboards;
use crate::elsewhere::Elsewhere;
use crate::listeners::Listeners;
use crate::memory;
use crate::monitors;
use crate::monitors_api;
use crate::prometheus_file::PrometheusFile;
use crate::prometheus_names;
use crate::push::Push;
use crate::pushgateway;
use crate::send_on::SendOn;
use crate::serve::{self, Command};
use crate::settings::{Mode, Settings};
use crate::store::{self, Store};
use crate::store_metrics;
use crate::store_settings::StoreSettings;
use crate::threads;
use crate::trail;
use crate::watched_files;

/// How long a stop waits for each part.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a run could not start: one line for a person.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The listener.
    #[error(transparent)]
    Listen(#[from] ServerError),
    /// The store.
    #[error(transparent)]
    Store(#[from] tsdb::Error),
    /// The configuration: one line a mistake.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Config(Vec<config::Error>),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

/// The configuration files as they were read.
pub(crate) struct Loaded {
    pub(crate) prometheus: Option<PrometheusFile>,
    /// Our own file.
    own: Option<Settings>,
    pub(crate) rules: Vec<GroupSpec>,
    pub(crate) alerting: alerting::Config,
}

impl Loaded {
    fn read(settings: &Settings) -> Result<Loaded, Vec<config::Error>> {
        let prometheus = match &settings.prometheus_config {
            Some(path) => Some(PrometheusFile::load(path, &settings.features)?),
            None => None,
        };
        if let Some(file) = prometheus.as_ref().filter(|_| settings.agent.is_some()) {
            let errors = file.agent_mode_errors();
            if !errors.is_empty() {
                return Err(errors);
            }
        }
        let mut rules = alert::machine_rules(settings)?;
        if let Some(file) = &prometheus {
            rules.extend(file.rules.iter().cloned());
        }
        let own = match &settings.own_config {
            Some(path) => {
                let mut own = Settings::new(settings.mode);
                own.read_file(path).map_err(|error| vec![error])?;
                Some(own)
            }
            None => None,
        };
        rules.extend(own.as_ref().unwrap_or(settings).monitors.rules(settings)?);
        Ok(Loaded { prometheus, own, rules, alerting: alert::load(settings)? })
    }

    /// What our own file says now, or what the command line said.
    pub(crate) fn settings<'a>(&'a self, settings: &'a Settings) -> &'a Settings {
        self.own.as_ref().unwrap_or(settings)
    }

    /// How people come in. What the command line says goes before the file.
    fn auth(&self, settings: &Settings) -> accounts::Settings {
        settings.auth_overrides.over(&self.settings(settings).auth)
    }

    /// What the files say that will count after a restart alone, a line each.
    fn start_only(&self, settings: &Settings) -> Vec<String> {
        let now = self.own.as_ref().map_or(&settings.start_only, |own| &own.start_only);
        let changed = settings.start_only.changed(now);
        changed.map(|key| format!("{key} has changed, which counts after a restart alone")).collect()
    }

    /// The `global` section, if there is a `prometheus.yml`.
    pub(crate) fn global(&self) -> Option<&scrape::GlobalConfig> {
        self.prometheus.as_ref().map(|file| &file.global)
    }

    /// Names everything that the files ask for and that nothing acts on yet.
    fn warn(&self) {
        let Some(file) = &self.prometheus else { return };
        for note in file.missing_rule_files.iter().chain(&file.not_acted_on) {
            tracing::warn!("{note}");
        }
    }

    /// How long samples are kept. What `prometheus.yml` says goes before the command line.
    pub(crate) fn retention(&self, settings: &Settings) -> Retention {
        let mut retention = Retention {
            time_ms: settings.retention_time_ms,
            size_bytes: settings.retention_size_bytes,
            disk_percent: settings.retention_percentage,
            rules: settings.retention_rules.clone(),
        };
        if let Some(own) = &self.own {
            retention.rules.clone_from(&own.retention_rules);
            retention.disk_percent = own.retention_percentage;
            if !settings.retention_by_flag {
                (retention.time_ms, retention.size_bytes) = (own.retention_time_ms, own.retention_size_bytes);
            }
        }
        if let Some(file) = self.prometheus.as_ref().map(|file| &file.storage.retention) {
            if file.time_ms > 0 {
                retention.time_ms = Some(file.time_ms);
            }
            if file.size_bytes > 0 {
                retention.size_bytes = Some(file.size_bytes);
            }
            if file.percentage > 0.0 {
                retention.disk_percent = Some(file.percentage);
            }
        }
        retention
    }

    /// What the store is told.
    fn store_settings(&self, settings: &Settings) -> StoreSettings {
        let store = self.own.as_ref().map_or(&settings.store, |own| &own.store).clone();
        store.with_prometheus(self.prometheus.as_ref().map(|file| &file.storage))
    }

    fn yaml(&self) -> String {
        self.prometheus.as_ref().map(PrometheusFile::render).unwrap_or_default()
    }
}

/// Runs until a signal or a request ends it. Blocks. An error means that it could not start.
pub fn run(settings: Settings) -> Result<(), StartError> {
    memory::bound_heaps_to_cores();
    threads::run("promontory", 8, start(settings))
}

async fn start(settings: Settings) -> Result<(), StartError> {
    let clock = Clock::system();
    let started = clock.mark();
    let mut signals = Signals::listen()?;
    // Before they are read: what changes from now on is looked at again.
    let files = settings.auto_reload.then(|| watched_files::fingerprint(&settings));
    let loaded = Loaded::read(&settings).map_err(StartError::Config)?;
    for note in &settings.notes {
        tracing::warn!("{note}");
    }
    loaded.warn();
    let how = ServerConfig {
        connections_max: settings.web.connections_max,
        read_timeout: settings.web.read_timeout,
        web_config: settings.web.config_file.clone(),
        ..ServerConfig::default()
    };
    let addresses = std::iter::once(settings.listen).chain(settings.web.listen_too.iter().copied());
    let listeners = Listeners::bind(addresses, &how).await?;
    let Some(listening) = listeners.first() else { return Ok(()) };
    let is_encrypted = listeners.is_encrypted();
    let store =
        store::open(&settings, &loaded.store_settings(&settings), loaded.retention(&settings), &clock)?;
    let (stop, stopped) = watch::channel(false);
    let (commands, asked) = mpsc::channel(4);
    let registry = Registry::new();
    let address = settings.external_url(listening);
    let state = settings.replicas.open_state(&settings, &registry, &clock)?;
    let replicas = settings.replicas.start(state.as_ref(), &address, &registry, &clock).await?;
    let accounts = match &state {
        Some(state) if settings.mode == Mode::Machine => {
            Some(access::open(&settings, state.clone(), address, is_encrypted, &registry, &clock).await?)
        }
        _ => None,
    };
    let mut running =
        Running::start(settings, &loaded, store, accounts, listening, replicas, registry, clock)?;
    if let Some(state) = state {
        let people = running.accounts.clone();
        let (settings, url) = (&running.settings, &running.external_url);
        running.dashboards =
            dashboards::start(settings, state, people, url, &running.registry, &running.clock).await;
    }
    tokio::spawn(memory::keep_small(memory::Spare::LARGE, stopped.clone()));
    let serving = listeners.serve(&running.router(commands), &stopped, STOP_TIMEOUT);

    // Blocks can be asked already; what writes begins when the log has been read.
    tokio::select! {
        replayed = running.replay() => replayed?,
        // Nothing has been taken yet that would have to be written down.
        () = signals.stop() => return Ok(()),
    }
    let maintenance = running.store.maintain(running.clock.clone(), stopped.clone());
    let keeping = running.gateway.clone().map(|gateway| tokio::spawn(pushgateway::keep(gateway, stopped)));
    running.apply(&loaded).await;
    running.note_load(&loaded);
    tracing::info!(seconds = format!("{:.3}", started.elapsed_seconds()), "ready");
    greet(&running.settings, &loaded, listening);

    running.obey(asked, signals, files).await;

    tracing::info!("stopping");
    let _ = stop.send(true);
    tokio::join!(running.collect.scraper.stop(STOP_TIMEOUT), running.monitors.stop(STOP_TIMEOUT));
    running.alert.stop(STOP_TIMEOUT, running.settings.notification_drain).await;
    tokio::join!(running.send_on.stop(STOP_TIMEOUT), running.tracer.stop());
    serving.ended().await;
    if let Some(keeping) = keeping {
        let _ = keeping.await;
    }
    if let Some(accounts) = &running.accounts {
        accounts.flush(STOP_TIMEOUT).await;
    }
    // A merge under way is not worth waiting for: it begins anew at the next start.
    let _ = tokio::time::timeout(STOP_TIMEOUT, maintenance).await;
    let db = running.store.db.clone();
    match tokio::task::spawn_blocking(move || db.close()).await {
        Ok(Err(error)) => Err(error.into()),
        _ => Ok(()),
    }
}

/// Signals that mean something. Caught from the beginning, so that none of them ends a run that is
/// still starting without an orderly end.
pub(crate) struct Signals {
    pub(crate) hangup: Signal,
    pub(crate) terminate: Signal,
    pub(crate) interrupt: Signal,
}

impl Signals {
    pub(crate) fn listen() -> Result<Signals, StartError> {
        let listen = |kind| {
            signal(kind).map_err(|error| StartError::Other(format!("cannot listen for signals: {error}")))
        };
        Ok(Signals {
            hangup: listen(SignalKind::hangup())?,
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    /// Returns when the run shall end.
    pub(crate) async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// What stays the same over reloads.
struct Running {
    settings: Arc<Settings>,
    clock: Clock,
    started_ms: i64,
    listening: SocketAddr,
    external_url: String,
    registry: Registry,
    store: Store,
    engine: Arc<promql::Engine>,
    queries: Arc<Queries>,
    tracer: Tracer,
    /// People; none in a stand-in for Prometheus.
    accounts: Option<Accounts>,
    collect: Collect,
    gateway: Option<Arc<Gateway>>,
    monitors: probe::monitor::Monitors,
    alert: Alert,
    push: Push,
    send_on: SendOn,
    elsewhere: Elsewhere,
    dashboards: Option<Dashboards>,
    shown: Arc<ArcSwap<Shown>>,
    reload_succeeded: Gauge,
    reloaded_at: Gauge,
}

impl Running {
    /// Puts the services together. Nothing is scraped or evaluated before [`Running::apply`].
    fn start(
        settings: Settings,
        loaded: &Loaded,
        store: Store,
        accounts: Option<Accounts>,
        listening: SocketAddr,
        replicas: SharedReplicas,
        registry: Registry,
        clock: Clock,
    ) -> Result<Running, StartError> {
        store_metrics::register(&registry, &store);
        let writer: Arc<dyn MetricWriter> = store.db.clone();
        let elsewhere = Elsewhere::new(&store, &registry, &clock);
        let engine = ask::engine(&settings, &clock);
        let queries = Queries::new(settings.queries_max.max(settings.query_concurrency_max), clock.clone());
        queries.register(&registry, settings.query_concurrency_max);
        let tracer = Tracer::new("prometheus", clock.clone());
        tracer.register(&registry, "promontory_query_spans_total");
        queries.trace(tracer.clone());
        let shown = Arc::new(ArcSwap::from_pointee(Shown::default()));
        prometheus_names::register_process(&registry, &shown);
        let external_url = settings.external_url(listening);
        let gateway = settings.pushgateway.as_ref().map(|it| it.open(&settings.data_dir, &registry, &clock));
        let collect = collect::start(&settings, gateway.as_ref(), writer.clone(), &registry, &clock)?;
        let monitors = monitors::start(writer.clone(), &registry, &clock);
        let alert = alert::start(
            &settings,
            loaded,
            engine.clone(),
            queries.clone(),
            elsewhere.reader(),
            writer,
            &external_url,
            replicas,
            &registry,
            &clock,
        )?;
        let send_on = SendOn::new(&store, &registry, &clock);
        Ok(Running {
            started_ms: clock.now_ms(),
            reload_succeeded: registry.gauge(
                "promontory_config_last_reload_successful",
                "Whether the configuration was read without a mistake the last time.",
            ),
            reloaded_at: registry.gauge(
                "promontory_config_last_reload_success_timestamp_seconds",
                "When the configuration in force was read.",
            ),
            shown,
            settings: Arc::new(settings),
            clock,
            listening,
            external_url,
            registry,
            store,
            engine,
            queries,
            tracer,
            accounts,
            collect,
            gateway,
            monitors,
            alert,
            push: Push::new(),
            send_on,
            elsewhere,
            dashboards: None,
        })
    }

    fn router(&self, commands: mpsc::Sender<Command>) -> Router {
        let sources = Sources {
            targets: Arc::new(ScrapedTargets {
                scraper: self.collect.scraper.clone(),
                discovery: self.collect.discovery.clone(),
                db: self.store.db.clone(),
                external_url: self.external_url.clone(),
                listening: self.listening,
                shown: self.shown.clone(),
            }),
            rules: Arc::new(EvaluatedRules {
                rules: self.alert.rules.clone(),
                forwarder: self.alert.forward.forwarder.clone(),
            }),
            status: Arc::new(ProcessStatus {
                db: self.store.db.clone(),
                clock: self.clock.clone(),
                started_ms: self.started_ms,
                settings: self.settings.clone(),
                shown: self.shown.clone(),
                own: self.collect.own.clone(),
                discovery: self.collect.discovery.clone(),
            }),
            exemplars: Arc::new(StoredExemplars(self.store.db.clone())),
            admin: self
                .settings
                .admin_api
                .then(|| Arc::new(StoreAdmin(self.store.db.clone())) as Arc<dyn query::sources::Admin>),
        };
        let roles = ask::router(
            &self.settings,
            self.engine.clone(),
            self.elsewhere.reader(),
            self.store.db.clone(),
            sources,
            self.queries.clone(),
            &self.clock,
        )
        .merge(self.push.router(&self.settings, &self.store, &self.registry, &self.clock))
        .merge(pushgateway::routes(&self.settings, self.gateway.as_ref()))
        .merge(self.alert.router(&self.registry))
        .merge(trail::router(self.alert.trail.clone(), self.clock.clone()))
        .merge(backtest::router(backtest::Server {
            history: rules::backtest::History {
                engine: self.engine.clone(),
                reader: self.elsewhere.reader(),
                features: self.settings.features,
                clock: self.clock.clone(),
            },
            rules: self.alert.rules.clone(),
            routes: self.alert.routes.clone(),
            defaults: self.alert.defaults.clone(),
            timeout: self.settings.query_timeout,
        }))
        .merge(monitors_api::router(
            self.monitors.clone(),
            self.engine.clone(),
            self.store.db.clone(),
            self.clock.clone(),
        ));
        let roles = match &self.dashboards {
            Some(dashboards) => {
                // What is there so far is what our own data sources are.
                let own = dashboards.data_source_router(roles.clone()).merge(dashboards.router());
                roles.merge(dashboards::with_visitors(own))
            }
            None => roles,
        };
        let roles = if self.settings.agent.is_some() { agent::without_queries(roles) } else { roles };
        let (roles, guard) = match &self.accounts {
            Some(accounts) => {
                (roles.merge(accounts.routes()), Some(access::guard(&self.settings, accounts.clone())))
            }
            None => (roles, None),
        };
        let ready = self.store.replayed.clone();
        serve::router(&self.settings, roles, guard.as_ref(), self.collect.own.clone(), ready, commands)
    }

    async fn replay(&self) -> Result<(), StartError> {
        let store = self.store.clone();
        match tokio::task::spawn_blocking(move || store.replay()).await {
            Ok(result) => result,
            Err(error) => Err(StartError::Other(format!("reading the log failed unexpectedly: {error}"))),
        }
    }

    async fn apply(&self, loaded: &Loaded) {
        self.store.configure(loaded.store_settings(&self.settings));
        self.store.db.set_retention(loaded.retention(&self.settings));
        self.push.apply(loaded);
        let query_log = loaded.global().and_then(|global| global.query_log_file.as_deref());
        if let Err(error) = self.queries.log_to(query_log) {
            let path = query_log.unwrap_or(std::path::Path::new("")).display();
            tracing::error!(%error, "queries cannot be logged to {path}");
        }
        let traces = loaded.prometheus.as_ref().and_then(|file| file.tracing.as_ref());
        if let Err(error) = self.tracer.apply(traces) {
            tracing::error!(%error, "these settings of tracing cannot be used; those before stay");
        }
        // Before anything is written, so that a new receiver gets all of it.
        self.send_on.apply(loaded).await;
        self.elsewhere.apply(loaded);
        self.collect.apply(&self.settings, loaded);
        self.monitors.apply(&loaded.own.as_ref().unwrap_or(&self.settings).monitors.monitors);
        self.alert.apply(&self.settings, loaded, &self.external_url).await;
    }

    fn note_load(&self, loaded: &Loaded) {
        let now_ms = self.clock.now_ms();
        self.reload_succeeded.set(1.0);
        self.reloaded_at.set((now_ms / 1000) as f64);
        self.shown.store(Arc::new(Shown {
            yaml: loaded.yaml(),
            external_labels: loaded.global().map(|global| global.external_labels.clone()).unwrap_or_default(),
            reload_succeeded: true,
            loaded_at_ms: now_ms,
            failed_at_ms: None,
        }));
    }

    /// Reads the files again. If there is a mistake in them, what runs stays as it is.
    /// The answer names what has changed and counts after a restart alone.
    async fn reload(&self) -> Result<Vec<String>, String> {
        match self.take_over().await {
            Ok(loaded) => {
                self.note_load(&loaded);
                tracing::info!("reloaded the configuration");
                let notes = loaded.start_only(&self.settings);
                notes.iter().for_each(|note| tracing::warn!("{note}"));
                Ok(notes)
            }
            Err(errors) => {
                for error in &errors {
                    tracing::error!("{error}");
                }
                tracing::error!("the configuration has mistakes; the one before stays in force");
                self.reload_succeeded.set(0.0);
                let before = self.shown.load();
                let failed_at_ms = Some(self.clock.now_ms());
                self.shown.store(Arc::new(Shown {
                    reload_succeeded: false,
                    failed_at_ms,
                    ..Shown::clone(&before)
                }));
                Err(StartError::Config(errors).to_string())
            }
        }
    }

    async fn take_over(&self) -> Result<Loaded, Vec<config::Error>> {
        let loaded = Loaded::read(&self.settings)?;
        // First of all: it alone can still be refused, and then all stays as it is.
        if let Some(accounts) = &self.accounts {
            let configured = accounts.configure(loaded.auth(&self.settings)).await;
            configured.map_err(|error| vec![config::Error::new(format!("auth: {error}"))])?;
        }
        loaded.warn();
        self.apply(&loaded).await;
        if let Some(dashboards) = &self.dashboards {
            let (told, auth) = (loaded.settings(&self.settings), loaded.auth(&self.settings));
            dashboards.set_data_sources(told.data_sources.options(&self.settings, &auth, None)).await;
        }
        Ok(loaded)
    }

    /// Returns when the files are to be looked at; never if nobody asked for that.
    async fn next_look_at_files(&self) {
        if !self.settings.auto_reload {
            std::future::pending::<()>().await;
        }
        let interval_ms = self.settings.auto_reload_interval_ms.max(1).unsigned_abs();
        tokio::time::sleep(Duration::from_millis(interval_ms)).await;
    }

    async fn watched_files(&self) -> Option<u64> {
        if !self.settings.auto_reload {
            return None;
        }
        let settings = self.settings.clone();
        tokio::task::spawn_blocking(move || watched_files::fingerprint(&settings)).await.ok()
    }

    /// Obeys signals and requests until one of them ends the run. `files` is how the files looked when they were
    /// read.
    async fn obey(&self, mut asked: mpsc::Receiver<Command>, mut signals: Signals, mut files: Option<u64>) {
        loop {
            tokio::select! {
                _ = signals.terminate.recv() => return,
                _ = signals.interrupt.recv() => return,
                _ = signals.hangup.recv() => { let _ = self.reload().await; }
                () = self.next_look_at_files() => {
                    let now = self.watched_files().await;
                    // A change that cannot be used is told once.
                    if std::mem::replace(&mut files, now) != now {
                        let _ = self.reload().await;
                    }
                }
                command = asked.recv() => match command {
                    Some(Command::Reload(answer)) => { let _ = answer.send(self.reload().await); }
                    Some(Command::Quit) | None => return,
                },
            }
        }
    }
}

/// What a person reads first.
fn greet(settings: &Settings, loaded: &Loaded, listening: SocketAddr) {
    let url = settings.external_url(listening);
    let what = match (settings.mode, settings.watch_machine) {
        (Mode::Prometheus, _) => "stands in for Prometheus",
        (Mode::Machine, true) => "watches this machine",
        (Mode::Machine, false) => "runs",
    };
    tracing::info!(
        "Promontory {} {what}: {url} (data in {})",
        env!("CARGO_PKG_VERSION"),
        settings.data_dir.display()
    );
    if !page::is_embedded() {
        tracing::warn!("this binary was built without its page, for want of Node.js; the APIs work");
    }
    let is_told = settings.alertmanager_config.is_some()
        || settings.webhook_url.is_some()
        || loaded.prometheus.as_ref().is_some_and(|file| !file.alerting.alertmanagers.is_empty());
    if settings.machine_alerts && !is_told {
        tracing::info!(
            "alerts are shown on the page only; to be notified, start with --webhook-url or --alertmanager.config"
        );
    }
}
