//! Trying before trusting, and acknowledgements, over HTTP.

use std::sync::Arc;

use alerting::transport::{Answer, Request, Response, Transport};
use parking_lot::Mutex;

use super::*;

const CONFIG: &str = "
route: {receiver: pager, group_by: [alertname], group_wait: 1h}
receivers:
- name: pager
  pagerduty_configs: [{routing_key: k, url: 'http://pager'}]
- name: quiet
  webhook_configs: [{url: 'http://hook', send_resolved: false}]
";

/// Takes everything, and remembers it.
#[derive(Default)]
struct Taken(Mutex<Vec<Value>>);

impl Transport for Taken {
    fn send(&self, request: Request) -> Answer<'_> {
        self.0.lock().push(serde_json::from_slice(&request.body).unwrap());
        Box::pin(async {
            let body = r#"{"status":"success"}"#.into();
            Ok(Response { status: 202, headers: Default::default(), body })
        })
    }
}

struct Trials {
    server: Server,
    taken: Arc<Taken>,
}

impl Trials {
    fn new() -> Trials {
        let taken = Arc::new(Taken::default());
        let mut server = Server::over(CONFIG, api::Settings::default(), taken.clone());
        server.router = server.router.clone().nest("/own", api::trial_router(server.alerting.clone()));
        Trials { server, taken }
    }

    async fn ask(&self, method: &str, uri: &str, body: Option<&Value>) -> (u16, Value) {
        let (status, body) = self.server.ask(method, &format!("/own{uri}"), body).await;
        (status.as_u16(), serde_json::from_str(&body).unwrap())
    }
}

#[tokio::test]
async fn an_alert_is_taken_on_and_given_back_over_http() {
    let trials = Trials::new();
    trials.server.post_alerts(&[json!({"alertname": "A"}), json!({"alertname": "B"})]).await;
    let fingerprint = trials.server.names("/alerts", "/fingerprint").await[0].1.as_str().unwrap().to_string();
    let uri = "/acknowledgements";
    let take = |more: Value| {
        let mut body = json!({"fingerprint": fingerprint, "by": "kim", "comment": "on it", "for": "2h"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let (status, answer) = trials.ask("POST", uri, Some(&take(json!({})))).await;
    assert_eq!((status, &answer["data"]["acknowledged"]), (200, &json!(1)));
    let (_, listed) = trials.ask("GET", uri, None).await;
    let known = &listed["data"][0];
    assert_eq!(
        (&known["fingerprint"], &known["by"], &known["comment"]),
        (&json!(fingerprint), &json!("kim"), &json!("on it"))
    );
    assert!(known["until"].as_str().unwrap() > known["at"].as_str().unwrap());

    // A whole group, until it ends.
    let group = json!({"groupKey": "{}:{alertname=\"B\"}", "by": "lee"});
    let (status, answer) = trials.ask("POST", uri, Some(&group)).await;
    assert_eq!((status, &answer["data"]["acknowledged"]), (200, &json!(1)));
    let (_, listed) = trials.ask("GET", uri, None).await;
    assert_eq!(listed["data"].as_array().unwrap().len(), 2);
    assert!(listed["data"].as_array().unwrap().iter().any(|known| known["until"].is_null()));

    assert_eq!(trials.ask("DELETE", &format!("{uri}/{fingerprint}"), None).await.0, 200);
    assert_eq!(trials.ask("DELETE", &format!("{uri}/{fingerprint}"), None).await.0, 404, "once is enough");
    for (body, status) in [
        (take(json!({"by": ""})), 400),
        (take(json!({"for": "long"})), 400),
        (take(json!({"fingerprint": "x"})), 400),
        (take(json!({"fingerprint": "0000000000000001"})), 404),
        (take(json!({"groupKey": "both"})), 400),
        (json!({"by": "kim"}), 400),
    ] {
        let (answered, answer) = trials.ask("POST", uri, Some(&body)).await;
        assert_eq!((answered, &answer["status"]), (status, &json!("error")), "{body}: {answer}");
    }
    assert_eq!(trials.ask("DELETE", &format!("{uri}/nothing"), None).await.0, 400);
}

#[tokio::test]
async fn a_test_of_a_receiver_leaves_nothing_open_there() {
    let trials = Trials::new();
    let (status, answer) = trials.ask("POST", "/receivers/pager/test", None).await;
    assert_eq!((status, &answer["data"][0]["ok"]), (200, &json!(true)), "{answer}");
    let taken = trials.taken.0.lock().clone();
    let actions: Vec<&Value> = taken.iter().map(|event| &event["event_action"]).collect();
    assert_eq!(actions, [&json!("trigger"), &json!("resolve")]);
    assert_eq!(taken[0]["dedup_key"], taken[1]["dedup_key"], "of the same incident");
    // One that does not hear of ends is not told of this one.
    trials.taken.0.lock().clear();
    trials.ask("POST", "/receivers/quiet/test", None).await;
    assert_eq!(trials.taken.0.lock().len(), 1);
    assert_eq!(trials.ask("POST", "/receivers/nobody/test", None).await.0, 404);
}

#[tokio::test]
async fn labels_of_routes_are_shown_as_receivers_see_them() {
    let config = "
route: {receiver: a, group_by: [alertname], group_wait: 1h, labels: {about: 'team {{ .CommonLabels.team }}', plain: x}}
receivers: [{name: a}]
";
    let server = Server::over(config, api::Settings::default(), Arc::new(HttpTransport::default()));
    server.post_alerts(&[json!({"alertname": "A", "team": "web"})]).await;
    let groups = server.get("/alerts/groups").await;
    assert_eq!(groups[0]["routeLabels"], json!({"about": "team web", "plain": "x"}));
}
