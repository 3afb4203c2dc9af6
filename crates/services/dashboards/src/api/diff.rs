//! How two JSON values differ, change by change.

use std::collections::HashMap;

use serde_json::{Value, json};

/// Changes that are told; what differs more is told as a whole.
const CHANGES_MAX: usize = 1_000;
/// How deep values are compared part by part.
const DEPTH_MAX: usize = 32;
/// The longest place inside of which changes are told one by one: each of them repeats it.
const PATH_LENGTH_MAX: usize = 1_000;

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
    let is_told_apart = depth < DEPTH_MAX && path.len() <= PATH_LENGTH_MAX;
    let place = |key: &str| format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"));
    match (base, new) {
        (Value::Object(base), Value::Object(new)) if is_told_apart => {
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
        (Value::Array(base), Value::Array(new)) if is_told_apart => {
            if let (Some(olds), Some(news)) = (by_number(base), by_number(new)) {
                for (id, old) in base.iter().filter_map(|item| Some((number(item)?, item))) {
                    let at = place(&format!("id={id}"));
                    match news.get(&id) {
                        Some(value) => compare(&at, old, value, depth + 1, changes),
                        None => changes.push(json!({"op": "remove", "path": at, "from": old})),
                    }
                }
                for (id, value) in new.iter().filter_map(|item| Some((number(item)?, item))) {
                    if !olds.contains_key(&id) {
                        let at = place(&format!("id={id}"));
                        changes.push(json!({"op": "add", "path": at, "to": value}));
                    }
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

fn number(item: &Value) -> Option<i64> {
    item.get("id").and_then(Value::as_i64)
}

/// Items by their numbers, if all have one of their own: of two with the same, neither could be recognised, and a
/// large one would be told again for each of the others.
fn by_number(list: &[Value]) -> Option<HashMap<i64, &Value>> {
    let mut known = HashMap::with_capacity(list.len());
    for item in list {
        if known.insert(number(item)?, item).is_some() {
            return None;
        }
    }
    (!known.is_empty()).then_some(known)
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

    #[test]
    fn panels_that_share_a_number_are_compared_by_their_places() {
        let base = json!([{"id": 1}, {"id": 1}, {"id": 1}]);
        let new = json!([{"id": 1, "x": "large"}]);
        let changes = between(&base, &new);
        let told = changes.iter().filter(|change| change.to_string().contains("large")).count();
        assert_eq!((told, changes.len()), (1, 3), "{changes:?}");
    }
}
