//! Trying before trusting: a test of a receiver, a preview of a template, and where an alert would go
//! and when, without telling anybody.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::{Alert, Labels};

use crate::dispatch::Outcome;
use crate::notification::{Integration, Notification, Reason, Told};
use crate::receivers::answer::outcome_of_error;
use crate::receivers::{Delivery, Memory};
use crate::route::Route;
use crate::service::Handle;
use crate::settings::Config;
use crate::template::{Data, Templates};
use crate::transport::TransportError;

/// How long a test of one integration may take.
const TEST_TIMEOUT: Duration = Duration::from_secs(15);
/// The name of the alert that a test tells of, so that nobody takes it for a real one.
pub const TEST_ALERT: &str = "PromontoryTest";

/// Where an alert would go by one of its routes.
#[derive(Clone, Debug)]
pub struct RouteMatch {
    /// The route; see [`crate::Config::routes`].
    pub route: usize,
    /// Who would be told.
    pub receiver: String,
    /// What its group would be known by.
    pub group_key: String,
    /// The labels of that group.
    pub group_labels: Labels,
    /// When that group is told next, if there is one.
    pub next_flush_ms: Option<i64>,
    /// How long the alert would wait until its group is told, if nothing mutes it.
    pub wait_ms: i64,
    /// Time intervals that mute the route now.
    pub time_intervals: Vec<String>,
    /// Silences that would silence it now.
    pub silenced_by: Vec<String>,
    /// Alerts that would inhibit it now.
    pub inhibited_by: Vec<Labels>,
}

/// How a test of one integration went.
#[derive(Clone, Debug)]
pub struct Tested {
    /// The integration's name.
    pub integration: String,
    /// What went wrong, or `None` if the receiver took it.
    pub error: Option<String>,
    /// How long it took.
    pub took_ms: u64,
}

impl Handle {
    /// Where an alert with these labels would go, and when.
    pub fn route_test(&self, labels: &Labels) -> Vec<RouteMatch> {
        self.look(|dispatcher, now_ms| {
            let config = dispatcher.config().clone();
            let silenced_by = dispatcher.would_be_silenced_by(labels, now_ms);
            let inhibited_by = dispatcher.would_be_inhibited_by(labels, now_ms);
            let matches = config.routes.matching(labels).into_iter().filter_map(|at| {
                let route = config.routes.get(at)?;
                let group_labels = route.group_by.group_labels(labels);
                let group =
                    dispatcher.group_on(at, labels).and_then(|key| dispatcher.listed_group(&key, now_ms));
                let next_flush_ms = group.map(|group| group.next_flush_ms);
                Some(RouteMatch {
                    route: at,
                    receiver: route.receiver.clone(),
                    group_key: format!("{}:{}", route.key, labels_key(&group_labels)),
                    wait_ms: next_flush_ms
                        .map_or(route.group_wait_ms, |at_ms| at_ms.saturating_sub(now_ms).max(0)),
                    group_labels,
                    next_flush_ms,
                    time_intervals: dispatcher.muting_intervals(at, now_ms),
                    silenced_by: silenced_by.clone(),
                    inhibited_by: inhibited_by.clone(),
                })
            });
            matches.collect()
        })
    }

    /// Tells each integration of a receiver of a test alert, once, all at the same time. `None` if there
    /// is no such receiver.
    pub async fn test_receiver(&self, name: &str) -> Option<Vec<Tested>> {
        let config = self.config();
        let receiver = config.receiver(name)?;
        let mut tests = tokio::task::JoinSet::new();
        for (at, integration) in receiver.integrations.iter().cloned().enumerate() {
            let handle = self.clone();
            tests.spawn(async move { (at, handle.test_integration(integration).await) });
        }
        let mut tested = Vec::new();
        while let Some(test) = tests.join_next().await {
            tested.extend(test);
        }
        tested.sort_by_key(|(at, _)| *at);
        Some(tested.into_iter().map(|(_, tested)| tested).collect())
    }

