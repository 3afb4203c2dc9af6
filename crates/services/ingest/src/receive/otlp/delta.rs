//! Deltas made cumulative: what a sender counted since its last point is added to what came before.

use std::collections::HashMap;

use parking_lot::Mutex;
use wire::otlp::{
    Attributes, Buckets, Data, ExponentialPoint, HistogramPoint, Metric, Number, NumberPoint, Point,
    ResourceMetrics, Temporality,
};
use xxhash_rust::xxh3::Xxh3;

use super::value;

/// A stream without a point for so long is forgotten and begins anew.
const STALE_MS: i64 = 5 * 60_000;
/// How often stale streams are looked for.
const SWEEP_INTERVAL_MS: i64 = 60_000;
/// Buckets that an exponential histogram may come to have; a finer one is made coarser.
const BUCKETS_MAX: usize = 160;

/// Streams whose sums are known.
pub(super) struct Deltas {
    state: Mutex<State>,
    streams_max: usize,
}

#[derive(Default)]
struct State {
    streams: HashMap<u128, Stream>,
    swept_ms: i64,
}

struct Stream {
    start_ns: u64,
    last_ns: u64,
    seen_ms: i64,
    sum: Sum,
}

enum Sum {
    Number(Number),
    Histogram { count: u64, sum: Option<f64>, buckets: Vec<u64>, bounds: Vec<f64> },
    Exponential(Box<ExponentialPoint<'static>>),
}

/// Points that could not be added, by the reason.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Dropped {
    /// Not newer than the last one of their stream.
    pub(super) out_of_order: u64,
    /// There are too many streams.
    pub(super) over_limit: u64,
}

impl Deltas {
    pub(super) fn new(streams_max: usize) -> Self {
        Deltas { state: Mutex::default(), streams_max }
    }

    /// How many streams are known.
    pub(super) fn len(&self) -> usize {
        self.state.lock().streams.len()
    }

    /// Replaces all deltas of a request by sums; those that cannot be added are removed.
    pub(super) fn accumulate(&self, resources: &mut [ResourceMetrics<'_>], now_ms: i64) -> Dropped {
        let mut dropped = Dropped::default();
        let mut state = self.state.lock();
        if now_ms - state.swept_ms >= SWEEP_INTERVAL_MS || now_ms < state.swept_ms {
            state.swept_ms = now_ms;
            state.streams.retain(|_, stream| now_ms - stream.seen_ms <= STALE_MS);
        }
        let mut adder = Adder { state: &mut state, max: self.streams_max, now_ms, dropped: &mut dropped };
        for resource in resources {
            let mut of_resource = Xxh3::new();
            hash_attributes(&mut of_resource, &resource.attributes);
            for scope in &mut resource.scopes {
                let mut of_scope = of_resource.clone();
                hash_text(&mut of_scope, &scope.name);
                hash_text(&mut of_scope, &scope.version);
                hash_attributes(&mut of_scope, &scope.attributes);
                let is_delta = |metric: &&mut Metric<'_>| metric.temporality == Temporality::Delta;
                for metric in scope.metrics.iter_mut().filter(is_delta) {
                    let mut of_metric = of_scope.clone();
                    hash_text(&mut of_metric, &metric.name);
                    hash_text(&mut of_metric, &metric.unit);
                    adder.metric(metric, &of_metric);
                }
            }
        }
        dropped
    }
}

fn hash_text(hash: &mut Xxh3, text: &str) {
    hash.update(&(text.len() as u64).to_le_bytes());
    hash.update(text.as_bytes());
}

fn hash_attributes(hash: &mut Xxh3, attributes: &Attributes<'_>) {
    let mut sorted: Vec<_> = attributes.iter().collect();
    sorted.sort_by(|a, b| a.0.cmp(&b.0));
    hash.update(&(sorted.len() as u64).to_le_bytes());
    for (name, found) in sorted {
        hash_text(hash, name);
        hash_text(hash, &value::text(found));
    }
}

struct Adder<'a> {
    state: &'a mut State,
    max: usize,
    now_ms: i64,
    dropped: &'a mut Dropped,
}

