//! Owns who may come in and as whom: users, teams, service accounts, passwords, sessions, tokens, sign-in by OpenID
//! Connect or a proxy, throttling of attempts, the audit log.
//!
//! Must not know what the routes it guards do: which role each needs is told by `roles`.
