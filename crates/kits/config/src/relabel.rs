//! Relabelling rules as sections of a configuration; what they do is [`model::relabel`].

pub use model::relabel::{Action, RelabelRule};

use gocompat::re2::Regex;
use model::relabel::{DEFAULT_REGEX, DEFAULT_REPLACEMENT, DEFAULT_SEPARATOR};

use crate::Result;
use crate::decode::quote_bytes;
use crate::yaml::{Node, Value};

/// Decodes a list of rules. `what` names the list in the error about an empty entry, for example
/// "target relabeling rule".
pub fn rules(node: &Node, what: &str) -> Result<Vec<RelabelRule>> {
    node.list(|item| {
        if item.is_null() {
            return Err(item.error(format!("empty or null {what}")));
        }
        rule(item)
    })
}

fn rule(node: &Node) -> Result<RelabelRule> {
    let mut fields = node.fields("relabel.Config")?;
    let has_source = fields.has("source_labels");
    let source_labels = fields.or("source_labels", Vec::new(), Node::strings)?;
    let separator = fields.or("separator", DEFAULT_SEPARATOR.to_string(), Node::string)?;
    let has_separator = separator != DEFAULT_SEPARATOR;
    // `separator: ""` is a setting; `regex:` and `replacement:` with nothing are empty texts too.
    let pattern = match fields.take("regex") {
        Some(node) => Some((node.string()?, node)),
        None => None,
    };
    // Compiled before anything is checked: a wrong expression is what people are told first.
    let regex = match &pattern {
        Some((text, node)) => Regex::anchored(text).map_err(|error| node.error(error.to_string()))?,
        None => Regex::anchored(DEFAULT_REGEX).map_err(|error| node.error(error.to_string()))?,
    };
    let modulus = fields.or("modulus", 0, Node::unsigned)?;
    let target_node = fields.take("target_label");
    let replacement_node = fields.take("replacement");
    let action_node = fields.take("action");
    let action = match action_node {
        None => Action::Replace,
        Some(node) => {
            let name = node.string()?;
            if name.is_empty() {
                return Err(node.error("relabel action cannot be empty"));
            }
            Action::from_name(&name).ok_or_else(|| {
                node.error(format!(
                    "unknown relabel action {name:?}; allowed are {}",
                    Action::NAMES.join(", ")
                ))
            })?
        }
    };
    fields.finish()?;

    let name = action.as_str();
    // Bytes that are no text are no name of a label: said in the words of the field.
    for (field, node) in [("target_label", target_node), ("replacement", replacement_node)] {
        if let Some(node) = node
            && let Value::Binary(bytes) = &node.value
        {
            return Err(node.error(format!("{} is invalid '{field}' for {name} action", quote_bytes(bytes))));
        }
    }
    let target_label = target_node.map(Node::string).transpose()?.unwrap_or_default();
    let replacement = match replacement_node {
        Some(node) => node.string()?,
        None => DEFAULT_REPLACEMENT.to_string(),
    };
    let fail = |message: String| Err(node.error(message));
    let has_regex = pattern.as_ref().is_some_and(|(text, _)| text != DEFAULT_REGEX);
    let has_replacement = replacement != DEFAULT_REPLACEMENT;
    use Action::{
        DropEqual, HashMod, KeepEqual, LabelDrop, LabelKeep, LabelMap, Lowercase, Replace, Uppercase,
    };
    if action == HashMod && modulus == 0 {
        return fail("relabel configuration for hashmod requires non-zero modulus".into());
    }
    if matches!(action, Replace | HashMod | Lowercase | Uppercase | KeepEqual | DropEqual)
        && target_label.is_empty()
    {
        return fail(format!("relabel configuration for {name} action requires 'target_label' value"));
    }
    if matches!(action, Lowercase | Uppercase | KeepEqual | DropEqual) && has_replacement {
        return fail(format!("'replacement' can not be set for {name} action"));
    }
    if action == LabelMap && replacement.is_empty() {
        return fail(format!("{replacement:?} is invalid 'replacement' for {name} action"));
    }
    if matches!(action, DropEqual | KeepEqual) && (has_regex || modulus != 0 || has_separator) {
        return fail(format!(
            "{name} action requires only 'source_labels' and `target_label`, and no other fields"
        ));
    }
    if matches!(action, LabelDrop | LabelKeep)
        && (has_source || !target_label.is_empty() || modulus != 0 || has_separator || has_replacement)
    {
        return fail(format!("{name} action requires only 'regex', and no other fields"));
    }
    Ok(RelabelRule { source_labels, separator, regex, modulus, target_label, replacement, action })
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::LabelsBuilder;
    use model::relabel;

    fn apply(yaml: &str, labels: &[(&str, &str)]) -> Option<String> {
        let rules = rules(&Node::parse(yaml).unwrap(), "relabeling rule").unwrap();
        let mut builder = LabelsBuilder::default();
        for (name, value) in labels {
            builder.set(name, value);
        }
        relabel::apply(&rules, &mut builder).then(|| builder.build().to_string())
    }

    #[test]
    fn each_action_does_what_prometheus_does() {
        let labels = [("a", "foo"), ("b", "bar"), ("c", "Baz")];
        for (yaml, expected) in [
            (
                "- {source_labels: [a], regex: 'f(.*)', target_label: d, replacement: 'ch${1}-ch${1}'}",
                Some(r#"{a="foo", b="bar", c="Baz", d="choo-choo"}"#),
            ),
            (
                "- {source_labels: [a, b], target_label: d}",
                Some(r#"{a="foo", b="bar", c="Baz", d="foo;bar"}"#),
            ),
            (
                "- {source_labels: [a], regex: '.*b.*', target_label: d, replacement: x}",
                Some(r#"{a="foo", b="bar", c="Baz"}"#),
            ),
            (
                "- {source_labels: [a], regex: 'f(o+)', target_label: '${1}', replacement: x}",
                Some(r#"{a="foo", b="bar", c="Baz", oo="x"}"#),
            ),
            ("- {source_labels: [a], target_label: b, replacement: ''}", Some(r#"{a="foo", c="Baz"}"#)),
            ("- {source_labels: [a], regex: 'f.*', action: drop}", None),
            ("- {source_labels: [a], regex: 'x.*', action: keep}", None),
            ("- {source_labels: [a], target_label: b, action: keepequal}", None),
            (
                "- {source_labels: [a], target_label: b, action: dropequal}",
                Some(r#"{a="foo", b="bar", c="Baz"}"#),
            ),
            (
                "- {source_labels: [c], target_label: d, action: hashmod, modulus: 1000}",
                Some(r#"{a="foo", b="bar", c="Baz", d="940"}"#),
            ),
            (
                "- {regex: '(b.*)', replacement: 'bar_${1}', action: labelmap}",
                Some(r#"{a="foo", b="bar", bar_b="bar", c="Baz"}"#),
            ),
            ("- {regex: '[ab]', action: labeldrop}", Some(r#"{c="Baz"}"#)),
            ("- {regex: '[ab]', action: labelkeep}", Some(r#"{a="foo", b="bar"}"#)),
            (
                "- {source_labels: [c], target_label: l, action: lowercase}\n- {source_labels: [c], target_label: u, action: uppercase}",
                Some(r#"{a="foo", b="bar", c="Baz", l="baz", u="BAZ"}"#),
            ),
        ] {
            assert_eq!(apply(yaml, &labels).as_deref(), expected, "{yaml}");
        }
    }

    #[test]
    fn a_rule_that_makes_no_sense_is_refused_with_its_place() {
        for (yaml, expected) in [
            ("- {action: hashmod, target_label: x}", "requires non-zero modulus"),
            (
                "- {source_labels: [a]}",
                "relabel configuration for replace action requires 'target_label' value",
            ),
            ("- {action: labeldrop, source_labels: [a], regex: x}", "labeldrop action requires only 'regex'"),
            ("- {action: keep, regex: '(', source_labels: [a]}", "error parsing regexp"),
            ("- {action: keeep}", "unknown relabel action \"keeep\"; allowed are"),
            ("- ", "empty or null relabeling rule"),
        ] {
            let error = rules(&Node::parse(yaml).unwrap(), "relabeling rule").unwrap_err();
            assert!(error.message.contains(expected), "{yaml}: {error}");
            assert!(error.position.is_some());
        }
    }
}
