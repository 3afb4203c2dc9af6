//! Searching metric names, label names and label values as somebody types. The answer is lines of
//! JSON: batches of results, then how it ended.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header;
use axum::response::IntoResponse;
use gocompat::quote::quote;
use model::storage::TimeRange;
use model::{METRIC_NAME, Matcher, Metadata};
use serde_json::{Value, json};

use crate::Api;
use crate::answer::{Answer, ApiError};
use crate::params::{Params, atoi, parse_time_ms};
use crate::select::union;

mod score;

use score::Term;

/// How closeness is measured; the first is the default.
pub(crate) const ALGORITHMS: [&str; 2] = ["subsequence", "jarowinkler"];

/// Results, and results in a batch, unless asked otherwise.
const COUNT_DEFAULT: usize = 100;
/// Terms of one request.
const TERMS_MAX: usize = 32;
/// How far back is searched, unless asked otherwise.
const BACK_DEFAULT_MS: i64 = 3_600_000;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Alphabetic,
    Reverse,
    Score,
}

/// A request to search.
struct Search {
    range: TimeRange,
    selectors: Vec<Vec<Matcher>>,
    terms: Vec<Term>,
    case_sensitive: bool,
    include_score: bool,
    order: Order,
    limit: usize,
    batch: usize,
}

/// A positive number.
fn positive(params: &Params, name: &str) -> Result<usize, ApiError> {
    let Some(text) = params.get(name) else { return Ok(COUNT_DEFAULT) };
    match atoi(text, "Atoi").map(usize::try_from) {
        Ok(Ok(number)) if number > 0 => Ok(number),
        _ => Err(ApiError::bad_data(format!("invalid {name} {}: must be a positive integer", quote(text)))),
    }
}

fn flag(params: &Params, name: &str, default: bool) -> Result<bool, ApiError> {
    match params.flag(name) {
        Ok(flag) => Ok(flag.unwrap_or(default)),
        Err(_) => {
            let text = quote(params.get(name).unwrap_or(""));
            Err(ApiError::bad_data(format!("invalid {name} {text}: must be boolean")))
        }
    }
}

impl Search {
    fn read(params: &Params, now_ms: i64, endpoint: &str) -> Result<Search, ApiError> {
        let time = |name: &str, default_ms: i64| match params.get(name) {
            None => Ok(default_ms),
            Some(text) => parse_time_ms(text)
                .map_err(|error| ApiError::bad_data(format!("invalid time value for '{name}': {error}"))),
        };
        let start_ms = time("start", now_ms.saturating_sub(BACK_DEFAULT_MS))?;
        let range = TimeRange { start_ms, end_ms: time("end", now_ms)? };
        if range.end_ms < range.start_ms {
            return Err(ApiError::bad_data("end timestamp must not be before start timestamp"));
        }
        let selectors = params.matchers().map_err(ApiError::bad_data)?;
        let terms: Vec<&str> = params.all("search[]").collect();
        if terms.len() > TERMS_MAX {
            return Err(ApiError::bad_data(format!(
                "too many search[] terms: got {}, maximum is {TERMS_MAX}",
                terms.len()
            )));
        }
        let threshold = match params.get("fuzz_threshold") {
            None => 0,
            Some(text) => match atoi(text, "Atoi") {
                Ok(percent) if (0..=100).contains(&percent) => percent,
                _ => {
                    let message = format!("invalid fuzz_threshold {}: must be 0-100", quote(text));
                    return Err(ApiError::bad_data(message));
                }
            },
        };
        let algorithm = params.get("fuzz_alg").unwrap_or(ALGORITHMS[0]);
        if !ALGORITHMS.contains(&algorithm) {
            return Err(ApiError::bad_data(format!(
                "unsupported fuzz_alg {}: must be one of [{}]",
                quote(algorithm),
                ALGORITHMS.join(" ")
            )));
        }
        let case_sensitive = flag(params, "case_sensitive", true)?;
        let include_score = flag(params, "include_score", false)?;
        let order = order(params, !terms.is_empty(), endpoint)?;
        let terms = terms
            .into_iter()
            .filter(|term| !term.is_empty())
            .map(|term| {
                let term = if case_sensitive { term.to_string() } else { term.to_lowercase() };
                Term::new(&term, algorithm == ALGORITHMS[1], threshold as f64 / 100.0)
            })
            .collect();
        let (limit, batch) = (positive(params, "limit")?, positive(params, "batch_size")?);
        Ok(Search { range, selectors, terms, case_sensitive, include_score, order, limit, batch })
    }

    /// How well a name fits: the best of the terms that accept it.
    fn score(&self, name: &str) -> Option<f64> {
        if self.terms.is_empty() {
            return Some(1.0);
        }
        let folded = (!self.case_sensitive).then(|| name.to_lowercase());
        let name = folded.as_deref().unwrap_or(name);
        self.terms.iter().filter_map(|term| term.score(name)).max_by(f64::total_cmp)
    }

