//! From a page to samples in the store: parse, find the series, relabel what is new, keep to the
//! limits, mark what has ended, and report on the scrape itself. Does no waiting: what takes time is
//! the store.

use std::collections::HashSet;
use std::sync::Arc;

use base::clock::Mark;
use exposition::{Entry, Format, LabelBuffer, Options, Parser};
use model::storage::{Appended, MetricWriter, SeriesRef, StorageError, WriteBatch};
use model::{FloatHistogram, Labels, LabelsBuilder, METRIC_NAME, relabel, stale_nan};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::cache::{Cache, Found};
use crate::config::{Config, HISTOGRAM_SCHEMA_MIN};
use crate::family::Family;
use crate::fetch::{FetchError, Page};
use crate::metadata::{Families, MetadataCache};
use crate::scraper::Features;
use crate::scratch::Scratch;
use crate::synthesis::{self, Synthesis};
use crate::target::Target;

/// Series about each scrape.
const REPORTS: [&str; 5] = [
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
];
/// Further ones with `extra_scrape_metrics`.
const EXTRA_REPORTS: [&str; 3] = ["scrape_timeout_seconds", "scrape_sample_limit", "scrape_body_size_bytes"];

/// A sample this far ahead of its scrape is refused: it would keep later ones out.
const AHEAD_MAX_MS: i64 = 10 * 60_000;

/// Samples of a page; with a label set each, a page of the largest size would take gigabytes to read.
const SAMPLES_MAX: u64 = 5_000_000;

/// What one scrape came to.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Why the target counts as down, if it does.
    pub(crate) error: Option<ScrapeError>,
    /// Why its samples could not be stored, if so.
    pub(crate) storage_error: Option<StorageError>,
    pub(crate) duration_seconds: f64,
    /// Samples in the page.
    pub(crate) scraped: u64,
    /// Samples after metric relabelling.
    pub(crate) after_relabelling: u64,
    /// Series that were not there before.
    pub(crate) series_added: u64,
    /// Series that a limit of the store refused.
    pub(crate) series_refused: u64,
    /// Samples that repeat a series within the page.
    pub(crate) repeated: u64,
    /// Samples whose own timestamps lie too far ahead.
    pub(crate) too_new: u64,
    pub(crate) body_size_bytes: u64,
    /// What the store says of the samples.
    pub(crate) appended: Appended,
    /// A format had to be guessed.
    pub(crate) warning: Option<String>,
}

/// Why a scrape failed. The texts are those that Prometheus's users know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ScrapeError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("{0}")]
    Page(String),
    #[error("sample limit exceeded")]
    SampleLimit,
    #[error("histogram bucket limit exceeded")]
    BucketLimit,
    #[error("{0}")]
    LabelLimit(String),
    #[error("{0}")]
    TargetLimit(String),
}

/// What is kept of a target from page to page.
#[derive(Debug, Default)]
pub(crate) struct TargetSeries {
    cache: Cache,
    reports: Vec<SeriesRef>,
    metadata: MetadataCache,
    synthesis: Synthesis,
}

/// Everything that the work on one page needs to know.
pub(crate) struct PageContext<'a> {
    pub(crate) config: &'a Config,
    pub(crate) target: &'a Target,
    pub(crate) writer: &'a dyn MetricWriter,
    pub(crate) families: &'a Families,
    pub(crate) seed: u64,
    pub(crate) features: Features,
    /// The timestamp of the samples.
    pub(crate) at_ms: i64,
    /// When the scrape began.
    pub(crate) began: Mark,
}

