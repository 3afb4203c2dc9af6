//! The configuration as it may be shown: as it was written, without its secrets.

use config::yaml::Value;
use config::{Node, Secret};

/// Fields that hold secrets only in Alertmanager's configuration; those that do everywhere are known
/// to [`config::render`].
const SECRET_FIELDS: [&str; 14] = [
    "slack_api_url",
    "slack_app_token",
    "opsgenie_api_key",
    "victorops_api_key",
    "wechat_api_secret",
    "telegram_bot_token",
    "rocketchat_token",
    "rocketchat_token_id",
    "mattermost_webhook_url",
    "smtp_auth_password",
    "smtp_auth_secret",
    "app_token",
    "token_id",
    "alert_source_token",
];

/// Fields that hold a secret in one section alone: the section's list, and the field.
const SECRET_IN: [(&str, &str); 3] =
    [("webhook_configs", "url"), ("webhook_outputs", "url"), ("slack_configs", "api_url")];

/// The document as YAML with `<secret>` in place of each secret. It can be read again.
pub(super) fn shown(root: &Node) -> String {
    let mut root = root.clone();
    mask(&mut root, "");
    config::render::render(&root)
}

/// `section` is the field that the node, or the list it is in, is the value of.
fn mask(node: &mut Node, section: &str) {
    match &mut node.value {
        Value::Sequence(items) => items.iter_mut().for_each(|item| mask(item, section)),
        Value::Mapping(entries) => {
            for (key, value) in entries {
                let name = key.string().unwrap_or_default();
                let is_secret =
                    SECRET_FIELDS.contains(&name.as_str()) || SECRET_IN.contains(&(section, name.as_str()));
                match &mut value.value {
                    Value::Scalar { text, .. } if is_secret && !text.is_empty() => {
                        *text = Secret::MASK.into();
                    }
                    // Names that people chose say nothing about what they stand for.
                    _ if ["labels", "match", "match_re"].contains(&name.as_str()) => {}
                    _ => mask(value, &name),
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_and_the_rest_can_be_read_again() {
        let text = "global:\n  slack_api_url: http://hush/1\n  smtp_auth_password: hush\n  opsgenie_api_url: http://o\n\
            receivers:\n- name: a\n  webhook_configs:\n  - url: http://hush/2\n    http_config:\n      basic_auth: {password: hush}\n\
            \x20 slack_configs:\n  - api_url: http://hush/3\n    text: |\n      {{ range .Alerts }}\n      \\o/ {{ end }}\n\
            \x20 pagerduty_configs:\n  - routing_key: hush\n    url: http://p\n\
            route:\n  receiver: a\n";
        let root = Node::parse(text).unwrap();
        let masked = shown(&root);
        assert!(!masked.contains("hush"), "{masked}");
        assert!(masked.contains("http://o") && masked.contains("http://p"), "{masked}");
        let again = Node::parse(&masked).unwrap();
        assert_eq!(shown(&again), masked);
        let text = |node: &Node| {
            let Value::Sequence(items) = &node.get("receivers").unwrap().value else { panic!() };
            let Value::Sequence(slack) = &items[0].get("slack_configs").unwrap().value else { panic!() };
            slack[0].get("text").unwrap().string().unwrap()
        };
        assert_eq!(text(&again), text(&root));
    }
}
