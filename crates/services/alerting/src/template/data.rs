//! What templates see of a notification. Everything is made when it is asked for, once.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::{Arc, OnceLock};

use gocompat::re2;
use gocompat::template::json::{self, push_string};
use gocompat::template::{Object, Scope, Value};
use model::Labels;
use parking_lot::Mutex;

use super::functions::Time;
use crate::json::push_map;
use crate::notification::{Notification, Told};

/// What templates see of a notification. Cheap to clone.
#[derive(Clone)]
pub struct Data {
    body: Arc<Body>,
    /// Whether labels of the route are texts by now, or templates still.
    routes: Routes,
    /// How many alerts documents list at most.
    shown: usize,
}

#[derive(Clone)]
enum Routes {
    Expanded,
    /// Being expanded: what is known, and what waits for another.
    Raw(Arc<Mutex<Resolving>>),
}

#[derive(Default)]
struct Resolving {
    known: BTreeMap<String, String>,
    waiting: Vec<String>,
}

struct Body {
    notification: Notification,
    external_url: String,
    now_ms: i64,
    common: OnceLock<(Labels, Labels)>,
    route_labels: OnceLock<Labels>,
    all: OnceLock<Value>,
    firing: OnceLock<Value>,
    resolved: OnceLock<Value>,
}

impl Body {
    fn new(notification: Notification, external_url: String, now_ms: i64) -> Self {
        Body {
            notification,
            external_url,
            now_ms,
            common: OnceLock::new(),
            route_labels: OnceLock::new(),
            all: OnceLock::new(),
            firing: OnceLock::new(),
            resolved: OnceLock::new(),
        }
    }

    fn common(&self) -> &(Labels, Labels) {
        self.common.get_or_init(|| {
            let alerts = &self.notification.alerts;
            (common(alerts, |told| &told.alert.labels), common(alerts, |told| &told.alert.annotations))
        })
    }

    fn alerts(&self) -> Value {
        let make = || Value::list(self.notification.alerts.iter().map(alert_value));
        self.all.get_or_init(make).clone()
    }

    fn alerts_that(&self, are_resolved: bool) -> Value {
        let place = if are_resolved { &self.resolved } else { &self.firing };
        place
            .get_or_init(|| {
                let told = self.notification.alerts.iter();
                Value::list(told.filter(|told| told.is_resolved == are_resolved).map(alert_value))
            })
            .clone()
    }

    fn status(&self) -> &'static str {
        status(self.notification.alerts.iter().all(|told| told.is_resolved))
    }
}

impl Data {
    /// The data of a notification. `external_url` is where people reach this program.
    pub fn of(notification: &Notification, external_url: &str) -> Data {
        Data {
            body: Arc::new(Body::new(notification.clone(), external_url.to_string(), 0)),
            routes: Routes::Expanded,
            shown: usize::MAX,
        }
    }

    /// The same at a time, in ms since 1970, which templates see as `now`.
    #[must_use]
    pub fn at(self, now_ms: i64) -> Data {
        let (notification, external_url) = match Arc::try_unwrap(self.body) {
            Ok(body) => (body.notification, body.external_url),
            Err(body) => (body.notification.clone(), body.external_url.clone()),
        };
        Data {
            body: Arc::new(Body::new(notification, external_url, now_ms)),
            routes: self.routes,
            shown: self.shown,
        }
    }

    /// How many alerts there are.
    pub(super) fn alerts(&self) -> usize {
        self.body.notification.alerts.len()
    }

    /// The same with the first `count` alerts alone.
    #[must_use]
    pub fn first(&self, count: usize) -> Data {
        if count >= self.body.notification.alerts.len() {
            return self.clone();
        }
        let mut notification = self.body.notification.clone();
        notification.alerts.truncate(count);
        let body = Body::new(notification, self.body.external_url.clone(), self.body.now_ms);
        Data { body: Arc::new(body), routes: self.routes.clone(), shown: self.shown }
    }

    /// The same for documents that list the first `count` alerts but summarise all.
    #[must_use]
    pub fn showing(&self, count: usize) -> Data {
        Data { shown: count, ..self.clone() }
    }

    /// How many alerts documents list.
    pub fn alert_count(&self) -> usize {
        self.body.notification.alerts.len().min(self.shown)
    }

    /// Where people reach this program.
    pub fn external_url(&self) -> &str {
        &self.body.external_url
    }

