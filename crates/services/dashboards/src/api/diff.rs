//! How two JSON values differ, change by change.

use serde_json::{Value, json};

/// Changes that are told; what differs more is told as a whole.
const CHANGES_MAX: usize = 1_000;
/// How deep values are compared part by part.
const DEPTH_MAX: usize = 32;

/// The changes that make one value of another, each with its place: `{"op", "path", "from", "to"}`. Panels are
/// recognised by their number, wherever they stand.
pub(super) fn between(base: &Value, new: &Value) -> Vec<Value> {
    let mut changes = Vec::new();
    compare("", base, new, 0, &mut changes);
    if changes.len() > CHANGES_MAX {
        changes = vec![json!({"op": "replace", "path": "", "from": base, "to": new})];
    }
    changes
}

fn compare(path: &str, base: &Value, new: &Value, depth: usize, changes: &mut Vec<Value>) {
    if base == new || changes.len() > CHANGES_MAX {
        return;
    }
    let place = |key: &str| format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"));
    match (base, new) {
        (Value::Object(base), Value::Object(new)) if depth < DEPTH_MAX => {
            for (key, old) in base {
                match new.get(key) {
                    Some(value) => compare(&place(key), old, value, depth + 1, changes),
                    None => changes.push(json!({"op": "remove", "path": place(key), "from": old})),
                }
            }
            for (key, value) in new.iter().filter(|(key, _)| !base.contains_key(*key)) {
                changes.push(json!({"op": "add", "path": place(key), "to": value}));
            }
        }
        (Value::Array(base), Value::Array(new)) if depth < DEPTH_MAX => {
            let id = |value: &Value| value.get("id").and_then(Value::as_i64);
            let are_named = |list: &[Value]| !list.is_empty() && list.iter().all(|item| id(item).is_some());
            if are_named(base) && are_named(new) {
                for old in base {
                    let at = place(&format!("id={}", id(old).unwrap_or(0)));
                    match new.iter().find(|item| id(item) == id(old)) {
                        Some(value) => compare(&at, old, value, depth + 1, changes),
                        None => changes.push(json!({"op": "remove", "path": at, "from": old})),
                    }
                }
                for value in new.iter().filter(|item| !base.iter().any(|old| id(old) == id(item))) {
                    let at = place(&format!("id={}", id(value).unwrap_or(0)));
                    changes.push(json!({"op": "add", "path": at, "to": value}));
                }
                return;
            }
            for at in 0..base.len().max(new.len()) {
                let path = place(&at.to_string());
                match (base.get(at), new.get(at)) {
                    (Some(old), Some(value)) => compare(&path, old, value, depth + 1, changes),
                    (Some(old), None) => changes.push(json!({"op": "remove", "path": path, "from": old})),
                    (None, Some(value)) => changes.push(json!({"op": "add", "path": path, "to": value})),
                    (None, None) => {}
                }
            }
        }
        _ => changes.push(json!({"op": "replace", "path": path, "from": base, "to": new})),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panels_are_recognised_wherever_they_stand() {
        let base = json!({"title": "A", "panels": [{"id": 1, "t": "x"}, {"id": 2, "t": "y"}], "old": 1});
        let new =
            json!({"title": "B", "panels": [{"id": 2, "t": "z"}, {"id": 1, "t": "x"}, {"id": 3}], "n/w": 2});
        assert_eq!(
            between(&base, &new),
            vec![
                json!({"op": "remove", "path": "/old", "from": 1}),
                json!({"op": "replace", "path": "/panels/id=2/t", "from": "y", "to": "z"}),
                json!({"op": "add", "path": "/panels/id=3", "to": {"id": 3}}),
                json!({"op": "replace", "path": "/title", "from": "A", "to": "B"}),
                json!({"op": "add", "path": "/n~1w", "to": 2}),
            ]
        );
        assert!(between(&base, &base).is_empty());
    }
}
