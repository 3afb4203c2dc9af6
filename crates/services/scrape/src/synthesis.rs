//! Since when a counter has been counting, where its target does not say so: since it was first seen. The
//! first sample is only remembered; the others are counted from it.

use std::collections::HashMap;
use std::sync::Arc;

use model::{FloatHistogram, MetricType};

/// What is remembered of the counters of one target.
#[derive(Debug, Default)]
pub(crate) struct Synthesis {
    counters: HashMap<u64, Counter>,
    page: u32,
}

#[derive(Debug)]
struct Counter {
    start_ms: i64,
    last: Value,
    /// What is taken off.
    origin: Option<Value>,
    page: u32,
}

/// A sample of a counter.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Float(f64),
    Histogram(Arc<FloatHistogram>),
}

impl Synthesis {
    /// Whether series of this type are counters.
    pub(crate) fn is_for(metric_type: MetricType) -> bool {
        matches!(metric_type, MetricType::Counter | MetricType::Histogram)
    }

    pub(crate) fn begin_page(&mut self) {
        self.page = self.page.wrapping_add(1);
    }

    /// The value to store and its start; `None` for the first one. `key` is a hash of the series' text.
    pub(crate) fn take(&mut self, key: u64, at_ms: i64, value: Value) -> Option<(Value, i64)> {
        let page = self.page;
        let Some(counter) = self.counters.get_mut(&key) else {
            let counter = Counter { start_ms: at_ms, last: value.clone(), origin: Some(value), page };
            self.counters.insert(key, counter);
            return None;
        };
        counter.page = page;
        if value.is_reset_after(&counter.last) {
            // Somewhere between the two; the latest possible time claims least.
            counter.start_ms = at_ms - 1;
            counter.origin = None;
        }
        counter.last = value.clone();
        let value = match &counter.origin {
            Some(origin) => value.less(origin),
            None => value,
        };
        Some((value, counter.start_ms))
    }

    /// Forgets the counters that were not in the page.
    pub(crate) fn end_page(&mut self) {
        let page = self.page;
        self.counters.retain(|_, counter| counter.page == page);
    }

    /// Forgets all: the next samples are first ones.
    pub(crate) fn clear(&mut self) {
        self.counters.clear();
    }
}

impl Value {
    fn is_reset_after(&self, before: &Value) -> bool {
        match (self, before) {
            (Value::Float(now), Value::Float(before)) => now < before,
            (Value::Histogram(now), Value::Histogram(before)) => now.detect_reset(before),
            _ => true,
        }
    }

    fn less(&self, origin: &Value) -> Value {
        match (self, origin) {
            (Value::Float(now), Value::Float(origin)) => Value::Float(now - origin),
            (Value::Histogram(now), Value::Histogram(origin)) => {
                let mut difference = FloatHistogram::clone(now);
                if difference.sub(origin).is_err() {
                    return self.clone();
                }
                difference.counter_reset_hint = now.counter_reset_hint;
                difference.compact();
                Value::Histogram(Arc::new(difference))
            }
            _ => self.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn float(synthesis: &mut Synthesis, at_ms: i64, value: f64) -> Option<(f64, i64)> {
        synthesis.begin_page();
        let taken = synthesis.take(1, at_ms, Value::Float(value));
        synthesis.end_page();
        taken.map(|(value, start_ms)| match value {
            Value::Float(value) => (value, start_ms),
            Value::Histogram(_) => panic!("a histogram"),
        })
    }

    #[test]
    fn a_counter_counts_from_where_it_was_first_seen() {
        let mut synthesis = Synthesis::default();
        assert_eq!(float(&mut synthesis, 1_000, 100.0), None);
        assert_eq!(float(&mut synthesis, 2_000, 103.0), Some((3.0, 1_000)));
        assert_eq!(float(&mut synthesis, 3_000, 110.0), Some((10.0, 1_000)));
        assert_eq!(float(&mut synthesis, 4_000, 5.0), Some((5.0, 3_999)), "a reset");
        assert_eq!(float(&mut synthesis, 5_000, 7.0), Some((7.0, 3_999)));
    }

    #[test]
    fn a_counter_that_was_away_begins_anew() {
        let mut synthesis = Synthesis::default();
        assert_eq!(float(&mut synthesis, 1_000, 100.0), None);
        synthesis.begin_page();
        synthesis.end_page();
        assert_eq!(float(&mut synthesis, 3_000, 110.0), None);
    }

    #[test]
    fn histograms_are_counted_from_their_origin_too() {
        let with = |counts: [f64; 2]| {
            let mut classic = model::histogram::ClassicHistogram::default();
            classic.set_bucket(1.0, counts[0]).unwrap();
            classic.count = Some(counts[0] + counts[1]);
            Value::Histogram(Arc::new(classic.convert().unwrap()))
        };
        let mut synthesis = Synthesis::default();
        synthesis.begin_page();
        assert!(synthesis.take(1, 1_000, with([1.0, 2.0])).is_none());
        let Some((Value::Histogram(histogram), 1_000)) = synthesis.take(1, 2_000, with([4.0, 2.0])) else {
            panic!("no histogram")
        };
        assert_eq!(histogram.count, 3.0);
    }
}
