//! Panels of a dashboard in whichever form it has them, as far as their queries need to be known.

use serde_json::{Map, Value};

/// How deep panels may be nested in rows.
const DEPTH_MAX: usize = 4;

/// What a panel asks.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Panel {
    /// Its queries in Grafana's form, `refId`, `datasource` and `hide` among their fields.
    pub(crate) targets: Vec<Map<String, Value>>,
    /// The data source of those that leave it to the panel.
    pub(crate) datasource: Option<Value>,
    /// The shortest step, such as `1m`; empty for none.
    pub(crate) interval: String,
    /// How many points its queries want.
    pub(crate) points: Option<i64>,
    /// Its own range, such as `2h`, and how far back it looks, such as `1d`; empty for none.
    pub(crate) time_from: String,
    pub(crate) time_shift: String,
}

fn text(object: &Map<String, Value>, field: &str) -> String {
    object.get(field).and_then(Value::as_str).unwrap_or("").trim().to_string()
}

fn objects(value: Option<&Value>) -> impl Iterator<Item = &Map<String, Value>> {
    value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object)
}

/// Does something with every panel of Grafana's own form, those in rows among them.
pub(crate) fn each(spec: &mut Map<String, Value>, visit: &mut impl FnMut(&mut Map<String, Value>)) {
    fn in_list(list: Option<&mut Value>, depth: usize, visit: &mut impl FnMut(&mut Map<String, Value>)) {
        for panel in list.and_then(Value::as_array_mut).into_iter().flatten() {
            let Value::Object(panel) = panel else { continue };
            visit(panel);
            if depth > 0 {
                in_list(panel.get_mut("panels"), depth - 1, visit);
            }
        }
    }
    in_list(spec.get_mut("panels"), DEPTH_MAX, visit);
    for row in spec.get_mut("rows").and_then(Value::as_array_mut).into_iter().flatten() {
        in_list(row.get_mut("panels"), DEPTH_MAX, visit);
    }
}

/// The panel with this number.
pub(crate) fn find(spec: &mut Map<String, Value>, id: i64) -> Option<Panel> {
    let is_it = |value: Option<&Value>| value.and_then(Value::as_i64) == Some(id);
    if let Some(Value::Object(elements)) = spec.get("elements") {
        let mut specs = elements.values().filter_map(|element| element.get("spec")?.as_object());
        return specs.find(|spec| is_it(spec.get("id"))).map(of_element);
    }
    let mut found = None;
    each(spec, &mut |panel| {
        if found.is_none() && is_it(panel.get("id")) {
            found = Some(classic(panel));
        }
    });
    found
}

fn classic(panel: &Map<String, Value>) -> Panel {
    Panel {
        targets: objects(panel.get("targets")).cloned().collect(),
        datasource: panel.get("datasource").filter(|source| !source.is_null()).cloned(),
        interval: text(panel, "interval"),
        points: panel.get("maxDataPoints").and_then(Value::as_i64),
        time_from: text(panel, "timeFrom"),
        time_shift: text(panel, "timeShift"),
    }
}

/// Of the v2 schema: queries stand in `data`, each with its data source.
fn of_element(spec: &Map<String, Value>) -> Panel {
    let none = Map::new();
    let data = spec.get("data").and_then(|data| data.get("spec")?.as_object()).unwrap_or(&none);
    let options = data.get("queryOptions").and_then(Value::as_object).unwrap_or(&none);
    let targets = objects(data.get("queries")).filter_map(|query| {
        let query = query.get("spec")?.as_object()?;
        let inner = query.get("query")?.as_object()?;
        let mut target = inner.get("spec").and_then(Value::as_object).unwrap_or(inner).clone();
        for (field, from) in [("refId", "refId"), ("hide", "hidden")] {
            target.extend(query.get(from).map(|value| (field.to_string(), value.clone())));
        }
        let source = query.get("datasource").or_else(|| inner.get("datasource"));
        let field = |name: &str| source?.get(name)?.as_str();
        let kind = inner.get("kind").and_then(Value::as_str).filter(|kind| *kind != "DataQuery");
        let kind = field("type").or_else(|| inner.get("group")?.as_str()).or(kind).unwrap_or("");
        let uid = field("uid").or_else(|| field("name")).unwrap_or("");
        target.insert("datasource".into(), serde_json::json!({"type": kind, "uid": uid}));
        Some(target)
    });
    Panel {
        targets: targets.collect(),
        datasource: None,
        interval: text(options, "interval"),
        points: options.get("maxDataPoints").and_then(Value::as_i64),
        time_from: text(options, "timeFrom"),
        time_shift: text(options, "timeShift"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spec(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn a_panel_is_found_in_every_form_of_a_dashboard() {
        let target = json!({"refId": "A", "expr": "up"});
        for mut dashboard in [
            spec(json!({"panels": [{"id": 1}, {"id": 7, "targets": [target]}]})),
            spec(json!({"panels": [{"id": 1, "type": "row", "panels": [{"id": 7, "targets": [target]}]}]})),
            spec(json!({"rows": [{"panels": [{"id": 7, "targets": [target]}]}]})),
            spec(
                json!({"elements": {"panel-7": {"kind": "Panel", "spec": {"id": 7, "data": {"spec": {"queries": [
                    {"spec": {"refId": "A", "hidden": false, "query": {"kind": "DataQuery", "group": "prometheus", "spec": {"expr": "up"}}}}
                ]}}}}}}),
            ),
        ] {
            let panel = find(&mut dashboard, 7).unwrap();
            assert_eq!((panel.targets.len(), &panel.targets[0]["expr"]), (1, &json!("up")), "{dashboard:?}");
            assert_eq!(find(&mut dashboard, 8), None);
        }
    }

    #[test]
    fn a_panel_tells_its_step_and_its_times() {
        let mut classic = spec(json!({"panels": [
            {"id": 1, "interval": "1m", "maxDataPoints": 50, "timeFrom": "2h", "timeShift": "1d", "datasource": {"uid": "x"}}
        ]}));
        let mut element = spec(json!({"elements": {"a": {"spec": {"id": 1, "data": {"spec": {"queryOptions":
            {"interval": "1m", "maxDataPoints": 50, "timeFrom": "2h", "timeShift": "1d"}
        }}}}}}));
        for dashboard in [&mut classic, &mut element] {
            let panel = find(dashboard, 1).unwrap();
            assert_eq!((&*panel.interval, panel.points), ("1m", Some(50)));
            assert_eq!((&*panel.time_from, &*panel.time_shift), ("2h", "1d"));
        }
    }
}
