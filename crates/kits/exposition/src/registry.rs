//! The metrics of our own process: typed handles that cost an atomic operation, collected on demand.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base::Clock;
use base::clock::Mark;
use model::MetricType;
use parking_lot::{Mutex, RwLock};

use crate::writer::TextWriter;

/// The label value under which everything is counted that exceeds the bound of a [`Labelled`] family.
pub const OVERFLOW: &str = "other";

/// What is done before a collection.
type Prepare = Box<dyn Fn() + Send + Sync>;

/// All metrics of a process. Cheap to clone; clones share the metrics.
#[derive(Clone, Default)]
pub struct Registry {
    /// What is done before each collection.
    before: Arc<RwLock<Vec<Prepare>>>,
    families: Arc<RwLock<BTreeMap<&'static str, Family>>>,
}

struct Family {
    help: &'static str,
    metric_type: MetricType,
    metric: Metric,
}

enum Metric {
    Counter(Counter),
    Gauge(Gauge),
    Histogram(Histogram),
    Counters(Labelled<Counter>),
    Gauges(Labelled<Gauge>),
    Histograms(Labelled<Histogram>),
    Summary(Summary),
    Summaries(Labelled<Summary>),
    Computed(Box<dyn Fn() -> f64 + Send + Sync>),
    ComputedLabelled(&'static [&'static str], ComputeLabelled),
}

/// Values of labels, and the value.
type ComputeLabelled = Box<dyn Fn() -> Vec<(Vec<String>, f64)> + Send + Sync>;

/// A handle that a registry gives out.
trait Handle: Clone {
    const TYPE: MetricType;
    fn from_metric(metric: &Metric) -> Option<Self>;
    fn from_labelled(metric: &Metric) -> Option<Labelled<Self>>;
    fn into_metric(self) -> Metric;
    fn labelled_metric(labelled: Labelled<Self>) -> Metric;
    fn write(&self, name: &str, labels: &[(&str, &str)], out: &mut TextWriter<'_>);
}

/// A number that only rises.
#[derive(Clone, Debug, Default)]
pub struct Counter {
    /// What was added in whole numbers.
    whole: Arc<AtomicU64>,
    /// What was added in fractions, as bits of a float.
    fraction: Arc<AtomicU64>,
}

impl Counter {
    /// Adds one.
    pub fn inc(&self) {
        self.add(1);
    }

    /// Adds a whole number.
    pub fn add(&self, count: u64) {
        self.whole.fetch_add(count, Ordering::Relaxed);
    }

    /// Adds a fraction, for example seconds. Negative numbers and NaN are ignored.
    pub fn add_fraction(&self, amount: f64) {
        if amount > 0.0 {
            add_float(&self.fraction, amount);
        }
    }

    /// The value.
    pub fn get(&self) -> f64 {
        self.whole.load(Ordering::Relaxed) as f64 + f64::from_bits(self.fraction.load(Ordering::Relaxed))
    }
}

/// A number that rises and falls.
#[derive(Clone, Debug, Default)]
pub struct Gauge(Arc<AtomicU64>);

impl Gauge {
    /// Sets the value.
    pub fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Ordering::Relaxed);
    }

    /// Adds to the value; a negative number takes away.
    pub fn add(&self, amount: f64) {
        add_float(&self.0, amount);
    }

    /// The value.
    pub fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }
}

fn add_float(bits: &AtomicU64, amount: f64) {
    let add = |bits| Some((f64::from_bits(bits) + amount).to_bits());
    // The closure always answers, so this cannot fail.
    let _ = bits.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
}

/// Observations counted in fixed buckets.
#[derive(Clone, Debug)]
pub struct Histogram(Arc<HistogramState>);

#[derive(Debug)]
struct HistogramState {
    bounds: &'static [f64],
    /// One a bound, and one for everything above.
    counts: Vec<AtomicU64>,
    sum: AtomicU64,
}

impl Histogram {
    fn new(bounds: &'static [f64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Histogram(Arc::new(HistogramState { bounds, counts, sum: AtomicU64::new(0) }))
    }

    /// Counts an observation.
    pub fn observe(&self, value: f64) {
        let bucket = self.0.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.0.counts.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        add_float(&self.0.sum, value);
    }

    /// How many observations there were.
    pub fn count(&self) -> u64 {
        self.0.counts.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }
}

/// Observations of the last ten minutes by rank: the median, and what 90 % and 99 % stay below. For what happens every
/// few seconds at most: of more than the newest 512 in that time, only these count for the ranks.
#[derive(Clone, Debug, Default)]
pub struct Summary(Arc<Mutex<SummaryState>>);

#[derive(Debug, Default)]
struct SummaryState {
    newest: VecDeque<(Mark, f64)>,
    sum: f64,
    count: u64,
}

