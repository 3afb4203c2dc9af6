//! VictorOps (Splunk On-Call): one event for each notification, by its REST endpoint.
//! <https://help.victorops.com/knowledge-base/rest-endpoint-integration-guide/>

use std::collections::BTreeMap;
use std::sync::Arc;

use config::{HttpClientConfig, Node, Result};

use super::answer::{during, outcome_of};
use super::decode::{http_url, take_secret, template, templates, with_slash};
use super::exchange::JSON;
use super::text::{cut_to_chars, hashed, path_encoded};
use super::{Attempt, Context, Delivery, Notifier, SecretSource};
use crate::dispatch::Outcome;
use crate::json::Object;

/// The length of the state message.
const STATE_MESSAGE_MAX_CHARS: usize = 20_480;
/// What a message about alerts that fire can be; another word counts as the last one.
const FIRING_TYPES: [&str; 3] = ["INFO", "WARNING", "CRITICAL"];
/// The fields of an event that are not free.
const RESERVED: [&str; 7] = [
    "routing_key",
    "message_type",
    "state_message",
    "entity_display_name",
    "monitoring_tool",
    "entity_id",
    "entity_state",
];

/// The settings of one VictorOps receiver. Texts are templates.
#[derive(Clone, Debug)]
pub struct VictorOps {
    /// Whether it hears of alerts that ended.
    pub send_resolved: bool,
    /// How to reach it.
    pub http: Arc<HttpClientConfig>,
    api_key: SecretSource,
    /// Ends with a slash.
    api_url: String,
    routing_key: String,
    message_type: String,
    state_message: String,
    entity_display_name: String,
    monitoring_tool: String,
    custom_fields: Vec<(String, String)>,
}

/// Decodes one entry of `victorops_configs`.
pub fn decode(node: &Node, context: &Context<'_>) -> Result<Arc<dyn Notifier>> {
    let mut taken = node.fields("config.plain")?;
    let fields = &mut taken;
    let (send_resolved, http) = (fields.or("send_resolved", true, Node::boolean)?, context.http(fields)?);
    let api_key = take_secret(fields, context.base, ("api_key", "api_key_file"));
    let api_url = fields.optional("api_url", http_url)?;
    let routing_key = template(fields, "routing_key", "")?;
    if routing_key.is_empty() {
        return Err(fields.error("missing Routing key in VictorOps config"));
    }
    let api_key = api_key?;
    let custom_fields = templates(fields, "custom_fields")?;
    if let Some(name) = RESERVED.iter().find(|name| custom_fields.iter().any(|(own, _)| own == *name)) {
        return Err(fields.error(format!(
            "victorOps config contains custom field {name} which cannot be used as it conflicts with the fixed/static fields"
        )));
    }
    let Some(api_key) = api_key.or_else(|| context.global.victorops_api_key.clone()) else {
        return Err(fields.error("no global VictorOps API Key set"));
    };
    let victorops = VictorOps {
        send_resolved,
        http,
        api_key,
        api_url: with_slash(api_url.unwrap_or_else(|| context.global.victorops_api_url.clone())),
        routing_key,
        message_type: template(fields, "message_type", "CRITICAL")?,
        state_message: template(
            fields,
            "state_message",
            r#"{{ template "victorops.default.state_message" . }}"#,
        )?,
        entity_display_name: template(
            fields,
            "entity_display_name",
            r#"{{ template "victorops.default.entity_display_name" . }}"#,
        )?,
        monitoring_tool: template(
            fields,
            "monitoring_tool",
            r#"{{ template "victorops.default.monitoring_tool" . }}"#,
        )?,
        custom_fields,
    };
    taken.finish()?;
    Ok(Arc::new(victorops))
}

impl VictorOps {
    async fn attempt(&self, delivery: &Delivery<'_>) -> std::result::Result<Outcome, Outcome> {
        let text =
            |template: &str| delivery.text(template).map_err(|failed| during("templating error", failed));
        let key = delivery.secret(&self.api_key, "api_key_file").await?;
        let routing_key = path_encoded(&text(&self.routing_key)?);
        let url = format!("{}{}/{routing_key}", self.api_url, path_encoded(&key));
        let written = text(&self.message_type)?;
        let message_type = if delivery.is_resolved() {
            "RECOVERY"
        } else if FIRING_TYPES.contains(&written.as_str()) {
            &written
        } else {
            "CRITICAL"
        };
        let mut event: BTreeMap<&str, String> = BTreeMap::from([
            ("message_type", message_type.to_string()),
            ("entity_id", hashed(&delivery.notification.group_key)),
            ("entity_display_name", text(&self.entity_display_name)?),
            ("state_message", cut_to_chars(text(&self.state_message)?, STATE_MESSAGE_MAX_CHARS)),
            ("monitoring_tool", text(&self.monitoring_tool)?),
        ]);
        for (name, value) in &self.custom_fields {
            event.insert(name, text(value)?);
        }
        let body = event.iter().fold(Object::new(), |body, (name, value)| body.text(name, value)).end();
        Ok(outcome_of(delivery.post(&self.http, url, JSON, body).await, &[]))
    }
}

