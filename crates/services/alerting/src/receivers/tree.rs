//! Settings of any shape whose texts are templates. What a template yields may be a number, a list or
//! a mapping in turn.

use config::yaml::Value;
use config::{Node, Result};

use crate::dispatch::Outcome;
use crate::json::push_string;

/// A node of such a setting.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Tree {
    /// A template.
    Text(String),
    /// Anything else that is one value, as JSON.
    Json(String),
    /// A list.
    List(Vec<Tree>),
    /// Names, which are templates too, and what they stand for, by name.
    Map(Vec<(String, Tree)>),
}

impl Tree {
    /// Takes a node as it is.
    pub(crate) fn decode(node: &Node) -> Result<Tree> {
        Ok(match &node.value {
            Value::Null => Tree::Json("null".into()),
            Value::Scalar { text, plain } => match plain.then(|| plain_scalar(text)).flatten() {
                Some(json) => Tree::Json(json),
                None => Tree::Text(text.clone()),
            },
            Value::Binary(bytes) => Tree::Text(String::from_utf8_lossy(bytes).into_owned()),
            Value::Sequence(items) => Tree::List(items.iter().map(Tree::decode).collect::<Result<_>>()?),
            Value::Mapping(entries) => {
                let mut map = Vec::with_capacity(entries.len());
                for (key, value) in entries {
                    map.push((key.string()?, Tree::decode(value)?));
                }
                map.sort_by(|(a, _), (b, _)| a.cmp(b));
                Tree::Map(map)
            }
        })
    }

    /// Appends the JSON of what the templates yield.
    pub(crate) fn push_json(
        &self,
        out: &mut String,
        expand: &dyn Fn(&str) -> std::result::Result<String, Outcome>,
    ) -> std::result::Result<(), Outcome> {
        match self {
            Tree::Json(json) => out.push_str(json),
            Tree::Text(template) => push_read(out, &expand(template)?),
            Tree::List(items) => {
                out.push('[');
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    item.push_json(out, expand)?;
                }
                out.push(']');
            }
            Tree::Map(entries) => {
                out.push('{');
                for (at, (name, value)) in entries.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    push_string(out, &expand(name)?);
                    out.push(':');
                    value.push_json(out, expand)?;
                }
                out.push('}');
            }
        }
        Ok(())
    }
}

/// Appends a text, or what it is as YAML or JSON if that is not just a text.
fn push_read(out: &mut String, text: &str) {
    // The common case of large values: JSON of alerts. It stays as it is.
    let trimmed = text.trim();
    if trimmed.starts_with(['{', '[']) && serde_json::from_str::<serde::de::IgnoredAny>(trimmed).is_ok() {
        out.push_str(trimmed);
        return;
    }
    match Node::parse(text) {
        Ok(Node { value: Value::Scalar { text: _, plain: false } | Value::Binary(_), .. }) | Err(_) => {
            push_string(out, text);
        }
        Ok(Node { value: Value::Scalar { text: scalar, plain: true }, .. }) => match plain_scalar(&scalar) {
            Some(json) => out.push_str(&json),
            None => push_string(out, text),
        },
        Ok(node) => push_final(out, &node),
    }
}

/// Appends what was read; nothing in it is a template.
fn push_final(out: &mut String, node: &Node) {
    match &node.value {
        Value::Null => out.push_str("null"),
        Value::Scalar { text, plain } => match plain.then(|| plain_scalar(text)).flatten() {
            Some(json) => out.push_str(&json),
            None => push_string(out, text),
        },
        Value::Binary(bytes) => push_string(out, &String::from_utf8_lossy(bytes)),
        Value::Sequence(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                push_final(out, item);
            }
            out.push(']');
        }
        Value::Mapping(entries) => {
            let mut entries: Vec<(String, &Node)> =
                entries.iter().filter_map(|(key, value)| Some((key.string().ok()?, value))).collect();
            entries.sort_by(|(a, _), (b, _)| a.cmp(b));
            out.push('{');
            for (at, (name, value)) in entries.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                push_string(out, name);
                out.push(':');
                push_final(out, value);
            }
            out.push('}');
        }
    }
}

/// What a scalar without quotes is in YAML 1.1 as JSON, unless it is a text.
fn plain_scalar(text: &str) -> Option<String> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Some("null".into()),
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Some("true".into());
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Some("false".into());
        }
        _ => {}
    }
    if !text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) {
        return None;
    }
    let digits = text.replace('_', "");
    let (sign, bare) = match digits.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", digits.strip_prefix('+').unwrap_or(&digits)),
    };
    let of_radix = |prefix: &str, radix| {
        bare.strip_prefix(prefix).and_then(|rest| u64::from_str_radix(rest, radix).ok())
    };
    let integer = of_radix("0x", 16)
        .or_else(|| of_radix("0b", 2))
        .or_else(|| of_radix("0o", 8))
        .or_else(|| of_radix("0", 8).filter(|_| bare.bytes().all(|byte| byte.is_ascii_digit())))
        .or_else(|| bare.parse().ok().filter(|_: &u64| !bare.starts_with('+')));
    if let Some(number) = integer {
        return Some(if number == 0 { "0".into() } else { format!("{sign}{number}") });
    }
    let is_float = bare.bytes().any(|byte| byte.is_ascii_digit())
        && bare.bytes().all(|byte| byte.is_ascii_digit() || b".eE+-".contains(&byte));
    let number: f64 = bare.parse().ok().filter(|_| is_float)?;
    serde_json::Number::from_f64(number).map(|number| {
        let shown = number.to_string();
        format!("{sign}{}", shown.strip_suffix(".0").unwrap_or(&shown))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(yaml: &str, value: &str) -> String {
        let tree = Tree::decode(&Node::parse(yaml).unwrap()).unwrap();
        let mut out = String::new();
        tree.push_json(&mut out, &|template| Ok(template.replace("VALUE", value))).unwrap();
        out
    }

    #[test]
    fn what_a_template_yields_has_its_own_shape() {
        for (value, expected) in [
            ("text", r#""text""#),
            ("3", "3"),
            ("-0.5", "-0.5"),
            ("0x10", "16"),
            ("1_000", "1000"),
            ("1.2.3.4", r#""1.2.3.4""#),
            ("2020-01-01", r#""2020-01-01""#),
            ("yes", "true"),
            ("", "null"),
            ("[1, b]", r#"[1,"b"]"#),
            ("a: 1\nb: [x]", r#"{"a":1,"b":["x"]}"#),
            (r#"{"b":"1","a":{"c":null}}"#, r#"{"b":"1","a":{"c":null}}"#),
            ("a: b: c", r#""a: b: c""#),
            ("\"quoted\"", r#""\"quoted\"""#),
        ] {
            assert_eq!(json("VALUE", value), expected, "{value}");
        }
    }

    #[test]
    fn settings_keep_their_shape() {
        assert_eq!(
            json("{b: [1, true, null, 'x VALUE'], aVALUE: {c: 1.5}}", "z"),
            r#"{"az":{"c":1.5},"b":[1,true,null,"x z"]}"#
        );
    }
}
