//! What stands in the JSON of a dashboard that its keeper must know, whichever form it comes in: Grafana's own
//! (schema 1 to 41), the v2 schema, or either inside a Kubernetes object of `dashboard.grafana.app`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Map, Value};

use crate::error::Error;

/// The largest dashboard, as JSON.
pub const DASHBOARD_SIZE_MAX_BYTES: usize = 4 << 20;
/// The longest title, as Grafana's.
pub(crate) const TITLE_LENGTH_MAX: usize = 5_000;
/// The longest identifier, as Grafana's.
pub(crate) const UID_LENGTH_MAX: usize = 40;
/// Tags of a dashboard that are looked at.
const TAGS_MAX: usize = 100;
/// How deep panels may be nested in rows when library panels are looked for.
const PANEL_DEPTH_MAX: usize = 4;

/// A dashboard as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// What is kept: the dashboard itself, without what surrounded it.
    pub spec: Map<String, Value>,
    /// Its identifier, if it has one.
    pub uid: Option<String>,
    /// Its title, never empty.
    pub title: String,
    /// The version of the v2 schema, such as `v2beta1`; `None` for Grafana's own form.
    pub api_version: Option<String>,
    /// The folder's identifier that a Kubernetes object names.
    pub folder: Option<String>,
}

/// Reads a dashboard. The error says what it lacks.
pub fn read(value: Value) -> Result<Reading, Error> {
    let Value::Object(mut object) = value else {
        return Err(Error::bad(format!("this is no dashboard: expected an object, found {}", kind(&value))));
    };
    let (mut name, mut folder, mut api_version) = (None, None, None);
    if object.get("kind").and_then(Value::as_str) == Some("Dashboard") && object.contains_key("spec") {
        let metadata = object.get("metadata");
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_string);
        name = text(metadata.and_then(|metadata| metadata.get("name")));
        folder = text(metadata.and_then(|metadata| metadata.get("annotations")?.get("grafana.app/folder")));
        api_version = text(object.get("apiVersion"));
        let Some(Value::Object(spec)) = object.remove("spec") else {
            return Err(Error::bad("this is no dashboard: its spec is no object"));
        };
        object = spec;
    } else if let Some(Value::Object(inner)) = object.get_mut("dashboard")
        && !inner.is_empty()
    {
        // As the API answers with it: people save that to a file too.
        let inner = std::mem::take(inner);
        object = inner;
    }
    let is_v2 = object.get("elements").is_some_and(Value::is_object) && object.contains_key("layout");
    let api_version = is_v2.then(|| {
        let version = api_version.as_deref().and_then(|version| version.rsplit('/').next());
        version.filter(|version| version.starts_with("v2")).unwrap_or("v2").to_string()
    });
    let title = object.get("title").and_then(Value::as_str).unwrap_or("").trim().to_string();
    if title.is_empty() {
        return Err(Error::bad("Dashboard title cannot be empty"));
    }
    if title.chars().count() > TITLE_LENGTH_MAX {
        return Err(Error::bad(format!("Dashboard title cannot exceed {TITLE_LENGTH_MAX} characters")));
    }
    for (field, expected) in [("panels", "a list"), ("rows", "a list"), ("templating", "an object")] {
        let Some(found) = object.get(field).filter(|found| !found.is_null()) else { continue };
        if kind(found) != expected {
            return Err(Error::bad(format!("{field}: expected {expected}, found {}", kind(found))));
        }
    }
    let uid = object.get("uid").and_then(Value::as_str).map(|uid| uid.trim().to_string());
    let uid = name.or(uid).filter(|uid| !uid.is_empty());
    if let Some(uid) = &uid {
        check_uid(uid)?;
    }
    Ok(Reading { spec: object, uid, title, api_version, folder })
}