    /// `firing` if any alert does, else `resolved`.
    pub fn status(&self) -> &'static str {
        self.body.status()
    }

    /// The labels that all alerts share.
    pub fn common_labels(&self) -> &Labels {
        &self.body.common().0
    }

    /// The annotations that all alerts share.
    pub fn common_annotations(&self) -> &Labels {
        &self.body.common().1
    }

    /// The route's labels, expanded. One that cannot be expanded is left out.
    pub fn route_labels(&self) -> &Labels {
        let raw = &self.body.notification.route_labels;
        self.body.route_labels.get_or_init(|| {
            if raw.values().all(|value| !value.contains("{{")) {
                return Labels::from_pairs(raw);
            }
            let data = Data { routes: Routes::Raw(Arc::default()), ..self.clone() };
            let templates = &self.body.notification.integration.templates;
            let mut expanded = Vec::new();
            for (name, value) in raw {
                match templates.text(value, &data) {
                    Ok(value) => expanded.push((name, value)),
                    Err(error) => tracing::warn!(label = name, error, "cannot expand a label of the route"),
                }
            }
            Labels::from_pairs(expanded)
        })
    }

    /// The same with labels of the route as they stand in the configuration, which `routeLabels`
    /// expands.
    #[cfg(feature = "conformance")]
    pub(crate) fn with_raw_route_labels(self) -> Data {
        Data { routes: Routes::Raw(Arc::default()), ..self }
    }

    pub(crate) fn root(&self) -> Value {
        Value::object(self.clone())
    }

    pub(super) fn now_ms(&self) -> i64 {
        self.body.now_ms
    }

    /// A label of the route by name, for the function `routeLabels`; unknown ones are empty.
    pub(super) fn route_label(&self, name: &str, scope: &mut dyn Scope) -> Result<String, String> {
        let Routes::Raw(resolving) = &self.routes else {
            return Ok(self.route_labels().value(name).to_string());
        };
        let Some(raw) = self.body.notification.route_labels.get(name) else { return Ok(String::new()) };
        {
            let mut resolving = resolving.lock();
            if let Some(known) = resolving.known.get(name) {
                return Ok(known.clone());
            }
            if resolving.waiting.iter().any(|waiting| waiting == name) {
                let waiting = resolving.waiting.join(" -> ");
                return Err(format!("route label cycle detected: {waiting} -> {name}"));
            }
            resolving.waiting.push(name.to_string());
        }
        let expanded = scope.expand(raw, self.root());
        let mut resolving = resolving.lock();
        resolving.waiting.pop();
        let expanded = expanded?;
        resolving.known.insert(name.to_string(), expanded.clone());
        Ok(expanded)
    }

    /// Appends the fields of the JSON that webhooks get, without the braces around them.
    pub(crate) fn push_json_fields(&self, out: &mut String) {
        let notification = &self.body.notification;
        out.push_str("\"receiver\":");
        push_string(out, &re2::quote(&notification.integration.receiver));
        let _ = write!(out, ",\"status\":\"{}\",\"alerts\":[", self.status());
        for (at, told) in notification.alerts.iter().take(self.shown).enumerate() {
            if at > 0 {
                out.push(',');
            }
            push_alert(out, told);
        }
        let _ = write!(out, "],\"notification_reason\":\"{}\"", notification.reason.as_str());
        for (name, labels) in [
            ("groupLabels", &notification.group_labels),
            ("commonLabels", self.common_labels()),
            ("commonAnnotations", self.common_annotations()),
            ("routeLabels", self.route_labels()),
        ] {
            let _ = write!(out, ",\"{name}\":");
            push_map(out, labels.iter());
        }
        out.push_str(",\"externalURL\":");
        push_string(out, self.external_url());
    }
}

impl Object for Data {
    fn type_name(&self) -> &str {
        "*template.Data"
    }

    fn field(&self, name: &str) -> Option<Value> {
        let notification = &self.body.notification;
        Some(match name {
            "Receiver" => Value::string(re2::quote(&notification.integration.receiver)),
            "Status" => Value::string(self.status()),
            "Alerts" => Value::object(Alerts(self.body.clone())),
            "NotificationReason" => Value::string(notification.reason.as_str()),
            "GroupLabels" => Kv::value(&notification.group_labels),
            "CommonLabels" => Kv::value(self.common_labels()),
            "CommonAnnotations" => Kv::value(self.common_annotations()),
            "RouteLabels" => match &self.routes {
                Routes::Expanded => Kv::value(self.route_labels()),
                Routes::Raw(_) => Kv::value(&Labels::from_pairs(&notification.route_labels)),
            },
            "ExternalURL" => Value::string(self.external_url()),
            _ => return None,
        })
    }

    fn json(&self, out: &mut String, _: usize) -> Option<Result<(), String>> {
        out.push('{');
        self.push_json_fields(out);
        out.push('}');
        Some(Ok(()))
    }
}

/// `.Alerts`
struct Alerts(Arc<Body>);

