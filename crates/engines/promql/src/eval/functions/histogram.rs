//! Functions of histograms, native and classic.

use model::histogram::FloatHistogram;
use model::label_table::{PairId, SetId};

use super::super::QueryError;
use super::super::annotations::{Note, Notes};
use super::super::call::{argument, text_argument};
use super::super::engine::{Env, Evaluator};
use super::super::rows::{FastMap, Ready, Rows, merge_equal};
use super::super::tree::unparen;
use super::super::value::{Cell, Cells, Row};
use super::math::kahan_add;
use super::quantile::{ClassicBucket, classic_fraction, classic_quantile, native_fraction, native_quantile};
use crate::ast::{Call, Span};

impl<'q> Evaluator<'q> {
    /// `histogram_count` and the like: a number of each histogram; floats vanish.
    pub(crate) fn histogram_number(
        &mut self,
        name: &str,
        rows: Box<dyn Rows + 'q>,
        env: Env,
    ) -> Result<Box<dyn Rows + 'q>, QueryError> {
        let number: fn(&FloatHistogram) -> f64 = match name {
            "histogram_count" => |h| h.count,
            "histogram_sum" => |h| h.sum,
            "histogram_avg" => |h| h.sum / h.count,
            "histogram_stdvar" => variance,
            _ => |h| variance(h).sqrt(),
        };
        self.without_names(rows, env, move |cells, _| {
            let histograms = std::mem::take(&mut cells.histograms);
            for step in 0..cells.values.len() {
                match histograms.get(step) {
                    Some(Some(histogram)) => cells.set_float(step, number(histogram)),
                    _ => cells.clear(step),
                }
            }
        })
    }

    /// `histogram_quantile(q, v)`.
    pub(crate) fn histogram_quantile(
        &mut self,
        call: &Call,
        env: Env,
    ) -> Result<Box<dyn Rows + 'q>, QueryError> {
        let q = self.scalar(argument(call, 0)?, env)?;
        let q_span = unparen(argument(call, 0)?).span();
        let span = unparen(argument(call, 1)?).span();
        let histograms = self.histograms(argument(call, 1)?, env)?;
        self.note_odd_quantiles(&q, q_span);
        let mut out = Vec::new();
        self.quantiles(&histograms, &q, span, env, &mut out);
        self.named(histograms, out)
    }

    /// `histogram_quantiles(v, "label", q...)`: several quantiles, told apart by a label.
    pub(crate) fn histogram_quantiles(
        &mut self,
        call: &Call,
        env: Env,
    ) -> Result<Box<dyn Rows + 'q>, QueryError> {
        let label = text_argument(call, 1)?.to_string();
        let span = unparen(argument(call, 0)?).span();
        let histograms = self.histograms(argument(call, 0)?, env)?;
        let mut out = Vec::new();
        for arg in call.args.iter().skip(2) {
            let q = self.scalar(arg, env)?;
            self.note_odd_quantiles(&q, unparen(arg).span());
            // The label depends on the quantile, which may differ from step to step.
            let mut seen: FastMap<u64, ()> = FastMap::default();
            let distinct: Vec<f64> =
                q.iter().copied().filter(|value| seen.insert(value.to_bits(), ()).is_none()).collect();
            for value in distinct {
                self.budget.check()?;
                let text = openmetrics_float(value);
                let mut rows = Vec::new();
                self.quantiles(&histograms, &vec![value; q.len()], span, env, &mut rows);
                for row in &mut rows {
                    row.labels = self.labels.with(row.labels, &label, &text);
                    for (step, own) in q.iter().enumerate() {
                        if own.to_bits() != value.to_bits() {
                            row.cells.clear(step);
                        }
                    }
                }
                self.charge(&mut rows)?;
                out.extend(rows);
            }
        }
        self.named(histograms, out)
    }

    /// `histogram_fraction(lower, upper, v)`.
    pub(crate) fn histogram_fraction(
        &mut self,
        call: &Call,
        env: Env,
    ) -> Result<Box<dyn Rows + 'q>, QueryError> {
        let lower = self.scalar(argument(call, 0)?, env)?;
        let upper = self.scalar(argument(call, 1)?, env)?;
        let span = unparen(argument(call, 2)?).span();
        let histograms = self.histograms(argument(call, 2)?, env)?;
        let mut out = Vec::new();
        let (notes, labels) = (&mut self.notes, &self.labels);
        histograms.each(
            env.steps.count,
            |step, set, histogram| {
                native_fraction(lower[step], upper[step], histogram, labels.metric_name(set), span, notes)
            },
            |step, _, buckets| classic_fraction(lower[step], upper[step], buckets),
            &mut out,
        );
        self.named(histograms, out)
    }

    /// Notes what is no quantile, each number once as long as they are few.
    fn note_odd_quantiles(&mut self, q: &[f64], span: Span) {
        let mut noted: Vec<u64> = Vec::new();
        for odd in q.iter().filter(|q| !(0.0..=1.0).contains(*q)) {
            if noted.len() < 10 && !noted.contains(&odd.to_bits()) {
                noted.push(odd.to_bits());
                self.notes.add(Note::InvalidQuantile(*odd), span);
            }
        }
    }

    fn quantiles(&mut self, histograms: &Histograms, q: &[f64], span: Span, env: Env, out: &mut Vec<Row>) {
        let delayed = self.options.delayed_name_removal;
        let mut forced_notes = Notes::default();
        let (notes, labels) = (&mut self.notes, &self.labels);
        histograms.each(
            env.steps.count,
            |step, set, histogram| native_quantile(q[step], histogram, labels.metric_name(set), span, notes),
            |step, set, buckets| {
                let (value, forced) = classic_quantile(q[step], buckets);
                if let Some(forced) = forced {
                    forced_notes.add(
                        Note::ForcedMonotonicity {
                            name: if delayed { labels.metric_name(set) } else { "" },
                            time_ms: env.steps.time_ms(step),
                            min_bucket: forced.min_bucket,
                            max_bucket: forced.max_bucket,
                            max_diff: forced.max_diff,
                        },
                        span,
                    );
                }
                value
            },
            out,
        );
        self.notes.merge(forced_notes);
    }

    /// Removes names, now or later.
    fn named(&mut self, histograms: Histograms, mut out: Vec<Row>) -> Result<Box<dyn Rows + 'q>, QueryError> {
        drop(histograms);
        let delayed = self.options.delayed_name_removal;
        for row in &mut out {
            row.drop_name = delayed;
            if !delayed {
                row.labels = self.without_metadata(row.labels);
            }
        }
        self.charge(&mut out)?;
        Ok(Box::new(Ready(merge_equal(out)?)))
    }

    /// Evaluates a vector and sorts it into native histograms and the buckets of classic ones.
    fn histograms(&mut self, vector: &crate::ast::Expr, env: Env) -> Result<Histograms, QueryError> {
        let inner = Env { detect_resets: false, blocked: true, ..env };
        let rows = self.rows(vector, inner)?;
        let span = unparen(vector).span();
        let delayed = self.options.delayed_name_removal;
        let le_name = self.labels.name("le");
        let mut bounds: FastMap<PairId, Option<f64>> = FastMap::default();
        let mut places: FastMap<SetId, usize> = FastMap::default();
        let mut groups: Vec<Group> = Vec::new();
        let mut place = |labels: SetId, groups: &mut Vec<Group>| {
            *places.entry(labels).or_insert_with(|| {
                groups.push(Group { labels, native: Vec::new(), buckets: Vec::new() });
                groups.len() - 1
            })
        };
        for (at, row) in rows.iter().enumerate() {
            let has_floats = (0..env.steps.count).any(|step| row.cells.float(step).is_some());
            if !row.cells.histograms.is_empty() {
                let place = place(row.labels, &mut groups);
                groups[place].native.push(at);
            }
            if !has_floats {
                continue;
            }
            let le = self.labels.pair_in(row.labels, le_name);
            let text = |le: Option<PairId>| le.map_or("", |pair| self.labels.pair_text(pair).1);
            let upper_bound = match le {
                Some(pair) => *bounds.entry(pair).or_insert_with(|| gocompat::float::parse(text(le)).ok()),
                None => gocompat::float::parse("").ok(),
            };
            match upper_bound {
                Some(upper_bound) => {
                    let others = self.labels.with_pair(row.labels, le_name, None);
                    let place = place(others, &mut groups);
                    groups[place].buckets.push((upper_bound, at));
                }
                None => {
                    let name = if delayed { self.labels.metric_name(row.labels) } else { "" };
                    self.notes.add(Note::BadBucketLabel { name, le: text(le) }, span);
                }
            }
        }
        for group in &mut groups {
            group.buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        }
        // Where a native and a classic histogram of one name meet, neither counts.
        let mut conflicts: FastMap<(usize, usize), ()> = FastMap::default();
        for (at, group) in groups.iter().enumerate() {
            if group.native.is_empty() || group.buckets.is_empty() {
                continue;
            }
            for step in 0..env.steps.count {
                let native = group.native.iter().any(|row| rows[*row].cells.histogram(step).is_some());
                let classic = group.buckets.iter().any(|(_, row)| rows[*row].cells.float(step).is_some());
                if native && classic {
                    let name = if delayed { self.labels.metric_name(group.labels) } else { "" };
                    self.notes.add(Note::MixedClassicNative(name), span);
                    conflicts.insert((at, step), ());
                }
            }
        }
        Ok(Histograms { rows, groups, conflicts })
    }
}

