//! Answers of Prometheus as Grafana's data frames in JSON: a schema, and values column by column.

use serde_json::{Map, Value, json};

/// What a query was, as far as its frames tell it.
pub(crate) struct Asked<'a> {
    pub(crate) ref_id: &'a str,
    pub(crate) expr: &'a str,
    /// The template of names, such as `{{job}}`; empty or `__auto` for the series' own names.
    pub(crate) legend: &'a str,
    pub(crate) step_ms: i64,
}

/// The frames of an answer's `data`: one a series.
pub(crate) fn frames(data: &Value, asked: &Asked<'_>) -> Vec<Value> {
    let kind = data.get("resultType").and_then(Value::as_str).unwrap_or("");
    let result = data.get("result");
    let list = || result.and_then(Value::as_array).into_iter().flatten();
    let none = Map::new();
    let labels =
        |series: &'_ Value| series.get("metric").and_then(Value::as_object).cloned().unwrap_or_default();
    match kind {
        "matrix" => list()
            .map(|series| {
                let samples = series.get("values").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
                frame(kind, &labels(series), samples, asked)
            })
            .collect(),
        "vector" => list()
            .map(|series| {
                frame(
                    kind,
                    &labels(series),
                    &series.get("value").cloned().into_iter().collect::<Vec<_>>(),
                    asked,
                )
            })
            .collect(),
        "scalar" => vec![frame(kind, &none, &result.cloned().into_iter().collect::<Vec<_>>(), asked)],
        "string" => {
            let sample = result.and_then(Value::as_array);
            let text = sample.and_then(|sample| sample.get(1)).cloned().unwrap_or(Value::Null);
            let time = sample.and_then(|sample| sample.first()).and_then(time_ms);
            vec![json!({
                "schema": {
                    "refId": asked.ref_id,
                    "meta": {"type": "string", "custom": {"resultType": kind}},
                    "fields": [time_field(asked), {"name": "Value", "type": "string", "typeInfo": {"frame": "string"}}],
                },
                "data": {"values": [[time], [text]]},
            })]
        }
        _ => Vec::new(),
    }
}

fn time_field(asked: &Asked<'_>) -> Value {
    let mut field = json!({"name": "Time", "type": "time", "typeInfo": {"frame": "time.Time"}});
    if asked.step_ms > 0 {
        field["config"] = json!({"interval": asked.step_ms});
    }
    field
}

fn time_ms(seconds: &Value) -> Option<i64> {
    seconds.as_f64().map(|seconds| (seconds * 1000.0).round() as i64)
}

fn frame(kind: &str, labels: &Map<String, Value>, samples: &[Value], asked: &Asked<'_>) -> Value {
    let (mut times, mut values) = (Vec::with_capacity(samples.len()), Vec::with_capacity(samples.len()));
    // What JSON has no numbers for is named by its places.
    let (mut nan, mut inf, mut neg_inf) = (Vec::new(), Vec::new(), Vec::new());
    for sample in samples.iter().filter_map(Value::as_array) {
        let (Some(time), Some(text)) =
            (sample.first().and_then(time_ms), sample.get(1).and_then(Value::as_str))
        else {
            continue;
        };
        let at = times.len();
        let number = match text {
            "+Inf" | "Inf" => f64::INFINITY,
            "-Inf" => f64::NEG_INFINITY,
            text => text.parse().unwrap_or(f64::NAN),
        };
        if number.is_nan() {
            nan.push(at);
        } else if number == f64::INFINITY {
            inf.push(at);
        } else if number == f64::NEG_INFINITY {
            neg_inf.push(at);
        }
        times.push(time);
        // Not finite ones become null.
        values.push(json!(number));
    }
    let name = name(labels, asked);
    let mut field = json!({
        "name": "Value",
        "type": "number",
        "typeInfo": {"frame": "float64"},
        "config": {"displayNameFromDS": name},
    });
    if !labels.is_empty() {
        field["labels"] = Value::Object(labels.clone());
    }
    let mut data = json!({"values": [times, values]});
    let mut places = Map::new();
    for (name, at) in [("NaN", nan), ("Inf", inf), ("NegInf", neg_inf)] {
        if !at.is_empty() {
            places.insert(name.into(), json!(at));
        }
    }
    if !places.is_empty() {
        data["entities"] = json!([null, places]);
    }
    json!({
        "schema": {
            "name": name,
            "refId": asked.ref_id,
            "meta": {
                "type": if kind == "matrix" { "timeseries-multi" } else { "numeric-multi" },
                "typeVersion": [0, 1],
                "custom": {"resultType": kind},
                "executedQueryString": format!("Expr: {}\nStep: {}s", asked.expr, asked.step_ms as f64 / 1000.0),
            },
            "fields": [time_field(asked), field],
        },
        "data": data,
    })
}