    /// The names that fit, in order, and whether there are more than wanted.
    fn choose(&self, names: Vec<String>) -> (Vec<(String, f64)>, bool) {
        let mut found: Vec<(String, f64)> =
            names.into_iter().filter_map(|name| self.score(&name).map(|score| (name, score))).collect();
        match self.order {
            Order::Alphabetic => {}
            Order::Reverse => found.reverse(),
            Order::Score => found.sort_by(|a, b| match b.1.total_cmp(&a.1) {
                Ordering::Equal => a.0.cmp(&b.0),
                different => different,
            }),
        }
        let has_more = found.len() > self.limit;
        found.truncate(self.limit);
        (found, has_more)
    }

    /// Searches the label names, or the values of a label.
    async fn run(
        self,
        api: &Api,
        of: Option<&str>,
        show: impl Fn(&str, &mut serde_json::Map<String, Value>),
    ) -> Answer {
        let names = union(api, self.range, self.selectors.clone(), of.map(str::to_string)).await?;
        let (found, has_more) = self.choose(names);
        let mut out = String::new();
        let mut line = |value: Value| {
            out.push_str(&value.to_string());
            out.push('\n');
        };
        let result = |(name, score): &(String, f64)| {
            let mut result = serde_json::Map::new();
            show(name, &mut result);
            if self.include_score {
                result.insert("score".into(), json!(score));
            }
            Value::Object(result)
        };
        if found.is_empty() {
            line(json!({ "results": [] }));
        }
        for batch in found.chunks(self.batch) {
            line(json!({ "results": batch.iter().map(result).collect::<Vec<_>>() }));
        }
        line(json!({ "status": "success", "has_more": has_more }));
        Ok(([(header::CONTENT_TYPE, "application/x-ndjson; charset=utf-8")], out).into_response())
    }
}

fn order(params: &Params, has_terms: bool, endpoint: &str) -> Result<Order, ApiError> {
    let (by, direction) = (params.get("sort_by"), params.get("sort_dir"));
    match (by, direction) {
        (None, Some(_)) => {
            return Err(ApiError::bad_data("sort_dir is only valid when sort_by is set"));
        }
        (Some("score"), Some(_)) => {
            return Err(ApiError::bad_data("sort_dir is not supported for sort_by=score"));
        }
        (_, None | Some("asc" | "dsc")) => {}
        (_, Some(other)) => {
            let message = format!("invalid sort_dir {}: must be \"asc\" or \"dsc\"", quote(other));
            return Err(ApiError::bad_data(message));
        }
    }
    match by {
        None => Ok(Order::Alphabetic),
        Some("alpha") if direction == Some("dsc") => Ok(Order::Reverse),
        Some("alpha") => Ok(Order::Alphabetic),
        Some("score") if has_terms => Ok(Order::Score),
        Some("score") => Err(ApiError::bad_data("sort_by=score requires search[] to be set")),
        Some(other) => Err(ApiError::bad_data(format!(
            "invalid sort_by {} for {endpoint}: must be \"alpha\" or \"score\"",
            quote(other)
        ))),
    }
}

pub(crate) async fn metric_names(State(api): State<Arc<Api>>, request: Request) -> Answer {
    let params = Params::read(request, api.config.body_size_max_bytes).await?;
    let search = Search::read(&params, api.deps.clock.now_ms(), "metric_names")?;
    let mut known: HashMap<String, Metadata> = HashMap::new();
    if flag(&params, "include_metadata", false)? {
        for entry in api.deps.sources.targets.metadata(None) {
            known.entry(entry.metric).or_insert(entry.metadata);
        }
    }
    search
        .run(&api, Some(METRIC_NAME), |name, result| {
            result.insert("name".into(), json!(name));
            let Some(metadata) = known.get(name) else { return };
            for (field, text) in
                [("type", metadata.metric_type.as_str()), ("help", &metadata.help), ("unit", &metadata.unit)]
            {
                if !text.is_empty() {
                    result.insert(field.into(), json!(text));
                }
            }
        })
        .await
}

pub(crate) async fn label_names(State(api): State<Arc<Api>>, request: Request) -> Answer {
    let params = Params::read(request, api.config.body_size_max_bytes).await?;
    let search = Search::read(&params, api.deps.clock.now_ms(), "label_names")?;
    search.run(&api, None, |name, result| drop(result.insert("name".into(), json!(name)))).await
}

pub(crate) async fn label_values(State(api): State<Arc<Api>>, request: Request) -> Answer {
    let params = Params::read(request, api.config.body_size_max_bytes).await?;
    let search = Search::read(&params, api.deps.clock.now_ms(), "label_values")?;
    let Some(label) = params.get("label") else {
        return Err(ApiError::bad_data("missing required parameter \"label\""));
    };
    search.run(&api, Some(label), |value, result| drop(result.insert("value".into(), json!(value)))).await
}
