//! Targets that a server names: a JSON list of groups, asked for again and again.

use std::time::Duration;

use model::TargetGroup;
use net::Request;

use super::{Kind, REFRESH, Settings, Text};
use crate::api::{Api, Failure, Result};
use crate::group;
use crate::poll::{Poll, poll};

pub(super) const KIND: Kind = Kind {
    name: "http_sd_configs",
    type_name: "http.plain",
    http: true,
    fields: &[("url", Text), REFRESH],
    rules: |entry| entry.http_url("url"),
    reader: poll::<Http>,
};

/// The label that says which server a target comes from.
const URL_LABEL: &str = "__meta_url";

struct Http {
    api: Api,
    url: String,
    refresh_interval: Duration,
}

impl Poll for Http {
    fn new(settings: &Settings) -> Result<Self> {
        let refresh_interval = settings.refresh_interval();
        let api = Api::new(&settings.http, refresh_interval)?;
        Ok(Http { api, url: settings.text("url").to_string(), refresh_interval })
    }

    async fn look(&mut self) -> Result<Vec<TargetGroup>> {
        let request = Request::get(&self.url)
            .header("accept", "application/json")
            .header("x-prometheus-refresh-interval-seconds", self.refresh_interval.as_secs_f64().to_string());
        let answer = self.api.send(request).await?;
        if answer.status.as_u16() != 200 {
            return Err(Failure::new(format!("server returned HTTP status {}", answer.status)));
        }
        let content_type =
            answer.headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or("");
        if !is_json(content_type) {
            return Err(Failure::new(format!("unsupported content type {content_type:?}")));
        }
        let text = std::str::from_utf8(&answer.body).map_err(|error| Failure::new(error.to_string()))?;
        let groups = group::from_json(text).map_err(|error| Failure::new(error.to_string()))?;
        let url = &self.url;
        let named = groups
            .into_iter()
            .enumerate()
            .map(|(at, group)| group::named(group, format!("{url}:{at}"), URL_LABEL, url));
        Ok(named.collect())
    }
}

/// Whether a content type is JSON in UTF-8.
fn is_json(content_type: &str) -> bool {
    let mut parts = content_type.split(';');
    let media = parts.next().unwrap_or("").trim();
    let charset = parts.next().map(|charset| charset.trim().replace('"', "").to_ascii_lowercase());
    media.eq_ignore_ascii_case("application/json")
        && charset.is_none_or(|charset| charset == "charset=utf-8")
        && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use exposition::Registry;
    use model::TargetSource;
    use testkit::http::{Reply, Server};

    use super::*;
    use crate::{Config, Discovery};

    /// A server that gives these answers in turn, the last one forever.
    async fn server(answers: Vec<(u16, &'static str, &'static str)>) -> Server {
        let at = AtomicUsize::new(0);
        Server::start(move |_| {
            let at = at.fetch_add(1, Ordering::Relaxed).min(answers.len() - 1);
            let (status, content_type, body) = answers[at];
            Reply::new(status, body).header("content-type", content_type).header("retry-after", "7")
        })
        .await
    }

    #[tokio::test]
    async fn targets_come_from_a_server_and_wrong_answers_are_named() {
        let json = "application/json";
        let server = server(vec![
            (200, "application/json; charset=utf-8", r#"[{"targets": ["a:1"], "labels": {"x": "y"}}]"#),
            (503, json, "busy"),
            (200, "text/html", "[]"),
            (200, json, "[null]"),
        ])
        .await;
        let url = format!("{}/targets", server.url());
        let settings = super::super::settings(&KIND, &format!("{{url: '{url}'}}"), "");
        let mut http = Http::new(&settings).unwrap();
        let groups = http.look().await.unwrap();
        assert_eq!(groups[0].source, format!("{url}:0"));
        assert_eq!((groups[0].labels.value("x"), groups[0].labels.value("__meta_url")), ("y", url.as_str()));
        let failure = http.look().await.unwrap_err();
        assert_eq!(
            failure.message,
            format!("{url}: server returned HTTP status 503 Service Unavailable: busy")
        );
        assert_eq!(failure.retry_after, Some(Duration::from_secs(7)));
        for expected in ["unsupported content type \"text/html\"", "nil target group item found (index 0)"] {
            assert_eq!(http.look().await.unwrap_err().message, expected);
        }
        assert_eq!(server.requests()[0].header("x-prometheus-refresh-interval-seconds"), "60");
    }

    #[tokio::test]
    async fn a_source_that_fails_keeps_its_targets_and_says_so() {
        let json = "application/json";
        let server = server(vec![
            (200, json, r#"[{"targets": ["a:1"]}, {"targets": ["b:1"]}]"#),
            (200, json, r#"[{"targets": ["a:1"]}, {"targets": ["c:1"]}]"#),
            (500, json, ""),
        ])
        .await;
        let yaml = format!("http_sd_configs: [{{url: '{}', refresh_interval: 1s}}]", server.url());
        let base = config::http_client::PathBase::new(std::path::Path::new(""));
        let config =
            Config::decode(&config::Node::parse(&yaml).unwrap(), "config.ScrapeConfig", &base).unwrap();
        let registry = Registry::new();
        let discovery = Discovery::new("scrape", &registry);
        discovery.apply(vec![("job".into(), config)]);
        discovery.changed("job", 0).await;
        let first = discovery.current("job");
        discovery.changed("job", first.version).await;
        let second = discovery.current("job");
        assert!(
            std::sync::Arc::ptr_eq(&first.groups[0], &second.groups[0]),
            "what is the same stays the same"
        );
        assert_eq!(second.groups[1].targets[0].value("__address__"), "c:1");
        while discovery.problems().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(discovery.problems()[0].message.contains("server returned HTTP status 500"));
        assert_eq!(discovery.current("job").version, second.version, "the targets stay");
        let mut page = Vec::new();
        registry.collect(&mut exposition::TextWriter::new(&mut page));
        let page = String::from_utf8(page).unwrap();
        for line in [
            "prometheus_sd_refresh_failures_total{mechanism=\"http\",config=\"job\"} 1",
            "prometheus_sd_http_failures_total 1",
            "prometheus_sd_failed_configs{name=\"scrape\"} 1",
            "prometheus_sd_discovered_targets{name=\"scrape\",config=\"job\"} 2",
        ] {
            assert!(page.contains(line), "{line} is not in\n{page}");
        }
    }
}