/// Reads a dashboard's text. An error has the place of a mistake in the JSON, if it is one.
pub fn read_text(text: &str) -> Result<Reading, (Option<(usize, usize)>, Error)> {
    if text.len() > DASHBOARD_SIZE_MAX_BYTES {
        let max_bytes = DASHBOARD_SIZE_MAX_BYTES;
        return Err((None, Error::TooLarge { what: "a dashboard", size_bytes: text.len(), max_bytes }));
    }
    let value = serde_json::from_str(text.trim_start_matches('\u{feff}')).map_err(|error| {
        let text = error.to_string();
        let message = text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message);
        let place = (error.line() > 0).then(|| (error.line(), error.column().max(1)));
        (place, Error::bad(format!("this is no JSON: {message}")))
    })?;
    read(value).map_err(|error| (None, error))
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// Whether an identifier can stand in an address.
pub(crate) fn check_uid(uid: &str) -> Result<(), Error> {
    if uid.len() > UID_LENGTH_MAX {
        return Err(Error::bad(format!("uid too long, max {UID_LENGTH_MAX} characters")));
    }
    if !uid.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')) {
        return Err(Error::bad("uid contains illegal characters"));
    }
    Ok(())
}

/// Its tags, without repetitions.
pub(crate) fn tags(spec: &Map<String, Value>) -> Vec<Arc<str>> {
    let mut tags: Vec<Arc<str>> = Vec::new();
    for tag in spec.get("tags").and_then(Value::as_array).into_iter().flatten().take(TAGS_MAX) {
        if let Some(tag) = tag.as_str().filter(|tag| !tag.is_empty())
            && !tags.iter().any(|known| **known == *tag)
        {
            tags.push(tag.into());
        }
    }
    tags
}

/// Identifiers of the library panels it shows, sorted.
pub(crate) fn library_panels(spec: &Map<String, Value>) -> Vec<Arc<str>> {
    fn collect(panels: Option<&Value>, depth: usize, found: &mut Vec<Arc<str>>) {
        for panel in panels.and_then(Value::as_array).into_iter().flatten() {
            if let Some(uid) = panel.get("libraryPanel").and_then(|panel| panel.get("uid")?.as_str()) {
                found.push(uid.into());
            }
            if depth > 0 {
                collect(panel.get("panels"), depth - 1, found);
            }
        }
    }
    let mut found = Vec::new();
    collect(spec.get("panels"), PANEL_DEPTH_MAX, &mut found);
    for row in spec.get("rows").and_then(Value::as_array).into_iter().flatten() {
        collect(row.get("panels"), PANEL_DEPTH_MAX, &mut found);
    }
    for element in spec.get("elements").and_then(Value::as_object).into_iter().flat_map(Map::values) {
        if element.get("kind").and_then(Value::as_str) == Some("LibraryPanel") {
            let uid = element.pointer("/spec/libraryPanel/uid").and_then(Value::as_str);
            found.extend(uid.map(Arc::from));
        }
    }
    found.sort();
    found.dedup();
    found
}

