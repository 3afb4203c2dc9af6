//! `/api/dashboards/import`: a dashboard that asks for data sources and constants before it can be used.

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Map, Value, json};

use super::{Answer, Asker, Sent, dashboards::save_dashboard};
use crate::error::Error;
use crate::reading::DASHBOARD_SIZE_MAX_BYTES;
use crate::service::Dashboards;

/// How deep texts are looked for.
const DEPTH_MAX: usize = 128;
/// Values that a dashboard may ask for.
const INPUTS_MAX: usize = 100;

pub(super) fn router() -> Router<Dashboards> {
    Router::new().route("/api/dashboards/import", post(import))
}

async fn import(State(dashboards): State<Dashboards>, Asker(caller): Asker, sent: Sent) -> Answer {
    let Some(Value::Object(dashboard)) = sent.0.get("dashboard").cloned() else {
        return Err(Error::bad("Dashboard must be set"));
    };
    let given = sent.0.get("inputs").and_then(Value::as_array).cloned().unwrap_or_default();
    let dashboard = with_inputs(dashboard, &given)?;
    let folder = (sent.owned("folderUid"), sent.number("folderId"));
    let overwrite = sent.boolean("overwrite");
    // It comes from elsewhere: its number there means nothing here.
    let mut dashboard = dashboard;
    dashboard.remove("id");
    let card = save_dashboard(&dashboards, &caller, dashboard, folder, (String::new(), overwrite)).await?;
    let folder = dashboards.folder(&card.folder);
    Ok(Json(json!({
        "uid": card.uid,
        "pluginId": "",
        "title": card.title,
        "imported": true,
        "importedUri": format!("db/{}", card.slug()),
        "importedUrl": dashboards.address(&format!("/d/{}/{}", card.uid, card.slug())),
        "slug": card.slug(),
        "dashboardId": card.id(),
        "folderId": folder.map_or(0, |folder| folder.id()),
        "folderUid": card.folder,
        "importedRevision": card.version,
        "revision": card.version,
        "description": "",
        "path": sent.text("path").unwrap_or(""),
        "removed": false,
    })))
}

/// Puts the values in that a dashboard asks for in its `__inputs`: where `${NAME}` stands, the value goes.
fn with_inputs(mut dashboard: Map<String, Value>, given: &[Value]) -> Result<Map<String, Value>, Error> {
    let wanted = dashboard.remove("__inputs");
    dashboard.remove("__requires");
    dashboard.remove("__elements");
    let mut values: Vec<(String, String)> = Vec::new();
    for input in wanted.as_ref().and_then(Value::as_array).into_iter().flatten() {
        let text = |from: &Value, field: &str| from.get(field).and_then(Value::as_str).map(str::to_string);
        let Some(name) = text(input, "name") else { continue };
        let kind = text(input, "type").unwrap_or_default();
        let found = given.iter().find(|given| {
            text(given, "name").as_deref() == Some(&name)
                && text(given, "type").is_none_or(|given| kind.is_empty() || given == kind)
        });
        let found = found.and_then(|given| text(given, "value"));
        // A constant says itself what it is where nobody chose.
        let value = found.or_else(|| if kind == "constant" { text(input, "value") } else { None });
        let Some(value) = value else {
            return Err(Error::bad(format!("Dashboard input {name} missing from import command")));
        };
        if values.len() >= INPUTS_MAX {
            return Err(Error::Full { what: "inputs of one dashboard", max: INPUTS_MAX });
        }
        values.push((format!("${{{name}}}"), value));
    }
    let mut dashboard = Value::Object(dashboard);
    let mut left_bytes = DASHBOARD_SIZE_MAX_BYTES;
    replace(&mut dashboard, &values, DEPTH_MAX, &mut left_bytes)?;
    match dashboard {
        Value::Object(dashboard) => Ok(dashboard),
        _ => Err(Error::bad("Dashboard must be set")),
    }
}

/// `left_bytes` is what may still be put in: a short text can name a long value a million times, and values name
/// others.
fn replace(
    value: &mut Value,
    values: &[(String, String)],
    depth: usize,
    left_bytes: &mut usize,
) -> Result<(), Error> {
    match value {
        Value::String(text) => {
            for (name, value) in values {
                let added_bytes = text.matches(name.as_str()).count().saturating_mul(value.len());
                if added_bytes > *left_bytes {
                    let (size_bytes, max_bytes) = (added_bytes, DASHBOARD_SIZE_MAX_BYTES);
                    return Err(Error::TooLarge { what: "what the inputs put in", size_bytes, max_bytes });
                }
                *left_bytes -= added_bytes;
                if text.contains(name.as_str()) {
                    *text = text.replace(name.as_str(), value);
                }
            }
        }
        Value::Array(list) if depth > 0 => {
            for item in list {
                replace(item, values, depth - 1, left_bytes)?;
            }
        }
        Value::Object(object) if depth > 0 => {
            for item in object.values_mut() {
                replace(item, values, depth - 1, left_bytes)?;
            }
        }
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        let Value::Object(object) = value else { unreachable!() };
        object
    }

    #[test]
    fn inputs_are_put_in_where_they_are_named() {
        let dashboard = object(json!({
            "__inputs": [
                {"name": "DS_PROM", "type": "datasource", "pluginId": "prometheus"},
                {"name": "VAR_N", "type": "constant", "value": "node"}
            ],
            "__requires": [], "title": "T",
            "panels": [{"datasource": {"uid": "${DS_PROM}"}, "targets": [{"expr": "up{job=\"${VAR_N}\"}"}]}]
        }));
        let given = [json!({"name": "DS_PROM", "type": "datasource", "value": "promontory"})];
        let found = with_inputs(dashboard.clone(), &given).unwrap();
        assert_eq!(
            Value::Object(found),
            json!({"title": "T", "panels": [
                {"datasource": {"uid": "promontory"}, "targets": [{"expr": "up{job=\"node\"}"}]}
            ]})
        );
        let error = with_inputs(dashboard, &[]).unwrap_err().to_string();
        assert_eq!(error, "Dashboard input DS_PROM missing from import command");
    }

    #[test]
    fn values_that_name_each_other_do_not_grow_without_bound() {
        let inputs: Vec<Value> = (0..40)
            .map(|at| json!({"name": format!("V{at}"), "type": "constant", "value": format!("${{V{0}}}${{V{0}}}", at + 1)}))
            .collect();
        let laughs = object(json!({"__inputs": inputs, "title": "${V0}"}));
        assert!(matches!(with_inputs(laughs, &[]), Err(Error::TooLarge { .. })));
        let long = "x".repeat(1 << 20);
        let inputs = json!([{"name": "V", "type": "constant", "value": long}]);
        let often = object(json!({"__inputs": inputs, "title": "${V}".repeat(1 << 20)}));
        assert!(matches!(with_inputs(often, &[]), Err(Error::TooLarge { .. })));
        let inputs: Vec<Value> = (0..=INPUTS_MAX)
            .map(|at| json!({"name": format!("V{at}"), "type": "constant", "value": ""}))
            .collect();
        assert!(with_inputs(object(json!({"__inputs": inputs, "title": "T"})), &[]).is_err());
    }
}
