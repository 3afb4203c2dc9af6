//! Templates in labels and annotations: Go's text/template with Prometheus's functions and data.

use std::collections::BTreeMap;
use std::sync::Arc;

use gocompat::float::{self, Format};
use gocompat::layout;
use gocompat::re2::Regex;
use gocompat::template::{Function, Functions, Limits, MissingKey, Object, Template, Value, escape};
use model::Labels;
use promql::SampleValue;

use crate::evaluate::{Evaluate, Sampled};
use crate::metrics::Metrics;

/// Defines the variables that every template may use.
const PREAMBLE: &str = "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}{{$externalURL := .ExternalURL}}{{$value := .Value}}";

/// What one expansion may take.
const LIMITS: Limits = Limits { steps: 1_000_000, output_bytes: 1 << 20, depth: 200 };

/// What templates of one rule at one evaluation know.
#[derive(Clone)]
pub(crate) struct Context {
    /// Answers `query`.
    pub(crate) evaluate: Arc<dyn Evaluate>,
    /// The time of the evaluation.
    pub(crate) at_ms: i64,
    /// The server's labels.
    pub(crate) external_labels: Labels,
    /// The server's address.
    pub(crate) external_url: String,
    /// Counts expansions.
    pub(crate) metrics: Metrics,
}

/// Whether a text is a valid template; the error is Go's.
pub(crate) fn check(name: &str, text: &str) -> Result<(), String> {
    if !text.contains("{{") {
        return Ok(());
    }
    let mut template = Template::new(&format!("__alert_{name}"), functions(None));
    template.parse(&format!("{PREAMBLE}{text}")).map_err(|error| error.to_string())
}

/// Expands a text. A template that fails gives the error as its text, so that the alert is still sent.
pub(crate) fn expand(
    name: &str,
    text: &str,
    labels: &Labels,
    value: &SampleValue,
    context: &Context,
) -> String {
    if !text.contains("{{") {
        return text.to_string();
    }
    context.metrics.expansions.inc();
    let value = match value {
        SampleValue::Float(value) => Value::Float(*value),
        SampleValue::Histogram(histogram) => Value::string(histogram.to_string()),
    };
    let data = Value::map([
        ("Labels", Value::string_map(labels.iter())),
        ("ExternalLabels", Value::string_map(context.external_labels.iter())),
        ("ExternalURL", Value::string(context.external_url.as_str())),
        ("Value", value),
    ]);
    let mut template = Template::new(&format!("__alert_{name}"), functions(Some(context)))
        .limits(LIMITS)
        .missing_key(MissingKey::Zero);
    let expanded = template.parse(&format!("{PREAMBLE}{text}")).and_then(|()| template.execute(data));
    match expanded {
        Ok(expanded) => expanded,
        Err(error) => {
            context.metrics.expansion_failures.inc();
            tracing::warn!(alert = name, %error, "cannot expand a template");
            format!("<error expanding template: {error}>")
        }
    }
}

/// A link to the page that shows an expression's result as a table.
pub(crate) fn table_link(expr: &str) -> String {
    format!("/graph?g0.expr={}&g0.tab=1", escape::url_query(expr))
}

fn graph_link(expr: &str) -> String {
    format!("/graph?g0.expr={}&g0.tab=0", escape::url_query(expr))
}

/// One series of what `query` answers.
struct Sample(Sampled);

impl Object for Sample {
    fn type_name(&self) -> &str {
        "template.sample"
    }

    fn field(&self, name: &str) -> Option<Value> {
        match name {
            "Labels" => Some(Value::string_map(self.0.labels.iter())),
            "Value" => Some(Value::Float(self.0.float())),
            _ => None,
        }
    }
}

/// A duration in nanoseconds, as `toDuration` makes it.
struct Span(i64);

impl Object for Span {
    fn type_name(&self) -> &str {
        "time.Duration"
    }