impl TargetSeries {
    /// Writes the samples of a page, or that there was none.
    pub(crate) fn ingest(
        &mut self,
        context: &PageContext<'_>,
        scratch: &mut Scratch,
        page: &Result<Page, ScrapeError>,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        scratch.ended.clear();
        // Once more if the store has dropped series that were known: their labels are in the page.
        for attempt in 0..2 {
            scratch.clear_batch();
            let before = outcome.series_added;
            let read = match page {
                Ok(page) => self.read(context, scratch, page, &mut outcome),
                Err(error) => Err(Failure::Scrape(error.clone())),
            };
            outcome.duration_seconds = context.began.elapsed_seconds();
            if attempt > 0 {
                outcome.series_added = before;
            }
            match read {
                Ok(()) => {}
                Err(Failure::Storage(error)) => {
                    outcome.storage_error = Some(error);
                    break;
                }
                Err(Failure::Scrape(error)) => {
                    scratch.clear_batch();
                    outcome.series_added = 0;
                    if matches!(error, ScrapeError::Fetch(FetchError::TooLarge)) {
                        outcome.body_size_bytes = u64::MAX;
                    }
                    outcome.error = Some(error);
                    self.synthesis.clear();
                    self.cache.end_all(&mut scratch.ended);
                }
            }
            let Scratch { ended, batch, .. } = &mut *scratch;
            let appended = self.write_reports(context, batch, &outcome).and_then(|()| {
                for series in ended.iter() {
                    batch.push(*series, context.at_ms, stale_nan());
                }
                context.writer.append(batch)
            });
            let appended = match appended {
                Ok(appended) => appended,
                Err(error) => {
                    outcome.storage_error = Some(error);
                    break;
                }
            };
            // A series that is gone needs no marker.
            let markers = batch.refs.len() - ended.len()..batch.refs.len();
            let gone: HashSet<SeriesRef> = appended
                .unknown
                .iter()
                .map(|at| *at as usize)
                .filter(|at| !markers.contains(at))
                .filter_map(|at| {
                    let histograms_at = batch.refs.len();
                    batch
                        .refs
                        .get(at)
                        .copied()
                        .or_else(|| batch.histograms.get(at - histograms_at).map(|h| h.0))
                })
                .collect();
            outcome.appended = appended;
            if gone.is_empty() || attempt > 0 {
                break;
            }
            self.cache.forget(&gone);
            self.reports.clear();
            ended.retain(|series| !gone.contains(series));
        }
        scratch.trim();
        outcome
    }

    /// Marks all series of the target as ended, those about its scrapes included.
    pub(crate) fn end(
        &mut self,
        writer: &dyn MetricWriter,
        scratch: &mut Scratch,
        at_ms: i64,
    ) -> Result<(), StorageError> {
        scratch.clear_batch();
        scratch.ended.clear();
        self.cache.end_all(&mut scratch.ended);
        scratch.ended.append(&mut self.reports);
        for series in scratch.ended.iter().filter(|series| **series != SeriesRef::NONE) {
            scratch.batch.push(*series, at_ms, stale_nan());
        }
        if scratch.batch.is_empty() {
            return Ok(());
        }
        writer.append(&scratch.batch).map(|_| ())
    }

    /// Forgets what the page means, as the configuration has changed.
    pub(crate) fn invalidate(&mut self) {
        self.cache.invalidate();
    }

    /// Whether a page of the target was taken before, so that the next one is likely to hold the same series.
    pub(crate) fn is_known(&self) -> bool {
        !self.cache.is_empty()
    }

    /// What the page says about its metrics.
    pub(crate) fn metadata(&self) -> &MetadataCache {
        &self.metadata
    }