impl Object for Alerts {
    fn type_name(&self) -> &str {
        "template.Alerts"
    }

    fn method(&self, name: &str, arguments: &[Value]) -> Option<Result<Value, String>> {
        let are_resolved = match name {
            "Firing" => false,
            "Resolved" => true,
            _ => return None,
        };
        Some(no_arguments(name, arguments).map(|()| self.0.alerts_that(are_resolved)))
    }

    fn plain(&self) -> Option<Value> {
        Some(self.0.alerts())
    }
}

struct AlertValue(Told);

fn alert_value(told: &Told) -> Value {
    Value::object(AlertValue(told.clone()))
}

impl AlertValue {
    /// Go has a year for "never" where an alert has not ended.
    fn ends_at_ms(&self) -> i64 {
        if self.0.is_resolved { self.0.alert.ends_at_ms } else { 0 }
    }
}

impl Object for AlertValue {
    fn type_name(&self) -> &str {
        "template.Alert"
    }

    fn field(&self, name: &str) -> Option<Value> {
        let alert = &self.0.alert;
        Some(match name {
            "Status" => Value::string(status(self.0.is_resolved)),
            "Labels" => Kv::value(&alert.labels),
            "Annotations" => Kv::value(&alert.annotations),
            "StartsAt" => Time::value_of_ms(alert.starts_at_ms),
            "EndsAt" => Time::value_of_ms(self.ends_at_ms()),
            "GeneratorURL" => Value::string(alert.generator_url.as_str()),
            "Fingerprint" => Value::string(format!("{:016x}", alert.labels.fingerprint())),
            _ => return None,
        })
    }

    fn print(&self) -> Option<String> {
        let fields = ["Status", "Labels", "Annotations", "StartsAt", "EndsAt", "GeneratorURL", "Fingerprint"];
        let shown = fields.map(|name| self.field(name).unwrap_or_default().to_string());
        Some(format!("{{{}}}", shown.join(" ")))
    }

    fn json(&self, out: &mut String, _: usize) -> Option<Result<(), String>> {
        push_alert(out, &self.0);
        Some(Ok(()))
    }
}

/// Labels or annotations.
struct Kv(Labels);

impl Kv {
    fn value(labels: &Labels) -> Value {
        Value::object(Kv(labels.clone()))
    }

    /// By name, but `alertname` first.
    fn sorted(&self) -> impl Iterator<Item = (&str, &str)> {
        const FIRST: &str = "alertname";
        let first = self.0.get(FIRST).map(|value| (FIRST, value));
        first.into_iter().chain(self.0.iter().filter(|(name, _)| *name != FIRST))
    }

    fn shown(&self) -> String {
        shown(self.sorted())
    }
}

fn shown<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut out = String::new();
    for (at, (name, value)) in pairs.enumerate() {
        let comma = if at > 0 { ", " } else { "" };
        let _ = write!(out, "{comma}{name}={value}");
    }
    out
}

impl Object for Kv {
    fn type_name(&self) -> &str {
        "template.KV"
    }

    fn field(&self, name: &str) -> Option<Value> {
        Some(Value::string(self.0.value(name)))
    }

    fn method(&self, name: &str, arguments: &[Value]) -> Option<Result<Value, String>> {
        let result = match name {
            "SortedPairs" => no_arguments(name, arguments).map(|()| Pairs::value(self.sorted())),
            "Names" => {
                no_arguments(name, arguments).map(|()| Strings::value(self.sorted().map(|pair| pair.0)))
            }
            "Values" => {
                no_arguments(name, arguments).map(|()| Strings::value(self.sorted().map(|pair| pair.1)))
            }
            "String" => no_arguments(name, arguments).map(|()| Value::string(self.shown())),
            "Remove" => match arguments {
                [names] => super::functions::texts(names).map(|names| {
                    let names: BTreeSet<&str> = names.iter().map(|name| &**name).collect();
                    Kv::value(&self.0.filter(|name| !names.contains(name)))
                }),
                _ => Err(wrong_count(name, 1, arguments.len())),
            },
            _ => return None,
        };
        Some(result)
    }

    fn plain(&self) -> Option<Value> {
        Some(Value::string_map(self.0.iter()))
    }

    fn print(&self) -> Option<String> {
        Some(self.shown())
    }

    fn json(&self, out: &mut String, _: usize) -> Option<Result<(), String>> {
        push_map(out, self.0.iter());
        Some(Ok(()))
    }
}

/// `.SortedPairs`
struct Pairs {
    list: Value,
}

struct Pair {
    name: Arc<str>,
    value: Arc<str>,
}

