//! JSON held against the schemas of an OpenAPI document. What a schema says and this module does not
//! know is an error, so that nothing is passed over in silence.

use std::fmt::Display;

use config::Node;
use config::yaml::Value as Yaml;
use serde_json::Value as Json;

/// How deep schemas may refer to each other.
const DEPTH_MAX: usize = 64;

/// Keywords that say nothing about what is valid.
const REMARKS: &[&str] = &[
    "description",
    "example",
    "examples",
    "default",
    "title",
    "deprecated",
    "contentMediaType",
    "contentSchema",
];

/// The schemas of a document.
pub(super) struct Schemas<'a> {
    document: &'a Node,
}

impl<'a> Schemas<'a> {
    pub(super) fn new(document: &'a Node) -> Self {
        Schemas { document }
    }

    /// What is wrong with a value, each line with its place; nothing if it is valid.
    pub(super) fn check(&self, schema: &Node, value: &Json) -> Vec<String> {
        let mut check = Check { schemas: self, errors: Vec::new() };
        check.value(schema, value, "body", 0);
        check.errors
    }

    pub(super) fn resolve(&self, reference: &str) -> Option<&'a Node> {
        reference.strip_prefix("#/")?.split('/').try_fold(self.document, |node, key| node.get(key))
    }
}

struct Check<'a> {
    schemas: &'a Schemas<'a>,
    errors: Vec<String>,
}

impl Check<'_> {
    fn error(&mut self, at: &str, message: impl Display) {
        self.errors.push(format!("{at}: {message}"));
    }

    fn value(&mut self, schema: &Node, value: &Json, at: &str, depth: usize) {
        if depth > DEPTH_MAX {
            return self.error(at, "the schema is nested too deeply");
        }
        let Yaml::Mapping(keywords) = &schema.value else {
            return self.error(at, "a schema that is no mapping");
        };
        if value.is_null() && schema.get("nullable").and_then(text) == Some("true") {
            return;
        }
        for (keyword, argument) in keywords {
            match text(keyword).unwrap_or("") {
                "$ref" => match text(argument).and_then(|reference| self.schemas.resolve(reference)) {
                    Some(schema) => self.value(schema, value, at, depth + 1),
                    None => self.error(at, format!("nothing at {:?}", text(argument))),
                },
                "type" => self.of_type(argument, value, at),
                "format" => self.format(argument, value, at),
                "enum" => {
                    if !items(argument).any(|allowed| json(allowed) == *value) {
                        self.error(at, format!("{value} is none of the allowed values"));
                    }
                }
                "properties" => {
                    for (name, schema) in entries(argument) {
                        if let Some(found) = value.get(name) {
                            self.value(schema, found, &format!("{at}.{name}"), depth + 1);
                        }
                    }
                }
                "required" => {
                    for name in items(argument).filter_map(text) {
                        if value.is_object() && value.get(name).is_none() {
                            self.error(at, format!("{name} is missing"));
                        }
                    }
                }
                "additionalProperties" => self.additional(schema, argument, value, at, depth),
                "items" => {
                    for (place, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.value(argument, item, &format!("{at}[{place}]"), depth + 1);
                    }
                }
                "oneOf" | "anyOf" | "allOf" => self.alternatives(keyword, argument, value, at, depth),
                "minItems" | "maxItems" => {
                    let bound = json(argument).as_u64().unwrap_or(0) as usize;
                    let is_least = text(keyword) == Some("minItems");
                    if let Some(list) = value.as_array()
                        && (if is_least { list.len() < bound } else { list.len() > bound })
                    {
                        self.error(at, format!("{} items, {:?} is {bound}", list.len(), text(keyword)));
                    }
                }
                "minimum" | "maximum" => {
                    let bound = json(argument).as_f64().unwrap_or(0.0);
                    let is_least = text(keyword) == Some("minimum");
                    if let Some(number) = value.as_f64()
                        && (if is_least { number < bound } else { number > bound })
                    {
                        self.error(at, format!("{number}, {:?} is {bound}", text(keyword)));
                    }
                }
                "nullable" => {}
                remark if REMARKS.contains(&remark) => {}
                unknown => self.error(at, format!("unknown keyword {unknown:?} in the schema")),
            }
        }
    }

    fn of_type(&mut self, argument: &Node, value: &Json, at: &str) {
        let is = |name: &str| match name {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "number" => value.is_number(),
            "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
            "boolean" => value.is_boolean(),
            "null" => value.is_null(),
            _ => false,
        };
        let names: Vec<&str> = match &argument.value {
            Yaml::Sequence(names) => names.iter().filter_map(text).collect(),
            _ => text(argument).into_iter().collect(),
        };
        if !names.iter().any(|name| is(name)) {
            self.error(at, format!("{} is no {}", short(value), names.join(" or ")));
        }
    }

    fn format(&mut self, argument: &Node, value: &Json, at: &str) {
        let name = text(argument).unwrap_or("");
        let fits = match (name, value) {
            ("date-time", Json::String(text)) => gocompat::layout::parse_rfc3339(text).is_ok(),
            ("int64", Json::Number(number)) => number.is_i64() || number.as_f64().is_some_and(is_whole_i64),
            ("date-time" | "int64" | "double" | "float" | "unixtime" | "duration", _) => true,
            _ => false,
        };
        if !fits {
            self.error(at, format!("{} has not the format {name:?}", short(value)));
        }
    }

    fn additional(&mut self, schema: &Node, argument: &Node, value: &Json, at: &str, depth: usize) {
        let Some(object) = value.as_object() else { return };
        let properties = schema.get("properties");
        for (name, found) in object {
            if properties.is_some_and(|properties| properties.get(name).is_some()) {
                continue;
            }
            match text(argument) {
                Some("true") => {}
                Some("false") => self.error(at, format!("{name} is not allowed here")),
                _ => self.value(argument, found, &format!("{at}.{name}"), depth + 1),
            }
        }
    }

    fn alternatives(&mut self, keyword: &Node, argument: &Node, value: &Json, at: &str, depth: usize) {
        let mut failures: Vec<Vec<String>> = Vec::new();
        let mut fitting = 0;
        for schema in items(argument) {
            let mut check = Check { schemas: self.schemas, errors: Vec::new() };
            check.value(schema, value, at, depth + 1);
            if check.errors.is_empty() {
                fitting += 1;
            } else {
                failures.push(check.errors);
            }
        }
        match text(keyword) {
            Some("allOf") => self.errors.extend(failures.into_iter().flatten()),
            Some("oneOf") if fitting > 1 => {
                self.error(at, format!("fits {fitting} alternatives, not one"));
            }
            _ if fitting == 0 => {
                let nearest = failures.into_iter().min_by_key(Vec::len).unwrap_or_default();
                self.error(at, format!("fits no alternative; nearest: {}", nearest.join(", ")));
            }
            _ => {}
        }
    }
}