    fn method(&self, name: &str, arguments: &[Value]) -> Option<Result<Value, String>> {
        let Span(ns) = *self;
        Some(Ok(match (name, arguments) {
            ("String", []) => Value::string(gocompat::duration::format_ns(ns)),
            ("Hours", []) => Value::Float(ns as f64 / 3.6e12),
            ("Minutes", []) => Value::Float(ns as f64 / 6e10),
            ("Seconds", []) => Value::Float(ns as f64 / 1e9),
            ("Milliseconds", []) => Value::Int(ns / 1_000_000),
            ("Microseconds", []) => Value::Int(ns / 1_000),
            ("Nanoseconds", []) => Value::Int(ns),
            ("Abs", []) => Value::object(Span(ns.saturating_abs())),
            _ => return None,
        }))
    }

    fn print(&self) -> Option<String> {
        Some(gocompat::duration::format_ns(self.0))
    }
}

/// A time, as `toTime` makes it.
struct Time(f64);

impl Object for Time {
    fn type_name(&self) -> &str {
        "time.Time"
    }

    fn method(&self, name: &str, arguments: &[Value]) -> Option<Result<Value, String>> {
        let ms = (self.0 * 1000.0) as i64;
        Some(match (name, arguments) {
            ("Format", [pattern]) => match pattern.as_str() {
                Some(pattern) => Ok(Value::string(layout::format_ms(pattern, ms))),
                None => Err("Format needs a layout".into()),
            },
            ("Unix", []) => Ok(Value::Int(ms.div_euclid(1000))),
            ("UnixNano", []) => Ok(Value::Int(ms.saturating_mul(1_000_000))),
            ("UTC", []) => Ok(Value::object(Time(self.0))),
            ("Year" | "Day" | "YearDay" | "Hour" | "Minute" | "Second", []) => {
                let pattern = match name {
                    "Year" => "2006",
                    "Day" => "2",
                    "YearDay" => "002",
                    "Hour" => "15",
                    "Minute" => "4",
                    _ => "5",
                };
                layout::format_ms(pattern, ms).parse().map(Value::Int).map_err(|_| "not a number".into())
            }
            ("Month", []) => Ok(Value::string(layout::format_ms("January", ms))),
            ("Weekday", []) => Ok(Value::string(layout::format_ms("Monday", ms))),
            ("UnixMilli", []) => Ok(Value::Int(ms)),
            ("String", []) => Ok(Value::string(time_text(self.0))),
            _ => return None,
        })
    }

    fn print(&self) -> Option<String> {
        Some(time_text(self.0))
    }
}

/// A time that nanoseconds in 64 bits can tell.
fn time_of(seconds: f64) -> Result<Time, String> {
    if !seconds.is_finite() {
        return Err("value is NaN or Inf".into());
    }
    let ns = seconds * 1e9;
    if ns > i64::MAX as f64 || ns < i64::MIN as f64 {
        let shown = float::format(seconds, Format::Exponent, None);
        return Err(format!(
            "{shown} cannot be represented as a nanoseconds timestamp since it overflows int64"
        ));
    }
    Ok(Time(seconds))
}

fn time_text(seconds: f64) -> String {
    layout::format_ms("2006-01-02 15:04:05.999 -0700 MST", (seconds * 1000.0).round() as i64)
}

fn text(value: &Value) -> Result<&str, String> {
    value.as_str().ok_or_else(|| format!("wrong type for value; expected string; got {}", value.type_name()))
}

fn number(value: &Value) -> Result<f64, String> {
    match value.plain() {
        Value::Float(number) => Ok(number),
        Value::Int(number) => Ok(number as f64),
        Value::String(text) => float::parse(&text).map_err(|error| error.to_string()),
        other => Err(format!("can't convert {} to float", other.type_name())),
    }
}

/// Go's `%.4g`.
fn four_digits(value: f64) -> String {
    float::format(value, Format::General, Some(4))
}