impl Summary {
    const RANKS: [(&str, f64); 3] = [("0.5", 0.5), ("0.9", 0.9), ("0.99", 0.99)];
    const NEWEST_MAX: usize = 512;
    const AGE_MAX: Duration = Duration::from_secs(600);

    /// Counts an observation.
    pub fn observe(&self, value: f64) {
        let mut state = self.0.lock();
        if state.newest.len() >= Summary::NEWEST_MAX {
            state.newest.pop_front();
        }
        state.newest.push_back((Clock::system().mark(), value));
        state.sum += value;
        state.count += 1;
    }

    /// The values at the ranks (not a number where nothing was observed lately), the sum and the count of all.
    fn ranks(&self) -> ([f64; 3], f64, u64) {
        let mut state = self.0.lock();
        while state.newest.front().is_some_and(|(at, _)| at.elapsed() > Summary::AGE_MAX) {
            state.newest.pop_front();
        }
        let mut values: Vec<f64> = state.newest.iter().map(|(_, value)| *value).collect();
        values.sort_by(f64::total_cmp);
        let at = |rank: f64| {
            let at = (rank * values.len() as f64).ceil() as usize;
            values.get(at.saturating_sub(1)).copied().unwrap_or(f64::NAN)
        };
        (Summary::RANKS.map(|(_, rank)| at(rank)), state.sum, state.count)
    }
}

/// A family with labels, with a bound on how many label sets there may be: beyond it everything is
/// counted under [`OVERFLOW`].
pub struct Labelled<T>(Arc<LabelledState<T>>);

struct LabelledState<T> {
    names: &'static [&'static str],
    limit: usize,
    metrics: RwLock<HashMap<Box<[Box<str>]>, T>>,
    make: Box<dyn Fn() -> T + Send + Sync>,
}

impl<T> Clone for Labelled<T> {
    fn clone(&self) -> Self {
        Labelled(self.0.clone())
    }
}

impl<T: Clone> Labelled<T> {
    fn new(
        names: &'static [&'static str],
        limit: usize,
        make: impl Fn() -> T + Send + Sync + 'static,
    ) -> Self {
        let metrics = RwLock::new(HashMap::new());
        Labelled(Arc::new(LabelledState { names, limit, metrics, make: Box::new(make) }))
    }

    /// The metric with these label values, in the order of the label names. Keep the handle where
    /// the path is hot.
    pub fn with(&self, values: &[&str]) -> T {
        let key: Box<[Box<str>]> = values.iter().map(|value| Box::from(*value)).collect();
        if let Some(metric) = self.0.metrics.read().get(&key) {
            return metric.clone();
        }
        let mut metrics = self.0.metrics.write();
        let is_full = metrics.len() >= self.0.limit && !metrics.contains_key(&key);
        let key = if is_full { values.iter().map(|_| Box::from(OVERFLOW)).collect() } else { key };
        metrics.entry(key).or_insert_with(|| (self.0.make)()).clone()
    }

    /// Forgets the metric with these label values, for example when its target is gone.
    pub fn remove(&self, values: &[&str]) {
        let key: Box<[Box<str>]> = values.iter().map(|value| Box::from(*value)).collect();
        self.0.metrics.write().remove(&key);
    }
}

fn write_labelled<T: Handle>(labelled: &Labelled<T>, name: &str, out: &mut TextWriter<'_>) {
    let metrics = labelled.0.metrics.read();
    let mut sorted: Vec<_> = metrics.iter().collect();
    sorted.sort_by_key(|(values, _)| *values);
    for (values, metric) in sorted {
        let values = values.iter().map(|value| &**value);
        let labels: Vec<(&str, &str)> = labelled.0.names.iter().copied().zip(values).collect();
        metric.write(name, &labels, out);
    }
}