fn is_whole_i64(number: f64) -> bool {
    number.fract() == 0.0 && number.abs() < i64::MAX as f64
}

fn short(value: &Json) -> String {
    value.to_string().chars().take(60).collect()
}

/// The text of a scalar.
pub(super) fn text(node: &Node) -> Option<&str> {
    match &node.value {
        Yaml::Scalar { text, .. } => Some(text),
        _ => None,
    }
}

/// The items of a list.
pub(super) fn items(node: &Node) -> impl Iterator<Item = &Node> {
    match &node.value {
        Yaml::Sequence(items) => items.iter(),
        _ => [].iter(),
    }
}

/// The keys and values of a mapping.
pub(super) fn entries(node: &Node) -> impl Iterator<Item = (&str, &Node)> {
    let entries = match &node.value {
        Yaml::Mapping(entries) => entries.as_slice(),
        _ => &[],
    };
    entries.iter().filter_map(|(key, value)| Some((text(key)?, value)))
}

/// The same as JSON: scalars without quotes are numbers and the like where they look so.
pub(super) fn json(node: &Node) -> Json {
    match &node.value {
        Yaml::Null | Yaml::Binary(_) => Json::Null,
        Yaml::Scalar { text, plain: false } => Json::String(text.clone()),
        Yaml::Scalar { text, plain: true } => match serde_json::from_str(text) {
            Ok(value @ (Json::Null | Json::Bool(_) | Json::Number(_))) => value,
            // YAML's numbers may have a plus in the exponent and the like.
            _ => match text.parse::<f64>() {
                Ok(number) if number.is_finite() => serde_json::json!(number),
                _ => Json::String(text.clone()),
            },
        },
        Yaml::Sequence(items) => items.iter().map(json).collect(),
        Yaml::Mapping(entries) => {
            let pair = |(key, value): &(Node, Node)| Some((text(key)?.to_string(), json(value)));
            Json::Object(entries.iter().filter_map(pair).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const DOCUMENT: &str = "
schemas:
  Point:
    type: object
    properties:
      at: {type: string, format: date-time}
      value: {oneOf: [{type: number}, {type: string, enum: [NaN]}]}
      tags: {type: array, items: {type: string}, maxItems: 2}
      more: {type: object, additionalProperties: {type: integer, minimum: 0}}
      none: {type: string, nullable: true}
    required: [at]
    additionalProperties: false
  Odd: {type: string, pattern: a}
";

    #[test]
    fn every_kind_of_mistake_is_found() {
        let document = Node::parse(DOCUMENT).unwrap();
        let schemas = Schemas::new(&document);
        let reference = Node::parse("$ref: '#/schemas/Point'").unwrap();
        for (value, wanted) in [
            (json!({ "at": "2026-01-02T13:37:00Z" }), ""),
            (
                json!({ "at": "2026-01-02T13:37:00Z", "value": 1, "tags": [], "more": { "a": 1 }, "none": null }),
                "",
            ),
            (json!([]), "body: [] is no object"),
            (json!({}), "body: at is missing"),
            (json!({ "at": "soon" }), "body.at: \"soon\" has not the format \"date-time\""),
            (json!({ "at": "2026-01-02T13:37:00Z", "x": 1 }), "body: x is not allowed here"),
            (
                json!({ "at": "2026-01-02T13:37:00Z", "value": true }),
                "body.value: fits no alternative; nearest: body.value: true is no number",
            ),
            (json!({ "at": "2026-01-02T13:37:00Z", "tags": [1] }), "body.tags[0]: 1 is no string"),
            (
                json!({ "at": "2026-01-02T13:37:00Z", "tags": ["", "", ""] }),
                "body.tags: 3 items, Some(\"maxItems\") is 2",
            ),
            (json!({ "at": "2026-01-02T13:37:00Z", "more": { "a": 1.5 } }), "body.more.a: 1.5 is no integer"),
            (
                json!({ "at": "2026-01-02T13:37:00Z", "more": { "a": -1 } }),
                "body.more.a: -1, Some(\"minimum\") is 0",
            ),
        ] {
            assert_eq!(schemas.check(&reference, &value).join("; "), wanted, "{value}");
        }
        let odd = Node::parse("$ref: '#/schemas/Odd'").unwrap();
        assert_eq!(schemas.check(&odd, &json!("a")), ["body: unknown keyword \"pattern\" in the schema"]);
    }
}
