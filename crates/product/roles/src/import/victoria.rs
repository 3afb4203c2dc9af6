//! The lines of VictoriaMetrics's export: a series each, with its values and their times.

use gocompat::float::{self, Format};
use model::labels::{Quoted, is_plain_label_name};
use model::storage::TimeRange;
use model::{Labels, Matcher, Samples, stale_nan};
use serde_json::Value;

use super::source::Series;

/// A selector of these conditions.
pub(super) fn selector(matchers: &[Matcher]) -> String {
    let conditions = matchers.iter().map(|matcher| {
        let name = match is_plain_label_name(&matcher.name) {
            true => matcher.name.clone(),
            false => Quoted(&matcher.name).to_string(),
        };
        format!("{name}{}{}", matcher.op.as_str(), Quoted(&matcher.value))
    });
    format!("{{{}}}", conditions.collect::<Vec<_>>().join(","))
}

/// A time as the API takes it.
pub(super) fn seconds(ms: i64) -> String {
    float::format(ms as f64 / 1000.0, Format::Fixed, Some(3))
}

/// The series of an export.
pub(super) fn lines(body: &[u8], range: TimeRange) -> Result<Series, String> {
    let mut found = Vec::new();
    for (at, line) in body.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty()) {
        let series = line_of(line, range).map_err(|error| format!("line {}: {error}", at + 1))?;
        if !series.1.is_empty() {
            found.push(series);
        }
    }
    Ok(found)
}

fn line_of(line: &[u8], range: TimeRange) -> Result<(Labels, Samples), String> {
    let mut json: Value = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let metric = json["metric"].as_object().ok_or("no metric")?;
    let labels =
        Labels::from_pairs(metric.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap_or(""))));
    let values = json["values"].take();
    let (Value::Array(values), Some(times)) = (values, json["timestamps"].as_array()) else {
        return Err("no values and timestamps".into());
    };
    if values.len() != times.len() {
        return Err(format!("{} values at {} times", values.len(), times.len()));
    }
    let mut samples = Samples::default();
    for (value, time) in values.iter().zip(times) {
        let time_ms = time.as_i64().ok_or_else(|| format!("{time} is no time"))?;
        // More than one sample of a time: the first counts. Times come in order.
        let is_next = samples.timestamps_ms.last().is_none_or(|last_ms| *last_ms < time_ms);
        if !is_next || !(range.start_ms..=range.end_ms).contains(&time_ms) {
            continue;
        }
        let value = match value {
            // No number: there that is how the end of a series is written.
            Value::Null => stale_nan(),
            Value::String(text) => float::parse(text).map_err(|_| format!("{text:?} is no number"))?,
            value => value.as_f64().ok_or_else(|| format!("{value} is no number"))?,
        };
        samples.push(time_ms, value);
    }
    Ok((labels, samples))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_series_with_their_ends() {
        let body = br#"{"metric":{"__name__":"up","job":"a"},"values":[1,null,"Infinity",2],"timestamps":[1000,2000,3000,9000]}
{"metric":{"__name__":"b"},"values":[1.5],"timestamps":[1]}
"#;
        let found = lines(body, TimeRange { start_ms: 1000, end_ms: 3000 }).unwrap();
        assert_eq!(found.len(), 1);
        let (labels, samples) = &found[0];
        assert_eq!(labels.to_string(), r#"{__name__="up", job="a"}"#);
        assert_eq!(samples.timestamps_ms, [1000, 2000, 3000]);
        assert!(model::is_stale_nan(samples.values[1]) && samples.values[2] == f64::INFINITY);
        let error = lines(b"{}\n", TimeRange::ALL).unwrap_err();
        assert!(error.starts_with("line 1: "), "{error}");
    }

    #[test]
    fn selectors_are_written_as_they_are_read() {
        let matchers = promql::parse_selector(r#"up{job=~"a|b",x!="\"q\""}"#).unwrap();
        let again = promql::parse_selector(&selector(&matchers)).unwrap();
        assert_eq!(again, matchers);
    }
}