impl Pairs {
    fn value<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Value {
        let pairs = pairs.map(|(name, value)| Value::object(Pair { name: name.into(), value: value.into() }));
        Value::object(Pairs { list: Value::list(pairs) })
    }

    fn iter(&self) -> impl Iterator<Item = &Pair> {
        let list = match &self.list {
            Value::List(list) => &list[..],
            _ => &[],
        };
        list.iter().filter_map(Value::downcast)
    }
}

impl Object for Pairs {
    fn type_name(&self) -> &str {
        "template.Pairs"
    }

    fn method(&self, name: &str, arguments: &[Value]) -> Option<Result<Value, String>> {
        let value = match name {
            "Names" => Strings::value(self.iter().map(|pair| &*pair.name)),
            "Values" => Strings::value(self.iter().map(|pair| &*pair.value)),
            "String" => Value::string(self.print().unwrap_or_default()),
            _ => return None,
        };
        Some(no_arguments(name, arguments).map(|()| value))
    }

    fn plain(&self) -> Option<Value> {
        Some(self.list.clone())
    }

    fn print(&self) -> Option<String> {
        Some(shown(self.iter().map(|pair| (&*pair.name, &*pair.value))))
    }
}

impl Object for Pair {
    fn type_name(&self) -> &str {
        "template.Pair"
    }

    fn field(&self, name: &str) -> Option<Value> {
        match name {
            "Name" => Some(Value::String(self.name.clone())),
            "Value" => Some(Value::String(self.value.clone())),
            _ => None,
        }
    }

    fn print(&self) -> Option<String> {
        Some(format!("{{{} {}}}", self.name, self.value))
    }

    fn json(&self, out: &mut String, limit: usize) -> Option<Result<(), String>> {
        let fields = [("Name", &self.name), ("Value", &self.value)];
        let map = Value::map(fields.map(|(name, text)| (name, Value::String(text.clone()))));
        Some(json::push(out, &map, limit))
    }
}

/// A list of texts that can join itself.
struct Strings {
    list: Value,
}

impl Strings {
    fn value<'a>(texts: impl Iterator<Item = &'a str>) -> Value {
        Value::object(Strings { list: Value::list(texts.map(Value::string)) })
    }
}

impl Object for Strings {
    fn type_name(&self) -> &str {
        "template.Strings"
    }

    fn method(&self, name: &str, arguments: &[Value]) -> Option<Result<Value, String>> {
        match (name, arguments) {
            ("Join", [separator]) => Some(super::functions::join(separator, &self.list)),
            ("Join", _) => Some(Err(wrong_count(name, 1, arguments.len()))),
            _ => None,
        }
    }

    fn plain(&self) -> Option<Value> {
        Some(self.list.clone())
    }
}

pub(super) fn wrong_count(name: &str, wanted: usize, given: usize) -> String {
    format!("wrong number of args for {name}: want {wanted} got {given}")
}

pub(super) fn no_arguments(name: &str, arguments: &[Value]) -> Result<(), String> {
    if arguments.is_empty() { Ok(()) } else { Err(wrong_count(name, 0, arguments.len())) }
}

fn status(is_resolved: bool) -> &'static str {
    if is_resolved { "resolved" } else { "firing" }
}

fn push_alert(out: &mut String, told: &Told) {
    let alert = &told.alert;
    let _ = write!(out, "{{\"status\":\"{}\",\"labels\":", status(told.is_resolved));
    push_map(out, alert.labels.iter());
    out.push_str(",\"annotations\":");
    push_map(out, alert.annotations.iter());
    let ends_at_ms = if told.is_resolved { alert.ends_at_ms } else { 0 };
    let (starts_at, ends_at) = (Time::json_text(alert.starts_at_ms), Time::json_text(ends_at_ms));
    let _ = write!(out, ",\"startsAt\":\"{starts_at}\",\"endsAt\":\"{ends_at}\",\"generatorURL\":");
    push_string(out, &alert.generator_url);
    let _ = write!(out, ",\"fingerprint\":\"{:016x}\"}}", alert.labels.fingerprint());
}

/// The labels that all alerts have with the same value.
fn common(alerts: &[Told], of: impl Fn(&Told) -> &Labels) -> Labels {
    let Some((first, rest)) = alerts.split_first() else { return Labels::empty() };
    let mut common = of(first).clone();
    for told in rest {
        if common.is_empty() {
            break;
        }
        let labels = of(told);
        if common.iter().any(|(name, value)| labels.value(name) != value) {
            let kept: Vec<(String, String)> = common
                .iter()
                .filter(|(name, value)| labels.value(name) == *value)
                .map(|(name, value)| (name.to_string(), value.to_string()))
                .collect();
            common = Labels::from_pairs(kept);
        }
    }
    common
}
