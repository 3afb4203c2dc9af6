//! Suites of templates. The cases give data as Go literals; of a structure only its beginning, so
//! those are made here by the titles of the cases.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use gocompat::template::Value as Data;
use model::{Alert, Labels};
use serde_json::Value;
use testkit::SuiteResult;

use super::{items, same, text};
use crate::notification::{Integration, Notification, Reason, Told};
use crate::receivers::tree::Tree;
use crate::receivers::webhook::Webhook;
use crate::template::{self, Templates};

/// Cases of functions, escaping, data and payloads.
pub(super) fn cases(cases: &Value, _: &Path, out: &mut SuiteResult) {
    for case in items(cases) {
        let name = format!("{} {}", text(case, "test"), text(case, "title"));
        let result = match text(case, "test") {
            "DeepCopyWithTemplate" => payload(case),
            _ => expansion(case),
        };
        out.check(name, result);
    }
}

fn expansion(case: &Value) -> Result<(), String> {
    let mut templates = Templates::default();
    templates.add_function("printFoo", || "foo".into());
    let title = text(case, "title");
    let data = match case["data_go"].as_str() {
        None => Data::Nil,
        Some(literal) if literal.starts_with("Data{") => structure(title, literal)?,
        Some(literal) => Literal { text: literal, at: 0 }.value().ok_or("the data cannot be read")?,
    };
    let is_html = case["html"].as_bool() == Some(true);
    let got = templates.expand_value(text(case, "template"), data, is_html);
    match (got, case["fails"].as_bool() == Some(true)) {
        (Ok(got), false) => same(got.as_str(), text(case, "expected")),
        (Err(_), true) => Ok(()),
        (got, _) => Err(format!("got {got:?}")),
    }
}

/// The expectation of a text is given; that of anything else is what the template reads as.
fn payload(case: &Value) -> Result<(), String> {
    let (template, expected) = (text(case, "template"), case["expected"].as_str());
    let suffix = expected.and_then(|expected| expected.strip_prefix(template)).unwrap_or("");
    let mut json = String::new();
    let tree = Tree::Text(template.to_string());
    tree.push_json(&mut json, &|text| Ok(format!("{text}{suffix}")))
        .map_err(|failed| format!("{failed:?}"))?;
    let got: Value = serde_json::from_str(&json).map_err(|error| format!("{json}: {error}"))?;
    let expected = match (expected, serde_json::from_str(template)) {
        (Some(expected), _) => Value::from(expected),
        (None, Ok(document)) => document,
        (None, Err(_)) => {
            template.split_once(": ").map(|(key, value)| serde_json::json!({key: value})).into()
        }
    };
    same(got, expected)
}

fn structure(title: &str, literal: &str) -> Result<Data, String> {
    let key_names = [("key1", "key1"), ("key2", "key2"), ("key3", "key3"), ("key4", "key4")];
    let (group, routes): (&[(&str, &str)], &[(&str, &str)]) = match title {
        "Template using stringSlice" => (&key_names, &[]),
        "Template using toJson with KV" => (&[("severity", "critical"), ("job", "foo")], &[]),
        "Template using routeLabels" => (
            &key_names,
            &[
                ("rl1", "rl1"),
                ("rl2", "{{ .GroupLabels.key1 }}"),
                ("rl3", "{{ routeLabels \"rl2\" }} recursive"),
            ],
        ),
        "routeLabels unknown name renders empty" => (&[], &[("rl1", "rl1")]),
        "routeLabels direct cycle is detected, not a stack overflow" => {
            (&[], &[("rl1", "{{ routeLabels \"rl2\" }}"), ("rl2", "{{ routeLabels \"rl1\" }}")])
        }
        "routeLabels self cycle is detected" => (&[], &[("rl1", "{{ routeLabels \"rl1\" }}")]),
        "routeLabels diamond reference renders once per branch" => (
            &[("x", "v")],
            &[
                ("top", "{{ routeLabels \"a\" }}-{{ routeLabels \"b\" }}"),
                ("a", "{{ routeLabels \"leaf\" }}"),
                ("b", "{{ routeLabels \"leaf\" }}"),
                ("leaf", "{{ .GroupLabels.x }}"),
            ],
        ),
        "Compose json array using list and append" => {
            // Alerts without labels, which ours cannot be.
            let alert = |status: &str| Data::map([("Status", Data::from(status)), ("Labels", Data::Nil)]);
            return Ok(Data::map([("Alerts", Data::list([alert("firing"), alert("resolved")]))]));
        }
        _ => return Err(format!("the data of this case is not known: {literal}")),
    };
    let mut notification = notification(group, 1);
    notification.route_labels =
        routes.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    Ok(template::Data::of(&notification, "").with_raw_route_labels().root())
}