fn humanize(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return four_digits(value);
    }
    let (mut value, mut prefix) = (value, "");
    if value.abs() >= 1.0 {
        for next in ["k", "M", "G", "T", "P", "E", "Z", "Y"] {
            if value.abs() < 1000.0 {
                break;
            }
            (value, prefix) = (value / 1000.0, next);
        }
    } else {
        for next in ["m", "u", "n", "p", "f", "a", "z", "y"] {
            if value.abs() >= 1.0 {
                break;
            }
            (value, prefix) = (value * 1000.0, next);
        }
    }
    four_digits(value) + prefix
}

fn humanize_1024(value: f64) -> String {
    if value.abs() <= 1.0 || !value.is_finite() {
        return four_digits(value);
    }
    let (mut value, mut prefix) = (value, "");
    for next in ["ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"] {
        if value.abs() < 1024.0 {
            break;
        }
        (value, prefix) = (value / 1024.0, next);
    }
    four_digits(value) + prefix
}

fn humanize_duration(value: f64) -> String {
    if !value.is_finite() {
        return four_digits(value);
    }
    if value == 0.0 {
        return four_digits(value) + "s";
    }
    if value.abs() >= 1.0 {
        let sign = if value < 0.0 { "-" } else { "" };
        let whole = value.abs() as i64;
        let (days, hours, minutes, seconds) =
            (whole / 86_400, whole / 3600 % 24, whole / 60 % 60, whole % 60);
        return match (days, hours, minutes) {
            (0, 0, 0) => format!("{sign}{}s", four_digits(value.abs())),
            (0, 0, _) => format!("{sign}{minutes}m {seconds}s"),
            (0, ..) => format!("{sign}{hours}h {minutes}m {seconds}s"),
            _ => format!("{sign}{days}d {hours}h {minutes}m {seconds}s"),
        };
    }
    let (mut value, mut prefix) = (value, "");
    for next in ["m", "u", "n", "p", "f", "a", "z", "y"] {
        if value.abs() >= 1.0 {
            break;
        }
        (value, prefix) = (value * 1000.0, next);
    }
    format!("{}{prefix}s", four_digits(value))
}

fn one_text(apply: impl Fn(&str) -> Result<String, String> + Send + Sync + 'static) -> Function {
    Function::new(1, move |arguments| Ok(Value::string(apply(text(&arguments[0])?)?)))
}

fn one_number(apply: impl Fn(f64) -> String + Send + Sync + 'static) -> Function {
    Function::new(1, move |arguments| Ok(Value::string(apply(number(&arguments[0])?))))
}

fn items(value: &Value) -> Result<Vec<Value>, String> {
    match value.plain() {
        Value::List(list) => Ok(list.to_vec()),
        other => Err(format!("expected a query's result; got {}", other.type_name())),
    }
}

fn label_of(sample: &Value, name: &str) -> Result<String, String> {
    let sample = sample.downcast::<Sample>().ok_or("expected a sample of a query's result")?;
    Ok(sample.0.labels.value(name).to_string())
}

