//! Templates of notifications: Go's text/template and html/template with Alertmanager's functions
//! and data.

use gocompat::template::{Functions, Limits, MissingKey, Template, Value};

use crate::notification::Notification;

/// What one expansion may take.
const LIMITS: Limits = Limits { steps: 10_000_000, output_bytes: 16 << 20, depth: 200 };

/// What templates see of a notification.
pub struct Data {
    external_url: String,
    value: Value,
}

impl Data {
    /// The data of a notification.
    pub fn of(notification: &Notification, external_url: &str) -> Data {
        let value = Value::map([
            ("Receiver", Value::string(notification.integration.receiver.as_str())),
            ("ExternalURL", Value::string(external_url)),
        ]);
        Data { external_url: external_url.to_string(), value }
    }

    /// Where people reach this program.
    pub fn external_url(&self) -> &str {
        &self.external_url
    }
}

/// The templates that files and defaults define, for use by name in settings.
#[derive(Debug, Default)]
pub struct Templates {}

impl Templates {
    /// Expands a text.
    pub fn text(&self, template: &str, data: &Data) -> Result<String, String> {
        if !template.contains("{{") {
            return Ok(template.to_string());
        }
        let mut parsed = Template::new("", Functions::new()).limits(LIMITS).missing_key(MissingKey::Zero);
        let expanded = parsed.parse(template).and_then(|()| parsed.execute(data.value.clone()));
        expanded.map_err(|error| error.to_string())
    }
}
