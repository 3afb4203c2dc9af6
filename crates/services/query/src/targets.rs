//! Targets, their metadata, and how relabelling makes them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::extract::{Request, State};
use model::relabel::{self, RelabelRule};
use model::{Labels, Matcher};
use serde::Serialize;
use serde_json::json;

use crate::Api;
use crate::answer::{Answer, ApiError, LabelsJson, success};
use crate::params::Params;

async fn params(api: &Api, request: Request) -> Result<Params, ApiError> {
    Params::read(request, api.config.body_size_max_bytes).await
}

pub(crate) async fn targets(State(api): State<Arc<Api>>, request: Request) -> Answer {
    let params = params(&api, request).await?;
    let mut view = api.deps.sources.targets.targets(params.get("scrapePool"));
    let state = params.get("state").map(str::to_ascii_lowercase);
    let shows = |wanted: &str| state.as_deref().is_none_or(|state| state == "any" || state == wanted);
    if !shows("active") {
        view.active_targets.clear();
    }
    if !shows("dropped") {
        view.dropped_targets.clear();
        view.dropped_target_counts.clear();
    }
    success(view)
}

pub(crate) async fn scrape_pools(State(api): State<Arc<Api>>) -> Answer {
    success(json!({ "scrapePools": api.deps.sources.targets.pools() }))
}

/// The pool that a request must name.
fn pool(params: &Params) -> Result<&str, ApiError> {
    params.get("scrapePool").ok_or_else(|| ApiError::bad_data("no scrapePool parameter provided"))
}

fn no_pool(pool: &str) -> ApiError {
    let pool = gocompat::quote::quote(pool);
    ApiError::bad_data(format!("error retrieving scrape config: scrape pool {pool} not found"))
}

pub(crate) async fn pool_config(State(api): State<Arc<Api>>, request: Request) -> Answer {
    let params = params(&api, request).await?;
    let pool = pool(&params)?;
    let yaml = api.deps.sources.targets.pool_yaml(pool).ok_or_else(|| no_pool(pool))?;
    success(json!({ "yaml": yaml }))
}

/// A rule as Prometheus writes it: what is empty is left out.
#[derive(Serialize)]
struct RuleView<'a> {
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    source_labels: &'a [String],
    #[serde(skip_serializing_if = "str::is_empty")]
    separator: &'a str,
    regex: &'a str,
    #[serde(skip_serializing_if = "is_zero")]
    modulus: u64,
    #[serde(skip_serializing_if = "str::is_empty")]
    target_label: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    replacement: &'a str,
    action: &'static str,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl<'a> From<&'a RelabelRule> for RuleView<'a> {
    fn from(rule: &'a RelabelRule) -> Self {
        RuleView {
            source_labels: &rule.source_labels,
            separator: &rule.separator,
            regex: rule.regex.as_str(),
            modulus: rule.modulus,
            target_label: &rule.target_label,
            replacement: &rule.replacement,
            action: rule.action.as_str(),
        }
    }
}

/// What each rule of a pool makes of a set of labels.
pub(crate) async fn relabel_steps(State(api): State<Arc<Api>>, request: Request) -> Answer {
    let params = params(&api, request).await?;
    let pool = pool(&params)?;
    let labels = params.get("labels").ok_or_else(|| ApiError::bad_data("no labels parameter provided"))?;
    let labels: BTreeMap<String, String> = serde_json::from_str(labels)
        .map_err(|error| ApiError::bad_data(format!("error parsing labels: {error}")))?;
    let rules = api.deps.sources.targets.relabel_rules(pool).ok_or_else(|| no_pool(pool))?;
    let mut labels = Labels::from_pairs(&labels).to_builder();
    let mut keep = true;
    let steps: Vec<serde_json::Value> = rules
        .iter()
        .map(|rule| {
            keep = keep && relabel::apply(std::slice::from_ref(rule), &mut labels);
            let output = if keep { labels.build() } else { Labels::empty() };
            json!({ "rule": RuleView::from(rule), "output": LabelsJson(&output), "keep": keep })
        })
        .collect();
    success(json!({ "steps": steps }))
}

#[derive(Serialize, PartialEq, Eq, PartialOrd, Ord)]
struct MetadataView {
    #[serde(rename = "type")]
    metric_type: &'static str,
    help: String,
    unit: String,
}

impl From<model::Metadata> for MetadataView {
    fn from(metadata: model::Metadata) -> Self {
        MetadataView { metric_type: metadata.metric_type.as_str(), help: metadata.help, unit: metadata.unit }
    }
}

pub(crate) async fn metadata(State(api): State<Arc<Api>>, request: Request) -> Answer {
    let params = params(&api, request).await?;
    let limit = params.signed_limit("limit")?;
    let per_metric = params.signed_limit("limit_per_metric")?;
    let mut metrics: BTreeMap<String, BTreeSet<MetadataView>> = BTreeMap::new();
    for entry in api.deps.sources.targets.metadata(params.get("metric")) {
        if metrics.len() >= limit && !metrics.contains_key(&entry.metric) {
            continue;
        }
        let known = metrics.entry(entry.metric).or_default();
        if per_metric == 0 || known.len() < per_metric {
            known.insert(entry.metadata.into());
        }
    }
    success(metrics)
}

pub(crate) async fn targets_metadata(State(api): State<Arc<Api>>, request: Request) -> Answer {
    #[derive(Serialize)]
    struct Entry<'a> {
        target: LabelsJson<'a>,
        #[serde(skip_serializing_if = "str::is_empty")]
        metric: &'a str,
        #[serde(flatten)]
        metadata: MetadataView,
    }
    let params = params(&api, request).await?;
    let limit = params.signed_limit("limit")?;
    let metric = params.get("metric");
    let matchers: Vec<Matcher> = match params.get("match_target") {
        Some(text) => {
            promql::parse_selector(text).map_err(|error| ApiError::parameter("match_target", error))?
        }
        None => Vec::new(),
    };
    let mut entries = api.deps.sources.targets.metadata(metric);
    // What was pushed has no target.
    entries.retain(|entry| !entry.target.is_empty());
    let mut found: Vec<Entry<'_>> = Vec::new();
    let mut target: Option<&Labels> = None;
    for entry in &entries {
        // A target is shown with all it says: the limit counts between targets.
        if target != Some(&entry.target) {
            if found.len() >= limit {
                break;
            }
            target = Some(&entry.target);
        }
        if matchers.iter().all(|matcher| matcher.matches_labels(&entry.target)) {
            found.push(Entry {
                target: LabelsJson(&entry.target),
                metric: if metric.is_some() { "" } else { &entry.metric },
                metadata: entry.metadata.clone().into(),
            });
        }
    }
    success(found)
}
