//! What the variables of a public dashboard stand at, and their values put into queries.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use crate::error::Error;

/// What stands for all options where values are chosen.
const ALL: &str = "$__all";
/// Values of variables that a public dashboard may keep, as JSON.
pub(crate) const PINNED_SIZE_MAX_BYTES: usize = 64 << 10;

/// What a variable stands at.
#[derive(Clone, Debug, Default, PartialEq)]
struct Chosen {
    values: Vec<String>,
    texts: Vec<String>,
    /// Whether several or all may be chosen: Prometheus is then given regular expressions.
    several: bool,
    /// What is written in place of all options.
    all: Option<String>,
    /// Each of them may stand alone, where a panel or a row is repeated.
    known: Vec<String>,
}

/// What all variables of a dashboard stand at.
#[derive(Clone, Debug, Default)]
pub(crate) struct Values {
    chosen: HashMap<String, Chosen>,
    /// Whether filters are set, which would have to be put into every query.
    pub(crate) has_filters: bool,
}

fn strings(value: Option<&Value>) -> Vec<String> {
    let one = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(is_on) => Some(is_on.to_string()),
        _ => None,
    };
    match value {
        Some(Value::Array(list)) => list.iter().filter_map(one).collect(),
        other => other.and_then(one).into_iter().collect(),
    }
}

/// Variables with their kinds, in either form.
fn variables(spec: &Map<String, Value>) -> Vec<(String, &Map<String, Value>)> {
    let classic = spec.get("templating").and_then(|templating| templating.get("list")?.as_array());
    let classic = classic.into_iter().flatten().filter_map(|variable| {
        let fields = variable.as_object()?;
        Some((fields.get("type")?.as_str()?.to_string(), fields))
    });
    let new = spec.get("variables").and_then(Value::as_array).into_iter().flatten().filter_map(|variable| {
        let kind = variable.get("kind")?.as_str()?;
        let kind = kind.strip_suffix("Variable").unwrap_or(kind).to_ascii_lowercase();
        Some((if kind == "text" { "textbox".into() } else { kind }, variable.get("spec")?.as_object()?))
    });
    classic.chain(new).collect()
}

fn options(fields: &Map<String, Value>) -> Vec<(String, String)> {
    let list = fields.get("options").and_then(Value::as_array).into_iter().flatten();
    list.filter_map(|option| {
        let value = strings(option.get("value")).into_iter().next()?;
        let text = strings(option.get("text")).into_iter().next().unwrap_or_else(|| value.clone());
        (value != ALL).then_some((text, value))
    })
    .collect()
}

/// The options of a variable that names them itself: `a, b, text : value`.
fn named_options(kind: &str, fields: &Map<String, Value>) -> Vec<(String, String)> {
    let query = fields.get("query").and_then(Value::as_str).unwrap_or("");
    if !matches!(kind, "custom" | "interval") || query.trim_start().starts_with('[') {
        return Vec::new();
    }
    let parts = query.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts
        .map(|part| match part.split_once(" : ") {
            Some((text, value)) => (text.trim().to_string(), value.trim().to_string()),
            None => (part.to_string(), part.to_string()),
        })
        .collect()
}

fn choose(kind: &str, fields: &Map<String, Value>, pinned: Option<&Value>) -> Chosen {
    let is_on = |name: &str| fields.get(name).and_then(Value::as_bool).unwrap_or(false);
    let query = || strings(fields.get("query")).into_iter().next().unwrap_or_default();
    let current = pinned.or_else(|| fields.get("current"));
    let mut values = strings(current.and_then(|current| current.get("value")));
    let mut texts = strings(current.and_then(|current| current.get("text")));
    let mut offered = match pinned.and_then(Value::as_object) {
        Some(pinned) => options(pinned),
        None => options(fields),
    };
    if offered.is_empty() {
        offered = named_options(kind, fields);
    }
    if kind == "constant" || (kind == "textbox" && values.is_empty()) {
        (values, texts) = (vec![query()], vec![query()]);
    }
    let may_all = is_on("includeAll");
    let several = is_on("multi") || may_all;
    let is_all =
        values.iter().any(|value| value == ALL) || (may_all && (values.is_empty() || values == ["All"]));
    if is_all {
        let own = fields.get("allValue").and_then(Value::as_str).filter(|text| !text.is_empty());
        let known: Vec<String> = offered.iter().map(|(_, value)| value.clone()).collect();
        // Options that are asked for are not kept up to date: what comes later belongs to all as well.
        let all = match (kind, own) {
            ("query", None) => Some(".*".into()),
            ("query", Some(".+")) if known.is_empty() => Some(".*".into()),
            (_, own) => own.map(str::to_string),
        };
        return Chosen { values: known.clone(), texts: vec!["All".into()], several, all, known };
    }
    if values.is_empty() && !several {
        let first = offered.first().cloned();
        (texts, values) = first.map_or((Vec::new(), Vec::new()), |(text, value)| (vec![text], vec![value]));
    }
    if texts.len() != values.len() {
        texts.clone_from(&values);
    }
    for value in &mut values {
        if value.starts_with("$__auto_interval") {
            *value = "$__interval".into();
        }
    }
    Chosen { known: values.clone(), values, texts, several, all: None }
}

