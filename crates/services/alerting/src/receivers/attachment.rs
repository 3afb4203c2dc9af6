//! The fields of an attachment, which Slack, Mattermost and Rocket.Chat have alike.

use config::{Node, Result};

use super::decode::template;

/// A title with a value; both are templates.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) title: String,
    pub(super) value: String,
    /// Whether another one fits beside it, if that was said.
    pub(super) short: Option<bool>,
}

impl Field {
    /// Decodes one. `kind` is its type in errors; `needed_by` names the service for which neither text
    /// may be empty.
    pub(super) fn decode(node: &Node, kind: &'static str, needed_by: Option<&str>) -> Result<Field> {
        let mut fields = node.fields(kind)?;
        let field = Field {
            title: template(&mut fields, "title", "")?,
            value: template(&mut fields, "value", "")?,
            short: fields.optional("short", Node::boolean)?,
        };
        for (name, text) in [("title", &field.title), ("value", &field.value)] {
            if let Some(service) = needed_by.filter(|_| text.is_empty()) {
                return Err(fields.error(format!("missing {name} in {service} field configuration")));
            }
        }
        fields.finish()?;
        Ok(field)
    }
}
