//! Targets that a server names: a JSON list of groups, asked for again and again.

use std::sync::Arc;
use std::time::Duration;

use model::TargetGroup;
use model::target::BoxFuture;
use net::{Client, Limits, Request};

use crate::config::HttpConfig;
use crate::core::{Publisher, Reader};
use crate::group;

/// A larger answer is refused.
const ANSWER_SIZE_MAX_BYTES: u64 = 256 << 20;
/// The label that says which server a target comes from.
const URL_LABEL: &str = "__meta_url";

pub(crate) struct HttpReader {
    config: HttpConfig,
    /// Made at the first use and, while that fails, tried again at each.
    client: Option<Client>,
    /// The last good answer.
    groups: Vec<Arc<TargetGroup>>,
}

impl HttpReader {
    pub(crate) fn new(config: HttpConfig) -> Self {
        HttpReader { config, client: None, groups: Vec::new() }
    }

    async fn look(&mut self) -> Result<Vec<Arc<TargetGroup>>, String> {
        let refresh_ms = self.config.refresh_interval_ms;
        let client = match &self.client {
            Some(client) => client.clone(),
            None => {
                let client = Client::new(&self.config.client).map_err(|error| error.to_string())?;
                self.client.insert(client).clone()
            }
        };
        let request = Request::get(&self.config.url)
            .header("accept", "application/json")
            .header("x-prometheus-refresh-interval-seconds", (refresh_ms as f64 / 1000.0).to_string());
        let limits = Limits {
            timeout: Duration::from_millis(refresh_ms.unsigned_abs()),
            body_size_max_bytes: ANSWER_SIZE_MAX_BYTES,
        };
        let answer = client.send(request, limits).await.map_err(|error| error.to_string())?;
        if answer.status.as_u16() != 200 {
            return Err(format!("server returned HTTP status {}", answer.status));
        }
        let content_type =
            answer.headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or("");
        if !is_json(content_type) {
            return Err(format!("unsupported content type {content_type:?}"));
        }
        let text = std::str::from_utf8(&answer.body).map_err(|error| error.to_string())?;
        let groups = group::from_json(text).map_err(|error| error.to_string())?;
        let url = &self.config.url;
        let named = groups
            .into_iter()
            .enumerate()
            .map(|(at, group)| Arc::new(group::named(group, format!("{url}:{at}"), URL_LABEL, url)));
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

impl Reader for HttpReader {
    fn run(mut self: Box<Self>, publisher: Publisher) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let mut problem = None;
            loop {
                let found = self.look().await;
                let changed = match found {
                    Ok(groups) => {
                        let changed =
                            groups != self.groups || problem.is_some() || !publisher.has_published();
                        (self.groups, problem) = (groups, None);
                        changed
                    }
                    Err(error) => {
                        let message = format!("{}: {error}", without_password(&self.config.url));
                        tracing::warn!(problem = message, "HTTP discovery: the last good targets stay");
                        let changed = problem.as_ref() != Some(&message);
                        problem = Some(message);
                        changed
                    }
                };
                if changed {
                    let wanted = match &problem {
                        None => publisher.publish(self.groups.clone(), Vec::new()),
                        Some(message) => publisher.report(vec![message.clone()]),
                    };
                    if !wanted {
                        return;
                    }
                }
                let refresh_ms = self.config.refresh_interval_ms.max(1_000);
                tokio::time::sleep(Duration::from_millis(refresh_ms.unsigned_abs())).await;
            }
        })
    }
}

/// A URL as it may be logged: with `xxxxx` for a password.
fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_string() };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    match authority.rsplit_once('@').and_then(|(user, _)| user.split_once(':')) {
        Some((user, password)) => {
            let after = rest.get(user.len() + 1 + password.len()..).unwrap_or_default();
            format!("{scheme}://{user}:xxxxx{after}")
        }
        None => url.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[test]
    fn a_password_is_not_logged() {
        for (url, shown) in [
            ("http://user:p@ss:word@host:1/a@b:c", "http://user:xxxxx@host:1/a@b:c"),
            ("https://user@host/x?a=b:c@d", "https://user@host/x?a=b:c@d"),
            ("http://host:9090/targets", "http://host:9090/targets"),
        ] {
            assert_eq!(without_password(url), shown);
        }
    }

    /// A server that gives these answers in turn.
    async fn reader(answers: Vec<(&'static str, &'static str, &'static str)>) -> HttpReader {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/targets", listener.local_addr().unwrap());
        tokio::spawn(async move {
            for (status, content_type, body) in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    request.push(stream.read_u8().await.unwrap());
                }
                let request = String::from_utf8(request).unwrap().to_ascii_lowercase();
                assert!(request.contains("x-prometheus-refresh-interval-seconds: 60\r\n"), "{request}");
                let answer = format!(
                    "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-type: {content_type}\r\n\
                     content-length: {}\r\n\r\n{body}",
                    body.len()
                );
                stream.write_all(answer.as_bytes()).await.unwrap();
                stream.shutdown().await.unwrap();
            }
        });
        let client = config::HttpClientConfig::default();
        HttpReader::new(HttpConfig { url, refresh_interval_ms: 60_000, client })
    }

    #[tokio::test]
    async fn targets_come_from_a_server_and_wrong_answers_are_named() {
        let json = "application/json";
        let mut reader = reader(vec![
            ("200 OK", "application/json; charset=utf-8", r#"[{"targets": ["a:1"], "labels": {"x": "y"}}]"#),
            ("503 Service Unavailable", json, ""),
            ("200 OK", "text/html", "[]"),
            ("200 OK", json, "[null]"),
        ])
        .await;
        let url = reader.config.url.clone();
        let groups = reader.look().await.unwrap();
        assert_eq!(groups[0].source, format!("{url}:0"));
        assert_eq!((groups[0].labels.value("x"), groups[0].labels.value("__meta_url")), ("y", url.as_str()));
        for expected in [
            "server returned HTTP status 503 Service Unavailable",
            "unsupported content type \"text/html\"",
            "nil target group item found (index 0)",
        ] {
            assert_eq!(reader.look().await.unwrap_err(), expected);
        }
    }
}
