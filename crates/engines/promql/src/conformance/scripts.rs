//! Runs PromQL test scripts.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use testkit::SuiteResult;

use model::METRIC_NAME;
use model::histogram::{ClassicHistogram, FloatHistogram};
use model::labels::Labels;
use model::sample::is_stale_nan;

use super::memory::{Memory, Point};
use super::script::{Command, Eval, Expected, Load, When, parse as parse_script};
use crate::ast::{At, Expr};
use crate::eval::{Engine, EngineOptions, QueryLimits, QueryResult, SampleValue, Value};
use crate::parse::{Features, parse};

/// Runs all scripts of a folder (`promql/scripts`), each evaluation a case.
pub fn scripts(dir: &Path) -> SuiteResult {
    let mut files: Vec<_> = match std::fs::read_dir(dir) {
        Err(error) => return SuiteResult::broken(format!("{}: {error}", dir.display())),
        Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
    };
    files.retain(|path| path.extension().is_some_and(|extension| extension == "test"));
    files.sort();
    let engine = script_engine();
    let mut result = SuiteResult::default();
    for file in files {
        result.extend(script(&file, &engine));
    }
    result
}

/// The engine that the scripts were written for.
pub fn script_engine() -> Engine {
    Engine::new(EngineOptions {
        max_samples: 10_000,
        timeout: Duration::from_secs(100),
        delayed_name_removal: true,
        use_start_timestamps: true,
        ..EngineOptions::default()
    })
}

/// Runs one script.
pub fn script(path: &Path, engine: &Engine) -> SuiteResult {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let commands = match std::fs::read_to_string(path).map_err(|error| error.to_string()) {
        Err(error) => return SuiteResult::broken(format!("{name}: {error}")),
        Ok(text) => match parse_script(&text) {
            Err(error) => return SuiteResult::broken(format!("{name}: {error}")),
            Ok(commands) => commands,
        },
    };
    let mut result = SuiteResult::default();
    let mut store = Memory::new();
    for command in commands {
        match command {
            Command::Clear => store.clear(),
            Command::Load(load) => {
                if let Err(error) = fill(&mut store, &load) {
                    result.add(Err(format!("{name}: load: {error}")));
                }
            }
            Command::Eval(eval) => {
                let outcome = run(engine, &store, &eval);
                result.add(outcome.map_err(|error| format!("{name}:{}: {}: {error}", eval.line, eval.query)));
            }
        }
    }
    result
}

fn point(value: &Expected) -> Point {
    match value {
        Expected::Float(value) => Point::Float(*value),
        Expected::Histogram(histogram, _) => Point::Histogram(histogram.clone()),
    }
}

fn fill(store: &mut Memory, load: &Load) -> Result<(), String> {
    for (labels, values, starts) in &load.series {
        for (at, value) in values.iter().enumerate() {
            let Some(value) = value else { continue };
            let time_ms = at as i64 * load.interval_ms;
            let start_ms = starts.get(at).copied().flatten().map_or(0, |offset| time_ms + offset);
            store.append(labels, time_ms, start_ms, point(value));
        }
    }
    if !load.with_nhcb {
        return Ok(());
    }
    let mut classic: BTreeMap<(Labels, i64), ClassicHistogram> = BTreeMap::new();
    for (labels, values, _) in &load.series {
        let name = labels.metric_name();
        let Some((base, suffix)) = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|suffix| Some((name.strip_suffix(suffix)?, *suffix)))
        else {
            continue;
        };
        let bound = gocompat::float::parse(labels.value("le")).ok().filter(|bound| !bound.is_nan());
        if suffix == "_bucket" && bound.is_none() {
            continue;
        }
        let mut builder = labels.to_builder();
        builder.set(METRIC_NAME, base).remove("le");
        let metric = builder.build();
        for (at, value) in values.iter().enumerate() {
            let Some(Expected::Float(value)) = value else { continue };
            let histogram = classic.entry((metric.clone(), at as i64 * load.interval_ms)).or_default();
            match (suffix, bound) {
                ("_sum", _) => histogram.sum = *value,
                ("_count", _) => histogram.count = Some(*value),
                (_, Some(bound)) => {
                    histogram.set_bucket(bound, *value).map_err(|error| error.to_string())?;
                }
                _ => {}
            }
        }
    }
    for ((metric, time_ms), histogram) in classic {
        let histogram = histogram.convert().map_err(|error| error.to_string())?;
        store.append(&metric, time_ms, 0, Point::Histogram(Arc::new(histogram)));
    }
    Ok(())
}

