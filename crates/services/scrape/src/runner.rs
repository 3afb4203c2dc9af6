//! The driver of one target: waits for its turn, gets the page, hands it to the store.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use base::Clock;
use base::schedule::Schedule;
use bytes::BytesMut;
use exposition::format::accept_header;
use model::storage::MetricWriter;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, watch};

use crate::config::Config;
use crate::failure_log::{FailedScrape, FailureLogs};
use crate::fetch::{BODY_SIZE_MAX_BYTES, Fetch, FetchError, FetchRequest, Page};
use crate::metadata::Families;
use crate::page::{Outcome, PageContext, ScrapeError, TargetSeries};
use crate::scraper::Features;
use crate::scratch::Scratch;
use crate::stats::Stats;
use crate::status::{Health, LastScrape};
use crate::target::Target;

/// Pages that are worked on at the same time; others wait with their bytes.
const WORKERS: usize = 4;
/// Pages up to this size, of series that are known, are worked on where they arrived: in less time than
/// it takes to wake another thread for them.
const SMALL_PAGE_MAX_BYTES: usize = 1 << 20;
/// Pages whose memory is kept for the next ones, and how large that may be.
const PAGE_MEMORY_KEPT_MAX: usize = 16;
const PAGE_MEMORY_KEPT_MAX_BYTES: usize = 2 << 20;
/// Timers ring up to a millisecond late: they are set for so much before the time.
const TIMER_LEAD_US: i64 = 500;
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
    pub(crate) features: Features,
    pub(crate) failure_logs: FailureLogs,
    workers: Semaphore,
    /// One at a time works on a thread of the runtime: should the store stall, the others go on.
    on_runtime: Semaphore,
    scratches: Mutex<Vec<Scratch>>,
    /// Memory of pages that were read, for the next ones.
    page_memory: Mutex<Vec<BytesMut>>,
}

impl Common {
    pub(crate) fn new(
        writer: Arc<dyn MetricWriter>,
        clock: Clock,
        stats: Stats,
        schedule_seed: u64,
        features: Features,
    ) -> Self {
        use std::hash::{BuildHasher, Hasher, RandomState};
        Common {
            writer,
            clock,
            stats,
            families: Families::default(),
            schedule_seed,
            hash_seed: RandomState::new().build_hasher().finish(),
            features,
            failure_logs: FailureLogs::default(),
            workers: Semaphore::new(WORKERS),
            on_runtime: Semaphore::new(1),
            scratches: Mutex::default(),
            page_memory: Mutex::default(),
        }
    }

    /// Runs work that may block, with memory for it: off the runtime's threads unless it is `short` and
    /// none other is done on them. `None` if it panicked.
    async fn work<T: Send + 'static>(
        self: &Arc<Self>,
        short: bool,
        work: impl FnOnce(&Common, &mut Scratch) -> T + Send + 'static,
    ) -> Option<T> {
        if short && let Ok(_permit) = self.on_runtime.try_acquire() {
            return catch_unwind(AssertUnwindSafe(|| self.with_scratch(work))).ok();
        }
        let _permit = self.workers.acquire().await.ok()?;
        let common = self.clone();
        tokio::task::spawn_blocking(move || common.with_scratch(work)).await.ok()
    }

    /// Keeps a page's memory unless it is unusually large or enough is kept.
    fn keep_memory(&self, page: Page) {
        if let Ok(mut memory) = page.body.try_into_mut() {
            memory.clear();
            let mut kept = self.page_memory.lock();
            if kept.len() < PAGE_MEMORY_KEPT_MAX && memory.capacity() <= PAGE_MEMORY_KEPT_MAX_BYTES {
                kept.push(memory);
            }
        }
    }

    fn with_scratch<T>(&self, work: impl FnOnce(&Common, &mut Scratch) -> T) -> T {
        let mut scratch = self.scratches.lock().pop().unwrap_or_default();
        let result = work(self, &mut scratch);
        self.scratches.lock().push(scratch);
        result
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
        let wait_us = (turn.at_ms * 1000 - TIMER_LEAD_US - common.clock.now_us()).max(0).unsigned_abs();
        let wait = Duration::from_micros(wait_us).min(SLEEP_MAX);
        tokio::select! {
            biased;
            changed = orders.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
            () = tokio::time::sleep(wait) => {}
        }
        if wait == SLEEP_MAX {
            continue;
        }
        schedule.take(turn);
        let began = common.clock.mark();
        let began_ms = common.clock.now_ms();
        common.stats.turns_skipped.add(turn.skipped);
        common.stats.late.observe((common.clock.now_us() - turn.at_ms * 1000).max(0) as f64 / 1e6);
        if let Some(last_start) = last_start.replace(began.clone()) {
            let interval = base::units::format_duration_ms(plan.target.interval_ms);
            common.stats.interval_length.with(&[&interval]).observe(last_start.elapsed_seconds());
        }
        let page = match &plan.forced_error {
            Some(error) => Err(ScrapeError::TargetLimit(error.clone())),
            None => tokio::select! {
                page = fetch(&common, &plan) => page.map_err(ScrapeError::from),
                () = stopped(&mut orders) => continue,
            },
        };
        let work_plan = plan.clone();
        let small = page.as_ref().is_ok_and(|page| page.body.len() <= SMALL_PAGE_MAX_BYTES);
        let done = common.work(small && series.is_known(), move |common, scratch| {
            let context = PageContext {
                config: &work_plan.config,
                target: &work_plan.target,
                writer: &*common.writer,
                families: &common.families,
                seed: common.hash_seed,
                features: common.features,
                at_ms: turn.at_ms,
                began,
            };
            let outcome = series.ingest(&context, scratch, &page);
            if let Ok(page) = page {
                common.keep_memory(page);
            }
            (series, outcome)
        });
        match done.await {
            Some((back, outcome)) => {
                series = back;
                note(&common, &plan, &outcome);
                log_failure(&common, &plan, began_ms, &outcome);
                show(&last, &plan, began_ms, &outcome, &series);
            }
            // The work was torn down with the runtime, or it panicked: start anew.
            None => series = TargetSeries::default(),
        }
    }
}

