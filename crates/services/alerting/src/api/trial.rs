//! What Alertmanager has no API for: the routes, where an alert would go and when, tests of receivers,
//! previews of templates. Answers have the form of Prometheus's API: `{"status":"success","data":…}`.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{FromRef, Path, RawQuery, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use http_body_util::{BodyExt, Limited};
use model::{Alert, Labels};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::acknowledge;
use super::params::Params;
use super::write::{fingerprint_text, push_time};
use crate::matchers::Written;
use crate::route::GroupBy;
use crate::service::Handle;
use crate::trial::RouteMatch;

/// The largest body.
const BODY_SIZE_MAX_BYTES: usize = 1 << 20;
/// Labels of one question.
const LABELS_MAX: usize = 1_000;

/// Templates that are expanded for people at once: each may take a core for seconds.
const PREVIEWS_MAX: usize = 2;

/// What the routes stand on.
#[derive(Clone)]
struct Trials {
    alerting: Handle,
    previews: Arc<Semaphore>,
}

impl FromRef<Trials> for Handle {
    fn from_ref(trials: &Trials) -> Handle {
        trials.alerting.clone()
    }
}

/// The routes, to be put under `/api/v1/alerting`.
pub fn trial_router(alerting: Handle) -> Router {
    with_previews(alerting, PREVIEWS_MAX)
}

fn with_previews(alerting: Handle, previews_max: usize) -> Router {
    let trials = Trials { alerting, previews: Arc::new(Semaphore::new(previews_max)) };
    Router::new()
        .route("/routes", get(routes))
        .route("/route-test", get(route_test))
        .route("/receivers", get(receivers))
        .route("/receivers/{name}/test", post(test_receiver))
        .route("/templates/preview", post(preview))
        .route("/acknowledgements", get(acknowledge::list).post(acknowledge::post))
        .route("/acknowledgements/{fingerprint}", delete(acknowledge::take_back))
        .with_state(trials)
}

