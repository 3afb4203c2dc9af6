//! `promontory alerts route`, `test-receiver` and `preview`: trying before trusting.

use clap::Args;
use net::client::Request;
use net::{Limits, Method};
use serde_json::{Value, json};

use crate::promtool::{HttpFlags, Server, answer_of};

/// How long a server may take, and the size of its answer.
const LIMITS: Limits = Limits { timeout: std::time::Duration::from_secs(60), body_size_max_bytes: 64 << 20 };

/// Which server is asked.
#[derive(Args)]
struct At {
    /// The server
    #[arg(long, default_value = "http://127.0.0.1:9090", value_name = "URL")]
    server: String,
    #[command(flatten)]
    http: HttpFlags,
}

impl At {
    fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value, String> {
        let server = Server::new(&self.server, &self.http)?;
        let url = format!("{}/api/v1/alerting/{path}", server.url());
        let body = body.unwrap_or(Value::Null).to_string();
        let request = match method {
            Method::GET => Request::get(url),
            _ => Request::post(url, "application/json", body),
        };
        answer_of(&server.send(request, LIMITS)?)
    }
}

/// Arguments of `alerts route`.
#[derive(Args)]
pub(crate) struct RouteFlags {
    /// Labels of the alert, name=value
    #[arg(required = true)]
    labels: Vec<String>,
    #[command(flatten)]
    at: At,
}

impl RouteFlags {
    /// Says where an alert would go, and when.
    pub(crate) fn run(&self) -> Result<(), String> {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for label in &self.labels {
            query.append_pair("label", label);
        }
        let matches = self.at.ask(Method::GET, &format!("route-test?{}", query.finish()), None)?;
        for found in matches.as_array().into_iter().flatten() {
            let text = |name: &str| found[name].as_str().unwrap_or("");
            let list = |name: &str| -> Vec<&str> {
                found[name].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
            };
            println!("{}", text("receiver"));
            println!("  route: {}", text("id"));
            println!("  integrations: {}", list("integrations").join(", "));
            println!("  group: {}", text("group_key"));
            println!("  told in: {} s", found["wait_seconds"]);
            match list("muted_by") {
                muted if muted.is_empty() => {}
                muted => println!("  but muted now by: {}", muted.join(", ")),
            }
        }
        Ok(())
    }
}

/// Arguments of `alerts test-receiver`.
#[derive(Args)]
pub(crate) struct TestFlags {
    /// The receiver
    receiver: String,
    #[command(flatten)]
    at: At,
}

impl TestFlags {
    /// Tells a receiver of a test alert.
    pub(crate) fn run(&self) -> Result<(), String> {
        let name: String = form_urlencoded::byte_serialize(self.receiver.as_bytes()).collect();
        let name = name.replace('+', "%20");
        let tested = self.at.ask(Method::POST, &format!("receivers/{name}/test"), None)?;
        let tested = tested.as_array().cloned().unwrap_or_default();
        let mut failed = 0;
        for one in &tested {
            let (name, took) = (one["integration"].as_str().unwrap_or(""), &one["latency_ms"]);
            match one["error"].as_str() {
                None => println!("{name}: taken in {took} ms"),
                Some(error) => {
                    failed += 1;
                    println!("{name}: FAILED after {took} ms: {error}");
                }
            }
        }
        if failed > 0 { Err(format!("{failed} of {} integrations failed", tested.len())) } else { Ok(()) }
    }
}

/// Arguments of `alerts preview`.
#[derive(Args)]
pub(crate) struct PreviewFlags {
    /// The template
    template: String,
    /// The fingerprint of the alert to show it with
    #[arg(long, value_name = "FINGERPRINT")]
    fingerprint: Option<String>,
    /// A label of an alert that is made up, name=value; can be repeated
    #[arg(long = "label", value_name = "NAME=VALUE")]
    labels: Vec<String>,
    /// The receiver that the template sees
    #[arg(long, default_value = "", value_name = "NAME")]
    receiver: String,
    /// Expand it as a page, with values escaped
    #[arg(long)]
    html: bool,
    #[command(flatten)]
    at: At,
}

impl PreviewFlags {
    /// Expands a template with the definitions of the configuration.
    pub(crate) fn run(&self) -> Result<(), String> {
        let mut labels = serde_json::Map::new();
        for label in &self.labels {
            let (name, value) = label
                .split_once('=')
                .ok_or_else(|| format!("--label: expected name=value, found {label:?}"))?;
            labels.insert(name.to_string(), value.into());
        }
        let mut body = json!({
            "template": self.template,
            "type": if self.html { "html" } else { "text" },
            "receiver": self.receiver,
            "labels": labels,
        });
        if let Some(fingerprint) = &self.fingerprint {
            body["fingerprint"] = fingerprint.as_str().into();
        }
        let shown = self.at.ask(Method::POST, "templates/preview", Some(body))?;
        println!("{}", shown["text"].as_str().unwrap_or(""));
        Ok(())
    }
}