impl Plan {
    fn makes_same_series(&self, other: &Plan) -> bool {
        let target = |plan: &Plan| {
            let target = &plan.target;
            let native = target.scrape_native_histograms;
            (native, target.always_scrape_classic_histograms, target.convert_classic_histograms)
        };
        target(self) == target(other)
            && (Arc::ptr_eq(&self.config, &other.config) || self.config.makes_same_series(&other.config))
    }
}

async fn fetch(common: &Common, plan: &Plan) -> Result<Page, FetchError> {
    let Plan { target, config, fetch, .. } = plan;
    let limit = config.limits.body_size_max_bytes;
    let accept = accept_header(&config.protocols(common.features), config.name_escaping);
    let request = FetchRequest {
        url: &target.url,
        unix_socket: target.unix_socket.as_deref(),
        accept: &accept,
        compression: config.enable_compression,
        timeout: Duration::from_millis(target.timeout_ms.unsigned_abs()),
        body_size_max_bytes: if limit == 0 { BODY_SIZE_MAX_BYTES } else { limit },
    };
    let memory = common.page_memory.lock().pop().unwrap_or_default();
    match tokio::time::timeout(request.timeout, fetch.fetch(request, memory)).await {
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
    let written =
        common.work(false, move |common, scratch| series.end(&*common.writer, scratch, at_ms)).await;
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

/// Writes a line about a failed scrape where the configuration wants one.
fn log_failure(common: &Arc<Common>, plan: &Plan, at_ms: i64, outcome: &Outcome) {
    if let (Some(path), Some(error)) = (&plan.config.failure_log_file, &outcome.error) {
        let failed = FailedScrape {
            at_ms,
            job: plan.config.job_name.clone(),
            target: plan.target.url.clone(),
            error: error.to_string(),
        };
        let (common, path) = (common.clone(), path.clone());
        drop(tokio::task::spawn_blocking(move || common.failure_logs.write(&path, &failed)));
    }
}

fn show(last: &Mutex<LastScrape>, plan: &Plan, began_ms: i64, outcome: &Outcome, series: &TargetSeries) {
    let storage_error = outcome.storage_error.as_ref().map(ToString::to_string).unwrap_or_default();
    let mut last = last.lock();
    if !storage_error.is_empty() && last.storage_error.is_empty() {
        tracing::warn!(error = storage_error, "scraped samples could not be stored");
    }
    let refused = outcome.series_refused;
    if refused > 0 && last.series_refused == 0 {
        let (url, labels) = (&plan.target.url, &plan.target.labels);
        tracing::warn!(url, %labels, refused, "a target has more new series than the store may take");
    }
    last.health = if outcome.error.is_none() { Health::Up } else { Health::Down };
    last.error = match &outcome.error {
        Some(error) => error.to_string(),
        None if storage_error.is_empty() && refused > 0 => {
            format!(
                "{refused} series refused: there are as many as there may be, or their labels are too large"
            )
        }
        None => storage_error.clone(),
    };
    last.at_ms = began_ms;
    last.duration_seconds = outcome.duration_seconds;
    last.samples = outcome.scraped;
    last.series_refused = refused;
    last.storage_error = storage_error;
    if !Arc::ptr_eq(&last.families, series.metadata().families()) {
        last.families = series.metadata().families().clone();
    }
}