/// The histograms of a vector.
struct Histograms {
    rows: Vec<Row>,
    groups: Vec<Group>,
    /// Group and step at which native and classic meet.
    conflicts: FastMap<(usize, usize), ()>,
}

/// The series of one histogram.
struct Group {
    /// Without `le`.
    labels: SetId,
    /// Rows with native histograms.
    native: Vec<usize>,
    /// Rows with cumulative counts, by their upper bounds.
    buckets: Vec<(f64, usize)>,
}

impl Histograms {
    /// Computes a number for every histogram at every step.
    fn each(
        &self,
        steps: usize,
        mut native: impl FnMut(usize, SetId, &FloatHistogram) -> f64,
        mut classic: impl FnMut(usize, SetId, &mut Vec<ClassicBucket>) -> f64,
        out: &mut Vec<Row>,
    ) {
        let mut buckets: Vec<ClassicBucket> = Vec::new();
        for (at, group) in self.groups.iter().enumerate() {
            let mut cells = Cells::absent(steps);
            for step in 0..steps {
                if !self.conflicts.is_empty() && self.conflicts.contains_key(&(at, step)) {
                    continue;
                }
                if let Some(histogram) =
                    group.native.iter().find_map(|row| self.rows[*row].cells.histogram(step))
                {
                    cells.set(step, Cell::Float(native(step, group.labels, histogram)));
                    continue;
                }
                buckets.clear();
                for (upper_bound, row) in &group.buckets {
                    if let Some(count) = self.rows[*row].cells.float(step) {
                        buckets.push(ClassicBucket { upper_bound: *upper_bound, count });
                    }
                }
                if !buckets.is_empty() {
                    cells.set(step, Cell::Float(classic(step, group.labels, &mut buckets)));
                }
            }
            if cells.any_present() {
                out.push(Row::new(group.labels, false, cells));
            }
        }
    }
}

/// The estimated population variance of the observations.
fn variance(histogram: &FloatHistogram) -> f64 {
    let mean = histogram.sum / histogram.count;
    let (mut sum, mut lost) = (0.0, 0.0);
    for bucket in histogram.all_buckets() {
        if bucket.count == 0.0 {
            continue;
        }
        let value = if histogram.uses_custom_buckets() {
            (bucket.upper + bucket.lower) / 2.0
        } else if bucket.lower <= 0.0 && bucket.upper >= 0.0 {
            0.0
        } else {
            let mean = (bucket.upper * bucket.lower).sqrt();
            if bucket.upper < 0.0 { -mean } else { mean }
        };
        let delta = value - mean;
        (sum, lost) = kahan_add(bucket.count * delta * delta, sum, lost);
    }
    (sum + lost) / histogram.count
}

/// A float as OpenMetrics writes label values: whole numbers with `.0`.
fn openmetrics_float(value: f64) -> String {
    let mut buffer = gocompat::float::Buffer::default();
    buffer.openmetrics(value).to_string()
}