impl Adder<'_> {
    fn metric(&mut self, metric: &mut Metric<'_>, of_metric: &Xxh3) {
        match &mut metric.data {
            Data::Sum(points, is_monotonic) => {
                let kind = 1 + u8::from(*is_monotonic);
                points.retain_mut(|point| self.number(point, of_metric, kind));
            }
            Data::Histogram(points) => points.retain_mut(|point| self.histogram(point, of_metric)),
            Data::Exponential(points) => points.retain_mut(|point| self.exponential(point, of_metric)),
            Data::None | Data::Gauge(_) | Data::Summary(_) => {}
        }
        metric.temporality = Temporality::Cumulative;
    }

    /// The stream of a point, made with `first` if there is none; `None` if the point cannot be added.
    /// Says whether it was made.
    fn stream(
        &mut self,
        point: &mut Point<'_>,
        of_metric: &Xxh3,
        kind: u8,
        first: impl FnOnce() -> Sum,
    ) -> Option<(&mut Stream, bool)> {
        let mut hash = of_metric.clone();
        hash.update(&[kind]);
        hash_attributes(&mut hash, &point.attributes);
        let key = hash.digest128();
        let is_new = !self.state.streams.contains_key(&key);
        if is_new && self.state.streams.len() >= self.max {
            self.dropped.over_limit += 1;
            return None;
        }
        let (start_ns, time_ns, seen_ms) = (point.start_ns, point.time_ns, self.now_ms);
        let stream = self.state.streams.entry(key).or_insert_with(|| Stream {
            start_ns,
            last_ns: 0,
            seen_ms,
            sum: first(),
        });
        if !is_new && (time_ns <= stream.last_ns || start_ns < stream.start_ns) {
            self.dropped.out_of_order += 1;
            return None;
        }
        (stream.last_ns, stream.seen_ms) = (time_ns, seen_ms);
        point.start_ns = stream.start_ns;
        Some((stream, is_new))
    }

    fn number(&mut self, point: &mut NumberPoint<'_>, of_metric: &Xxh3, kind: u8) -> bool {
        let delta = point.value;
        let Some((stream, is_new)) = self.stream(&mut point.point, of_metric, kind, || Sum::Number(delta))
        else {
            return false;
        };
        if let Sum::Number(sum) = &mut stream.sum {
            if !is_new {
                *sum = match (*sum, delta) {
                    (Number::Int(a), Number::Int(b)) => Number::Int(a.saturating_add(b)),
                    (a, b) => Number::Double(a.value() + b.value()),
                };
            }
            point.value = *sum;
        }
        true
    }

    fn histogram(&mut self, point: &mut HistogramPoint<'_>, of_metric: &Xxh3) -> bool {
        let (added, added_sum) = (point.count, point.sum);
        let first = || Sum::Histogram {
            count: 0,
            sum: added_sum.map(|_| 0.0),
            buckets: vec![0; point.buckets.len()],
            bounds: point.bounds.clone(),
        };
        let Some((stream, _)) = self.stream(&mut point.point, of_metric, 3, first) else { return false };
        if let Sum::Histogram { count, sum, buckets, bounds } = &mut stream.sum {
            if *bounds != point.bounds || buckets.len() != point.buckets.len() {
                // Other bounds cannot be added to: it begins anew.
                (*count, *sum) = (0, added_sum.map(|_| 0.0));
                *buckets = vec![0; point.buckets.len()];
                bounds.clone_from(&point.bounds);
            }
            *count = count.saturating_add(added);
            *sum = sum.zip(added_sum).map(|(a, b)| a + b);
            for (total, added) in buckets.iter_mut().zip(&mut point.buckets) {
                *total = total.saturating_add(*added);
                *added = *total;
            }
            (point.count, point.sum) = (*count, *sum);
        }
        true
    }

    fn exponential(&mut self, point: &mut ExponentialPoint<'_>, of_metric: &Xxh3) -> bool {
        let first = || {
            Sum::Exponential(Box::new(ExponentialPoint {
                scale: point.scale,
                sum: point.sum.map(|_| 0.0),
                ..ExponentialPoint::default()
            }))
        };
        let Some((stream, _)) = self.stream(&mut point.point, of_metric, 4, first) else { return false };
        if let Sum::Exponential(total) = &mut stream.sum {
            add_exponential(total, point);
            point.positive.clone_from(&total.positive);
            point.negative.clone_from(&total.negative);
            (point.scale, point.zero_count, point.count) = (total.scale, total.zero_count, total.count);
            (point.sum, point.zero_threshold) = (total.sum, total.zero_threshold);
        }
        true
    }
}