impl Values {
    /// What a dashboard's variables were saved at; `pinned` ones go before that, by name: `text`, `value`, `options`.
    pub(crate) fn read(spec: &Map<String, Value>, pinned: &Map<String, Value>) -> Values {
        let mut found = Values::default();
        for (kind, fields) in variables(spec) {
            let Some(name) = fields.get("name").and_then(Value::as_str) else { continue };
            if kind == "adhoc" || kind == "groupby" {
                let is_set =
                    |field: &str| fields.get(field).and_then(Value::as_array).is_some_and(|l| !l.is_empty());
                found.has_filters |= is_set("filters") || is_set("baseFilters");
                continue;
            }
            found.chosen.insert(name.into(), choose(&kind, fields, pinned.get(name)));
        }
        found
    }

    /// The same for one of a panel's repetitions: these variables stand at one of their values each.
    pub(crate) fn repeated(mut self, sent: &Map<String, Value>) -> Result<Values, Error> {
        for (name, value) in sent {
            let value = value.as_str().unwrap_or("");
            let chosen = self.chosen.get_mut(name);
            let chosen = chosen.filter(|chosen| chosen.known.iter().any(|known| known == value));
            let Some(chosen) = chosen else {
                return Err(Error::bad("this public dashboard does not show other values"));
            };
            chosen.values = vec![value.into()];
            chosen.texts = vec![value.into()];
            chosen.all = None;
        }
        Ok(self)
    }

    /// A text with the variables' values in place of their names, as they are.
    pub(crate) fn raw(&self, text: &str) -> String {
        self.write(text, false, &[])
    }

    /// An expression with the variables' values in place of their names. `more` are further names.
    pub(crate) fn promql(&self, expr: &str, more: &[(&str, String)]) -> String {
        self.write(expr, true, more)
    }

    fn write(&self, text: &str, is_promql: bool, more: &[(&str, String)]) -> String {
        let mut out = String::with_capacity(text.len());
        let mut quotes = Quotes::default();
        let mut rest = text;
        while let Some(next) = rest.chars().next() {
            if let Some((name, format, length)) = reference(rest) {
                let chosen = self.chosen.get(name);
                let plain = more.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
                let written = plain.or_else(|| {
                    chosen.map(|chosen| match format {
                        "" if is_promql => promql(chosen, quotes.is_exact()),
                        format => formatted(chosen, if format.is_empty() { "raw" } else { format }),
                    })
                });
                if let Some(written) = written {
                    out.push_str(&written);
                    rest = rest.get(length..).unwrap_or("");
                    continue;
                }
            }
            quotes.see(next);
            out.push(next);
            rest = rest.get(next.len_utf8()..).unwrap_or("");
        }
        out
    }
}

/// A variable's name, its format and how long both are: `$name`, `${name:format}`, `[[name:format]]`.
fn reference(text: &str) -> Option<(&str, &str, usize)> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let word = |text: &str| text.find(|c| !is_word(c)).unwrap_or(text.len());
    let (open, close) = if text.starts_with("${") {
        ("${", "}")
    } else if text.starts_with("[[") {
        ("[[", "]]")
    } else {
        let name = text.strip_prefix('$')?;
        let end = word(name);
        return (end > 0).then(|| (name.get(..end).unwrap_or(""), "", end + 1));
    };
    let inner = text.strip_prefix(open)?;
    let inner = inner.get(..inner.find(close)?)?;
    let (name, format) = inner.split_once(':').unwrap_or((inner, ""));
    (!name.is_empty() && word(name) == name.len()).then_some((
        name,
        format,
        open.len() + inner.len() + close.len(),
    ))
}

/// Where in an expression one is: within which quotes, and after which operator these began.
#[derive(Default)]
struct Quotes {
    within: Option<char>,
    is_escaped: bool,
    /// The last two signs that are no space, outside of quotes.
    before: (char, char),
}

