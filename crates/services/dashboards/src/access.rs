//! Who may do what with a folder and what is in it.

use std::sync::Arc;

use model::{Caller, Role};
use serde::{Deserialize, Serialize};

/// What somebody may do; each may do all that those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "u8", try_from = "u8")]
pub enum Permission {
    /// See it.
    View,
    /// Change it, and what is in it.
    Edit,
    /// Say who may do what with it.
    Admin,
}

impl From<Permission> for u8 {
    fn from(permission: Permission) -> u8 {
        match permission {
            Permission::View => 1,
            Permission::Edit => 2,
            Permission::Admin => 4,
        }
    }
}

impl TryFrom<u8> for Permission {
    type Error = String;

    fn try_from(number: u8) -> Result<Permission, String> {
        match number {
            1 => Ok(Permission::View),
            2 => Ok(Permission::Edit),
            4 => Ok(Permission::Admin),
            other => Err(format!("{other} is no permission: it must be 1 (View), 2 (Edit) or 4 (Admin)")),
        }
    }
}

impl Permission {
    /// As people write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Permission::View => "View",
            Permission::Edit => "Edit",
            Permission::Admin => "Admin",
        }
    }
}

/// Whom a grant is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Subject {
    /// Everybody who has at least this role: `Viewer` or `Editor`.
    Role(Arc<str>),
    /// A user or service account, by [`Caller::uid`].
    User(Arc<str>),
    /// A team, by the identifier that [`Caller::teams`] has.
    Team(Arc<str>),
}

/// One line of a list of permissions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// For whom.
    #[serde(flatten)]
    pub to: Subject,
    /// What they may do.
    pub permission: Permission,
}

impl Grant {
    /// What holds where nobody said anything: viewers view, editors edit.
    pub fn defaults() -> Vec<Grant> {
        let role = |role: Role, permission| Grant { to: Subject::Role(role.as_str().into()), permission };
        vec![role(Role::Viewer, Permission::View), role(Role::Editor, Permission::Edit)]
    }

    fn is_for(&self, caller: &Caller) -> bool {
        match &self.to {
            Subject::Role(role) => {
                role.parse::<Role>().is_ok_and(|role| role > Role::None && caller.role >= role)
            }
            Subject::User(uid) => !uid.is_empty() && *uid == caller.uid,
            Subject::Team(team) => caller.teams.contains(team),
        }
    }
}

/// What a caller may do with something. `chain` has the list of grants of the thing itself, if it has one of its
/// own, then those of the folders around it from the inside to the outside. All lists count; where the outermost
/// has none, the defaults stand in its place. Administrators may do everything.
pub fn permission<'a>(
    caller: &Caller,
    chain: impl IntoIterator<Item = Option<&'a [Grant]>>,
) -> Option<Permission> {
    if caller.role == Role::Admin {
        return Some(Permission::Admin);
    }
    let best = |grants: &[Grant]| {
        grants.iter().filter(|grant| grant.is_for(caller)).map(|grant| grant.permission).max()
    };
    let mut found = None;
    let mut outermost_is_silent = true;
    for grants in chain {
        found = found.max(grants.and_then(best));
        outermost_is_silent = grants.is_none();
    }
    if outermost_is_silent { found.max(best(&Grant::defaults())) } else { found }
}

#[cfg(test)]
mod tests {
    use model::CallerKind;

    use super::*;

    fn caller(uid: &str, role: Role, teams: &[&str]) -> Caller {
        Caller {
            uid: uid.into(),
            login: uid.into(),
            kind: CallerKind::User,
            role,
            teams: teams.iter().map(|team| Arc::from(*team)).collect::<Vec<_>>().into(),
        }
    }

    fn grants(list: &[(&str, &str, u8)]) -> Vec<Grant> {
        let grant = |(kind, name, permission): &(&str, &str, u8)| Grant {
            to: match *kind {
                "role" => Subject::Role((*name).into()),
                "user" => Subject::User((*name).into()),
                _ => Subject::Team((*name).into()),
            },
            permission: Permission::try_from(*permission).unwrap(),
        };
        list.iter().map(grant).collect()
    }

    #[test]
    fn who_may_do_what() {
        use Permission::{Admin, Edit, View};
        let own = grants(&[("user", "ann", 2), ("team", "ops", 4)]);
        let closed = grants(&[]);
        let viewers = grants(&[("role", "Viewer", 1)]);
        let viewers_edit = grants(&[("role", "Viewer", 2)]);
        let chains: [(&str, Vec<Option<&[Grant]>>); 7] = [
            ("root", vec![]),
            ("folder", vec![None]),
            ("own list", vec![Some(&own)]),
            ("closed", vec![Some(&closed)]),
            ("inside own list", vec![None, Some(&own)]),
            ("opened for editing inside", vec![Some(&viewers_edit), Some(&viewers)]),
            ("own list inside of defaults", vec![Some(&own), None]),
        ];
        let people: [(Caller, [Option<Permission>; 7]); 6] = [
            (caller("root", Role::Admin, &[]), [Some(Admin); 7]),
            (
                caller("ed", Role::Editor, &[]),
                [Some(Edit), Some(Edit), None, None, None, Some(Edit), Some(Edit)],
            ),
            (
                caller("vi", Role::Viewer, &[]),
                [Some(View), Some(View), None, None, None, Some(Edit), Some(View)],
            ),
            (
                caller("ann", Role::Viewer, &[]),
                [Some(View), Some(View), Some(Edit), None, Some(Edit), Some(Edit), Some(Edit)],
            ),
            (
                caller("bob", Role::None, &["dev", "ops"]),
                [None, None, Some(Admin), None, Some(Admin), None, Some(Admin)],
            ),
            (caller("", Role::None, &[]), [None; 7]),
        ];
        for (who, expected) in &people {
            for ((what, chain), expected) in chains.iter().zip(expected) {
                assert_eq!(permission(who, chain.iter().copied()), *expected, "{} {what}", who.uid);
            }
        }
    }

    #[test]
    fn grants_are_kept_as_short_objects() {
        let list = grants(&[("role", "Viewer", 1), ("user", "u1", 2), ("team", "t", 4)]);
        let text = serde_json::to_string(&list).unwrap();
        assert_eq!(
            text,
            r#"[{"role":"Viewer","permission":1},{"user":"u1","permission":2},{"team":"t","permission":4}]"#
        );
        assert_eq!(serde_json::from_str::<Vec<Grant>>(&text).unwrap(), list);
        assert!(serde_json::from_str::<Vec<Grant>>(r#"[{"role":"Viewer","permission":3}]"#).is_err());
    }
}