fn add_exponential(total: &mut ExponentialPoint<'static>, point: &ExponentialPoint<'_>) {
    let mut scale = total.scale.min(point.scale);
    let (mut positive, mut negative) = (point.positive.clone(), point.negative.clone());
    coarsen(&mut positive, point.scale.saturating_sub(scale));
    coarsen(&mut negative, point.scale.saturating_sub(scale));
    coarsen(&mut total.positive, total.scale.saturating_sub(scale));
    coarsen(&mut total.negative, total.scale.saturating_sub(scale));
    while width(&total.positive, &positive).max(width(&total.negative, &negative)) > BUCKETS_MAX as i64 {
        for buckets in [&mut positive, &mut negative, &mut total.positive, &mut total.negative] {
            coarsen(buckets, 1);
        }
        scale = scale.saturating_sub(1);
    }
    total.scale = scale;
    add_buckets(&mut total.positive, &positive);
    add_buckets(&mut total.negative, &negative);
    total.zero_count = total.zero_count.saturating_add(point.zero_count);
    total.zero_threshold = total.zero_threshold.max(point.zero_threshold);
    total.count = total.count.saturating_add(point.count);
    total.sum = total.sum.zip(point.sum).map(|(a, b)| a + b);
}

/// Numbers of the first bucket and of the one behind the last, if there is any.
fn span(buckets: &Buckets) -> Option<(i64, i64)> {
    let start = i64::from(buckets.offset);
    (!buckets.counts.is_empty()).then_some((start, start + buckets.counts.len() as i64))
}

/// How many buckets both have together.
fn width(a: &Buckets, b: &Buckets) -> i64 {
    match (span(a), span(b)) {
        (Some(a), Some(b)) => a.1.max(b.1) - a.0.min(b.0),
        (Some(one), None) | (None, Some(one)) => one.1 - one.0,
        (None, None) => 0,
    }
}

/// Puts `2^shift` buckets together.
fn coarsen(buckets: &mut Buckets, shift: i32) {
    let shift = shift.clamp(0, 31) as u32;
    let Some((start, end)) = span(buckets).filter(|_| shift > 0) else { return };
    let first = start >> shift;
    let mut counts = vec![0u64; (((end - 1) >> shift) - first + 1) as usize];
    for (number, count) in (start..end).zip(&buckets.counts) {
        if let Some(slot) = counts.get_mut(((number >> shift) - first) as usize) {
            *slot = slot.saturating_add(*count);
        }
    }
    *buckets = Buckets { offset: first as i32, counts };
}

fn add_buckets(total: &mut Buckets, more: &Buckets) {
    let Some((start, end)) = span(more) else { return };
    let (own_start, own_end) = span(total).unwrap_or((start, start));
    let (first, last) = (own_start.min(start), own_end.max(end));
    let mut counts = vec![0u64; (last - first) as usize];
    for (from, buckets) in [(own_start, &total.counts), (start, &more.counts)] {
        for (slot, count) in counts.iter_mut().skip((from - first) as usize).zip(buckets) {
            *slot = slot.saturating_add(*count);
        }
    }
    *total = Buckets { offset: first as i32, counts };
}

#[cfg(test)]
mod tests {
    use wire::otlp::ScopeMetrics;

    use super::*;