    fn read(
        &mut self,
        context: &PageContext<'_>,
        scratch: &mut Scratch,
        page: &Page,
        outcome: &mut Outcome,
    ) -> Result<(), Failure> {
        let PageContext { config, target, .. } = context;
        (outcome.scraped, outcome.after_relabelling, outcome.repeated) = (0, 0, 0);
        (outcome.series_added, outcome.series_refused, outcome.too_new) = (0, 0, 0);
        outcome.body_size_bytes = page.body.len() as u64;
        let fallback = config.fallback_protocol.map(|protocol| protocol.format());
        let (format, warning) = Format::from_content_type(&page.content_type, fallback)
            .map_err(|text| Failure::Scrape(ScrapeError::Page(text)))?;
        outcome.warning = warning;
        let options = Options {
            created_as_start: context.features.start_timestamps,
            classic_with_native: target.always_scrape_classic_histograms,
            ignore_native: !target.scrape_native_histograms,
            convert_classic: target.convert_classic_histograms,
        };
        let mut parser = Parser::new(format, &page.body, options);
        let mut walk = self.cache.walk(&mut scratch.walk, context.seed);
        let mut digest = self.metadata.digest();
        let features = context.features;
        let wants_family = features.type_and_unit_labels || features.synthesized_starts;
        scratch.family.clear();
        if features.synthesized_starts {
            self.synthesis.begin_page();
        }
        let samples_max = match config.limits.samples_max {
            0 => u64::MAX,
            limit => limit,
        };
        loop {
            let expected = walk.expected();
            let mut came = false;
            let entry = parser.next_expecting(expected.length, |raw| {
                came = expected.is(raw);
                came
            });
            let entry = entry.map_err(|error| Failure::Scrape(ScrapeError::Page(error.to_string())))?;
            let (series, histogram) = match entry {
                None => break,
                Some(Entry::Series(series)) => (series, None),
                Some(Entry::Histogram(series, histogram)) => (series, Some(histogram)),
                Some(about) => {
                    digest.add(&about);
                    if wants_family {
                        scratch.family.take(&about);
                        if features.type_and_unit_labels {
                            walk.set_seed(context.seed ^ scratch.family.fingerprint());
                        }
                    }
                    continue;
                }
            };
            outcome.scraped += 1;
            if outcome.scraped > SAMPLES_MAX {
                let text = format!("the page has more than {SAMPLES_MAX} samples");
                return Err(Failure::Scrape(ScrapeError::Page(text)));
            }
            let (mut found, repeated) = if came && series.raw.len() == expected.length {
                walk.take_expected()
            } else {
                walk.find(series.raw)
            };
            if found == Found::New && scratch.new_series.is_closed {
                // The store has no room: what else is new is only counted, and nothing of it is kept.
                outcome.after_relabelling += 1;
                outcome.series_refused += 1;
                continue;
            }
            if found == Found::New {
                series.labels(&mut scratch.labels);
                if features.type_and_unit_labels {
                    scratch.family.add_type_and_unit(&mut scratch.labels, &mut scratch.more_labels);
                }
                match final_labels(&scratch.labels, config, target)? {
                    None => {
                        walk.add(None);
                        found = Found::Dropped;
                    }
                    // Beyond the limit the page is only counted: nothing of it is kept.
                    Some(_) if outcome.after_relabelling >= samples_max => {
                        outcome.after_relabelling += 1;
                        continue;
                    }
                    Some(labels) => {
                        if scratch.new_series.is_full() {
                            let resolved = scratch.new_series.resolve(
                                context.writer,
                                &mut scratch.batch,
                                &mut scratch.exemplars,
                                outcome,
                            );
                            resolved.map_err(Failure::Storage)?;
                        }
                        let place = scratch.new_series.push(labels);
                        walk.add(Some(place));
                        outcome.series_added += 1;
                        found = Found::Pending(place);
                    }
                }
            }
            if let Found::Pending(place) = found {
                found = scratch.new_series.found(place);
            }
            if found == Found::Dropped {
                continue;
            }
            outcome.after_relabelling += 1;
            if outcome.after_relabelling > samples_max {
                // Go on counting, so that people see how far the limit is exceeded.
                continue;
            }
            let own_timestamp_ms = series.timestamp_ms.filter(|_| config.honor_timestamps);
            if own_timestamp_ms.is_some_and(|own_ms| own_ms > context.at_ms.saturating_add(AHEAD_MAX_MS)) {
                outcome.too_new += 1;
                continue;
            }
            if repeated && own_timestamp_ms.is_none() {
                outcome.repeated += 1;
                continue;
            }
            if found == Found::Refused {
                outcome.series_refused += 1;
                continue;
            }
            let timestamp_ms = own_timestamp_ms.unwrap_or(context.at_ms);
            let mut start_ms = if features.start_timestamps { series.start_ms } else { 0 };
            let (mut value, mut histogram) = (series.value, histogram);
            if features.synthesized_starts
                && start_ms == 0
                && is_of_counter(&series, &scratch.family, &mut scratch.labels)
            {
                let key = xxh3_64_with_seed(series.raw, context.seed);
                let sample = match histogram.take() {
                    Some(histogram) => synthesis::Value::Histogram(histogram),
                    None => synthesis::Value::Float(value),
                };
                match self.synthesis.take(key, timestamp_ms, sample) {
                    Some((synthesis::Value::Float(counted), since_ms)) => {
                        (value, start_ms) = (counted, since_ms)
                    }
                    Some((synthesis::Value::Histogram(counted), since_ms)) => {
                        (histogram, start_ms) = (Some(counted), since_ms);
                    }
                    None => continue,
                }
            }
            let series_ref = match found {
                Found::Pending(place) => {
                    scratch.new_series.wait_for(place, &scratch.batch, histogram.is_some());
                    SeriesRef::NONE
                }
                Found::Known(series_ref) => series_ref,
                Found::Refused | Found::Dropped | Found::New => continue,
            };
            walk.set_live(own_timestamp_ms.is_none() || config.track_timestamps_staleness);
            series.exemplars(&mut scratch.exemplars.of_sample);
            if !scratch.exemplars.of_sample.is_empty() {
                let place = if let Found::Pending(place) = found { Some(place) } else { None };
                scratch.exemplars.take(&mut scratch.batch.exemplars, series_ref, place, timestamp_ms);
            }
            match histogram {
                None => {
                    scratch.batch.push(series_ref, timestamp_ms, value);
                    scratch.batch.set_last_start(start_ms);
                }
                Some(histogram) => {
                    let histogram = within_limits(histogram, config)?;
                    scratch.batch.histograms.push((series_ref, timestamp_ms, histogram));
                    scratch.batch.set_last_histogram_start(start_ms);
                }
            }
        }
        if outcome.after_relabelling > samples_max {
            return Err(Failure::Scrape(ScrapeError::SampleLimit));
        }
        scratch
            .new_series
            .resolve(context.writer, &mut scratch.batch, &mut scratch.exemplars, outcome)
            .map_err(Failure::Storage)?;
        walk.commit(scratch.new_series.resolved(), &mut scratch.ended);
        if features.synthesized_starts {
            self.synthesis.end_page();
        }
        let parser = || Parser::new(format, &page.body, options);
        self.metadata.update(digest, context.families, parser, &mut scratch.batch.metadata);
        Ok(())
    }