/// Functions whose value depends on the evaluation time, so that `@` does not fix it.
const TIME_DEPENDENT: [&str; 15] = [
    "days_in_month",
    "day_of_month",
    "day_of_week",
    "day_of_year",
    "end",
    "hour",
    "minute",
    "month",
    "predict_linear",
    "range",
    "start",
    "step",
    "time",
    "timestamp",
    "year",
];

/// Puts `@ at_ms` on everything that has none; false if the expression depends on time anyhow.
fn pin(expr: &mut Expr, at_ms: i64) -> bool {
    let at = Some(At::Timestamp(at_ms));
    match expr {
        Expr::Number(_) | Expr::String(_) => true,
        Expr::Selector(selector) => {
            selector.at = selector.at.or(at);
            true
        }
        Expr::Range(range) => {
            range.selector.at = range.selector.at.or(at);
            true
        }
        Expr::Subquery(subquery) => {
            // What stands in it is fixed by it, but functions of time are looked for nonetheless.
            subquery.at = subquery.at.or(at);
            pin(&mut subquery.expr.clone(), at_ms)
        }
        Expr::Call(call) => {
            let fixed = !TIME_DEPENDENT.contains(&call.function.name);
            call.args.iter_mut().fold(fixed, |fixed, arg| pin(arg, at_ms) && fixed)
        }
        Expr::Aggregate(aggregate) => {
            let param = aggregate.param.as_deref_mut().is_none_or(|param| pin(param, at_ms));
            pin(&mut aggregate.expr, at_ms) && param
        }
        Expr::Binary(binary) => {
            let left = pin(&mut binary.left, at_ms);
            pin(&mut binary.right, at_ms) && left
        }
        Expr::Unary(unary) => pin(&mut unary.expr, at_ms),
        Expr::Paren(paren) => pin(&mut paren.expr, at_ms),
    }
}

fn run(engine: &Engine, store: &Memory, eval: &Eval) -> Result<(), String> {
    let expr = parse(&eval.query, &Features::all()).map_err(|error| format!("does not parse: {error}"))?;
    let limits = QueryLimits::default();
    let time_ms = match eval.when {
        When::Range { start_ms, end_ms, step_ms } => {
            let result = engine.range(store, &expr, &eval.query, start_ms, end_ms, step_ms, &limits);
            let Some(result) = outcome(eval, result.map_err(|error| error.to_string()))? else {
                return Ok(());
            };
            check_notes(eval, &result)?;
            return check_value(eval, &result.value, (start_ms, end_ms, step_ms));
        }
        When::Instant(time_ms) => time_ms,
    };
    instant(engine, store, eval, &expr, time_ms)?;
    let mut pinned = expr.clone();
    if !pin(&mut pinned, time_ms) {
        return Ok(());
    }
    let times = match time_ms {
        0 => vec![-1000, 0, 1000],
        t => vec![-10 * t, 0, t / 5, t, 10 * t],
    };
    for at in times {
        instant(engine, store, eval, &pinned, at)
            .map_err(|error| format!("as `{pinned}` at {at} ms: {error}"))?;
    }
    Ok(())
}

/// The result; `None` if it failed as expected.
fn outcome(eval: &Eval, result: Result<QueryResult, String>) -> Result<Option<QueryResult>, String> {
    match result {
        Err(error) if eval.must_fail => match eval.fail.iter().all(|wanted| wanted.matches(&error)) {
            true => Ok(None),
            false => Err(format!("failed with {error:?}, expected {:?}", eval.fail)),
        },
        Err(error) => Err(format!("failed: {error}")),
        Ok(_) if eval.must_fail => Err("did not fail".to_string()),
        Ok(result) => Ok(Some(result)),
    }
}

