//! The driver of one target: waits for its turn, gets the page, hands it to the store.

use std::sync::Arc;
use std::time::Duration;

use base::Clock;
use base::schedule::Schedule;
use exposition::format::accept_header;
use model::storage::MetricWriter;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, watch};

use crate::config::Config;
use crate::fetch::{BODY_SIZE_MAX_BYTES, Fetch, FetchError, FetchRequest, Page};
use crate::metadata::Families;
use crate::page::{Outcome, PageContext, ScrapeError, Scratch, TargetSeries};
use crate::stats::Stats;
use crate::status::{Health, LastScrape};
use crate::target::Target;

/// Pages that are worked on at the same time; others wait with their bytes.
const WORKERS: usize = 4;
/// Nothing sleeps longer than this at a time, so that a change of the wall clock is noticed.
const SLEEP_MAX: Duration = Duration::from_secs(60);

/// What all runners share.
pub(crate) struct Common {
    pub(crate) writer: Arc<dyn MetricWriter>,
    pub(crate) clock: Clock,
    pub(crate) stats: Stats,
    pub(crate) families: Families,
    /// Tells instances apart that scrape the same targets.
    pub(crate) schedule_seed: u64,
    /// Keeps pages from being made to collide in the cache.
    pub(crate) hash_seed: u64,
    /// Whether targets are asked since when their counters have been counting.
    pub(crate) start_timestamps: bool,
    workers: Semaphore,
    scratches: Mutex<Vec<Scratch>>,
}

impl Common {
    pub(crate) fn new(
        writer: Arc<dyn MetricWriter>,
        clock: Clock,
        stats: Stats,
        schedule_seed: u64,
        start_timestamps: bool,
    ) -> Self {
        use std::hash::{BuildHasher, Hasher, RandomState};
        Common {
            writer,
            clock,
            stats,
            families: Families::default(),
            schedule_seed,
            hash_seed: RandomState::new().build_hasher().finish(),
            start_timestamps,
            workers: Semaphore::new(WORKERS),
            scratches: Mutex::default(),
        }
    }

    /// Runs work that may block, with memory for it, off the runtime's threads.
    async fn work<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Common, &mut Scratch) -> T + Send + 'static,
    ) -> Option<T> {
        let _permit = self.workers.acquire().await.ok()?;
        let common = self.clone();
        let task = tokio::task::spawn_blocking(move || {
            let mut scratch = common.scratches.lock().pop().unwrap_or_default();
            let result = work(&common, &mut scratch);
            common.scratches.lock().push(scratch);
            result
        });
        task.await.ok()
    }
}

/// What a runner does; replaced as a whole when the configuration or the target changes.
pub(crate) struct Plan {
    pub(crate) target: Target,
    pub(crate) config: Arc<Config>,
    pub(crate) fetch: Arc<dyn Fetch>,
    /// Fail every scrape with this: the job has more targets than it may.
    pub(crate) forced_error: Option<String>,
}

/// How a runner ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The target is gone: its series end.
    Gone,
    /// The process stops: somebody will go on with the series.
    Shutdown,
}

#[derive(Clone)]
pub(crate) struct Order {
    pub(crate) plan: Arc<Plan>,
    pub(crate) stop: Option<Stop>,
}

/// Scrapes one target until told to stop.
pub(crate) async fn run(
    common: Arc<Common>,
    mut orders: watch::Receiver<Order>,
    last: Arc<Mutex<LastScrape>>,
) {
    let mut plan = orders.borrow_and_update().plan.clone();
    let hash = plan.target.hash();
    let mut schedule = Schedule::new(plan.target.interval_ms, hash, common.schedule_seed);
    let mut series = TargetSeries::default();
    let mut last_start: Option<base::clock::Mark> = None;
    loop {
        let order = orders.borrow_and_update().clone();
        match order.stop {
            Some(Stop::Gone) => return end(&common, series, &schedule).await,
            Some(Stop::Shutdown) => return,
            None => {}
        }
        if !Arc::ptr_eq(&plan, &order.plan) {
            if !plan.makes_same_series(&order.plan) {
                series.invalidate();
            }
            if plan.target.interval_ms != order.plan.target.interval_ms {
                schedule = schedule.with_interval(order.plan.target.interval_ms, hash, common.schedule_seed);
                last_start = None;
            }
            plan = order.plan;
        }
        let turn = schedule.next(common.clock.now_ms());
        let wait = turn.wait.min(SLEEP_MAX);
        tokio::select! {
            biased;
            changed = orders.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
            () = tokio::time::sleep(wait) => {}
        }
        if wait < turn.wait {
            continue;
        }
        schedule.take(turn);
        let began = common.clock.mark();
        let began_ms = common.clock.now_ms();
        common.stats.turns_skipped.add(turn.skipped);
        common.stats.late.observe((began_ms - turn.at_ms).max(0) as f64 / 1000.0);
        if let Some(last_start) = last_start.replace(began.clone()) {
            let interval = base::units::format_duration_ms(plan.target.interval_ms);
            common.stats.interval_length.with(&[&interval]).observe(last_start.elapsed_seconds());
        }
        let page = match &plan.forced_error {
            Some(error) => Err(ScrapeError::TargetLimit(error.clone())),
            None => tokio::select! {
                page = fetch(&plan) => page.map_err(ScrapeError::from),
                () = stopped(&mut orders) => continue,
            },
        };
        let work_plan = plan.clone();
        let done = common.work(move |common, scratch| {
            let context = PageContext {
                config: &work_plan.config,
                target: &work_plan.target,
                writer: &*common.writer,
                families: &common.families,
                seed: common.hash_seed,
                start_timestamps: common.start_timestamps,
                at_ms: turn.at_ms,
                began,
            };
            let outcome = series.ingest(&context, scratch, page);
            (series, outcome)
        });
        match done.await {
            Some((back, outcome)) => {
                series = back;
                note(&common, &plan, &outcome);
                show(&last, began_ms, &outcome, &series);
            }
            // The work was torn down with the runtime, or it panicked: start anew.
            None => series = TargetSeries::default(),
        }
    }
}

