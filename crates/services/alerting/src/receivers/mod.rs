//! The kinds of receivers: one file each, with its settings, its messages and its limits.
//!
//! A kind is a [`Notifier`] and a line in [`KINDS`]. It gets a [`Delivery`], makes its message with
//! the templates, sends it once, and says how that went. Trying again is the dispatcher's affair.

pub mod answer;
mod attachment;
mod channel;
pub(crate) mod decode;
pub mod discord;
pub mod email;
mod exchange;
pub mod incidentio;
pub mod jira;
pub mod mattermost;
pub mod msteams;
pub mod msteamsv2;
pub mod opsgenie;
pub mod pagerduty;
pub mod pushover;
pub mod rocketchat;
mod secret;
pub mod slack;
pub mod sns;
pub mod telegram;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
pub(crate) mod text;
pub(crate) mod tree;
pub mod victorops;
pub mod webex;
pub mod webhook;
pub mod wechat;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use config::http_client::PathBase;
use config::{Fields, HttpClientConfig, Node, Result};

use tokio::runtime::RuntimeFlavor;

use crate::dispatch::Outcome;
use crate::notification::Notification;
use crate::settings::Global;
use crate::template::{Data, Templates};
use crate::transport::Transport;
pub use secret::SecretSource;

/// How we introduce ourselves.
pub const USER_AGENT: &str = concat!("Promontory/", env!("CARGO_PKG_VERSION"));

/// What an integration must know of a group's last notification to go on with it, such as the
/// number of a message that is to be updated. Kept with the ledger, so it outlives restarts.
pub type Memory = BTreeMap<String, String>;

/// An attempt under way.
pub type Attempt<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// One way to tell a receiver, with its settings.
pub trait Notifier: Debug + Send + Sync {
    /// The kind's name, as metrics have it: `webhook`.
    fn kind(&self) -> &'static str;

    /// Whether it hears of alerts that ended.
    fn sends_resolved(&self) -> bool;

    /// How long one attempt may take by its own settings; 0 if they do not say.
    fn timeout_ms(&self) -> i64 {
        0
    }

    /// Tells the receiver once, within `delivery.timeout`.
    fn notify<'a>(&'a self, delivery: &'a Delivery<'a>) -> Attempt<'a>;
}

/// A notification on its way, and what is needed to send it.
pub struct Delivery<'a> {
    /// What to tell.
    pub notification: &'a Notification,
    /// The same as templates see it.
    pub data: &'a Data,
    /// The templates of the configuration.
    pub templates: &'a Templates,
    /// How HTTP requests leave.
    pub transport: &'a dyn Transport,
    /// The time, in ms since 1970.
    pub now_ms: i64,
    /// How long the attempt may take.
    pub timeout: Duration,
}

impl Delivery<'_> {
    /// Expands a template of the settings. The failure is one that no further attempt mends.
    pub fn text(&self, template: &str) -> std::result::Result<String, Outcome> {
        let expanded = aside(template, || self.templates.text(template, self.data));
        expanded.map_err(|error| answer::refused("other", error))
    }

    /// Expands a template of the settings to a page: values are escaped for where they stand.
    pub fn html(&self, template: &str) -> std::result::Result<String, Outcome> {
        let expanded = aside(template, || self.templates.html(template, self.data));
        expanded.map_err(|error| answer::refused("other", error))
    }
}

/// Expands a template where it holds up nobody: one may run for seconds before it meets its limits.
fn aside<T>(template: &str, expand: impl FnOnce() -> T) -> T {
    let runtime = tokio::runtime::Handle::try_current().map(|runtime| runtime.runtime_flavor());
    match runtime {
        Ok(RuntimeFlavor::MultiThread) if template.contains("{{") => tokio::task::block_in_place(expand),
        _ => expand(),
    }
}

/// What settings of a kind are decoded with.
pub struct Context<'a> {
    /// What paths are relative to.
    pub base: &'a PathBase,
    /// The `global` section.
    pub global: &'a Global,
}

impl Context<'_> {
    /// Takes `http_config`, which falls back to the global one.
    pub fn http(&self, fields: &mut Fields<'_>) -> Result<Arc<HttpClientConfig>> {
        let own = fields.optional("http_config", |node| HttpClientConfig::decode(node, self.base))?;
        Ok(own.map_or_else(|| self.global.http.clone(), Arc::new))
    }
}

/// Decodes one entry of a kind's list.
pub type Decode = fn(&Node, &Context<'_>) -> Result<Arc<dyn Notifier>>;

/// A kind: the field of a receiver that lists its entries, what an error about an entry calls it,
/// and how an entry is decoded.
pub struct Kind {
    /// `webhook_configs`.
    pub field: &'static str,
    /// `webhook config`.
    pub what: &'static str,
    /// Decodes an entry.
    pub decode: Decode,
}

/// All kinds, in the order in which a receiver's integrations are told and numbered.
pub const KINDS: &[Kind] = &[
    Kind { field: "webhook_configs", what: "webhook config", decode: webhook::decode },
    Kind { field: "email_configs", what: "email config", decode: email::decode },
    Kind { field: "pagerduty_configs", what: "pagerduty config", decode: pagerduty::decode },
    Kind { field: "opsgenie_configs", what: "opsgenie config", decode: opsgenie::decode },
    Kind { field: "wechat_configs", what: "wechat config", decode: wechat::decode },
    Kind { field: "slack_configs", what: "slack config", decode: slack::decode },
    Kind { field: "victorops_configs", what: "victorops config", decode: victorops::decode },
    Kind { field: "pushover_configs", what: "pushover config", decode: pushover::decode },
    Kind { field: "sns_configs", what: "sns config", decode: sns::decode },
    Kind { field: "telegram_configs", what: "telegram config", decode: telegram::decode },
    Kind { field: "discord_configs", what: "discord config", decode: discord::decode },
    Kind { field: "webex_configs", what: "webex config", decode: webex::decode },
    Kind { field: "msteams_configs", what: "msteams config", decode: msteams::decode },
    Kind { field: "msteamsv2_configs", what: "msteamsv2 config", decode: msteamsv2::decode },
    Kind { field: "jira_configs", what: "jira config", decode: jira::decode },
    Kind { field: "incidentio_configs", what: "incidentio config", decode: incidentio::decode },
    Kind { field: "rocketchat_configs", what: "rocketchat config", decode: rocketchat::decode },
    Kind { field: "mattermost_configs", what: "mattermost config", decode: mattermost::decode },
];
