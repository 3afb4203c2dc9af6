//! What kinds say of an alert when their settings leave it to the default templates.

use config::Secret;
use serde_json::Value;
use testkit::http::{Reply, Server};
use testkit::smtp;

use super::testing::{decoded, firing, notifier, resolved, taken, tell_of};
use super::{Memory, Notifier, SecretSource, email, opsgenie, pagerduty, slack, sns, telegram, victorops};
use crate::settings::{Global, Smtp};

/// One alert that fires and one that has ended.
async fn body(notifier: &std::sync::Arc<dyn Notifier>, server: &Server) -> String {
    let alerts = vec![
        firing(&[("alertname", "Up"), ("instance", "one"), ("severity", "page")]),
        resolved(&[("alertname", "Up"), ("instance", "two"), ("severity", "page")]),
    ];
    taken(tell_of(notifier, alerts, Memory::new()).await);
    let text = server.requests().pop().unwrap().text();
    assert!(!text.contains("no value") && !text.contains("{{"), "{text}");
    text
}

async fn server() -> Server {
    Server::start(|request| match request.path.starts_with("/bot") {
        true => Reply::json(&serde_json::json!({"ok": true})),
        false => Reply::new(200, "ok"),
    })
    .await
}

const SUBJECT: &str = "1 firing: Up | page";
const LINK: &str = "http://am/alerts?receiver=team";

#[tokio::test]
async fn slack_has_a_title_that_leads_here() {
    let server = server().await;
    let slack = notifier(slack::decode, &format!("{{api_url: '{}', channel: c}}", server.url()));
    let said: Value = serde_json::from_str(&body(&slack, &server).await).unwrap();
    let attachment = &said["attachments"][0];
    assert_eq!(
        (&attachment["title"], &attachment["title_link"]),
        (&Value::from(SUBJECT), &Value::from(LINK))
    );
    assert_eq!(
        (&attachment["color"], &attachment["fallback"]),
        (&"danger".into(), &format!("{SUBJECT} ({LINK})").into())
    );
}

#[tokio::test]
async fn pagerduty_has_the_alerts_in_its_details() {
    let server = server().await;
    let pagerduty = notifier(pagerduty::decode, &format!("{{routing_key: r, url: '{}'}}", server.url()));
    let said: Value = serde_json::from_str(&body(&pagerduty, &server).await).unwrap();
    assert_eq!((&said["payload"]["summary"], &said["client_url"]), (&SUBJECT.into(), &LINK.into()));
    let details = &said["payload"]["custom_details"];
    assert_eq!((&details["num_firing"], &details["num_resolved"]), (&1.into(), &1.into()));
    assert_eq!(details["firing"][0]["labels"]["instance"], "one");
    assert_eq!(details["resolved"][0]["labels"]["instance"], "two");
}

#[tokio::test]
async fn the_others_name_the_alerts() {
    let server = server().await;
    let url = server.url();
    for (decode, yaml) in [
        (opsgenie::decode as super::Decode, format!("{{api_key: k, api_url: '{url}'}}")),
        (victorops::decode, format!("{{api_key: k, routing_key: r, api_url: '{url}'}}")),
        (telegram::decode, format!("{{bot_token: t, chat_id: 1, api_url: '{url}'}}")),
        (
            sns::decode,
            format!("{{topic_arn: a, api_url: '{url}', sigv4: {{region: r, access_key: a, secret_key: s}}}}"),
        ),
    ] {
        let said = testkit::http::decoded(&body(&notifier(decode, &yaml), &server).await);
        assert!(said.contains("instance: one") && said.contains("instance: two"), "{said}");
    }
}

#[tokio::test]
async fn a_mail_shows_the_alerts_and_escapes_what_they_say() {
    let server = smtp::Server::start(smtp::Behaviour::default()).await;
    let smtp = Smtp {
        from: "am@example.org".into(),
        smarthost: server.address().to_string(),
        require_tls: false,
        auth_password: Some(SecretSource::Inline(Secret::new("unused".into()))),
        ..Smtp::default()
    };
    let email = decoded(email::decode, "{to: a@b}", &Global { smtp, ..Global::default() }).unwrap();
    taken(tell_of(&email, vec![firing(&[("alertname", "Up"), ("instance", "<one>")])], Memory::new()).await);
    let mail = server.mails().remove(0);
    assert_eq!(mail.header("Subject").as_deref(), Some("1 firing: Up | <one>"));
    let parts = mail.parts();
    assert_eq!((parts.len(), parts[0].0.as_str()), (1, "text/html; charset=UTF-8"));
    let html = &parts[0].1;
    assert!(html.contains("&lt;one&gt;") && html.contains("a&lt;b") && !html.contains("<one>"), "{html}");
    assert!(html.contains("http://p/?a=1&amp;b=2"), "{html}");
}

#[tokio::test]
async fn a_group_that_is_too_large_for_its_template_is_told_in_part() {
    let server = server().await;
    // 80 MB for the whole group.
    let text = "{{ range .Alerts }}{{ printf \"%40000d\" 1 }}{{ end }}";
    let yaml = format!("{{api_key: k, api_url: '{}', message: m, description: '{text}'}}", server.url());
    let alerts = vec![firing(&[("alertname", "Up")]); 2_000];
    taken(tell_of(&notifier(opsgenie::decode, &yaml), alerts, Memory::new()).await);
    assert!(server.requests()[0].body.len() > 40_000_000);
}