    fn write_reports(
        &mut self,
        context: &PageContext<'_>,
        batch: &mut WriteBatch,
        outcome: &Outcome,
    ) -> Result<(), StorageError> {
        let extra = context.config.extra_scrape_metrics.unwrap_or(context.features.extra_scrape_metrics);
        let wanted = REPORTS.len() + if extra { EXTRA_REPORTS.len() } else { 0 };
        if self.reports.len() < wanted {
            let names = REPORTS.iter().chain(&EXTRA_REPORTS).take(wanted);
            let labels: Vec<Labels> = names
                .map(|name| {
                    let mut labels = context.target.labels.to_builder();
                    labels.set(METRIC_NAME, name);
                    labels.build()
                })
                .collect();
            self.reports.clear();
            context.writer.resolve(&labels, &mut self.reports)?;
        }
        let body_size = match outcome.body_size_bytes {
            u64::MAX => -1.0,
            size_bytes => size_bytes as f64,
        };
        let values = [
            if outcome.error.is_none() { 1.0 } else { 0.0 },
            outcome.duration_seconds,
            outcome.scraped as f64,
            outcome.after_relabelling as f64,
            outcome.series_added as f64,
            context.target.timeout_ms as f64 / 1000.0,
            context.config.limits.samples_max as f64,
            body_size,
        ];
        for (series, value) in self.reports.iter().zip(values).take(wanted) {
            if *series != SeriesRef::NONE {
                batch.push(*series, context.at_ms, value);
            }
        }
        Ok(())
    }
}

/// Why a page was not taken.
enum Failure {
    Scrape(ScrapeError),
    Storage(StorageError),
}

/// Whether the family says that a series is a counter or a part of a histogram.
fn is_of_counter(series: &exposition::Series<'_>, family: &Family, labels: &mut LabelBuffer) -> bool {
    series.labels(labels);
    family.type_of(labels.get(METRIC_NAME)).is_some_and(Synthesis::is_for)
}