    async fn test_integration(&self, integration: Arc<Integration>) -> Tested {
        let now_ms = self.now_ms();
        let labels = Labels::from_pairs([("alertname", TEST_ALERT), ("receiver", &integration.receiver)]);
        let annotations = Labels::from_pairs([
            ("summary", "A test notification of Promontory"),
            ("description", "Somebody tries whether this receiver works. Nothing has to be done."),
        ]);
        let mut alert = Alert {
            labels,
            annotations,
            starts_at_ms: now_ms,
            ends_at_ms: 0,
            generator_url: self.external_url().to_string(),
        };
        let begun = self.mark();
        let mut told = self.tell_once(&integration, alert.clone(), Memory::new(), now_ms).await;
        // Its end as well, so that nothing stays open with services that keep incidents.
        if let Ok(memory) = &told
            && integration.notifier.sends_resolved()
        {
            alert.ends_at_ms = now_ms;
            let end = self.tell_once(&integration, alert, memory.clone(), now_ms).await;
            told = end.map_err(|error| format!("the alert was taken, but not its end: {error}"));
        }
        let took_ms = begun.elapsed().as_millis() as u64;
        Tested { integration: integration.name.clone(), error: told.err(), took_ms }
    }

    /// Tells an integration of one alert, with what it remembered of the time before. Returns what it
    /// wants to remember of this one.
    async fn tell_once(
        &self,
        integration: &Arc<Integration>,
        alert: Alert,
        memory: Memory,
        now_ms: i64,
    ) -> Result<Memory, String> {
        let mut notification = notification(integration.clone(), vec![Arc::new(alert)], now_ms);
        notification.memory = memory;
        let data = Data::of(&notification, self.external_url()).at(now_ms);
        let delivery = Delivery {
            notification: &notification,
            data: &data,
            templates: &integration.templates,
            transport: self.transport(),
            now_ms,
            timeout: TEST_TIMEOUT,
        };
        let attempt = tokio::time::timeout(TEST_TIMEOUT, integration.notifier.notify(&delivery));
        match attempt.await.unwrap_or_else(|_| outcome_of_error(&TransportError::Timeout)) {
            Outcome::Taken(memory) => Ok(memory),
            Outcome::TryAgain(failure) | Outcome::Refused(failure) => Err(failure.message),
        }
    }

    /// Expands a template as it would be for these alerts and a receiver, with the templates of the
    /// configuration. The error is the template's.
    pub fn preview(
        &self,
        template: &str,
        is_html: bool,
        receiver: &str,
        alerts: Vec<Arc<Alert>>,
    ) -> Result<String, String> {
        let config = self.config();
        let now_ms = self.now_ms();
        preview(config.templates(), template, is_html, receiver, alerts, self.external_url(), now_ms)
    }
}

/// Expands a template as it would be for these alerts. The error is the template's.
pub fn preview(
    templates: &Templates,
    template: &str,
    is_html: bool,
    receiver: &str,
    alerts: Vec<Arc<Alert>>,
    external_url: &str,
    now_ms: i64,
) -> Result<String, String> {
    let integration = for_show(receiver, Arc::new(templates.clone()));
    let data = Data::of(&notification(integration, alerts, now_ms), external_url).at(now_ms);
    match is_html {
        true => templates.html(template, &data),
        false => templates.text(template, &data),
    }
}

/// An integration that tells nobody.
fn for_show(receiver: &str, templates: Arc<Templates>) -> Arc<Integration> {
    Arc::new(Integration {
        name: format!("{receiver}/preview"),
        receiver: receiver.to_string(),
        notifier: Arc::new(crate::receivers::webhook::Webhook::at("")),
        templates,
    })
}

/// The labels of a route as a notification about these alerts would have them.
pub(crate) fn route_labels(
    config: &Config,
    route: &Route,
    group_labels: &Labels,
    alerts: Vec<Arc<Alert>>,
    external_url: &str,
    now_ms: i64,
) -> Labels {
    let integration = for_show(&route.receiver, config.templates().clone());
    let notification = Notification {
        group_key: format!("{}:{}", route.key, labels_key(group_labels)),
        group_labels: group_labels.clone(),
        route_labels: route.labels.clone(),
        ..notification(integration, alerts, now_ms)
    };
    Data::of(&notification, external_url).at(now_ms).route_labels().clone()
}

/// A notification about a group of these alerts.
fn notification(integration: Arc<Integration>, alerts: Vec<Arc<Alert>>, now_ms: i64) -> Notification {
    let name = alerts.first().map_or("", |alert| alert.labels.value("alertname"));
    let group_labels = Labels::from_pairs([("alertname", name)]);
    let told = alerts.into_iter().map(|alert| Told { is_resolved: alert.is_resolved_at(now_ms), alert });
    Notification {
        integration,
        group_key: format!("{{}}:{}", labels_key(&group_labels)),
        group_labels,
        route_labels: BTreeMap::new(),
        reason: Reason::First,
        alerts: told.collect(),
        memory: BTreeMap::new(),
    }
}

/// Labels as they stand in keys of groups.
fn labels_key(labels: &Labels) -> String {
    labels.to_string()
}
