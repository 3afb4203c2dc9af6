//! Targets, rules, metadata and the state of the process.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::extract::{Request, State};
use model::{Labels, Matcher};
use serde::Serialize;

use crate::Api;
use crate::answer::{Answer, ApiError, LabelsJson, success};
use crate::params::Params;
use crate::sources::{AlertView, AlertingRuleView, RuleGroupView, RuleView};

/// Entries of a list of cardinalities, unless asked otherwise.
const TSDB_LIMIT_DEFAULT: usize = 10;
/// Entries of a list of cardinalities, at most.
const TSDB_LIMIT_MAX: usize = 10_000;

/// Asks beside the threads that serve: the store's counts wait for its locks, which are held while it
/// writes to disk.
async fn ask<T: Send + 'static>(
    api: &Arc<Api>,
    what: impl FnOnce(&Api) -> T + Send + 'static,
) -> Result<T, ApiError> {
    let api = api.clone();
    tokio::task::spawn_blocking(move || what(&api)).await.map_err(|_| ApiError {
        error_type: crate::ErrorType::Internal,
        message: "the request failed unexpectedly".into(),
    })
}

async fn params(api: &Api, request: Request) -> Result<Params, ApiError> {
    Params::read(request, api.config.body_size_max_bytes).await
}

pub(crate) async fn targets(State(api): State<Arc<Api>>, request: Request) -> Answer {
    let params = params(&api, request).await?;
    let mut view = api.deps.sources.targets.targets(params.get("scrapePool"));
    match params.get("state").map(str::to_ascii_lowercase).as_deref() {
        Some("active") => view.dropped_targets.clear(),
        Some("dropped") => view.active_targets.clear(),
        _ => {}
    }
    success(view)
}

