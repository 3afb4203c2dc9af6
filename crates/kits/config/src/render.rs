//! Configuration as it may be shown: YAML with secrets replaced.

use crate::yaml::{Node, Value};

/// Keys whose values are secrets, in any section.
const SECRET_KEYS: &[&str] = &[
    "password",
    "credentials",
    "bearer_token",
    "client_secret",
    "secret_key",
    "secret",
    "secrets",
    "token",
    "auth_token",
    "application_secret",
    "application_key",
    "consumer_key",
    "api_key",
    "api_secret",
    "api_token",
    "key",
    "private_key",
    "key_passphrase",
    "service_account_key",
    "service_key",
    "routing_key",
    "bot_token",
    "user_key",
    "auth_password",
    "auth_secret",
    "slack_api_url",
    "webhook_url",
    "api_url_secret",
    "client_certificate_key",
    "certificate_password",
    "proxy_connect_header",
    "application_credential_secret",
];

/// Writes a node as YAML with every secret as `<secret>` and without passwords in URLs.
pub fn render(node: &Node) -> String {
    let mut out = String::new();
    write_node(&mut out, node, 0, false, false);
    if !out.ends_with('\n') {
        out.push('\n');
    }
    out
}

fn write_node(out: &mut String, node: &Node, indent: usize, secret: bool, after_key: bool) {
    match &node.value {
        Value::Null => out.push_str(if after_key { " null\n" } else { "null\n" }),
        Value::Scalar { text, plain } => {
            if after_key {
                out.push(' ');
            }
            write_scalar(out, text, *plain, secret);
            out.push('\n');
        }
        Value::Binary(_) => out.push_str(" <binary>\n"),
        Value::Sequence(items) if items.is_empty() => out.push_str(if after_key { " []\n" } else { "[]\n" }),
        Value::Sequence(items) => {
            if after_key {
                out.push('\n');
            }
            for (at, item) in items.iter().enumerate() {
                if at > 0 || after_key {
                    push_indent(out, indent);
                }
                out.push_str("- ");
                write_node(out, item, indent + 2, secret, false);
            }
        }
        Value::Mapping(entries) if entries.is_empty() => {
            out.push_str(if after_key { " {}\n" } else { "{}\n" })
        }
        Value::Mapping(entries) => {
            if after_key {
                out.push('\n');
            }
            for (at, (key, value)) in entries.iter().enumerate() {
                if at > 0 || after_key {
                    push_indent(out, indent);
                }
                let name = match &key.value {
                    Value::Scalar { text, .. } => text.as_str(),
                    _ => "?",
                };
                write_scalar(out, name, true, false);
                out.push(':');
                let secret = secret || SECRET_KEYS.contains(&name);
                let child_indent =
                    if matches!(value.value, Value::Sequence(_)) { indent } else { indent + 2 };
                write_node(out, value, child_indent, secret, true);
            }
        }
    }
}

fn push_indent(out: &mut String, indent: usize) {
    out.extend(std::iter::repeat_n(' ', indent));
}

fn write_scalar(out: &mut String, text: &str, plain: bool, secret: bool) {
    if secret && !text.is_empty() {
        out.push_str("<secret>");
        return;
    }
    let text = without_password(text);
    let is_number = plain && text.parse::<f64>().is_ok();
    let needs_quotes = !is_number && needs_quotes(&text, plain);
    if needs_quotes {
        push_quoted(out, &text);
    } else {
        out.push_str(&text);
    }
}

/// Whether a text would be read as something else without quotes.
fn needs_quotes(text: &str, plain: bool) -> bool {
    text.is_empty()
        || text.starts_with(|c: char| "-?:,[]{}#&*!|>'\"%@`".contains(c) || c.is_whitespace())
        || text.ends_with(|c: char| c == ':' || c.is_whitespace())
        || text.contains(": ")
        || text.contains(" #")
        || text.contains(|c: char| c.is_control())
        || (!plain
            && (text.parse::<f64>().is_ok()
                || matches!(text, "true" | "false" | "null" | "yes" | "no" | "on" | "off" | "~")))
}

/// A text in double quotes, with the escapes that YAML and JSON share.
fn push_quoted(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// `scheme://user:password@host` without the password.
fn without_password(text: &str) -> std::borrow::Cow<'_, str> {
    if let Some((scheme, rest)) = text.split_once("://")
        && let authority = rest.split(['/', '?', '#']).next().unwrap_or("")
        && let Some((user_info, _)) = authority.rsplit_once('@')
        && let Some((user, _)) = user_info.split_once(':')
    {
        return format!("{scheme}://{user}:xxxxx{}", &rest[user_info.len()..]).into();
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_replaced_and_the_rest_reads_back_equal() {
        let text = "global:\n  scrape_interval: 15s\n  external_labels: {a: \"1\"}\nscrape_configs:\n- job_name: x\n  \
                    basic_auth:\n    username: u\n    password: hunter2\n  static_configs:\n  - targets:\n    - \
                    'localhost:1'\nurl: http://me:hunter2@host/x\n";
        let shown = render(&Node::parse(text).unwrap());
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("password: <secret>"), "{shown}");
        assert!(shown.contains("http://me:xxxxx@host/x"), "{shown}");
        assert_eq!(render(&Node::parse(&shown).unwrap()), shown);
        assert!(shown.contains("a: \"1\""), "{shown}");
    }
}
