//! `amtool alert`.

use clap::Subcommand;
use serde_json::{Map, Value, json};

use super::{Context, parse_time_ms};

/// Commands about alerts.
#[derive(Subcommand)]
pub(super) enum Alert {
    /// Add a new alert
    ///
    /// Labels are name=value; if the first one has no '=' it is the value of alertname.
    Add {
        /// Labels of the alert
        labels: Vec<String>,
        /// Where the alert came from
        #[arg(long = "generator-url", default_value = "", value_name = "URL")]
        generator_url: String,
        /// When the alert begins, such as 2006-01-02T15:04:05-07:00
        #[arg(long, value_name = "TIME")]
        start: Option<String>,
        /// When the alert ends, such as 2006-01-02T15:04:05-07:00
        #[arg(long, value_name = "TIME")]
        end: Option<String>,
        /// An annotation, name=value; can be repeated
        #[arg(long = "annotation", value_name = "NAME=VALUE")]
        annotations: Vec<String>,
    },
    /// View and search through current alerts
    ///
    /// Matchers are such as node=bar or 'alertname=~foo.*'; if the first one has no operator it is
    /// the value of alertname. Without a flag only active alerts are shown.
    Query {
        /// Matchers
        matchers: Vec<String>,
        /// Show inhibited alerts
        #[arg(short, long)]
        inhibited: bool,
        /// Show silenced alerts
        #[arg(short, long)]
        silenced: bool,
        /// Show active alerts
        #[arg(short, long)]
        active: bool,
        /// Show unprocessed alerts
        #[arg(short, long)]
        unprocessed: bool,
        /// Show alerts of receivers that match a regular expression
        #[arg(short, long, default_value = "", value_name = "REGEX")]
        receiver: String,
    },
}

impl Alert {
    pub(super) fn run(&self, context: &Context) -> Result<(), String> {
        match self {
            Alert::Add { labels, generator_url, start, end, annotations } => {
                let labels = context.pairs(&context.with_name(labels), "labels")?;
                let annotations = context.pairs(annotations, "annotations")?;
                let object = |pairs: Vec<(String, String)>| -> Map<String, Value> {
                    pairs.into_iter().map(|(name, value)| (name, value.into())).collect()
                };
                let mut alert = json!({"labels": object(labels), "annotations": object(annotations)});
                if !generator_url.is_empty() {
                    alert["generatorURL"] = generator_url.as_str().into();
                }
                for (name, time) in [("startsAt", start), ("endsAt", end)] {
                    if let Some(text) = time {
                        parse_time_ms(text)?;
                        alert[name] = text.as_str().into();
                    }
                }
                context.server()?.post("/alerts", &json!([alert]))?;
                Ok(())
            }
            Alert::Query { matchers, inhibited, silenced, active, unprocessed, receiver } => {
                let active = *active || !(*silenced || *inhibited || *unprocessed);
                let mut params = vec![
                    ("active", active.to_string()),
                    ("inhibited", inhibited.to_string()),
                    ("silenced", silenced.to_string()),
                    ("unprocessed", unprocessed.to_string()),
                    ("receiver", receiver.clone()),
                ];
                params.extend(context.with_name(matchers).into_iter().map(|text| ("filter", text)));
                let alerts = context.server()?.get("/alerts", &params)?;
                context.output.alerts(&alerts);
                Ok(())
            }
        }
    }
}
