//! How rules ask: one trait, so that a rule may ask metrics or, later, logs.

use std::sync::Arc;

use model::storage::{MetricReader, Select, TimeRange, Want};
use model::{LabelTable, Labels, Matcher, Samples};
use promql::{Engine, Expr, Features, QueryError, QueryLimits, SampleValue, Value};

/// One series of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampled {
    /// Its labels.
    pub labels: Labels,
    /// Its value.
    pub value: SampleValue,
}

impl Sampled {
    /// The value as one number: a histogram counts as NaN.
    pub fn float(&self) -> f64 {
        match &self.value {
            SampleValue::Float(value) => *value,
            SampleValue::Histogram(_) => f64::NAN,
        }
    }
}

/// The last sample of a series.
#[derive(Clone, Debug, PartialEq)]
pub struct LastSample {
    /// The series' labels.
    pub labels: Labels,
    /// The sample's time, milliseconds since the epoch.
    pub at_ms: i64,
    /// Its value; the staleness marker if the series ended.
    pub value: f64,
}

/// The rule that asks.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    /// The file of its group.
    pub file: &'a str,
    /// Its group.
    pub group: &'a str,
    /// Its name.
    pub rule: &'a str,
}

/// Answers expressions at one time. Blocks while it works.
pub trait Evaluate: Send + Sync {
    /// The value of a rule's expression; a scalar counts as one series without labels.
    fn instant(&self, expr: &Expr, text: &str, at_ms: i64, asker: Asker<'_>) -> Result<Vec<Sampled>, String>;

    /// The value of a text that is parsed first: what `query` in a template asks.
    fn query(&self, text: &str, at_ms: i64) -> Result<Vec<Sampled>, String>;

    /// The last samples within a range of the series that match, as they are stored. What has no series
    /// has none.
    fn last(&self, _matchers: &[Matcher], _range: TimeRange) -> Result<Vec<LastSample>, String> {
        Ok(Vec::new())
    }
}

/// Answers from metrics.
pub struct MetricsEvaluator {
    /// Evaluates.
    pub engine: Arc<Engine>,
    /// The series.
    pub reader: Arc<dyn MetricReader>,
    /// Which features of the language are on.
    pub features: Features,
    /// Sees every evaluation of a rule while it runs.
    pub watch: Watch,
}

/// Sees evaluations of rules while they run, and bounds them.
pub trait Watcher: Send + Sync {
    /// An evaluation begins: `run` makes it within limits, and says how it ended.
    fn watch(
        &self,
        asker: Asker<'_>,
        text: &str,
        at_ms: i64,
        run: &mut dyn FnMut(&QueryLimits) -> &'static str,
    );
}

/// Who sees evaluations, if anybody does.
pub type Watch = Option<Arc<dyn Watcher>>;

impl MetricsEvaluator {
    fn ask(&self, expr: &Expr, text: &str, at_ms: i64, limits: &QueryLimits) -> Result<Value, QueryError> {
        self.engine.instant(self.reader.as_ref(), expr, text, at_ms, limits).map(|result| result.value)
    }
}

impl Evaluate for MetricsEvaluator {
    fn instant(&self, expr: &Expr, text: &str, at_ms: i64, asker: Asker<'_>) -> Result<Vec<Sampled>, String> {
        let Some(watcher) = &self.watch else {
            return sampled(self.ask(expr, text, at_ms, &QueryLimits::default()));
        };
        let mut answer = Err(QueryError::Canceled);
        watcher.watch(asker, text, at_ms, &mut |limits| {
            answer = self.ask(expr, text, at_ms, limits);
            match &answer {
                Ok(_) => "success",
                Err(QueryError::Canceled) => "canceled",
                Err(QueryError::Timeout) => "timeout",
                Err(_) => "execution",
            }
        });
        sampled(answer)
    }

    fn query(&self, text: &str, at_ms: i64) -> Result<Vec<Sampled>, String> {
        let expr = promql::parse(text, &self.features).map_err(|error| error.to_string())?;
        sampled(self.ask(&expr, text, at_ms, &QueryLimits::default()))
    }

    fn last(&self, matchers: &[Matcher], range: TimeRange) -> Result<Vec<LastSample>, String> {
        let mut found = Vec::new();
        let mut samples = Samples::default();
        let mut labels = LabelTable::new();
        let request = Select { want: Want::Newest, ..Select::new(range, matchers) };
        let selected = self.reader.select(&request, &mut labels).map_err(|error| error.to_string())?;
        for (at, set) in selected.sets.iter().enumerate() {
            samples.clear();
            selected.samples.read(at, &mut samples).map_err(|error| error.to_string())?;
            if let (Some(at_ms), Some(value)) = (samples.timestamps_ms.last(), samples.values.last()) {
                found.push(LastSample { labels: labels.labels(*set), at_ms: *at_ms, value: *value });
            }
        }
        Ok(found)
    }
}

fn sampled(answer: Result<Value, QueryError>) -> Result<Vec<Sampled>, String> {
    match answer.map_err(|error| error.to_string())? {
        Value::Vector(samples) => {
            Ok(samples.into_iter().map(|s| Sampled { labels: s.labels, value: s.value }).collect())
        }
        Value::Scalar(value, _) => {
            Ok(vec![Sampled { labels: Labels::empty(), value: SampleValue::Float(value) }])
        }
        Value::String(..) | Value::Matrix(_) => Err("rule result is not a vector or scalar".into()),
    }
}
