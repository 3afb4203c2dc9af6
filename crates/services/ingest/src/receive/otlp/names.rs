//! Names of metrics, labels and units, as Prometheus makes them of OpenTelemetry's. The rules are those of
//! "Prometheus and OpenMetrics Compatibility" of the OpenTelemetry specification.

/// Kinds of metrics, as far as names depend on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Gauge,
    /// A sum that only rises.
    Counter,
    Other,
}

/// UCUM's units and the words of Prometheus.
const UNITS: [(&str, &str); 25] = [
    ("d", "days"),
    ("h", "hours"),
    ("min", "minutes"),
    ("s", "seconds"),
    ("ms", "milliseconds"),
    ("us", "microseconds"),
    ("ns", "nanoseconds"),
    ("By", "bytes"),
    ("KiBy", "kibibytes"),
    ("MiBy", "mebibytes"),
    ("GiBy", "gibibytes"),
    ("TiBy", "tibibytes"),
    ("KBy", "kilobytes"),
    ("MBy", "megabytes"),
    ("GBy", "gigabytes"),
    ("TBy", "terabytes"),
    ("m", "meters"),
    ("V", "volts"),
    ("A", "amperes"),
    ("J", "joules"),
    ("W", "watts"),
    ("g", "grams"),
    ("Cel", "celsius"),
    ("Hz", "hertz"),
    ("%", "percent"),
];

/// The same behind a "per".
const PER_UNITS: [(&str, &str); 7] = [
    ("s", "second"),
    ("m", "minute"),
    ("h", "hour"),
    ("d", "day"),
    ("w", "week"),
    ("mo", "month"),
    ("y", "year"),
];

fn word<'a>(table: &[(&str, &'a str)], unit: &'a str) -> &'a str {
    table.iter().find(|(name, _)| *name == unit).map_or(unit, |(_, word)| word)
}

/// The words of a unit: the main one, and one with "per_" before it; empty where there is none. Annotations
/// in braces are no units.
fn unit_words(unit: &str) -> (String, String) {
    let (main, per) = unit.split_once('/').unwrap_or((unit, ""));
    let is_unit = |text: &str| !text.is_empty() && !text.contains(['{', '}']);
    let (main, per) = (main.trim(), per.trim());
    let main = if is_unit(main) && main != "1" { word(&UNITS, main).to_string() } else { String::new() };
    let per = if is_unit(per) { format!("per_{}", word(&PER_UNITS, per)) } else { String::new() };
    (main, per)
}

/// The unit as metadata says it.
pub(super) fn unit(unit: &str, utf8: bool) -> String {
    let (mut main, mut per) = unit_words(unit);
    if !utf8 {
        (main, per) = (plain_unit(&main), plain_unit(&per));
    }
    let whole = if !main.is_empty() && !per.is_empty() { format!("{main}_{per}") } else { main + &per };
    let whole = whole.strip_prefix('_').unwrap_or(&whole);
    whole.strip_suffix('_').unwrap_or(whole).to_string()
}

fn is_metric_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == ':'
}

/// A unit of characters that names may have, without underscores in a row or at the front.
fn plain_unit(unit: &str) -> String {
    let mut plain = String::with_capacity(unit.len());
    for c in unit.chars() {
        let c = if is_metric_char(c) { c } else { '_' };
        if c != '_' || !plain.ends_with('_') {
            plain.push(c);
        }
    }
    plain.strip_prefix('_').map(str::to_string).unwrap_or(plain)
}

/// The name of a metric; `None` if nothing is left of it.
pub(super) fn metric(name: &str, unit: &str, kind: Kind, utf8: bool, suffixes: bool) -> Option<String> {
    let made = match (utf8, suffixes) {
        (true, true) => utf8_with_suffixes(name, unit, kind),
        (true, false) => name.to_string(),
        (false, true) => plain_with_suffixes(name, unit, kind),
        (false, false) => {
            let parts = name.split(|c| !is_metric_char(c) && c != '_').filter(|part| !part.is_empty());
            behind_digit(parts.collect::<Vec<_>>().join("_"))
        }
    };
    let is_nothing = made.is_empty() || !utf8 && made != name && made.chars().all(|c| c == '_');
    (!is_nothing).then_some(made)
}

/// Names do not begin with a digit.
fn behind_digit(name: String) -> String {
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("_{name}") } else { name }
}