/// A title as it stands in addresses.
pub(crate) fn slug(title: &str) -> String {
    let mut slug = String::with_capacity(title.len());
    for c in title.chars() {
        if c.is_ascii_alphanumeric() {
            slug.push(c.to_ascii_lowercase());
        } else if c == '_' {
            slug.push('_');
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.truncate(slug.trim_end_matches('-').len());
    if slug.is_empty() { "dashboard".into() } else { slug }
}

/// The number that goes with an identifier: clients of Grafana expect one. It is made from the identifier, so that
/// replicas agree on it, and fits the 53 bits that browsers can count.
pub(crate) fn number(uid: &str) -> i64 {
    if uid.is_empty() {
        return 0;
    }
    let hash = fnv(uid.as_bytes());
    i64::try_from((hash ^ (hash >> 53)) & ((1 << 53) - 1)).unwrap_or(1).max(1)
}

/// FNV-1a.
pub(crate) fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// An identifier made from a text, the same each time.
pub(crate) fn derived_uid(text: &str) -> String {
    let mut hash = fnv(text.as_bytes());
    let mut uid = String::from("p");
    while hash > 0 {
        uid.push(char::from_digit((hash % 36) as u32, 36).unwrap_or('0'));
        hash /= 36;
    }
    uid
}

/// An identifier that nobody can guess, of lower-case letters and digits.
pub(crate) fn random_uid(length: usize) -> String {
    use ring::rand::{SecureRandom, SystemRandom};
    let mut bytes = vec![0u8; length];
    if SystemRandom::new().fill(&mut bytes).is_err() {
        // Does not happen on the systems this runs on; two things must still not be called the same.
        static COUNT: AtomicU64 = AtomicU64::new(0);
        bytes = derived_uid(&format!("fallback {}", COUNT.fetch_add(1, Ordering::Relaxed))).into_bytes();
    }
    bytes.iter().map(|byte| char::from_digit(u32::from(byte % 36), 36).unwrap_or('0')).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_dashboard_is_read_in_each_of_its_forms() {
        let plain = read(json!({"title": " T ", "uid": "u", "x": 1})).unwrap();
        assert_eq!(
            (plain.uid.as_deref(), plain.title.as_str(), plain.spec["x"].clone()),
            (Some("u"), "T", json!(1))
        );
        let answered = read(json!({"meta": {}, "dashboard": {"title": "T", "uid": "v"}})).unwrap();
        assert_eq!(answered.uid.as_deref(), Some("v"));
        let object = read(json!({
            "apiVersion": "dashboard.grafana.app/v2beta1", "kind": "Dashboard",
            "metadata": {"name": "n", "annotations": {"grafana.app/folder": "f"}},
            "spec": {"title": "T", "elements": {}, "layout": {"kind": "GridLayout"}}
        }))
        .unwrap();
        assert_eq!(object.api_version.as_deref(), Some("v2beta1"));
        assert_eq!((object.uid.as_deref(), object.folder.as_deref()), (Some("n"), Some("f")));
        let v1 = read(json!({
            "apiVersion": "dashboard.grafana.app/v1beta1", "kind": "Dashboard", "metadata": {"name": "n"},
            "spec": {"title": "T", "panels": []}
        }));
        assert_eq!(v1.unwrap().api_version, None);
    }

    #[test]
    fn what_is_no_dashboard_is_told() {
        for (value, expected) in [
            (json!([]), "expected an object, found a list"),
            (json!({"panels": []}), "title cannot be empty"),
            (json!({"title": 5}), "title cannot be empty"),
            (json!({"title": "T", "panels": {}}), "panels: expected a list, found an object"),
            (json!({"title": "T", "uid": "a/b"}), "uid contains illegal characters"),
            (json!({"title": "T", "uid": "x".repeat(41)}), "uid too long, max 40"),
        ] {
            let error = read(value.clone()).unwrap_err().to_string();
            assert!(error.contains(expected), "{value}: {error}");
        }
        let (place, error) = read_text("{\n  \"title\": \"T\",\n  \"panels\": [,]\n}").unwrap_err();
        assert_eq!(place, Some((3, 14)));
        assert!(error.to_string().contains("no JSON: expected value"), "{error}");
    }

    #[test]
    fn titles_become_parts_of_addresses() {
        for (title, expected) in [
            ("Kubernetes / API server", "kubernetes-api-server"),
            ("  Node (USE) ", "node-use"),
            ("日本", "dashboard"),
        ] {
            assert_eq!(slug(title), expected);
        }
        assert!(number("a") > 0 && number("a") != number("b") && number("") == 0);
    }

    #[test]
    fn library_panels_are_found_in_rows_and_elements() {
        let Value::Object(spec) = json!({"title": "T", "panels": [
            {"libraryPanel": {"uid": "b"}},
            {"type": "row", "panels": [{"libraryPanel": {"uid": "a"}}, {"libraryPanel": {"uid": "b"}}]}
        ], "elements": {"p": {"kind": "LibraryPanel", "spec": {"libraryPanel": {"uid": "c"}}}}}) else {
            unreachable!()
        };
        assert_eq!(library_panels(&spec), ["a", "b", "c"].map(Arc::from));
    }
}