pub(crate) async fn scrape_pools(State(api): State<Arc<Api>>) -> Answer {
    success(serde_json::json!({ "scrapePools": api.deps.sources.targets.pools() }))
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

/// A limit where -1 and absence mean "none" and 0 means "nothing at all".
fn signed_limit(params: &Params, name: &str) -> Result<usize, ApiError> {
    let Some(text) = params.get(name) else { return Ok(usize::MAX) };
    let number: i64 = text.parse().map_err(|_| ApiError::bad_data(format!("{name} must be a number")))?;
    Ok(usize::try_from(number).unwrap_or(usize::MAX))
}

pub(crate) async fn metadata(State(api): State<Arc<Api>>, request: Request) -> Answer {
    let params = params(&api, request).await?;
    let (limit, per_metric) = (signed_limit(&params, "limit")?, signed_limit(&params, "limit_per_metric")?);
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
    let limit = signed_limit(&params, "limit")?;
    let metric = params.get("metric");
    let matchers: Vec<Matcher> = match params.get("match_target") {
        Some(text) => {
            promql::parse_selector(text).map_err(|error| ApiError::parameter("match_target", error))?
        }
        None => Vec::new(),
    };
    let entries = api.deps.sources.targets.metadata(metric);
    let found: Vec<Entry<'_>> = entries
        .iter()
        .filter(|entry| matchers.iter().all(|matcher| matcher.matches_labels(&entry.target)))
        .take(limit)
        .map(|entry| Entry {
            target: LabelsJson(&entry.target),
            metric: if metric.is_some() { "" } else { &entry.metric },
            metadata: entry.metadata.clone().into(),
        })
        .collect();
    if found.is_empty() {
        let message = "specified metadata not found".to_string();
        return Err(ApiError { error_type: crate::ErrorType::NotFound, message });
    }
    success(found)
}

pub(crate) async fn rules(State(api): State<Arc<Api>>, request: Request) -> Answer {
    let params = params(&api, request).await?;
    let (alerting, recording) = match params.get("type") {
        None => (true, true),
        Some("alert") => (true, false),
        Some("record") => (false, true),
        Some(other) => return Err(ApiError::parameter("type", format!("not supported value {other:?}"))),
    };
    let flag = |name: &str| match params.get(name) {
        None => Ok(false),
        Some("true" | "1" | "t" | "T" | "TRUE" | "True") => Ok(true),
        Some("false" | "0" | "f" | "F" | "FALSE" | "False") => Ok(false),
        Some(text) => Err(ApiError::parameter(name, format!("error converting {text:?} to a boolean"))),
    };
    let exclude_alerts = flag("exclude_alerts")?;
    let selectors = params.matchers()?;
    let names: Vec<&str> = params.all("rule_name[]").collect();
    let group_names: Vec<&str> = params.all("rule_group[]").collect();
    let files: Vec<&str> = params.all("file[]").collect();
    let wanted = |list: &[&str], name: &str| list.is_empty() || list.contains(&name);

    let mut groups = api.deps.sources.rules.groups();
    groups.retain(|group| wanted(&group_names, &group.name) && wanted(&files, &group.file));
    for group in &mut groups {
        group.rules.retain_mut(|rule| {
            let (keep, name, labels) = match rule {
                RuleView::Alerting(rule) => {
                    if exclude_alerts {
                        rule.alerts.clear();
                    }
                    (alerting, &rule.name, &rule.labels)
                }
                RuleView::Recording(rule) => (recording, &rule.name, &rule.labels),
            };
            keep && wanted(&names, name) && matches_any(&selectors, labels)
        });
    }
    let filtered = !(alerting && recording && names.is_empty() && selectors.is_empty());
    groups.retain(|group| !filtered || !group.rules.is_empty());

    let Some(limit) = params.number("group_limit")? else {
        if params.get("group_next_token").is_some() {
            return Err(ApiError::parameter(
                "group_limit",
                "group_limit needs to be present in order to paginate over the groups",
            ));
        }
        return success(serde_json::json!({ "groups": groups }));
    };
    page(groups, limit, params.get("group_next_token"))
}

/// A page of groups: those after the token, which names the last group of the page before.
fn page(groups: Vec<RuleGroupView>, limit: usize, token: Option<&str>) -> Answer {
    if limit == 0 {
        return Err(ApiError::parameter("group_limit", "group_limit needs to be greater than 0"));
    }
    let token_of = |group: &RuleGroupView| {
        format!("{:016x}", Labels::from_pairs([("file", &group.file), ("name", &group.name)]).fingerprint())
    };
    let start = match token {
        None => 0,
        Some(token) => match groups.iter().position(|group| token_of(group) == token) {
            Some(at) => at + 1,
            None => {
                return Err(ApiError::parameter(
                    "group_next_token",
                    format!("invalid group_next_token {token:?}. Rule groups changed"),
                ));
            }
        },
    };
    let more = groups.len() > start + limit;
    let shown: Vec<RuleGroupView> = groups.into_iter().skip(start).take(limit).collect();
    let next = shown.last().filter(|_| more).map(token_of);
    success(match next {
        Some(token) => serde_json::json!({ "groups": shown, "groupNextToken": token }),
        None => serde_json::json!({ "groups": shown }),
    })
}

fn matches_any(selectors: &[Vec<Matcher>], labels: &Labels) -> bool {
    selectors.is_empty()
        || selectors.iter().any(|matchers| matchers.iter().all(|matcher| matcher.matches_labels(labels)))
}

pub(crate) async fn alerts(State(api): State<Arc<Api>>) -> Answer {
    let groups = api.deps.sources.rules.groups();
    let alerts: Vec<AlertView> = groups
        .into_iter()
        .flat_map(|group| group.rules)
        .filter_map(|rule| match rule {
            RuleView::Alerting(AlertingRuleView { alerts, .. }) => Some(alerts),
            RuleView::Recording(_) => None,
        })
        .flatten()
        .collect();
    success(serde_json::json!({ "alerts": alerts }))
}

pub(crate) async fn alertmanagers(State(api): State<Arc<Api>>) -> Answer {
    let known = api.deps.sources.rules.alertmanagers();
    let list = |urls: Vec<String>| -> Vec<_> {
        urls.into_iter().map(|url| serde_json::json!({ "url": url })).collect()
    };
    success(serde_json::json!({
        "activeAlertmanagers": list(known.active),
        "droppedAlertmanagers": list(known.dropped),
    }))
}

pub(crate) async fn config(State(api): State<Arc<Api>>) -> Answer {
    success(serde_json::json!({ "yaml": api.deps.sources.status.config_yaml() }))
}

pub(crate) async fn flags(State(api): State<Arc<Api>>) -> Answer {
    success(api.deps.sources.status.flags())
}

pub(crate) async fn runtime(State(api): State<Arc<Api>>) -> Answer {
    success(ask(&api, |api| api.deps.sources.status.runtime()).await?)
}

pub(crate) async fn build(State(api): State<Arc<Api>>) -> Answer {
    success(api.deps.sources.status.build())
}

pub(crate) async fn tsdb(State(api): State<Arc<Api>>, request: Request) -> Answer {
    let params = params(&api, request).await?;
    let limit = match params.get("limit") {
        None => TSDB_LIMIT_DEFAULT,
        Some(text) => match text.parse::<usize>() {
            Ok(limit) if (1..=TSDB_LIMIT_MAX).contains(&limit) => limit,
            Ok(0) | Err(_) => return Err(ApiError::bad_data("limit must be a positive number")),
            Ok(_) => return Err(ApiError::bad_data(format!("limit must not exceed {TSDB_LIMIT_MAX}"))),
        },
    };
    success(ask(&api, move |api| api.deps.sources.status.tsdb(limit)).await?)
}

pub(crate) async fn blocks(State(api): State<Arc<Api>>) -> Answer {
    let blocks = ask(&api, |api| api.deps.sources.status.blocks()).await?;
    success(serde_json::json!({ "blocks": blocks }))
}

pub(crate) async fn wal_replay(State(api): State<Arc<Api>>) -> Answer {
    success(api.deps.sources.status.wal_replay())
}