fn plain_with_suffixes(name: &str, unit: &str, kind: Kind) -> String {
    let mut words: Vec<&str> = name.split(|c| !is_metric_char(c)).filter(|word| !word.is_empty()).collect();
    let (main, per) = unit_words(unit);
    let (main, per) = (plain_unit(&main), plain_unit(&per));
    let has_main = words.contains(&main.as_str());
    let per = if per == "per_" { "" } else { per.strip_suffix('_').unwrap_or(&per) };
    let has_per = words.contains(&per);
    let main =
        if per.is_empty() || has_per { main.as_str() } else { main.strip_suffix('_').unwrap_or(&main) };
    if !main.is_empty() && !has_main {
        words.push(main);
    }
    if !per.is_empty() && !has_per {
        words.push(per);
    }
    let mut at_end = |suffix: &'static str| {
        words.retain(|word| *word != suffix);
        words.push(suffix);
    };
    if kind == Kind::Counter {
        at_end("total");
    }
    if unit == "1" && kind == Kind::Gauge {
        at_end("ratio");
    }
    behind_digit(words.join("_"))
}

fn utf8_with_suffixes(name: &str, unit: &str, kind: Kind) -> String {
    // A suffix goes with whatever character is before it.
    fn without<'a>(name: &'a str, suffix: &str) -> &'a str {
        let before = name.strip_suffix(suffix).and_then(|rest| {
            let delimiter = rest.chars().next_back()?;
            rest.strip_suffix(delimiter)
        });
        before.filter(|before| !before.is_empty()).unwrap_or(name)
    }
    let (main, per) = unit_words(unit);
    let is_ratio = unit == "1" && kind == Kind::Gauge;
    let mut base = name;
    if is_ratio {
        base = without(base, "ratio");
    }
    if kind == Kind::Counter {
        base = without(base, "total");
    }
    if !per.is_empty() {
        base = without(base, &per);
    }
    let mut made = base.to_string();
    let mut add = |suffix: &str| {
        made.push('_');
        made.push_str(suffix);
    };
    if !main.is_empty() && !base.ends_with(&main) {
        add(&main);
    }
    if !per.is_empty() {
        add(&per);
    }
    if kind == Kind::Counter {
        add("total");
    }
    if is_ratio {
        add("ratio");
    }
    made
}

/// How names of labels are made.
#[derive(Clone, Copy, Debug)]
pub(super) struct LabelNames {
    pub(super) utf8: bool,
    /// Whether `key` goes before a single leading underscore.
    pub(super) key_before_underscore: bool,
    /// Whether several underscores in a row stay.
    pub(super) keep_underscores: bool,
}

impl LabelNames {
    /// The name of a label; an error if nothing is left of it.
    pub(super) fn make(&self, name: &str) -> Result<String, String> {
        if name.is_empty() {
            return Err("label name is empty".into());
        }
        let only_underscores = |name: &str| name.bytes().all(|byte| byte == b'_');
        if self.utf8 {
            return match only_underscores(name) {
                true => Err(format!("label name {name:?} contains only underscores")),
                false => Ok(name.to_string()),
            };
        }
        let mut made = if self.keep_underscores { replaced(name) } else { collapsed(name) };
        if made.starts_with(|c: char| c.is_ascii_digit()) {
            made.insert_str(0, "key_");
        } else if self.key_before_underscore && made.starts_with('_') && !made.starts_with("__") {
            made.insert_str(0, "key");
        }
        match only_underscores(&made) {
            true => Err(format!("normalization for label name {name:?} resulted in invalid name {made:?}")),
            false => Ok(made),
        }
    }
}