fn notification(labels: &[(&str, &str)], alerts: usize) -> Notification {
    let labels = Labels::from_pairs(labels.iter().copied());
    let alert = Arc::new(Alert {
        annotations: Labels::from_pairs([("summary", "a <b> & c")]),
        labels: labels.clone(),
        starts_at_ms: 1_577_836_800_000,
        ends_at_ms: 1_577_836_860_000,
        generator_url: "http://p/?a=1&b=2".into(),
    });
    Notification {
        integration: Arc::new(Integration {
            name: "team/webhook[0]".into(),
            receiver: "team".into(),
            notifier: Arc::new(Webhook::at("http://x")),
            templates: Arc::default(),
        }),
        group_key: "{}:{}".into(),
        group_labels: labels,
        route_labels: BTreeMap::new(),
        reason: Reason::First,
        alerts: (0..alerts)
            .map(|number| Told { alert: alert.clone(), is_resolved: number % 2 == 1 })
            .collect(),
        memory: BTreeMap::new(),
    }
}

/// Upstream's own files must be read, and each template in them must expand.
pub(super) fn files(folder: &Path) -> SuiteResult {
    let mut out = SuiteResult::default();
    for file in ["default.tmpl", "email.tmpl"] {
        let Ok(source) = std::fs::read_to_string(folder.join(file)) else { continue };
        let mut templates = Templates::default();
        if let Err(error) = templates.add(file, &source) {
            out.check(file, Err(error));
            continue;
        }
        for alerts in [0, 1, 3] {
            let labels = [("alertname", "A"), ("severity", "warning")];
            let data = template::Data::of(&notification(&labels, alerts), "http://am/");
            for name in source.split("define \"").skip(1).filter_map(|rest| rest.split('"').next()) {
                let dot =
                    if name.starts_with("__text") || name.ends_with(".instances") { ".Alerts" } else { "." };
                let call = format!("{{{{ template \"{name}\" {dot} }}}}");
                let result = templates.text(&call, &data).and_then(|_| templates.html(&call, &data));
                out.check(format!("{file} {name} of {alerts}"), result.map(|_| ()));
            }
        }
    }
    out
}

/// A Go literal of a list, a map, a time or a number, as far as the cases have them.
struct Literal<'a> {
    text: &'a str,
    at: usize,
}

impl Literal<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn skip(&mut self, token: &str) -> Option<()> {
        self.at += self.rest().len() - self.rest().trim_start().len();
        self.rest().starts_with(token).then(|| self.at += token.len())
    }

    fn value(&mut self) -> Option<Data> {
        if self.skip("[]").is_some() {
            self.at += self.rest().find('{')? + 1;
            let mut values = Vec::new();
            while self.skip("}").is_none() {
                values.push(self.value()?);
                let _ = self.skip(",");
            }
            return Some(Data::list(values));
        }
        if self.skip("map[string]").is_some() {
            let is_texts = self.rest().starts_with("string");
            self.at += self.rest().find('{')? + 1;
            let mut entries: Vec<(Arc<str>, Data)> = Vec::new();
            while self.skip("}").is_none() {
                let Data::String(key) = self.value()? else { return None };
                self.skip(":")?;
                entries.push((key, self.value()?));
                let _ = self.skip(",");
            }
            return Some(if is_texts {
                Data::string_map(
                    entries
                        .into_iter()
                        .map(|(key, value)| (key, value.as_str().unwrap_or_default().to_string())),
                )
            } else {
                Data::map(entries)
            });
        }
        if self.skip("time.Date(2024, 1, 1, 8, 15, 30, 0, time.UTC)").is_some() {
            return Some(template::time_value(1_704_096_930_000));
        }
        if self.skip("\"").is_some() {
            let text = self.rest().split('"').next()?.to_string();
            self.at += text.len() + 1;
            return Some(Data::from(text));
        }
        let number = self.sum()?;
        let is_whole = !self.text.starts_with("[]float");
        Some(if is_whole { Data::Int(number as i64) } else { Data::Float(number) })
    }

    fn sum(&mut self) -> Option<f64> {
        let mut total = self.product()?;
        while self.skip("+").is_some() {
            total += self.product()?;
        }
        Some(total)
    }

    fn product(&mut self) -> Option<f64> {
        let mut total = self.factor()?;
        while self.skip("*").is_some() {
            total *= self.factor()?;
        }
        Some(total)
    }

    fn factor(&mut self) -> Option<f64> {
        if self.skip("-").is_some() {
            return self.factor().map(|number| -number);
        }
        if self.skip("(").is_some() {
            let number = self.sum()?;
            return self.skip(")").map(|()| number);
        }
        let _ = self.skip("");
        let len = self.rest().find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(self.rest().len());
        let number = self.rest().get(..len)?.parse().ok();
        self.at += len;
        number
    }
}