/// What a series is called.
fn name(labels: &Map<String, Value>, asked: &Asked<'_>) -> String {
    let text = |name: &str| labels.get(name).and_then(Value::as_str);
    if !asked.legend.is_empty() && asked.legend != "__auto" {
        return with_labels(asked.legend, text);
    }
    let own = text("__name__").unwrap_or("");
    let others: Vec<String> = labels
        .iter()
        .filter(|(name, _)| *name != "__name__")
        .map(|(name, value)| format!("{name}={}", Value::String(value.as_str().unwrap_or("").into())))
        .collect();
    match (own, others.is_empty()) {
        ("", true) => asked.expr.to_string(),
        (own, true) => own.to_string(),
        (own, false) => format!("{own}{{{}}}", others.join(", ")),
    }
}

/// Puts labels into a template; one that is not there leaves its name.
fn with_labels<'a>(template: &str, label: impl Fn(&str) -> Option<&'a str>) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        out.push_str(before);
        let Some((name, after)) = after.split_once("}}") else {
            out.push_str("{{");
            rest = after;
            continue;
        };
        out.push_str(label(name.trim()).unwrap_or(name.trim()));
        rest = after;
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(legend: &str) -> Asked<'_> {
        Asked { ref_id: "A", expr: "up", legend, step_ms: 15_000 }
    }

    #[test]
    fn each_series_is_a_frame_and_what_json_has_no_number_for_is_named() {
        let data = json!({"resultType": "matrix", "result": [{
            "metric": {"__name__": "up", "job": "a"},
            "values": [[10, "1.5"], [25, "NaN"], [40.5, "+Inf"], [55, "-Inf"]],
        }]});
        let frames = frames(&data, &asked(""));
        let frame = &frames[0];
        assert_eq!(
            frame["data"]["values"],
            json!([[10_000, 25_000, 40_500, 55_000], [1.5, null, null, null]])
        );
        assert_eq!(frame["data"]["entities"], json!([null, {"NaN": [1], "Inf": [2], "NegInf": [3]}]));
        let fields = &frame["schema"]["fields"];
        assert_eq!((&fields[0]["type"], &fields[0]["config"]["interval"]), (&json!("time"), &json!(15_000)));
        assert_eq!(fields[1]["labels"], json!({"__name__": "up", "job": "a"}));
        assert_eq!(fields[1]["config"]["displayNameFromDS"], r#"up{job="a"}"#);
        assert_eq!(frame["schema"]["meta"]["type"], "timeseries-multi");
    }

    #[test]
    fn names_follow_the_legend() {
        let labels = json!({"__name__": "up", "job": "a"});
        let labels = labels.as_object().unwrap();
        for (legend, expected) in
            [("{{job}} - {{ none }}", "a - none"), ("__auto", r#"up{job="a"}"#), ("x {{", "x {{")]
        {
            assert_eq!(name(labels, &asked(legend)), expected);
        }
        assert_eq!(name(&Map::new(), &asked("")), "up");
    }

    #[test]
    fn numbers_and_texts_are_frames_too() {
        let scalar = frames(&json!({"resultType": "scalar", "result": [1.5, "2"]}), &asked(""));
        assert_eq!(scalar[0]["data"]["values"], json!([[1_500], [2.0]]));
        let string = frames(&json!({"resultType": "string", "result": [1, "x"]}), &asked(""));
        assert_eq!(string[0]["data"]["values"], json!([[1_000], ["x"]]));
        assert!(frames(&json!({"resultType": "vector", "result": []}), &asked("")).is_empty());
    }
}