fn functions(context: Option<&Context>) -> Functions {
    let url = context.map(|context| context.external_url.clone()).unwrap_or_default();
    let prefix = url.split_once("://").and_then(|(_, rest)| rest.find('/').map(|at| rest[at..].to_string()));
    let now_ms = context.map_or(0, |context| context.at_ms);
    let asker = context.map(|context| (context.evaluate.clone(), context.at_ms));
    let regex = |pattern: &Value| Regex::new(text(pattern)?).map_err(|error| error.to_string());
    Functions::new()
        .with(
            "query",
            Function::new(1, move |arguments| {
                let Some((evaluate, at_ms)) = &asker else { return Ok(Value::list([])) };
                let samples = evaluate.query(text(&arguments[0])?, *at_ms)?;
                Ok(Value::list(samples.into_iter().map(|sample| Value::object(Sample(sample)))))
            }),
        )
        .with(
            "first",
            Function::new(1, |arguments| {
                items(&arguments[0])?
                    .into_iter()
                    .next()
                    .ok_or_else(|| "first() called on vector with no elements".into())
            }),
        )
        .with(
            "label",
            Function::new(2, |arguments| Ok(Value::string(label_of(&arguments[1], text(&arguments[0])?)?))),
        )
        .with(
            "value",
            Function::new(1, |arguments| {
                let sample =
                    arguments[0].downcast::<Sample>().ok_or("expected a sample of a query's result")?;
                Ok(Value::Float(sample.0.float()))
            }),
        )
        .with(
            "strvalue",
            Function::new(1, |arguments| Ok(Value::string(label_of(&arguments[0], "__value__")?))),
        )
        .with(
            "args",
            Function::variadic(0, |arguments| {
                let entries: BTreeMap<String, Value> = arguments
                    .iter()
                    .enumerate()
                    .map(|(at, value)| (format!("arg{at}"), value.clone()))
                    .collect();
                Ok(Value::map(entries))
            }),
        )
        .with(
            "reReplaceAll",
            Function::new(3, move |arguments| {
                let replaced = regex(&arguments[0])?.replace_all(text(&arguments[2])?, text(&arguments[1])?);
                Ok(Value::string(replaced))
            }),
        )
        .with(
            "match",
            Function::new(2, move |arguments| {
                Ok(Value::Bool(regex(&arguments[0])?.is_match(text(&arguments[1])?)))
            }),
        )
        .with("safeHtml", one_text(|text| Ok(text.to_string())))
        .with("title", one_text(|text| Ok(title(text))))
        .with("toUpper", one_text(|text| Ok(text.to_uppercase())))
        .with("toLower", one_text(|text| Ok(text.to_lowercase())))
        .with("graphLink", one_text(|text| Ok(graph_link(text))))
        .with("tableLink", one_text(|text| Ok(table_link(text))))
        .with("urlQueryEscape", one_text(|text| Ok(escape::url_query(text))))
        .with(
            "sortByLabel",
            Function::new(2, |arguments| {
                let label = text(&arguments[0])?;
                let mut keyed = Vec::new();
                for item in items(&arguments[1])? {
                    keyed.push((label_of(&item, label)?, item));
                }
                keyed.sort_by(|a, b| a.0.cmp(&b.0));
                Ok(Value::list(keyed.into_iter().map(|(_, item)| item)))
            }),
        )
        .with("stripPort", one_text(|text| Ok(strip_port(text).to_string())))
        .with("stripDomain", one_text(|text| Ok(strip_domain(text))))
        .with("humanize", one_number(humanize))
        .with("humanize1024", one_number(humanize_1024))
        .with("humanizeDuration", one_number(humanize_duration))
        .with("humanizePercentage", one_number(|value| four_digits(value * 100.0) + "%"))
        .with(
            "humanizeTimestamp",
            Function::new(1, |arguments| {
                let value = number(&arguments[0])?;
                let text = if value.is_finite() { time_text(time_of(value)?.0) } else { four_digits(value) };
                Ok(Value::string(text))
            }),
        )
        .with("toTime", Function::new(1, |arguments| Ok(Value::object(time_of(number(&arguments[0])?)?))))
        .with(
            "toDuration",
            Function::new(1, |arguments| Ok(Value::object(Span((number(&arguments[0])? * 1e9) as i64)))),
        )
        .with("now", Function::new(0, move |_| Ok(Value::Float(now_ms as f64 / 1000.0))))
        .with("pathPrefix", Function::new(0, move |_| Ok(Value::string(prefix.clone().unwrap_or_default()))))
        .with("externalURL", Function::new(0, move |_| Ok(Value::string(url.clone()))))
        .with(
            "parseDuration",
            Function::new(1, |arguments| {
                let text = text(&arguments[0])?;
                let (sign, length) = text.strip_prefix('-').map_or((1.0, text), |length| (-1.0, length));
                let ms = base::units::parse_duration_ms(length).map_err(|error| error.to_string())?;
                Ok(Value::Float(sign * ms as f64 / 1000.0))
            }),
        )
        .with(
            "tmpl",
            Function::scoped(2, Some(2), |scope, arguments| {
                scope.execute(text(&arguments[0])?, arguments[1].clone()).map(Value::string)
            }),
        )
}

