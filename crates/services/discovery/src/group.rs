//! Target groups as they are written in YAML and JSON.

use config::{Error, Node, Result};
use model::target::ADDRESS_LABEL;
use model::{Labels, TargetGroup};
use serde_json::Value;

/// A group from the configuration or from a YAML file; it has no source yet.
pub(crate) fn decode(node: &Node) -> Result<TargetGroup> {
    let mut fields = node.fields("targetgroup.Group")?;
    let targets = fields.or("targets", Vec::new(), |list| list.list(|item| item.string().map(address)))?;
    let labels = fields.or("labels", Labels::empty(), Node::labels)?;
    fields.finish()?;
    Ok(TargetGroup { source: String::new(), targets, labels })
}

/// The groups of a YAML file.
pub(crate) fn from_yaml(text: &str) -> Result<Vec<TargetGroup>> {
    let node = Node::parse(text)?;
    let mut index = 0;
    node.list(|item| {
        if item.is_null() {
            return Err(item.error(format!("nil target group item found (index {index})")));
        }
        index += 1;
        decode(item)
    })
}

/// The groups of a JSON file.
pub(crate) fn from_json(text: &str) -> Result<Vec<TargetGroup>> {
    let value: Value = serde_json::from_str(text).map_err(|error| Error::new(error.to_string()))?;
    let items = match value {
        Value::Null => Vec::new(),
        Value::Array(items) => items,
        _ => return Err(Error::new("expected a list of target groups")),
    };
    items.into_iter().enumerate().map(|(index, item)| json_group(index, item)).collect()
}

fn json_group(index: usize, item: Value) -> Result<TargetGroup> {
    let fail = |message: String| Err(Error::new(format!("target group {index}: {message}")));
    let fields = match item {
        Value::Null => return Err(Error::new(format!("nil target group item found (index {index})"))),
        Value::Object(fields) => fields,
        _ => return fail("expected a mapping".into()),
    };
    let mut group = TargetGroup::default();
    for (name, value) in fields {
        match (name.as_str(), value) {
            ("targets" | "labels", Value::Null) => {}
            ("targets", Value::Array(items)) => {
                for item in items {
                    match item {
                        Value::String(text) => group.targets.push(address(text)),
                        other => return fail(format!("targets: expected a text, found {other}")),
                    }
                }
            }
            ("labels", Value::Object(pairs)) => {
                let mut builder = model::LabelsBuilder::default();
                for (label, value) in pairs {
                    match value {
                        _ if label.is_empty() => return fail("\"\" is not a valid label name".into()),
                        Value::String(text) => builder.set(&label, &text),
                        other => return fail(format!("label {label}: expected a text, found {other}")),
                    };
                }
                group.labels = builder.build();
            }
            ("targets", _) => return fail("targets: expected a list".into()),
            ("labels", _) => return fail("labels: expected a mapping".into()),
            _ => return fail(format!("unknown field {name:?}; allowed are labels, targets")),
        }
    }
    Ok(group)
}

fn address(text: String) -> Labels {
    Labels::from_pairs([(ADDRESS_LABEL, text)])
}
