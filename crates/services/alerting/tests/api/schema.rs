//! JSON held against the schemas of a Swagger document. A keyword that is not known is a mistake, so
//! that nothing is passed over in silence.

use config::Node;
use config::yaml::Value as Yaml;
use serde_json::{Map, Value};

/// A document as JSON.
pub(crate) fn document(text: &str) -> Value {
    json(&Node::parse(text).unwrap())
}

fn json(node: &Node) -> Value {
    let text = |node: &Node| match &node.value {
        Yaml::Scalar { text, .. } => text.clone(),
        other => panic!("{other:?} as a key"),
    };
    match &node.value {
        Yaml::Sequence(items) => items.iter().map(json).collect(),
        Yaml::Mapping(entries) => {
            Value::Object(entries.iter().map(|(key, value)| (text(key), json(value))).collect::<Map<_, _>>())
        }
        Yaml::Scalar { text, plain: true } => match text.as_str() {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            _ => text.parse::<i64>().map_or_else(|_| text.clone().into(), Value::from),
        },
        Yaml::Scalar { text, .. } => text.clone().into(),
        _ => Value::Null,
    }
}

/// Follows references.
pub(crate) fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema.get("$ref").and_then(Value::as_str) {
        Some(reference) => {
            let path = reference.strip_prefix('#').unwrap();
            let found = document.pointer(path).unwrap_or_else(|| panic!("nothing at {reference}"));
            resolved(document, found)
        }
        None => schema,
    }
}

/// What is wrong with a value, each line with its place.
pub(crate) fn check(document: &Value, schema: &Value, value: &Value, at: &str, errors: &mut Vec<String>) {
    let schema = resolved(document, schema);
    for (keyword, argument) in schema.as_object().unwrap() {
        match keyword.as_str() {
            "type" => {
                let fits = match argument.as_str().unwrap() {
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "string" => value.is_string(),
                    "boolean" => value.is_boolean(),
                    other => panic!("unknown type {other}"),
                };
                if !fits {
                    errors.push(format!("{at}: {value} is no {argument}"));
                }
            }
            "format" => {
                let text = value.as_str().unwrap_or("");
                let fits = match argument.as_str().unwrap() {
                    "date-time" => gocompat::layout::parse_rfc3339(text).is_ok(),
                    "uri" => text.contains("://"),
                    other => panic!("unknown format {other}"),
                };
                if !fits {
                    errors.push(format!("{at}: {value} is no {argument}"));
                }
            }
            "enum" => {
                if !argument.as_array().unwrap().contains(value) {
                    errors.push(format!("{at}: {value} is none of {argument}"));
                }
            }
            "properties" => {
                for (name, schema) in argument.as_object().unwrap() {
                    if let Some(found) = value.get(name) {
                        check(document, schema, found, &format!("{at}.{name}"), errors);
                    }
                }
            }
            "required" => {
                for name in argument.as_array().unwrap() {
                    if value.get(name.as_str().unwrap()).is_none() {
                        errors.push(format!("{at}: {name} is missing"));
                    }
                }
            }
            "additionalProperties" => {
                for (name, found) in value.as_object().into_iter().flatten() {
                    check(document, argument, found, &format!("{at}.{name}"), errors);
                }
            }
            "items" => {
                for (place, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(document, argument, item, &format!("{at}[{place}]"), errors);
                }
            }
            "allOf" => {
                for part in argument.as_array().unwrap() {
                    check(document, part, value, at, errors);
                }
            }
            "minItems" => {
                if (value.as_array().map_or(0, Vec::len) as i64) < argument.as_i64().unwrap() {
                    errors.push(format!("{at}: too few items"));
                }
            }
            "default" | "description" => {}
            other => panic!("unknown keyword {other}"),
        }
    }
}