macro_rules! handle {
    ($handle:ident, $plain:ident, $labelled:ident, $type:expr, $write:expr) => {
        impl Handle for $handle {
            const TYPE: MetricType = $type;
            fn from_metric(metric: &Metric) -> Option<Self> {
                if let Metric::$plain(handle) = metric { Some(handle.clone()) } else { None }
            }
            fn from_labelled(metric: &Metric) -> Option<Labelled<Self>> {
                if let Metric::$labelled(labelled) = metric { Some(labelled.clone()) } else { None }
            }
            fn into_metric(self) -> Metric {
                Metric::$plain(self)
            }
            fn labelled_metric(labelled: Labelled<Self>) -> Metric {
                Metric::$labelled(labelled)
            }
            fn write(&self, name: &str, labels: &[(&str, &str)], out: &mut TextWriter<'_>) {
                let write: fn(&Self, &str, &[(&str, &str)], &mut TextWriter<'_>) = $write;
                write(self, name, labels, out);
            }
        }
    };
}

handle!(Counter, Counter, Counters, MetricType::Counter, |counter, name, labels, out| {
    out.sample(name, labels, counter.get());
});
handle!(Gauge, Gauge, Gauges, MetricType::Gauge, |gauge, name, labels, out| {
    out.sample(name, labels, gauge.get());
});
handle!(Histogram, Histogram, Histograms, MetricType::Histogram, |histogram, name, labels, out| {
    let state = &histogram.0;
    let mut count = 0;
    let mut counts = state.counts.iter().map(|bucket| {
        count += bucket.load(Ordering::Relaxed);
        count
    });
    let buckets: Vec<(f64, u64)> = state.bounds.iter().copied().zip(counts.by_ref()).collect();
    let total = counts.last().unwrap_or(0);
    let sum = f64::from_bits(state.sum.load(Ordering::Relaxed));
    out.histogram(name, labels, buckets, total, sum);
});

handle!(Summary, Summary, Summaries, MetricType::Summary, |summary, name, labels, out| {
    let (values, sum, count) = summary.ranks();
    for ((rank, _), value) in Summary::RANKS.into_iter().zip(values) {
        let labels: Vec<(&str, &str)> = labels.iter().copied().chain([("quantile", rank)]).collect();
        out.sample(name, &labels, value);
    }
    out.sample(&format!("{name}_sum"), labels, sum);
    out.sample(&format!("{name}_count"), labels, count as f64);
});

impl Registry {
    /// An empty registry.
    pub fn new() -> Self {
        Self::default()
    }

    /// A counter. Asking again for the same name gives the same counter.
    pub fn counter(&self, name: &'static str, help: &'static str) -> Counter {
        self.plain(name, help, Counter::default)
    }

    /// A gauge. Asking again for the same name gives the same gauge.
    pub fn gauge(&self, name: &'static str, help: &'static str) -> Gauge {
        self.plain(name, help, Gauge::default)
    }

    /// A histogram with these upper bounds, rising and without `+Inf`.
    pub fn histogram(&self, name: &'static str, help: &'static str, bounds: &'static [f64]) -> Histogram {
        self.plain(name, help, || Histogram::new(bounds))
    }

    /// Counters with labels, of which there are at most `limit` sets.
    pub fn counters(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &'static [&'static str],
        limit: usize,
    ) -> Labelled<Counter> {
        self.labelled(name, help, labels, limit, Counter::default)
    }

    /// Gauges with labels, of which there are at most `limit` sets.
    pub fn gauges(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &'static [&'static str],
        limit: usize,
    ) -> Labelled<Gauge> {
        self.labelled(name, help, labels, limit, Gauge::default)
    }

    /// Histograms with labels, of which there are at most `limit` sets.
    pub fn histograms(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &'static [&'static str],
        limit: usize,
        bounds: &'static [f64],
    ) -> Labelled<Histogram> {
        self.labelled(name, help, labels, limit, move || Histogram::new(bounds))
    }

    /// A summary. Asking again for the same name gives the same summary.
    pub fn summary(&self, name: &'static str, help: &'static str) -> Summary {
        self.plain(name, help, Summary::default)
    }

    /// Summaries with labels, of which there are at most `limit` sets.
    pub fn summaries(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &'static [&'static str],
        limit: usize,
    ) -> Labelled<Summary> {
        self.labelled(name, help, labels, limit, Summary::default)
    }

    /// A gauge computed at every collection. Registered again, the later one counts.
    pub fn gauge_fn(
        &self,
        name: &'static str,
        help: &'static str,
        compute: impl Fn() -> f64 + Send + Sync + 'static,
    ) {
        self.computed(name, help, MetricType::Gauge, Box::new(compute));
    }

    /// A counter computed at every collection. Registered again, the later one counts.
    pub fn counter_fn(
        &self,
        name: &'static str,
        help: &'static str,
        compute: impl Fn() -> f64 + Send + Sync + 'static,
    ) {
        self.computed(name, help, MetricType::Counter, Box::new(compute));
    }

    /// Counters with labels computed at every collection; `compute` gives for each as many values as
    /// there are labels, and bounds how many there are. Registered again, the later one counts.
    pub fn counters_fn(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &'static [&'static str],
        compute: impl Fn() -> Vec<(Vec<String>, f64)> + Send + Sync + 'static,
    ) {
        let metric = Metric::ComputedLabelled(labels, Box::new(compute));
        let metric_type = MetricType::Counter;
        self.families.write().insert(name, Family { help, metric_type, metric });
    }

    fn computed(
        &self,
        name: &'static str,
        help: &'static str,
        metric_type: MetricType,
        compute: Box<dyn Fn() -> f64 + Send + Sync>,
    ) {
        self.families.write().insert(name, Family { help, metric_type, metric: Metric::Computed(compute) });
    }

    fn plain<T: Handle>(&self, name: &'static str, help: &'static str, make: impl FnOnce() -> T) -> T {
        let mut families = self.families.write();
        if let Some(handle) = families.get(name).and_then(|family| T::from_metric(&family.metric)) {
            return handle;
        }
        let handle = make();
        let metric = handle.clone().into_metric();
        let replaced = families.insert(name, Family { help, metric_type: T::TYPE, metric });
        debug_assert!(replaced.is_none(), "{name} is registered with two types");
        handle
    }

    fn labelled<T: Handle>(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &'static [&'static str],
        limit: usize,
        make: impl Fn() -> T + Send + Sync + 'static,
    ) -> Labelled<T> {
        let mut families = self.families.write();
        if let Some(labelled) = families.get(name).and_then(|family| T::from_labelled(&family.metric)) {
            return labelled;
        }
        let labelled = Labelled::new(labels, limit, make);
        let metric = T::labelled_metric(labelled.clone());
        let replaced = families.insert(name, Family { help, metric_type: T::TYPE, metric });
        debug_assert!(replaced.is_none(), "{name} is registered with two types");
        labelled
    }

    /// Does something before each collection, such as getting the figures from which several metrics are
    /// computed.
    pub fn before_collect(&self, prepare: impl Fn() + Send + Sync + 'static) {
        self.before.write().push(Box::new(prepare));
    }

    /// Writes all metrics in the order of their names.
    pub fn collect(&self, out: &mut TextWriter<'_>) {
        self.before.read().iter().for_each(|prepare| prepare());
        for (name, family) in self.families.read().iter() {
            out.family(name, family.metric_type, family.help);
            match &family.metric {
                Metric::Counter(counter) => counter.write(name, &[], out),
                Metric::Gauge(gauge) => gauge.write(name, &[], out),
                Metric::Histogram(histogram) => histogram.write(name, &[], out),
                Metric::Counters(labelled) => write_labelled(labelled, name, out),
                Metric::Gauges(labelled) => write_labelled(labelled, name, out),
                Metric::Histograms(labelled) => write_labelled(labelled, name, out),
                Metric::Summary(summary) => summary.write(name, &[], out),
                Metric::Summaries(labelled) => write_labelled(labelled, name, out),
                Metric::Computed(compute) => out.sample(name, &[], compute()),
                Metric::ComputedLabelled(names, compute) => {
                    for (values, value) in compute() {
                        let values = values.iter().map(String::as_str);
                        let labels: Vec<(&str, &str)> = names.iter().copied().zip(values).collect();
                        out.sample(name, &labels, value);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(registry: &Registry) -> String {
        let mut out = Vec::new();
        registry.collect(&mut TextWriter::new(&mut out));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_summary_ranks_what_was_observed() {
        let registry = Registry::new();
        let summary = registry.summaries("s_seconds", "Time.", &["of"], 2).with(&["a"]);
        (1..=100).for_each(|value| summary.observe(f64::from(value)));
        let page = page(&registry);
        for line in [
            "# TYPE s_seconds summary",
            "s_seconds{of=\"a\",quantile=\"0.5\"} 50",
            "s_seconds{of=\"a\",quantile=\"0.99\"} 99",
            "s_seconds_sum{of=\"a\"} 5050",
            "s_seconds_count{of=\"a\"} 100",
        ] {
            assert!(page.lines().any(|found| found == line), "{line}: {page}");
        }
    }

    #[test]
    fn metrics_come_in_the_order_of_their_names() {
        let registry = Registry::new();
        let latency = registry.histogram("b_seconds", "Time.", &[0.1, 1.0]);
        [0.05, 0.1, 0.5, 7.0].into_iter().for_each(|value| latency.observe(value));
        registry.counter("a_total", "Count.").add(3);
        registry.counter("a_total", "Count.").add_fraction(0.5);
        registry.gauge_fn("c", "Computed.", || 42.0);
        assert_eq!(
            page(&registry),
            "# HELP a_total Count.\n# TYPE a_total counter\na_total 3.5\n\
             # HELP b_seconds Time.\n# TYPE b_seconds histogram\nb_seconds_bucket{le=\"0.1\"} 2\n\
             b_seconds_bucket{le=\"1\"} 3\nb_seconds_bucket{le=\"+Inf\"} 4\nb_seconds_sum 7.65\nb_seconds_count 4\n\
             # HELP c Computed.\n# TYPE c gauge\nc 42\n"
        );
    }

    #[test]
    fn label_sets_beyond_the_limit_are_counted_together() {
        let registry = Registry::new();
        let requests = registry.counters("r_total", "", &["code"], 2);
        for code in ["200", "404", "500", "503", "200"] {
            requests.with(&[code]).inc();
        }
        assert_eq!(
            page(&registry),
            "# TYPE r_total counter\nr_total{code=\"200\"} 2\nr_total{code=\"404\"} 1\nr_total{code=\"other\"} 2\n"
        );
    }
}
