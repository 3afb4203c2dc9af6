//! Rules, their alerts, and where those are sent.

use std::sync::Arc;

use axum::extract::{Request, State};
use model::{Labels, Matcher};
use serde_json::json;

use crate::Api;
use crate::answer::{Answer, ApiError, success};
use crate::params::{Params, atoi};
use crate::sources::{AlertView, AlertingRuleView, RuleGroupView, RuleView};

pub(crate) async fn rules(State(api): State<Arc<Api>>, request: Request) -> Answer {
    let params = Params::read(request, api.config.body_size_max_bytes).await?;
    let selectors = params.matchers().map_err(ApiError::bad_data)?;
    let (alerting, recording) = match params.get("type").map(str::to_ascii_lowercase).as_deref() {
        None => (true, true),
        Some("alert") => (true, false),
        Some("record") => (false, true),
        Some(other) => {
            let other = gocompat::quote::quote(other);
            return Err(ApiError::parameter("type", format!("not supported value {other}")));
        }
    };
    let exclude_alerts = params
        .flag("exclude_alerts")
        .map_err(|error| {
            ApiError::parameter("exclude_alerts", format!("error converting exclude_alerts: {error}"))
        })?
        .unwrap_or(false);
    let page = Page::read(&params)?;
    let names: Vec<&str> = params.all("rule_name[]").collect();
    let group_names: Vec<&str> = params.all("rule_group[]").collect();
    let files: Vec<&str> = params.all("file[]").collect();
    let wanted = |list: &[&str], name: &str| list.is_empty() || list.contains(&name);

    let mut groups = api.deps.sources.rules.groups();
    page.skip(&mut groups)?;
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
    groups.retain(|group| !group.rules.is_empty());
    match page.cut(&mut groups) {
        Some(token) => success(json!({ "groups": groups, "groupNextToken": token })),
        None => success(json!({ "groups": groups })),
    }
}

/// A part of the list of groups.
struct Page<'a> {
    /// How many groups; all if `None`.
    limit: Option<usize>,
    /// Names the first group: the one that did not fit on the page before.
    token: Option<&'a str>,
}

impl<'a> Page<'a> {
    fn read(params: &'a Params) -> Result<Page<'a>, ApiError> {
        let token = params.get("group_next_token");
        let Some(text) = params.get("group_limit") else {
            return match token {
                None => Ok(Page { limit: None, token: None }),
                Some(_) => Err(ApiError::parameter(
                    "group_next_token",
                    "group_limit needs to be present in order to paginate over the groups",
                )),
            };
        };
        let limit = atoi(text, "ParseInt").map_err(|error| {
            ApiError::parameter("group_limit", format!("group_limit needs to be a valid number: {error}"))
        })?;
        match usize::try_from(limit) {
            Ok(limit) if limit > 0 => Ok(Page { limit: Some(limit), token }),
            _ => Err(ApiError::parameter("group_limit", "group_limit needs to be greater than 0")),
        }
    }

    /// Removes the groups of the pages before.
    fn skip(&self, groups: &mut Vec<RuleGroupView>) -> Result<(), ApiError> {
        let Some(token) = self.token else { return Ok(()) };
        match groups.iter().position(|group| Page::token_of(group) == token) {
            Some(at) => {
                groups.drain(..at);
                Ok(())
            }
            None => Err(ApiError::parameter(
                "group_next_token",
                format!("invalid group_next_token '{token}'. were rule groups changed?"),
            )),
        }
    }

    /// Removes the groups of the pages after, and says how to ask for the next.
    fn cut(&self, groups: &mut Vec<RuleGroupView>) -> Option<String> {
        let limit = self.limit?;
        let next = groups.get(limit).map(Page::token_of);
        groups.truncate(limit);
        next
    }

    fn token_of(group: &RuleGroupView) -> String {
        format!("{:016x}", Labels::from_pairs([("file", &group.file), ("name", &group.name)]).fingerprint())
    }
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
    success(json!({ "alerts": alerts }))
}

pub(crate) async fn alertmanagers(State(api): State<Arc<Api>>) -> Answer {
    let known = api.deps.sources.rules.alertmanagers();
    let list = |urls: Vec<String>| -> Vec<_> { urls.into_iter().map(|url| json!({ "url": url })).collect() };
    success(json!({
        "activeAlertmanagers": list(known.active),
        "droppedAlertmanagers": list(known.dropped),
    }))
}
