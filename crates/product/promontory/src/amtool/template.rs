//! `amtool template`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::config::http_client::PathBase;
use alerting::template::Templates;
use alerting::trial::preview;
use base::Clock;
use clap::Subcommand;
use model::{Alert, Labels};
use serde_json::Value;

use super::format::text;

/// Commands about templates.
#[derive(Subcommand)]
pub(super) enum Template {
    /// Render a template with the definitions of some files
    Render {
        /// Files with definitions, with wildcards; can be repeated
        #[arg(long = "template.glob", required = true, value_name = "GLOB")]
        globs: Vec<String>,
        /// The template
        #[arg(long = "template.text", required = true, value_name = "TEXT")]
        text: String,
        /// text or html
        #[arg(long = "template.type", default_value = "text", value_parser = ["text", "html"], value_name = "TYPE")]
        kind: String,
        /// A file with the data of a notification in JSON: receiver, alerts, externalURL; an example
        /// without one
        #[arg(long = "template.data", value_name = "FILE")]
        data: Option<PathBuf>,
    },
}

impl Template {
    pub(super) fn run(&self) -> Result<(), String> {
        let Template::Render { globs, text, kind, data } = self;
        let templates = Templates::load(globs, &PathBase::new(Path::new("")))?;
        let now_ms = Clock::system().now_ms();
        let data = match data {
            None => Data::example(now_ms),
            Some(path) => Data::read(path, now_ms)?,
        };
        let Data { receiver, alerts, external_url } = data;
        let rendered = preview(&templates, text, kind == "html", &receiver, alerts, &external_url, now_ms)?;
        print!("{rendered}");
        Ok(())
    }
}

/// What a template is rendered with.
struct Data {
    receiver: String,
    alerts: Vec<Arc<Alert>>,
    external_url: String,
}

impl Data {
    fn example(now_ms: i64) -> Data {
        let common = [("commonlabelkey1", "commonlabelvalue1"), ("commonlabelkey2", "commonlabelvalue2")];
        let alert = |labels: &[(&str, &str)], annotations: &[(&str, &str)], ended: bool| {
            Arc::new(Alert {
                labels: Labels::from_pairs(common.iter().chain(labels).copied()),
                annotations: Labels::from_pairs(
                    [("commonannotationkey1", "commonannotationvalue1")].iter().chain(annotations).copied(),
                ),
                starts_at_ms: now_ms - 600_000,
                ends_at_ms: if ended { now_ms } else { 0 },
                generator_url: "https://generatorurl.com".into(),
            })
        };
        Data {
            receiver: "receiver".into(),
            alerts: vec![
                alert(
                    &[("label1", "value1"), ("instance", "foo.bar:1234")],
                    &[("annotation1", "value1")],
                    false,
                ),
                alert(&[("foo", "bar"), ("baz", "qux")], &[("aaa", "bbb")], true),
            ],
            external_url: "https://example.com".into(),
        }
    }

    fn read(path: &Path, now_ms: i64) -> Result<Data, String> {
        let content = std::fs::read(path).map_err(|error| format!("open {}: {error}", path.display()))?;
        let value: Value = serde_json::from_slice(&content).map_err(|error| error.to_string())?;
        // As JSON of webhooks has them, or as the fields of the data are called.
        let field = |name: &str, other: &str| {
            if value[name].is_null() { value[other].clone() } else { value[name].clone() }
        };
        let time = |value: &Value| super::parse_time_ms(text(value)).unwrap_or(0);
        let labels = |value: &Value| {
            let pairs = value.as_object().into_iter().flatten();
            Labels::from_pairs(pairs.map(|(name, value)| (name.clone(), text(value).to_string())))
        };
        let alerts = field("alerts", "Alerts");
        let alerts = alerts.as_array().into_iter().flatten().map(|alert| {
            let is_resolved = text(&alert["status"]) == "resolved";
            Arc::new(Alert {
                labels: labels(&alert["labels"]),
                annotations: labels(&alert["annotations"]),
                starts_at_ms: time(&alert["startsAt"]),
                ends_at_ms: if is_resolved { time(&alert["endsAt"]).clamp(1, now_ms) } else { 0 },
                generator_url: text(&alert["generatorURL"]).to_string(),
            })
        });
        Ok(Data {
            receiver: text(&field("receiver", "Receiver")).to_string(),
            alerts: alerts.collect(),
            external_url: text(&field("externalURL", "ExternalURL")).to_string(),
        })
    }
}