fn replaced(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// With one underscore for several in a row, but for those around a reserved name.
fn collapsed(name: &str) -> String {
    let inside = name.strip_prefix("__").and_then(|rest| rest.strip_suffix("__"));
    let mut made = String::with_capacity(name.len());
    let mut before = false;
    for c in inside.unwrap_or(name).chars() {
        let is_plain = c.is_ascii_alphanumeric();
        if is_plain {
            made.push(c);
        } else if !before {
            made.push('_');
        }
        before = !is_plain;
    }
    if inside.is_some() { format!("__{made}__") } else { made }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_named_by_each_strategy_as_prometheus_names_them() {
        use Kind::{Counter, Gauge, Other};
        // Name, unit, kind; escaped with and without suffixes; UTF-8 with suffixes.
        for (name, unit, kind, [plain, bare, utf8]) in [
            (
                "http.server.duration",
                "s",
                Other,
                ["http_server_duration_seconds", "http_server_duration", "http.server.duration_seconds"],
            ),
            ("requests", "1", Counter, ["requests_total", "requests", "requests_total"]),
            ("requests.total", "", Counter, ["requests_total", "requests_total", "requests_total"]),
            ("disk.io", "By/s", Gauge, ["disk_io_bytes_per_second", "disk_io", "disk.io_bytes_per_second"]),
            (
                "cpu.utilization",
                "1",
                Gauge,
                ["cpu_utilization_ratio", "cpu_utilization", "cpu.utilization_ratio"],
            ),
            ("cpu.ratio.now", "1", Gauge, ["cpu_now_ratio", "cpu_ratio_now", "cpu.ratio.now_ratio"]),
            (
                "system.io.bytes",
                "By",
                Counter,
                ["system_io_bytes_total", "system_io_bytes", "system.io.bytes_total"],
            ),
            ("2xx", "{response}", Counter, ["_2xx_total", "_2xx", "2xx_total"]),
            ("a__b", "", Gauge, ["a_b", "a__b", "a__b"]),
            ("temp.°", "Cel", Gauge, ["temp_celsius", "temp", "temp.°_celsius"]),
            ("queue", "{job}/min", Gauge, ["queue_per_min", "queue", "queue_per_min"]),
            (
                "speed_per_second",
                "m/s",
                Gauge,
                ["speed_per_second_meters_per_second", "speed_per_second", "speed_meters_per_second"],
            ),
            ("load", "%", Gauge, ["load_percent", "load", "load_percent"]),
            ("x", "_weird.unit", Gauge, ["x_weird_unit", "x", "x__weird.unit"]),
        ] {
            assert_eq!(metric(name, unit, kind, false, true).as_deref(), Some(plain), "{name} {unit}");
            assert_eq!(metric(name, unit, kind, false, false).as_deref(), Some(bare), "{name} {unit}");
            assert_eq!(metric(name, unit, kind, true, true).as_deref(), Some(utf8), "{name} {unit}");
            assert_eq!(metric(name, unit, kind, true, false).as_deref(), Some(name), "{name} {unit}");
        }
        assert_eq!(metric("", "", Gauge, false, true), None);
        assert_eq!(metric("°°", "", Gauge, false, true), None);
        assert_eq!(metric("", "", Gauge, true, false), None);
    }

    #[test]
    fn labels_are_named_as_prometheus_names_them() {
        let names = |key_before_underscore, keep_underscores| LabelNames {
            utf8: false,
            key_before_underscore,
            keep_underscores,
        };
        for (name, kept, collapsed) in [
            ("http.method", "http_method", "http_method"),
            ("a..b", "a__b", "a_b"),
            ("1st", "key_1st", "key_1st"),
            ("_private", "key_private", "key_private"),
            ("__name__", "__name__", "__name__"),
            ("__a.b__", "__a_b__", "__a_b__"),
            ("label:with:colons", "label_with_colons", "label_with_colons"),
            ("ünï", "_n_", "_n_"),
        ] {
            let with_key = |made: &str| {
                if made.starts_with('_') && !made.starts_with("__") {
                    format!("key{made}")
                } else {
                    made.into()
                }
            };
            assert_eq!(names(true, true).make(name).unwrap(), with_key(kept), "{name}");
            assert_eq!(names(true, false).make(name).unwrap(), with_key(collapsed), "{name}");
        }
        assert_eq!(names(false, true).make("_private").unwrap(), "_private");
        assert!(names(true, true).make("").is_err());
        assert!(names(true, true).make("___").is_err());
        let utf8 = LabelNames { utf8: true, ..names(true, true) };
        assert_eq!(utf8.make("http.method").unwrap(), "http.method");
        assert!(utf8.make("__").is_err());
    }

    #[test]
    fn units_of_metadata() {
        for (given, expected) in
            [("s", "seconds"), ("By/s", "bytes_per_second"), ("1", ""), ("{x}", ""), ("", "")]
        {
            assert_eq!(unit(given, false), expected);
        }
    }
}
