//! The `global` section: what receivers fall back to.

use std::sync::Arc;

use config::http_client::{PathBase, TlsConfig, tls};
use config::{HttpClientConfig, Node, Result, Secret};

use super::RESOLVE_TIMEOUT_MS;
use crate::receivers::SecretSource;
use crate::receivers::decode::{http_url, secret_url};

/// The `global` section. URLs end with a slash where the kind appends a path.
#[derive(Clone, Debug)]
pub struct Global {
    /// How long an alert without an end counts as firing after it was last heard of.
    pub resolve_timeout_ms: i64,
    /// How HTTP receivers are reached unless they say.
    pub http: Arc<HttpClientConfig>,
    /// Mail.
    pub smtp: Smtp,
    /// The base URL of Jira.
    pub jira_api_url: Option<String>,
    /// Slack's webhook.
    pub slack_api_url: Option<SecretSource>,
    /// Slack's bot token, as `Bearer` credentials.
    pub slack_app_token: Option<SecretSource>,
    /// Where a message with a bot token is posted.
    pub slack_app_url: String,
    /// PagerDuty's events API.
    pub pagerduty_url: String,
    /// OpsGenie's API.
    pub opsgenie_api_url: String,
    /// OpsGenie's key.
    pub opsgenie_api_key: Option<SecretSource>,
    /// WeChat's API.
    pub wechat_api_url: String,
    /// WeChat's secret.
    pub wechat_api_secret: Option<SecretSource>,
    /// WeChat's corporation.
    pub wechat_api_corp_id: String,
    /// VictorOps's API.
    pub victorops_api_url: String,
    /// VictorOps's key.
    pub victorops_api_key: Option<SecretSource>,
    /// Telegram's API.
    pub telegram_api_url: String,
    /// Telegram's bot token.
    pub telegram_bot_token: Option<SecretSource>,
    /// Webex's API.
    pub webex_api_url: String,
    /// Rocket.Chat's API.
    pub rocketchat_api_url: String,
    /// Rocket.Chat's token.
    pub rocketchat_token: Option<SecretSource>,
    /// Rocket.Chat's token's number.
    pub rocketchat_token_id: Option<SecretSource>,
    /// Mattermost's webhook.
    pub mattermost_webhook_url: Option<SecretSource>,
}

/// What mail falls back to.
#[derive(Clone, Debug)]
pub struct Smtp {
    /// The sender.
    pub from: String,
    /// The name we greet with.
    pub hello: String,
    /// The server, `host:port`.
    pub smarthost: String,
    /// The user for PLAIN and LOGIN.
    pub auth_username: String,
    /// Its password.
    pub auth_password: Option<SecretSource>,
    /// The secret for CRAM-MD5.
    pub auth_secret: Option<SecretSource>,
    /// The identity for PLAIN.
    pub auth_identity: String,
    /// Whether STARTTLS is required.
    pub require_tls: bool,
    /// How TLS is done.
    pub tls: TlsConfig,
    /// TLS from the first byte on; by default on port 465.
    pub force_implicit_tls: Option<bool>,
}

fn exclusive(name: &str, file: &str) -> String {
    format!("at most one of {name} & {file} must be configured")
}

impl Default for Global {
    fn default() -> Self {
        Global {
            resolve_timeout_ms: RESOLVE_TIMEOUT_MS,
            http: Arc::default(),
            smtp: Smtp::default(),
            jira_api_url: None,
            slack_api_url: None,
            slack_app_token: None,
            slack_app_url: "https://slack.com/api/chat.postMessage".into(),
            pagerduty_url: "https://events.pagerduty.com/v2/enqueue".into(),
            opsgenie_api_url: "https://api.opsgenie.com/".into(),
            opsgenie_api_key: None,
            wechat_api_url: "https://qyapi.weixin.qq.com/cgi-bin/".into(),
            wechat_api_secret: None,
            wechat_api_corp_id: String::new(),
            victorops_api_url: "https://alert.victorops.com/integrations/generic/20131114/alert/".into(),
            victorops_api_key: None,
            telegram_api_url: "https://api.telegram.org".into(),
            telegram_bot_token: None,
            webex_api_url: "https://webexapis.com/v1/messages".into(),
            rocketchat_api_url: "https://open.rocket.chat/".into(),
            rocketchat_token: None,
            rocketchat_token_id: None,
            mattermost_webhook_url: None,
        }
    }
}

impl Default for Smtp {
    fn default() -> Self {
        Smtp {
            from: String::new(),
            hello: "localhost".into(),
            smarthost: String::new(),
            auth_username: String::new(),
            auth_password: None,
            auth_secret: None,
            auth_identity: String::new(),
            require_tls: true,
            tls: TlsConfig::default(),
            force_implicit_tls: None,
        }
    }
}