impl Notifier for VictorOps {
    fn kind(&self) -> &'static str {
        "victorops"
    }

    fn sends_resolved(&self) -> bool {
        self.send_resolved
    }

    fn notify<'a>(&'a self, delivery: &'a Delivery<'a>) -> Attempt<'a> {
        Box::pin(async { self.attempt(delivery).await.unwrap_or_else(|failed| failed) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::receivers::testing::{
        again, decoded, given_up, notifier, refuses, resolved, taken, tell, tell_of,
    };
    use crate::settings::Global;
    use serde_json::{Value, json};
    use testkit::http::{Reply, Server};

    /// Settings without default templates.
    const PLAIN: &str = "state_message: s, entity_display_name: e, monitoring_tool: m";

    #[tokio::test]
    async fn an_event_says_what_happened() {
        let server = Server::start(|_| Reply::new(200, "")).await;
        let event = |at: usize| serde_json::from_slice::<Value>(&server.requests()[at].body).unwrap();
        let yaml = format!(
            "{{api_key: k, api_url: '{}/alert', routing_key: 'a {{{{ .Receiver }}}}', message_type: WARNING, {PLAIN}, \
             custom_fields: {{of: '{{{{ .ExternalURL }}}}'}}}}",
            server.url()
        );
        taken(tell(&notifier(decode, &yaml)).await);
        assert_eq!(server.targets(), ["/alert/k/a%20team"]);
        let entity = hashed("1");
        let expected = json!({"message_type": "WARNING", "entity_id": entity, "entity_display_name": "e",
            "state_message": "s", "monitoring_tool": "m", "of": "http://am"});
        assert_eq!(event(0), expected);
        let ended = vec![resolved(&[("alertname", "Up")])];
        taken(tell_of(&notifier(decode, &yaml), ended, Default::default()).await);
        assert_eq!(event(1)["message_type"], "RECOVERY");
        let long = "é".repeat(20_481);
        let yaml = yaml
            .replace("WARNING", "nonsense")
            .replace("state_message: s", &format!("state_message: {long}"));
        taken(tell(&notifier(decode, &yaml)).await);
        assert_eq!(event(2)["message_type"], "CRITICAL");
        let said = event(2)["state_message"].as_str().unwrap().to_string();
        assert_eq!((said.chars().count(), said.ends_with("é…")), (20_480, true));
    }

    #[tokio::test]
    async fn what_fails_is_tried_again_or_not() {
        let server = Server::start(|request| match request.path.ends_with("/busy") {
            true => Reply::new(503, "later"),
            false => Reply::new(400, "what?"),
        })
        .await;
        let victorops = |routing_key: &str, key: &str| {
            let yaml =
                format!("{{{key}, api_url: '{}', routing_key: '{routing_key}', {PLAIN}}}", server.url());
            notifier(decode, &yaml)
        };
        assert_eq!(again(tell(&victorops("busy", "api_key: k")).await).reason, "serverError");
        let failure = given_up(tell(&victorops("x", "api_key: k")).await);
        assert_eq!(
            (failure.reason, &failure.message[..]),
            ("clientError", "unexpected status code 400: what?")
        );
        let failure = given_up(tell(&victorops("{{ nope }}", "api_key: k")).await);
        assert!(failure.message.starts_with("templating error: "), "{}", failure.message);
        let failure = given_up(tell(&victorops("x", "api_key_file: /nowhere/key")).await);
        assert!(failure.message.starts_with("read api_key_file: /nowhere/key"), "{}", failure.message);
    }

    #[test]
    fn settings_are_checked() {
        refuses(
            decode,
            &Global::default(),
            &[
                ("{api_key: k}", "missing Routing key in VictorOps config"),
                ("{routing_key: r}", "no global VictorOps API Key set"),
                (
                    "{routing_key: r, api_key: k, api_key_file: f}",
                    "at most one of api_key & api_key_file must be configured",
                ),
                (
                    "{routing_key: r, api_key: k, custom_fields: {entity_state: x}}",
                    "victorOps config contains custom field entity_state which cannot be used as it conflicts with the fixed/static fields",
                ),
            ],
        );
        let global = Global {
            victorops_api_key: Some(SecretSource::Inline(config::Secret::new("k".into()))),
            ..Global::default()
        };
        assert!(decoded(decode, "{routing_key: r}", &global).unwrap().sends_resolved());
    }
}