/// Upper case for the first letter of each word.
fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut in_word = false;
    for character in text.chars() {
        if in_word {
            out.push(character);
        } else {
            out.extend(character.to_uppercase());
        }
        in_word = character.is_alphanumeric() || character == '_' || character == '\'';
    }
    out
}

fn strip_port(host_port: &str) -> &str {
    match host_port.rsplit_once(':') {
        Some((host, _)) if host.starts_with('[') && host.ends_with(']') => &host[1..host.len() - 1],
        Some((host, _)) if !host.contains(':') => host,
        _ => host_port,
    }
}

/// The first part of a host's name, with the port if there is one; an address stays whole.
fn strip_domain(host_port: &str) -> String {
    let host = strip_port(host_port);
    if host.parse::<std::net::IpAddr>().is_ok() {
        return host_port.to_string();
    }
    let first = host.split('.').next().unwrap_or(host);
    match host_port.strip_prefix(host) {
        Some(port) => format!("{first}{port}"),
        None => first.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::Asker;
    use model::storage::StorageError;
    use promql::{Expr, SampleValue};

    struct OneSeries;

    impl Evaluate for OneSeries {
        fn instant(&self, _: &Expr, _: &str, _: i64, _: Asker<'_>) -> Result<Vec<Sampled>, String> {
            Err(StorageError::Unavailable("not asked for in these tests".into()).to_string())
        }

        fn query(&self, text: &str, _: i64) -> Result<Vec<Sampled>, String> {
            let labels = Labels::from_pairs([("instance", "a")]);
            let row = |instance: &str, value: f64| Sampled {
                labels: Labels::from_pairs([("instance", instance), ("__value__", "text")]),
                value: SampleValue::Float(value),
            };
            match text {
                "three" => Ok(vec![row("c", 1.0), row("a", 2.0), row("b", 3.0)]),
                "metric" => Ok(vec![Sampled { labels, value: SampleValue::Float(11.0) }]),
                _ => Ok(Vec::new()),
            }
        }
    }

    fn expanded(text: &str) -> String {
        let context = Context {
            evaluate: Arc::new(OneSeries),
            at_ms: 1_435_065_584_128,
            external_labels: Labels::from_pairs([("cluster", "c1")]),
            external_url: "http://me:9090/base".into(),
            metrics: Metrics::default(),
        };
        let labels = Labels::from_pairs([("instance", "host-1.example.com:9100"), ("job", "node")]);
        expand("A", text, &labels, &SampleValue::Float(1234567.0), &context)
    }

    #[test]
    fn annotations_read_as_prometheus_writes_them() {
        for (text, expected) in [
            ("no template", "no template"),
            (
                "{{ $labels.instance }} {{ .Labels.job }} {{ $labels.nothing }}",
                "host-1.example.com:9100 node ",
            ),
            ("{{ $value }}", "1.234567e+06"),
            ("{{ $value | humanize }} {{ humanize 0.0000012 }} {{ humanize 1234 }}", "1.235M 1.2u 1.234k"),
            ("{{ humanize1024 1048576 }}", "1Mi"),
            (
                "{{ humanizeDuration 86400 }} {{ humanizeDuration 899.99 }} {{ humanizeDuration 0.1 }}",
                "1d 0h 0m 0s 14m 59s 100ms",
            ),
            ("{{ humanizePercentage 0.2345678 }}", "23.46%"),
            ("{{ humanizeTimestamp 1435065584.128 }}", "2015-06-23 13:19:44.128 +0000 UTC"),
            ("{{ printf \"%.2f\" $value }}", "1234567.00"),
            ("{{ with query \"metric\" }}{{ . | first | value | humanize }}{{ end }}", "11"),
            ("{{ query \"metric\" | first | label \"instance\" }}", "a"),
            ("{{ range query \"none\" }}x{{ else }}empty{{ end }}", "empty"),
            ("{{ $labels.instance | stripPort | stripDomain }}", "host-1"),
            ("{{ reReplaceAll \"(h)ost\" \"$1\" $labels.instance }}", "h-1.example.com:9100"),
            (
                "{{ externalURL }}{{ pathPrefix }} {{ $externalLabels.cluster }}",
                "http://me:9090/base/base c1",
            ),
            ("{{ graphLink \"up == 0\" }}", "/graph?g0.expr=up+%3D%3D+0&g0.tab=0"),
            ("{{ \"hello world\" | title }} {{ parseDuration \"1h30m\" }}", "Hello World 5400"),
            ("{{ parseDuration \"-5m\" }} {{ toUpper \"aB\" }} {{ toLower \"aB\" }}", "-300 AB ab"),
            ("{{ (toTime 1435065584.128).Format \"2006-01-02 15h\" }}", "2015-06-23 13h"),
            (
                "{{ (1435065584.128 | toTime).UTC }} {{ (toTime 0.0).Year }}",
                "2015-06-23 13:19:44.128 +0000 UTC 1970",
            ),
            ("{{ toDuration 1800 }} {{ (toDuration 1800).Minutes }}", "30m0s 30"),
            (
                "{{ range query \"three\" | sortByLabel \"instance\" }}{{ .Labels.instance }}={{ .Value }} {{ end }}",
                "a=2 b=3 c=1 ",
            ),
            ("{{ query \"three\" | first | strvalue }}|{{ .Value }}", "text|1.234567e+06"),
            ("{{ if match \"^h.*\" $labels.instance }}yes{{ end }}", "yes"),
            (
                "{{ urlQueryEscape \"a b&c\" }} {{ safeHtml \"<b>\" }} {{ tableLink \"up\" }}",
                "a+b%26c <b> /graph?g0.expr=up&g0.tab=1",
            ),
            ("{{ define \"t\" }}{{ .arg0 }}/{{ .arg1 }}{{ end }}{{ template \"t\" (args 1 \"x\") }}", "1/x"),
            ("{{ define \"t\" }}<{{ . }}>{{ end }}{{ tmpl \"t\" 3 }}", "<3>"),
            ("{{ now }} {{ len $labels }} {{ eq 1 1 }} {{ print 1 2 }}", "1.435065584128e+09 2 true 1 2"),
            (
                "{{ stripPort \"[::1]:6006\" }} {{ stripDomain \"1.2.3.4:80\" }} {{ stripDomain \"a.b:80\" }}",
                "::1 1.2.3.4:80 a:80",
            ),
            (
                "{{ humanizeTimestamp \"NaN\" }} {{ humanizeDuration \"+Inf\" }} {{ humanize \"1e6\" }}",
                "NaN +Inf 1M",
            ),
        ] {
            assert_eq!(expanded(text), expected, "{text}");
        }
    }

    #[test]
    fn a_failing_template_tells_why_in_its_place() {
        assert!(expanded("{{ query \"none\" | first | value }}").starts_with("<error expanding template: "));
        assert!(expanded("{{ toTime \"NaN\" }}").contains("value is NaN or Inf"));
        assert!(expanded("{{ humanizeTimestamp 1e30 }}").contains("cannot be represented as a nanoseconds"));
        assert!(check("A", "{{ nosuch }}").unwrap_err().contains("function \"nosuch\" not defined"));
    }
}
