//! The settings in force with what is made from them. A reload puts others in their place, in one step.

use std::net::IpAddr;

use base::Clock;

use crate::oidc::Oidc;
use crate::{AccountsError, Settings, Surroundings, first_start};

/// Settings that have been looked through, and what is made from them.
pub(crate) struct InForce {
    pub(crate) settings: Settings,
    pub(crate) oidc: Option<Oidc>,
    /// Whether who sits at this machine need not say who they are.
    pub(crate) is_local: bool,
}

impl InForce {
    /// A mistake in the settings is told here, not when they are needed.
    pub(crate) async fn new(
        settings: Settings,
        at: &Surroundings,
        clock: &Clock,
    ) -> Result<InForce, AccountsError> {
        first_start::told_password(settings.admin_password.as_ref()).await?;
        let oidc = settings.oidc.clone().map(|oidc| Oidc::new(oidc, at, clock.clone())).transpose()?;
        // A proxy or a provider is set up for people who come from elsewhere.
        let is_for_others = settings.require_login || settings.proxy.is_some() || settings.oidc.is_some();
        Ok(InForce { is_local: at.is_local && !is_for_others, settings, oidc })
    }

    /// The provider, where there is one.
    pub(crate) fn oidc(&self) -> Result<&Oidc, AccountsError> {
        self.oidc.as_ref().ok_or(AccountsError::NotFound("OpenID provider"))
    }

    /// Whether headers of this peer count.
    pub(crate) fn is_proxy(&self, peer: IpAddr) -> bool {
        let proxy = self.settings.proxy.as_ref();
        proxy.is_some_and(|proxy| proxy.trusted.iter().any(|cidr| cidr.contains(peer)))
    }
}