fn instant(engine: &Engine, store: &Memory, eval: &Eval, expr: &Expr, time_ms: i64) -> Result<(), String> {
    // A pinned expression keeps the positions it has in the text it came from.
    let text = &eval.query;
    let limits = QueryLimits::default();
    let result = engine.instant(store, expr, text, time_ms, &limits).map_err(|error| error.to_string());
    let Some(result) = outcome(eval, result)? else { return Ok(()) };
    check_notes(eval, &result)?;
    check_value(eval, &result.value, eval.range_vector.unwrap_or((time_ms, time_ms, 1)))?;
    let depends_on_query = ["start()", "end()", "range()", "step()"].iter().any(|call| text.contains(call));
    if eval.range_vector.is_some() || eval.text.is_some() || depends_on_query {
        return Ok(());
    }
    let ranged = engine
        .range(store, expr, text, time_ms - 60_000, time_ms + 60_000, 60_000, &limits)
        .map_err(|error| format!("as a range: {error}"))?;
    if eval.ordered {
        return Ok(());
    }
    let Value::Matrix(matrix) = ranged.value else { return Err("a range query yielded no matrix".into()) };
    check_sorted(&matrix.iter().map(|s| &s.labels).collect::<Vec<_>>())?;
    let samples = matrix.into_iter().filter_map(|series| {
        let (_, value) = series.points.iter().find(|(time, _)| *time == time_ms)?;
        Some(crate::eval::VectorSample { labels: series.labels, time_ms, value })
    });
    let vector: Vec<_> = samples.collect();
    let value = match (&result.value, vector.first()) {
        (Value::Scalar(..), Some(sample)) => match &sample.value {
            SampleValue::Float(value) => Value::Scalar(*value, time_ms),
            SampleValue::Histogram(_) => return Err("a scalar became a histogram".into()),
        },
        _ => Value::Vector(vector),
    };
    check_value(eval, &value, (time_ms, time_ms, 1)).map_err(|error| format!("as a range: {error}"))
}

fn check_sorted(labels: &[&Labels]) -> Result<(), String> {
    if labels.is_sorted() { Ok(()) } else { Err("the matrix is not sorted by labels".to_string()) }
}

fn check_notes(eval: &Eval, result: &QueryResult) -> Result<(), String> {
    let all = [
        ("warning", &eval.warn, eval.no_warn, &result.warnings),
        ("info", &eval.info, eval.no_info, &result.infos),
    ];
    for (kind, wanted, none, found) in all {
        if none && !found.is_empty() {
            return Err(format!("unexpected {kind} {found:?}"));
        }
        if wanted.is_empty() {
            continue;
        }
        if let Some(missing) = wanted.iter().find(|wanted| !found.iter().any(|text| wanted.matches(text))) {
            return Err(format!("no {kind} matches {missing:?} among {found:?}"));
        }
        if let Some(extra) = found.iter().find(|text| !wanted.iter().any(|wanted| wanted.matches(text))) {
            return Err(format!("unexpected {kind} {extra:?}"));
        }
    }
    Ok(())
}

fn close(a: f64, b: f64) -> bool {
    const EPSILON: f64 = 1e-6;
    if is_stale_nan(a) || is_stale_nan(b) {
        return is_stale_nan(a) && is_stale_nan(b);
    }
    if (a.is_nan() && b.is_nan()) || a == b {
        return true;
    }
    let (sum, difference) = (a.abs() + b.abs(), (a - b).abs());
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < EPSILON * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < EPSILON
}

fn same_histogram(wanted: &FloatHistogram, found: &FloatHistogram, with_hint: bool) -> bool {
    let (mut a, mut b) = (wanted.clone(), found.clone());
    a.compact();
    b.compact();
    let all_close = |a: &[f64], b: &[f64]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| close(*a, *b));
    a.schema == b.schema
        && close(a.count, b.count)
        && close(a.sum, b.sum)
        && a.custom_values == b.custom_values
        && a.zero_threshold == b.zero_threshold
        && close(a.zero_count, b.zero_count)
        && a.positive_spans == b.positive_spans
        && a.negative_spans == b.negative_spans
        && all_close(&a.positive_buckets, &b.positive_buckets)
        && all_close(&a.negative_buckets, &b.negative_buckets)
        && (!with_hint || a.counter_reset_hint == b.counter_reset_hint)
}