impl Quotes {
    fn see(&mut self, c: char) {
        match self.within {
            Some(_) if self.is_escaped => self.is_escaped = false,
            Some(quote) if c == '\\' && quote != '`' => self.is_escaped = true,
            Some(quote) if c == quote => (self.within, self.before) = (None, (' ', quote)),
            Some(_) => {}
            None if matches!(c, '"' | '\'' | '`') => self.within = Some(c),
            None if !c.is_whitespace() => self.before = (self.before.1, c),
            None => {}
        }
    }

    /// Whether texts are compared here, and not regular expressions.
    fn is_exact(&self) -> bool {
        self.within.is_some() && self.before.1 == '=' && !matches!(self.before.0, '=' | '~')
    }
}

/// Backslashes survive PromQL's own quoting; nothing else is changed: the value may be a part of an expression.
fn promql(chosen: &Chosen, is_exact: bool) -> String {
    if let Some(all) = &chosen.all {
        return all.clone();
    }
    match chosen.values.as_slice() {
        [] => String::new(),
        [one] if !chosen.several || is_exact => one.replace('\\', "\\\\"),
        [one] => within_regex(one),
        several => format!("({})", several.iter().map(|one| within_regex(one)).collect::<Vec<_>>().join("|")),
    }
}

fn regex(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if "\\^$*+?.()|[]{}".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// A literal inside a regular expression inside a quoted string.
fn within_regex(text: &str) -> String {
    regex(text).replace('\\', "\\\\").replace('"', "\\\"")
}

fn formatted(chosen: &Chosen, format: &str) -> String {
    if let Some(all) = chosen.all.as_ref().filter(|_| format != "text") {
        return all.clone();
    }
    let each = |write: &dyn Fn(&String) -> String, separator: &str| {
        chosen.values.iter().map(write).collect::<Vec<_>>().join(separator)
    };
    match format {
        "raw" | "csv" => chosen.values.join(","),
        "pipe" => chosen.values.join("|"),
        "text" => chosen.texts.join(" + "),
        "singlequote" => each(&|value| format!("'{}'", value.replace('\'', "\\'")), ","),
        "doublequote" => each(&|value| format!("\"{}\"", value.replace('"', "\\\"")), ","),
        "regex" if chosen.values.len() == 1 => each(&|value| regex(value), "|"),
        "regex" => format!("({})", each(&|value| regex(value), "|")),
        "json" => json!(chosen.values).to_string(),
        _ if chosen.values.len() == 1 => chosen.values.join(""),
        _ => format!("{{{}}}", chosen.values.join(",")),
    }
}

/// What may be kept of the values that a request brings.
pub(crate) fn read_pinned(sent: &Value) -> Result<Map<String, Value>, Error> {
    let Value::Object(sent) = sent else { return Err(Error::bad("variables: expected an object")) };
    let single = |value: Option<&Value>| match value {
        Some(Value::Array(_)) => json!(strings(value)),
        _ => json!(strings(value).into_iter().next().unwrap_or_default()),
    };
    let mut kept = Map::new();
    for (name, given) in sent {
        let Value::Object(given) = given else { continue };
        let options: Vec<Value> =
            options(given).into_iter().map(|(text, value)| json!({"text": text, "value": value})).collect();
        let (text, value) = (single(given.get("text")), single(given.get("value")));
        kept.insert(name.clone(), json!({"text": text, "value": value, "options": options}));
    }
    let size_bytes = serde_json::to_vec(&kept).map_or(usize::MAX, |body| body.len());
    if size_bytes > PINNED_SIZE_MAX_BYTES {
        let max_bytes = PINNED_SIZE_MAX_BYTES;
        return Err(Error::TooLarge { what: "values of variables", size_bytes, max_bytes });
    }
    Ok(kept)
}

/// Puts pinned values into the variables of a dashboard that is shown.
pub(crate) fn pin(spec: &mut Map<String, Value>, pinned: &Map<String, Value>) {
    let put = |fields: &mut Map<String, Value>| {
        let kept = fields.get("name").and_then(Value::as_str).and_then(|name| pinned.get(name));
        let Some(kept) = kept else { return };
        fields.insert("current".into(), json!({"text": kept["text"], "value": kept["value"]}));
        fields.insert("options".into(), kept["options"].clone());
    };
    let list = spec.get_mut("templating").and_then(|templating| templating.get_mut("list")?.as_array_mut());
    list.into_iter().flatten().filter_map(Value::as_object_mut).for_each(put);
    let list = spec.get_mut("variables").and_then(Value::as_array_mut).into_iter().flatten();
    list.filter_map(|variable| variable.get_mut("spec")?.as_object_mut()).for_each(put);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(list: Value, pinned: Value) -> Values {
        let spec = json!({"templating": {"list": list}});
        Values::read(spec.as_object().unwrap(), &read_pinned(&pinned).unwrap())
    }

    #[test]
    fn saved_values_are_written_as_prometheus_needs_them() {
        let saved = values(
            json!([
                {"name": "one", "type": "query", "current": {"text": "a.b", "value": "a.b"}},
                {"name": "many", "type": "query", "multi": true, "current": {"value": ["a.b", "c"]}},
                {"name": "lone", "type": "query", "multi": true, "current": {"value": ["a.b"]}},
                {"name": "all", "type": "query", "includeAll": true, "current": {"value": "$__all"}},
                {"name": "own", "type": "custom", "includeAll": true, "allValue": "x.*", "current": {"value": ["$__all"]}},
                {"name": "listed", "type": "custom", "includeAll": true, "query": "p, Q : q", "current": {"value": "$__all"}},
                {"name": "first", "type": "custom", "query": "5m,1h"},
                {"name": "fixed", "type": "constant", "query": "c"},
                {"name": "auto", "type": "interval", "current": {"value": "$__auto_interval_auto"}},
                {"name": "none", "type": "query", "current": {}}
            ]),
            json!({}),
        );
        for (text, expected) in [
            (r#"m{a="$one"}"#, r#"m{a="a.b"}"#),
            (r#"m{a=~"$one"}"#, r#"m{a=~"a.b"}"#),
            (r#"m{a=~"$many"}"#, r#"m{a=~"(a\\.b|c)"}"#),
            (r#"m{a=~"${lone}x"}"#, r#"m{a=~"a\\.bx"}"#),
            (r#"m{a="[[lone]]", b!="$lone"}"#, r#"m{a="a.b", b!="a.b"}"#),
            (r#"m{a=~"$all"}"#, r#"m{a=~".*"}"#),
            (r#"m{a=~"$own"}"#, r#"m{a=~"x.*"}"#),
            (r#"m{a=~"$listed"}"#, r#"m{a=~"(p|q)"}"#),
            ("rate(m[$first]) + $fixed == $auto", "rate(m[5m]) + c == $__interval"),
            (r#"m{a="$none"}"#, r#"m{a=""}"#),
            ("${many:csv} ${many:pipe} ${many:regex} ${one:doublequote}", r#"a.b,c a.b|c (a\.b|c) "a.b""#),
            ("$unknown $__interval ${x $", "$unknown $__interval ${x $"),
        ] {
            assert_eq!(saved.promql(text, &[]), expected);
        }
        assert_eq!(saved.promql("$__from", &[("__from", "7".into())]), "7");
        assert_eq!(saved.raw("${one}/$many"), "a.b/a.b,c");
    }

    #[test]
    fn pinned_values_go_before_saved_ones_and_are_all_that_repetitions_may_stand_at() {
        let list = json!([{"name": "v", "type": "query", "includeAll": true, "multi": true, "current": {"value": "x"}}]);
        let pinned = json!({"v": {"text": "All", "value": ["$__all"], "options": [{"text": "A", "value": "a"}, {"text": "B", "value": "b"}]}});
        let found = values(list, pinned);
        assert_eq!(found.promql(r#"{v=~"$v"}"#, &[]), r#"{v=~".*"}"#);
        let one = found.clone().repeated(json!({"v": "b"}).as_object().unwrap()).unwrap();
        assert_eq!(one.promql(r#"{v=~"$v"}"#, &[]), r#"{v=~"b"}"#);
        for wrong in [json!({"v": "x"}), json!({"other": "a"}), json!({"v": ["a"]})] {
            assert!(found.clone().repeated(wrong.as_object().unwrap()).is_err(), "{wrong}");
        }
        assert!(read_pinned(&json!({"v": {"value": "x".repeat(PINNED_SIZE_MAX_BYTES)}})).is_err());
    }

    #[test]
    fn variables_of_the_newer_schema_are_the_same() {
        let spec = json!({"variables": [
            {"kind": "QueryVariable", "spec": {"name": "v", "current": {"text": "a", "value": "a"}}},
            {"kind": "AdhocVariable", "spec": {"name": "f", "filters": [{"key": "a"}]}}
        ]});
        let found = Values::read(spec.as_object().unwrap(), &Map::new());
        assert_eq!((found.raw("$v"), found.has_filters), ("a".into(), true));
    }
}