impl Plan {
    fn makes_same_series(&self, other: &Plan) -> bool {
        let target = |plan: &Plan| {
            (plan.target.scrape_native_histograms, plan.target.always_scrape_classic_histograms)
        };
        target(self) == target(other)
            && (Arc::ptr_eq(&self.config, &other.config) || self.config.makes_same_series(&other.config))
    }
}

async fn fetch(plan: &Plan) -> Result<Page, FetchError> {
    let Plan { target, config, fetch, .. } = plan;
    let limit = config.limits.body_size_max_bytes;
    let accept = accept_header(&config.protocols, config.name_escaping);
    let request = FetchRequest {
        url: &target.url,
        accept: &accept,
        compression: config.enable_compression,
        timeout: Duration::from_millis(target.timeout_ms.unsigned_abs()),
        body_size_max_bytes: if limit == 0 { BODY_SIZE_MAX_BYTES } else { limit },
    };
    match tokio::time::timeout(request.timeout, fetch.fetch(request)).await {
        Ok(page) => page,
        Err(_) => Err(FetchError::Failed(format!("Get {:?}: context deadline exceeded", target.url))),
    }
}

/// Returns when the runner is told to stop; other orders can wait until the page is there.
async fn stopped(orders: &mut watch::Receiver<Order>) {
    while orders.borrow_and_update().stop.is_none() {
        if orders.changed().await.is_err() {
            return;
        }
    }
}

async fn end(common: &Arc<Common>, mut series: TargetSeries, schedule: &Schedule) {
    let after_last_ms = schedule.last_ms().map_or(0, |last_ms| last_ms + 1);
    let at_ms = common.clock.now_ms().max(after_last_ms);
    let written = common.work(move |common, scratch| series.end(&*common.writer, scratch, at_ms)).await;
    if let Some(Err(error)) = written {
        common.stats.storage_failed.inc();
        tracing::warn!(%error, "the end of a target's series could not be stored");
    }
}

fn note(common: &Common, plan: &Plan, outcome: &Outcome) {
    let stats = &common.stats;
    match &outcome.error {
        None => {}
        Some(ScrapeError::Fetch(FetchError::TooLarge)) => stats.body_size_limit_exceeded.inc(),
        Some(ScrapeError::SampleLimit) => stats.sample_limit_exceeded.inc(),
        Some(ScrapeError::BucketLimit) => stats.bucket_limit_exceeded.inc(),
        Some(ScrapeError::LabelLimit(_)) => stats.label_limit_exceeded.inc(),
        Some(ScrapeError::Fetch(_) | ScrapeError::Page(_) | ScrapeError::TargetLimit(_)) => {}
    }
    if let Some(error) = &outcome.error {
        tracing::debug!(labels = %plan.target.labels, %error, "scrape failed");
    }
    if let Some(warning) = &outcome.warning {
        tracing::debug!(labels = %plan.target.labels, warning, "scrape");
    }
    stats.duplicate.add(outcome.repeated + outcome.appended.duplicate);
    stats.out_of_order.add(outcome.appended.out_of_order);
    stats.out_of_bounds.add(outcome.appended.too_old + outcome.appended.outside_window + outcome.too_new);
    stats.exemplar_out_of_order.add(outcome.appended.exemplars_refused);
    stats.series_refused.add(outcome.series_refused);
    if outcome.storage_error.is_some() {
        stats.storage_failed.inc();
    }
}

fn show(last: &Mutex<LastScrape>, began_ms: i64, outcome: &Outcome, series: &TargetSeries) {
    let storage_error = outcome.storage_error.as_ref().map(ToString::to_string).unwrap_or_default();
    let mut last = last.lock();
    if !storage_error.is_empty() && last.storage_error.is_empty() {
        tracing::warn!(error = storage_error, "scraped samples could not be stored");
    }
    last.health = if outcome.error.is_none() { Health::Up } else { Health::Down };
    last.error = match &outcome.error {
        Some(error) => error.to_string(),
        None => storage_error.clone(),
    };
    last.at_ms = began_ms;
    last.duration_seconds = outcome.duration_seconds;
    last.samples = outcome.scraped;
    last.series_refused = outcome.series_refused;
    last.storage_error = storage_error;
    if !Arc::ptr_eq(&last.families, series.metadata().families()) {
        last.families = series.metadata().families().clone();
    }
}
