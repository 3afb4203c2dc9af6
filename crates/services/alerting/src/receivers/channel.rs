//! Channels that are told by posting to an address that is their secret: Discord, both kinds of Teams.

use std::sync::Arc;

use config::{Fields, HttpClientConfig, Node, Result};

use super::answer::outcome_of;
use super::decode::secret_url;
use super::exchange::JSON;
use super::{Context, Delivery, SecretSource};
use crate::dispatch::Outcome;

/// Where a channel is, and whether it hears of ends.
#[derive(Clone, Debug)]
pub(super) struct Channel {
    pub(super) send_resolved: bool,
    pub(super) http: Arc<HttpClientConfig>,
    url: SecretSource,
}

impl Channel {
    /// Takes the settings that all of these kinds have.
    pub(super) fn take(fields: &mut Fields<'_>, context: &Context<'_>) -> Result<Channel> {
        let (send_resolved, http) = (fields.or("send_resolved", true, Node::boolean)?, context.http(fields)?);
        let url = secret_url(fields, context.base, ("webhook_url", "webhook_url_file"))?
            .ok_or_else(|| fields.error("one of webhook_url or webhook_url_file must be configured"))?;
        Ok(Channel { send_resolved, http, url })
    }

    /// Posts a message.
    pub(super) async fn post(
        &self,
        delivery: &Delivery<'_>,
        body: String,
    ) -> std::result::Result<Outcome, Outcome> {
        let url = delivery.secret(&self.url, "webhook_url_file").await?;
        Ok(outcome_of(delivery.post(&self.http, url, JSON, body).await, &[]))
    }
}