/// The labels under which a series is stored, or `None` if relabelling drops it.
fn final_labels(exposed: &LabelBuffer, config: &Config, target: &Target) -> Result<Option<Labels>, Failure> {
    let page_error = |text: String| Err(Failure::Scrape(ScrapeError::Page(text)));
    let mut labels = LabelsBuilder::default();
    for (name, value) in exposed.iter() {
        labels.set(name, value);
    }
    if config.honor_labels {
        for (name, value) in &target.labels {
            // An empty label in the page takes the target's label away.
            if !exposed.iter().any(|(exposed, _)| exposed == name) {
                labels.set(name, value);
            }
        }
    } else {
        let mut displaced: Vec<(&str, String)> = Vec::new();
        for (name, value) in &target.labels {
            let exposed = labels.get(name);
            if !exposed.is_empty() {
                displaced.push((name, exposed.to_string()));
            }
            labels.set(name, value);
        }
        displaced.sort_by_key(|(name, _)| name.len());
        for (name, value) in displaced {
            let mut renamed = format!("exported_{name}");
            while !labels.get(&renamed).is_empty() {
                renamed.insert_str(0, "exported_");
            }
            labels.set(&renamed, &value);
        }
    }
    if !relabel::apply(&config.metric_relabel, &mut labels) || labels.iter().next().is_none() {
        return Ok(None);
    }
    let metric = labels.get(METRIC_NAME);
    if metric.is_empty() {
        return page_error("missing metric name (__name__ label)".into());
    }
    let validation = config.name_validation;
    let bad_label = labels.iter().any(|(name, _)| !validation.is_label_name(name));
    if bad_label || !validation.is_metric_name(metric) {
        return page_error(format!("invalid metric name or label names: {}", labels.build()));
    }
    check_label_limits(&labels, config)?;
    Ok(Some(labels.build()))
}

/// A histogram as coarse as the configuration wants it.
fn within_limits(
    mut histogram: Arc<FloatHistogram>,
    config: &Config,
) -> Result<Arc<FloatHistogram>, Failure> {
    if !histogram.uses_custom_buckets() && histogram.schema > config.histogram_schema_max {
        Arc::make_mut(&mut histogram).reduce_resolution(config.histogram_schema_max);
    }
    let buckets_max = config.limits.histogram_buckets_max;
    let buckets = |h: &FloatHistogram| (h.positive_buckets.len() + h.negative_buckets.len()) as u64;
    while buckets_max > 0 && buckets(&histogram) > buckets_max {
        if histogram.uses_custom_buckets() || histogram.schema <= HISTOGRAM_SCHEMA_MIN {
            return Err(Failure::Scrape(ScrapeError::BucketLimit));
        }
        let coarser = histogram.schema - 1;
        Arc::make_mut(&mut histogram).reduce_resolution(coarser);
    }
    Ok(histogram)
}

fn check_label_limits(labels: &LabelsBuilder, config: &Config) -> Result<(), Failure> {
    let limits = &config.limits;
    let fail = |text: String| Err(Failure::Scrape(ScrapeError::LabelLimit(text)));
    let metric = shown(labels.get(METRIC_NAME));
    let count = labels.iter().count() as u64;
    if limits.labels_max > 0 && count > limits.labels_max {
        let limit = limits.labels_max;
        return fail(format!(
            "label_limit exceeded (metric: {metric}, number of labels: {count}, limit: {limit})"
        ));
    }
    let longer = |length: usize, limit: u64| limit > 0 && length as u64 > limit;
    for (name, value) in labels.iter() {
        if longer(name.len(), limits.label_name_length_max) {
            return fail(format!(
                "label_name_length_limit exceeded (metric: {metric}, label name: {}, length: {}, limit: {})",
                shown(name),
                name.len(),
                limits.label_name_length_max
            ));
        }
        if longer(value.len(), limits.label_value_length_max) {
            return fail(format!(
                "label_value_length_limit exceeded (metric: {metric}, label name: {}, value: {}, length: {}, limit: {})",
                shown(name),
                model::labels::Quoted(shown(value)),
                value.len(),
                limits.label_value_length_max
            ));
        }
    }
    Ok(())
}

/// The first 50 characters.
fn shown(text: &str) -> &str {
    text.char_indices().nth(50).map_or(text, |(at, _)| &text[..at])
}

#[cfg(test)]
#[path = "page_tests.rs"]
pub(crate) mod tests;