    fn request<'a>(data: Data<'a>) -> Vec<ResourceMetrics<'a>> {
        let metric = Metric { name: "m".into(), data, temporality: Temporality::Delta, ..Metric::default() };
        let scope = ScopeMetrics { metrics: vec![metric], ..ScopeMetrics::default() };
        vec![ResourceMetrics { scopes: vec![scope], ..ResourceMetrics::default() }]
    }

    fn at(start_ns: u64, time_ns: u64) -> Point<'static> {
        Point { start_ns, time_ns, ..Point::default() }
    }

    fn numbers(
        deltas: &Deltas,
        start_ns: u64,
        time_ns: u64,
        value: i64,
        now_ms: i64,
    ) -> Option<(Number, u64)> {
        let point =
            NumberPoint { point: at(start_ns, time_ns), value: Number::Int(value), ..NumberPoint::default() };
        let mut request = request(Data::Sum(vec![point], true));
        deltas.accumulate(&mut request, now_ms);
        let metric = &request[0].scopes[0].metrics[0];
        assert_eq!(metric.temporality, Temporality::Cumulative);
        let Data::Sum(points, _) = &metric.data else { panic!("no sum") };
        points.first().map(|point| (point.value, point.point.start_ns))
    }

    #[test]
    fn numbers_are_added_late_ones_left_out_and_silent_streams_begin_anew() {
        let deltas = Deltas::new(1);
        assert_eq!(numbers(&deltas, 1, 10, 5, 0), Some((Number::Int(5), 1)));
        assert_eq!(numbers(&deltas, 10, 20, 7, 1), Some((Number::Int(12), 1)));
        assert_eq!(numbers(&deltas, 10, 20, 7, 1), None, "the same point again");
        assert_eq!(numbers(&deltas, 20, 30, 1, STALE_MS), Some((Number::Int(13), 1)));
        let later_ms = 3 * STALE_MS;
        assert_eq!(numbers(&deltas, 40, 50, 2, later_ms), Some((Number::Int(2), 40)));
    }

    #[test]
    fn no_more_streams_are_known_than_allowed() {
        let deltas = Deltas::new(1);
        let point = |name: &'static str| NumberPoint {
            point: Point {
                attributes: vec![(name.into(), Default::default())],
                time_ns: 5,
                ..Point::default()
            },
            ..NumberPoint::default()
        };
        let mut request = request(Data::Sum(vec![point("a"), point("b")], false));
        assert_eq!(deltas.accumulate(&mut request, 0), Dropped { over_limit: 1, out_of_order: 0 });
        assert_eq!(deltas.len(), 1);
    }

    #[test]
    fn histograms_are_added_bucket_by_bucket_and_other_bounds_begin_anew() {
        let deltas = Deltas::new(9);
        let add = |time_ns: u64, buckets: &[u64], bounds: &[f64]| {
            let point = HistogramPoint {
                point: at(1, time_ns),
                count: buckets.iter().sum(),
                sum: Some(1.5),
                buckets: buckets.to_vec(),
                bounds: bounds.to_vec(),
                exemplars: Vec::new(),
            };
            let mut request = request(Data::Histogram(vec![point]));
            deltas.accumulate(&mut request, 0);
            let Data::Histogram(points) = &request[0].scopes[0].metrics[0].data else { panic!() };
            (points[0].count, points[0].sum, points[0].buckets.clone())
        };
        assert_eq!(add(10, &[1, 2], &[5.0]), (3, Some(1.5), vec![1, 2]));
        assert_eq!(add(20, &[1, 0], &[5.0]), (4, Some(3.0), vec![2, 2]));
        assert_eq!(add(30, &[1, 1], &[6.0]), (2, Some(1.5), vec![1, 1]));
    }

    #[test]
    fn exponential_histograms_are_added_at_the_coarser_scale() {
        let deltas = Deltas::new(9);
        let add = |time_ns: u64, scale: i32, offset: i32, counts: &[u64]| {
            let point = ExponentialPoint {
                point: at(1, time_ns),
                count: counts.iter().sum(),
                sum: Some(1.0),
                scale,
                positive: Buckets { offset, counts: counts.to_vec() },
                ..ExponentialPoint::default()
            };
            let mut request = request(Data::Exponential(vec![point]));
            deltas.accumulate(&mut request, 0);
            let Data::Exponential(points) = &request[0].scopes[0].metrics[0].data else { panic!() };
            (points[0].scale, points[0].positive.clone(), points[0].count)
        };
        let buckets = |offset, counts: &[u64]| Buckets { offset, counts: counts.to_vec() };
        assert_eq!(add(10, 1, -1, &[1, 2, 3]), (1, buckets(-1, &[1, 2, 3]), 6));
        assert_eq!(add(20, 0, 2, &[4]), (0, buckets(-1, &[1, 5, 0, 4]), 10));
        let (scale, positive, count) = add(30, 20, 1 << 30, &[1]);
        assert!(positive.counts.len() <= BUCKETS_MAX && scale <= 0, "{scale}");
        assert_eq!((positive.counts.iter().sum::<u64>(), count), (11, 11));
    }
}
