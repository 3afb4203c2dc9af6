//! Who asks, and what they may do: how the service that knows people tells the services that keep something
//! for them. A request that passed the guard carries its [`Caller`] as an extension; where there is no guard,
//! as in a stand-in for Prometheus, there is none, and [`Caller::local`] stands for whoever asks.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// What somebody may do; each may do all that those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Knows that the server is there, no more. Folders may still be opened to them by name.
    None,
    /// Looks: dashboards, queries, alerts.
    Viewer,
    /// Changes what people work with: dashboards, silences, acknowledgements; pushes data.
    Editor,
    /// Changes the server: users, data sources, stored series.
    Admin,
}

impl Role {
    /// As people and Grafana's API write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::None => "None",
            Role::Viewer => "Viewer",
            Role::Editor => "Editor",
            Role::Admin => "Admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Role, String> {
        [Role::None, Role::Viewer, Role::Editor, Role::Admin]
            .into_iter()
            .find(|role| role.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| format!("{text:?} is no role: it must be None, Viewer, Editor or Admin"))
    }
}

/// What kind of caller it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallerKind {
    /// Somebody with an account.
    User,
    /// A program with a token.
    ServiceAccount,
    /// Nobody in particular, let in by settings.
    Anonymous,
    /// Whoever sits at this machine, while the server listens on loopback only.
    Local,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Stays the same when the account is renamed; empty for [`CallerKind::Anonymous`] and [`CallerKind::Local`].
    pub uid: Arc<str>,
    /// What they log in with, or who to show in histories.
    pub login: Arc<str>,
    /// What kind of caller it is.
    pub kind: CallerKind,
    /// What they may do where nothing else is said.
    pub role: Role,
    /// Identifiers of the teams they are in, sorted.
    pub teams: Arc<[Arc<str>]>,
}

impl Caller {
    /// Whoever asks a server that does not tell people apart.
    pub fn local() -> Caller {
        Caller {
            uid: "".into(),
            login: "local".into(),
            kind: CallerKind::Local,
            role: Role::Admin,
            teams: Arc::new([]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_read_as_they_are_written_and_contain_each_other() {
        for role in [Role::None, Role::Viewer, Role::Editor, Role::Admin] {
            assert_eq!(role.to_string().to_lowercase().parse(), Ok(role));
        }
        assert!(Role::Admin > Role::Editor && Role::Editor > Role::Viewer && Role::Viewer > Role::None);
        assert!("root".parse::<Role>().is_err());
    }
}