pub(super) fn success(data: Value) -> Response {
    let body = json!({"status": "success", "data": data}).to_string();
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

pub(super) fn failure(status: StatusCode, kind: &str, message: impl Into<String>) -> Response {
    let body = json!({"status": "error", "errorType": kind, "error": message.into()}).to_string();
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

pub(super) fn bad(message: impl Into<String>) -> Response {
    failure(StatusCode::BAD_REQUEST, "bad_data", message)
}

fn seconds(ms: i64) -> Value {
    json!(ms as f64 / 1_000.0)
}

pub(super) fn time(at_ms: i64) -> Value {
    let mut text = Vec::new();
    push_time(&mut text, at_ms);
    serde_json::from_slice(&text).unwrap_or(Value::Null)
}

/// The tree with what is in it now.
async fn routes(State(alerting): State<Handle>) -> Response {
    let (config, counts, muting) = alerting.look(|dispatcher, now_ms| {
        let config = dispatcher.config().clone();
        let muting: Vec<bool> = (0..config.routes.iter().count())
            .map(|at| !dispatcher.muting_intervals(at, now_ms).is_empty())
            .collect();
        (config, dispatcher.count_in_routes(), muting)
    });
    // Children stand behind their parents.
    let mut nodes: Vec<Option<Value>> = vec![None; counts.len()];
    for (at, route) in config.routes.iter().enumerate().collect::<Vec<_>>().into_iter().rev() {
        let children: Vec<Value> =
            route.children.iter().filter_map(|child| nodes.get_mut(*child).and_then(Option::take)).collect();
        let (groups, alerts) = counts.get(at).copied().unwrap_or_default();
        let group_by: Vec<&str> = match &route.group_by {
            GroupBy::All => vec!["..."],
            GroupBy::Labels(names) => names.iter().map(String::as_str).collect(),
        };
        let node = json!({
            "id": route.id,
            "receiver": route.receiver,
            "matchers": route.matchers.iter().map(|m| Written(m).to_string()).collect::<Vec<_>>(),
            "continue": route.continues,
            "group_by": group_by,
            "group_wait_seconds": seconds(route.group_wait_ms),
            "group_interval_seconds": seconds(route.group_interval_ms),
            "repeat_interval_seconds": seconds(route.repeat_interval_ms),
            "mute_time_intervals": route.mute_time_intervals,
            "active_time_intervals": route.active_time_intervals,
            "labels": route.labels,
            "muted": muting.get(at).copied().unwrap_or(false),
            "groups": groups,
            "alerts": alerts,
            "routes": children,
        });
        if let Some(place) = nodes.get_mut(at) {
            *place = Some(node);
        }
    }
    success(nodes.into_iter().next().flatten().unwrap_or(Value::Null))
}

/// Where an alert with the labels of the parameters `label=name=value` would go.
async fn route_test(State(alerting): State<Handle>, RawQuery(query): RawQuery) -> Response {
    let params = Params::read(query.as_deref());
    let mut pairs = Vec::new();
    for text in params.all("label") {
        let Some((name, value)) = text.split_once('=') else {
            return bad(format!("label must be name=value, found {text:?}"));
        };
        pairs.push((name, value));
    }
    if pairs.is_empty() || pairs.len() > LABELS_MAX {
        return bad(format!(
            "the labels of an alert are wanted, as label=name=value, 1 to {LABELS_MAX} times"
        ));
    }
    let labels = Labels::from_pairs(pairs);
    let config = alerting.config();
    let shown = |found: RouteMatch| {
        let silences = found.silenced_by.iter().map(|id| format!("silence {id}"));
        let intervals = found.time_intervals.iter().map(|name| format!("time interval {name}"));
        let alerts = found.inhibited_by.iter().map(|labels| format!("alert {labels}"));
        let route = config.routes.get(found.route);
        let integrations = config.receiver(&found.receiver).into_iter().flat_map(|r| &r.integrations);
        let mut shown = json!({
            "id": route.map(|route| route.id.as_str()),
            "receiver": found.receiver,
            "integrations": integrations.map(|integration| integration.name.clone()).collect::<Vec<_>>(),
            "group_key": found.group_key,
            "group_labels": pairs_of(&found.group_labels),
            "group_wait_seconds": route.map_or(Value::Null, |route| seconds(route.group_wait_ms)),
            "wait_seconds": seconds(found.wait_ms),
            "muted_by": intervals.chain(silences).chain(alerts).collect::<Vec<_>>(),
            "time_intervals": found.time_intervals,
            "silenced_by": found.silenced_by,
            "inhibited_by": found.inhibited_by.iter().map(|l| fingerprint_text(l.fingerprint())).collect::<Vec<_>>(),
        });
        if let Some(at_ms) = found.next_flush_ms {
            shown["next_flush"] = time(at_ms);
        }
        shown
    };
    success(alerting.route_test(&labels).into_iter().map(shown).collect())
}

fn pairs_of(labels: &Labels) -> Value {
    Value::Object(labels.iter().map(|(name, value)| (name.to_string(), value.into())).collect())
}

/// Who can be told, and how that went so far.
async fn receivers(State(alerting): State<Handle>) -> Response {
    let config = alerting.config();
    let receivers = config.receivers.iter().map(|receiver| {
        let integrations = receiver.integrations.iter().map(|integration| {
            let tally = alerting.tally(&integration.name);
            let mut shown = json!({
                "name": integration.name,
                "kind": integration.notifier.kind(),
                "send_resolved": integration.notifier.sends_resolved(),
                "notifications": tally.attempts,
                "failed": tally.failed,
            });
            if tally.attempts > 0 {
                shown["last_attempt"] = time(tally.last_at_ms);
                shown["last_status"] = if tally.last_error.is_some() { "failed" } else { "taken" }.into();
                shown["last_latency_ms"] = tally.last_took_ms.into();
            }
            if let Some(error) = tally.last_error {
                shown["last_error"] = error.into();
            }
            shown
        });
        json!({"name": receiver.name, "labels": receiver.labels, "integrations": integrations.collect::<Vec<_>>()})
    });
    success(receivers.collect())
}

/// Tells a receiver of a test alert.
async fn test_receiver(State(alerting): State<Handle>, Path(name): Path<String>) -> Response {
    tracing::info!(receiver = name, "a test notification was asked for");
    let Some(tested) = alerting.test_receiver(&name).await else {
        return failure(StatusCode::NOT_FOUND, "not_found", format!("there is no receiver {name:?}"));
    };
    let shown = tested.into_iter().map(|tested| {
        let mut shown =
            json!({"integration": tested.integration, "ok": tested.error.is_none(), "latency_ms": tested.took_ms});
        if let Some(error) = tested.error {
            shown["error"] = error.into();
        }
        shown
    });
    success(shown.collect())
}

/// Expands the template of the body's field `template` for the alert with the fingerprint `fingerprint`
/// or with the `labels` and `annotations` given. `type` is `text` or `html`; `receiver` names one.
async fn preview(State(Trials { alerting, previews }): State<Trials>, request: Request) -> Response {
    let body = match read(request.into_body()).await {
        Ok(body) => body,
        Err(message) => return bad(message),
    };
    let Ok(place) = previews.try_acquire_owned() else {
        let message = format!("{PREVIEWS_MAX} templates are being expanded already, try again");
        return failure(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message);
    };
    // A template can loop for seconds before it meets its limits, which must delay nothing else. It
    // goes on if nobody waits for it any more, and so does its place.
    let expanded = tokio::task::spawn_blocking(move || {
        let _place = place;
        expand(&alerting, &body)
    })
    .await;
    expanded.unwrap_or_else(|_| {
        failure(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the template was not expanded to its end")
    })
}

fn expand(alerting: &Handle, body: &Value) -> Response {
    let text = |field: &str| body.get(field).and_then(Value::as_str);
    let Some(template) = text("template") else { return bad("the field template is missing") };
    let is_html = match text("type") {
        None | Some("text") => false,
        Some("html") => true,
        Some(other) => return bad(format!("type must be text or html, found {other:?}")),
    };
    let alert = match text("fingerprint") {
        Some(text) => {
            let wanted = u64::from_str_radix(text, 16).ok();
            let found = alerting.look(|dispatcher, now_ms| {
                let labels = dispatcher.alert_labels();
                let labels = labels.into_iter().find(|labels| Some(labels.fingerprint()) == wanted)?;
                dispatcher.listed(&labels, now_ms)
            });
            match found {
                Some(listed) => listed.alert,
                None => {
                    let message = format!("there is no alert with the fingerprint {text:?}");
                    return failure(StatusCode::NOT_FOUND, "not_found", message);
                }
            }
        }
        None => Arc::new(Alert {
            labels: labels_of(&body["labels"]),
            annotations: labels_of(&body["annotations"]),
            starts_at_ms: alerting.look(|_, now_ms| now_ms),
            ends_at_ms: 0,
            generator_url: String::new(),
        }),
    };
    match alerting.preview(template, is_html, text("receiver").unwrap_or(""), vec![alert]) {
        Ok(text) => success(json!({ "text": text })),
        Err(error) => bad(error),
    }
}

fn labels_of(value: &Value) -> Labels {
    let pairs = value.as_object().into_iter().flatten();
    Labels::from_pairs(pairs.filter_map(|(name, value)| Some((name.as_str(), value.as_str()?))))
}

pub(super) async fn read(body: Body) -> Result<Value, String> {
    let body = Limited::new(body, BODY_SIZE_MAX_BYTES).collect().await.map_err(|error| error.to_string())?;
    serde_json::from_slice(&body.to_bytes()).map_err(|error| format!("the body is not JSON: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tower::ServiceExt;

    #[tokio::test]
    async fn so_many_previews_at_once_and_no_more() {
        let deps = crate::Deps {
            clock: base::Clock::system(),
            data_dir: None,
            transport: Arc::new(crate::HttpTransport::default()),
            external_url: String::new(),
            instance: "here".into(),
            limits: crate::dispatch::Limits::default(),
            replicas: Arc::new(crate::replicas::Alone),
            trail: crate::trail::Trail::off(),
        };
        let alerting =
            crate::Alerting::start(crate::Config::default_for_machine(None).unwrap(), deps).unwrap();
        for (places, status) in [(0, StatusCode::SERVICE_UNAVAILABLE), (1, StatusCode::OK)] {
            let router = with_previews(alerting.clone(), places);
            for _ in 0..2 {
                let body = r#"{"template": "{{ .Status }}", "labels": {"a": "b"}}"#;
                let request = Request::post("/templates/preview").body(Body::from(body)).unwrap();
                assert_eq!(
                    router.clone().oneshot(request).await.unwrap().status(),
                    status,
                    "{places} places"
                );
            }
        }
    }
}