fn check_sample(labels: &Labels, wanted: &Expected, found: &SampleValue) -> Result<(), String> {
    let matches = match (wanted, found) {
        (Expected::Float(wanted), SampleValue::Float(found)) => close(*wanted, *found),
        (Expected::Histogram(wanted, hint), SampleValue::Histogram(found)) => {
            same_histogram(wanted, found, *hint)
        }
        _ => false,
    };
    if matches {
        return Ok(());
    }
    let wanted = match wanted {
        Expected::Float(value) => value.to_string(),
        Expected::Histogram(histogram, _) => format!("{histogram} {:?}", histogram.counter_reset_hint),
    };
    let found = match found {
        SampleValue::Float(value) => value.to_string(),
        SampleValue::Histogram(histogram) => format!("{histogram} {:?}", histogram.counter_reset_hint),
    };
    Err(format!("{labels}: expected {wanted}, got {found}"))
}

fn check_value(
    eval: &Eval,
    value: &Value,
    (start_ms, end_ms, step_ms): (i64, i64, i64),
) -> Result<(), String> {
    match value {
        Value::Scalar(found, _) => match eval.scalar {
            Some(wanted) if close(wanted, *found) => Ok(()),
            wanted => Err(format!("expected {wanted:?}, got scalar {found}")),
        },
        Value::String(found, _) => match &eval.text {
            Some(wanted) if wanted == found => Ok(()),
            wanted => Err(format!("expected {wanted:?}, got string {found:?}")),
        },
        _ if eval.scalar.is_some() => Err("expected a scalar".to_string()),
        Value::Vector(samples) => {
            for (position, sample) in samples.iter().enumerate() {
                let Some(at) = eval.series.iter().position(|(labels, _)| *labels == sample.labels) else {
                    return Err(format!("unexpected series {} {:?}", sample.labels, sample.value));
                };
                if eval.ordered && at != position {
                    return Err(format!("{} came at {position} instead of {at}", sample.labels));
                }
                let (labels, values) = &eval.series[at];
                match values.as_slice() {
                    [Some(wanted)] => check_sample(labels, wanted, &sample.value)?,
                    _ => return Err(format!("{labels} must have one value")),
                }
            }
            check_all_found(eval, &samples.iter().map(|sample| &sample.labels).collect::<Vec<_>>())
        }
        Value::Matrix(found) => {
            check_sorted(&found.iter().map(|series| &series.labels).collect::<Vec<_>>())?;
            for series in found {
                let Some((labels, values)) = eval.series.iter().find(|(labels, _)| *labels == series.labels)
                else {
                    return Err(format!("unexpected series {} {:?}", series.labels, series.points));
                };
                let mut points = series.points.iter().peekable();
                for (at, wanted) in values.iter().enumerate() {
                    let time_ms = start_ms + at as i64 * step_ms;
                    let Some(wanted) = wanted else { continue };
                    if time_ms > end_ms {
                        return Err(format!("{labels} has more values than the range has steps"));
                    }
                    match points.next() {
                        Some((time, found)) if time == time_ms => check_sample(labels, wanted, &found)
                            .map_err(|error| format!("{error} at {time_ms} ms"))?,
                        other => {
                            return Err(format!("{labels}: expected a value at {time_ms} ms, got {other:?}"));
                        }
                    }
                }
                if let Some(extra) = points.next() {
                    return Err(format!("{labels}: unexpected value {extra:?}"));
                }
            }
            check_all_found(eval, &found.iter().map(|series| &series.labels).collect::<Vec<_>>())
        }
    }
}

fn check_all_found(eval: &Eval, found: &[&Labels]) -> Result<(), String> {
    match eval.series.iter().find(|(labels, _)| !found.contains(&labels)) {
        Some((missing, _)) => Err(format!("expected series {missing} is missing")),
        None => Ok(()),
    }
}
