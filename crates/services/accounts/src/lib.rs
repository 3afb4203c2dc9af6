//! Owns who may come in and as whom: users, teams, service accounts, passwords, sessions, tokens, sign-in by OpenID
//! Connect or a proxy, throttling of attempts, the audit log.
//!
//! Must not know what the routes it guards do: which role each needs is told by `roles`.

pub mod access;
mod accounts;
mod administration;
mod api;
mod audit;
pub mod directory;
mod error;
mod first_start;
mod guard;
mod in_force;
mod login;
mod metrics;
mod oidc;
mod password;
mod refusal;
mod secret;
mod session;
mod settings;
mod store;
mod throttle;

pub use access::{Access, Table};
pub use accounts::{Accounts, Announce, Deps, Named};
pub use administration::Administration;
pub use error::AccountsError;
pub use guard::{Guard, address_of};
pub use settings::{
    Cidr, OidcSettings, Overrides, ProxySettings, RoleRule, Settings, Surroundings, parse_anonymous_role,
};