impl Global {
    pub(super) fn decode(node: &Node, base: &PathBase) -> Result<Global> {
        let default = Global::default();
        let mut taken = node.fields("config.plain")?;
        let fields = &mut taken;
        macro_rules! secret {
            ($name:literal, $file:literal) => {
                SecretSource::take(fields, base, ($name, $file), &exclusive($name, $file))?
            };
        }
        macro_rules! url {
            ($name:literal, $default:expr) => {
                fields.or($name, $default, http_url)?
            };
        }
        macro_rules! secret_url {
            ($name:literal, $file:literal) => {
                secret_url(fields, base, ($name, $file))?
            };
        }
        macro_rules! text {
            ($name:literal, $default:expr) => {
                fields.or($name, $default, Node::string)?
            };
        }
        let global = Global {
            resolve_timeout_ms: fields.or("resolve_timeout", RESOLVE_TIMEOUT_MS, Node::duration_ms)?,
            http: fields
                .or("http_config", HttpClientConfig::default(), |node| HttpClientConfig::decode(node, base))?
                .into(),
            smtp: Smtp {
                from: text!("smtp_from", default.smtp.from),
                hello: text!("smtp_hello", default.smtp.hello),
                smarthost: fields.or("smtp_smarthost", default.smtp.smarthost, host_port)?,
                auth_username: text!("smtp_auth_username", default.smtp.auth_username),
                auth_password: secret!("smtp_auth_password", "smtp_auth_password_file"),
                auth_secret: secret!("smtp_auth_secret", "smtp_auth_secret_file"),
                auth_identity: text!("smtp_auth_identity", default.smtp.auth_identity),
                require_tls: fields.or("smtp_require_tls", true, Node::boolean)?,
                tls: fields.or("smtp_tls_config", TlsConfig::default(), |node| tls(node, base))?,
                force_implicit_tls: fields.optional("smtp_force_implicit_tls", Node::boolean)?,
            },
            jira_api_url: fields.optional("jira_api_url", http_url)?,
            slack_api_url: secret_url!("slack_api_url", "slack_api_url_file"),
            slack_app_token: secret!("slack_app_token", "slack_app_token_file"),
            slack_app_url: url!("slack_app_url", default.slack_app_url),
            pagerduty_url: url!("pagerduty_url", default.pagerduty_url),
            opsgenie_api_url: url!("opsgenie_api_url", default.opsgenie_api_url),
            opsgenie_api_key: secret!("opsgenie_api_key", "opsgenie_api_key_file"),
            wechat_api_url: url!("wechat_api_url", default.wechat_api_url),
            wechat_api_secret: secret!("wechat_api_secret", "wechat_api_secret_file"),
            wechat_api_corp_id: text!("wechat_api_corp_id", default.wechat_api_corp_id),
            victorops_api_url: url!("victorops_api_url", default.victorops_api_url),
            victorops_api_key: secret!("victorops_api_key", "victorops_api_key_file"),
            telegram_api_url: url!("telegram_api_url", default.telegram_api_url),
            telegram_bot_token: secret!("telegram_bot_token", "telegram_bot_token_file"),
            webex_api_url: url!("webex_api_url", default.webex_api_url),
            rocketchat_api_url: url!("rocketchat_api_url", default.rocketchat_api_url),
            rocketchat_token: secret!("rocketchat_token", "rocketchat_token_file"),
            rocketchat_token_id: secret!("rocketchat_token_id", "rocketchat_token_id_file"),
            mattermost_webhook_url: secret_url!("mattermost_webhook_url", "mattermost_webhook_url_file"),
        };
        if global.slack_app_token.is_some() {
            // Someone who set both to the same address before there were tokens may keep it so.
            let same = SecretSource::Inline(Secret::new(global.slack_app_url.clone()));
            if global.slack_api_url.as_ref().is_some_and(|url| *url != same) {
                return Err(fields.error(
                    "at most one of slack_app_token/slack_app_token_file & slack_api_url/slack_api_url_file must be configured",
                ));
            }
        }
        taken.finish()?;
        Ok(global)
    }
}

/// `HOST:PORT`, or nothing.
fn host_port(node: &Node) -> Result<String> {
    let text = node.string()?;
    let (host, port) = match text.rsplit_once(':') {
        _ if text.is_empty() => return Ok(text),
        Some(parts) => parts,
        None => return Err(node.error(format!("address {text}: missing port in address"))),
    };
    if host.contains(':') && !(host.starts_with('[') && host.ends_with(']')) {
        return Err(node.error(format!("address {text}: too many colons in address")));
    }
    if port.is_empty() {
        return Err(node.error(format!("address {text:?}: port cannot be empty")));
    }
    Ok(text)
}
