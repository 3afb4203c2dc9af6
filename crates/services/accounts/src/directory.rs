//! Everybody who may come in: users, teams and service accounts with their tokens. It is one document, so that what
//! must hold over all of them (logins are unique, an administrator is left) holds whichever replica changes it.

use std::sync::Arc;

use model::Role;
use model::caller::{Caller, CallerKind};
use serde::{Deserialize, Serialize};

use crate::AccountsError;
use crate::secret;

/// Users at most.
pub const USERS_MAX: usize = 10_000;
/// Teams at most.
pub const TEAMS_MAX: usize = 2_000;
/// Service accounts at most.
pub const SERVICE_ACCOUNTS_MAX: usize = 2_000;
/// Tokens of a service account at most.
pub const TOKENS_MAX: usize = 100;
/// The longest login, name or address of mail.
pub const NAME_SIZE_MAX_BYTES: usize = 190;
/// The login of the first administrator.
pub const ADMINISTRATOR: &str = "admin";

/// Who vouches for a user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// We do, by a password.
    #[default]
    Local,
    /// An OpenID provider.
    Oidc,
    /// A proxy in front of us.
    Proxy,
}

/// Somebody with an account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct User {
    /// Number, for clients that need one.
    pub id: u64,
    /// Identifier that stays the same when the account is renamed.
    pub uid: String,
    /// What they log in with; unique without regard to case.
    pub login: String,
    /// Address of mail; empty if unknown, else unique.
    #[serde(default)]
    pub email: String,
    /// Name to show.
    #[serde(default)]
    pub name: String,
    /// What they may do.
    #[serde(with = "role")]
    pub role: Role,
    /// Whether they may not come in.
    #[serde(default)]
    pub is_disabled: bool,
    /// bcrypt hash of the password; none for those that others vouch for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_hash: Option<String>,
    /// Sessions of an earlier epoch have ended: it is raised when the password changes, or to log them out.
    #[serde(default)]
    pub epoch: u64,
    /// Who vouches for them.
    #[serde(default)]
    pub source: Source,
    /// Who they are to an OpenID provider: its issuer, `#`, their subject.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub subject: String,
    /// When the account was made, milliseconds since the epoch.
    pub created_ms: i64,
    /// When it was changed.
    pub updated_ms: i64,
}

/// Users that are given rights together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Team {
    /// Number, for clients that need one.
    pub id: u64,
    /// Identifier.
    pub uid: String,
    /// Unique name.
    pub name: String,
    /// Address of mail.
    #[serde(default)]
    pub email: String,
    /// Identifiers of users that were put into it here.
    #[serde(default)]
    pub members: Vec<String>,
    /// Identifiers of users that an identity provider put into it.
    #[serde(default)]
    pub synced: Vec<String>,
    /// When it was made.
    pub created_ms: i64,
    /// When it was changed.
    pub updated_ms: i64,
}

impl Team {
    /// Whether a user is in it.
    pub fn has(&self, uid: &str) -> bool {
        self.members.iter().chain(&self.synced).any(|member| member == uid)
    }
}

/// A program with an account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServiceAccount {
    /// Number, for clients that need one.
    pub id: u64,
    /// Identifier.
    pub uid: String,
    /// Unique name.
    pub name: String,
    /// What it may do.
    #[serde(with = "role")]
    pub role: Role,
    /// Whether its tokens do not count.
    #[serde(default)]
    pub is_disabled: bool,
    /// Its tokens.
    #[serde(default)]
    pub tokens: Vec<Token>,
    /// When it was made.
    pub created_ms: i64,
    /// When it was changed.
    pub updated_ms: i64,
}

impl ServiceAccount {
    /// What histories call it.
    pub fn login(&self) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
        format!("sa-{}-{}", self.id, self.name.chars().map(plain).collect::<String>())
    }
}

/// What a program shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Token {
    /// Number.
    pub id: u64,
    /// Name, unique in its account.
    pub name: String,
    /// SHA-256 of the token, in hexadecimal digits.
    pub digest: String,
    /// When it was made.
    pub created_ms: i64,
    /// From when on it does not count; never if `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at_ms: Option<i64>,
}

/// Everybody who may come in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Directory {
    /// The number that was given last.
    #[serde(default)]
    last_id: u64,
    /// Users.
    #[serde(default)]
    pub users: Vec<User>,
    /// Teams.
    #[serde(default)]
    pub teams: Vec<Team>,
    /// Service accounts.
    #[serde(default)]
    pub service_accounts: Vec<ServiceAccount>,
}

/// What is said of a user that is to be made or changed.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    /// Login; taken from the address of mail if it is empty.
    pub login: String,
    /// Address of mail.
    pub email: String,
    /// Name.
    pub name: String,
}

/// How somebody may be named by a client: by number or by identifier.
fn is(id: u64, uid: &str, named: &str) -> bool {
    uid == named || named.parse() == Ok(id)
}

fn same(a: &str, b: &str) -> bool {
    a.to_lowercase() == b.to_lowercase()
}

fn checked<'a>(text: &'a str, what: &str) -> Result<&'a str, AccountsError> {
    let text = text.trim();
    if text.len() > NAME_SIZE_MAX_BYTES || text.chars().any(char::is_control) {
        return Err(AccountsError::Input(format!(
            "{what} must have at most {NAME_SIZE_MAX_BYTES} bytes, none of them control characters"
        )));
    }
    Ok(text)
}

impl Directory {
    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// A user by number or identifier.
    pub fn user(&self, named: &str) -> Result<&User, AccountsError> {
        self.users.iter().find(|user| is(user.id, &user.uid, named)).ok_or(AccountsError::NotFound("user"))
    }

    /// The same, to be changed.
    pub fn user_mut(&mut self, named: &str) -> Result<&mut User, AccountsError> {
        let found = self.users.iter_mut().find(|user| is(user.id, &user.uid, named));
        found.ok_or(AccountsError::NotFound("user"))
    }

    /// A user by login alone.
    pub fn by_own_login(&self, login: &str) -> Option<&User> {
        self.users.iter().find(|user| same(&user.login, login))
    }

    /// A user by login, or else by address of mail.
    pub fn by_login(&self, login: &str) -> Option<&User> {
        let by_login = self.by_own_login(login);
        by_login.or_else(|| self.users.iter().find(|user| !user.email.is_empty() && same(&user.email, login)))
    }

    /// Makes a user.
    pub fn add_user(
        &mut self,
        profile: &Profile,
        role: Role,
        now_ms: i64,
    ) -> Result<&mut User, AccountsError> {
        if self.users.len() >= USERS_MAX {
            return Err(AccountsError::Conflict(format!(
                "there are {USERS_MAX} users, no more can be added"
            )));
        }
        let profile = self.profile(profile, None)?;
        let id = self.next_id();
        self.users.push(User {
            id,
            uid: secret::uid()?,
            login: profile.login,
            email: profile.email,
            name: profile.name,
            role,
            is_disabled: false,
            password_hash: None,
            epoch: 0,
            source: Source::Local,
            subject: String::new(),
            created_ms: now_ms,
            updated_ms: now_ms,
        });
        self.users.last_mut().ok_or(AccountsError::NotFound("user"))
    }

    /// Checks what is said of a user against all others.
    fn profile(&self, profile: &Profile, but: Option<&str>) -> Result<Profile, AccountsError> {
        let email = checked(&profile.email, "an address of mail")?.to_string();
        let mut login = checked(&profile.login, "a login")?.to_string();
        if login.is_empty() {
            login.clone_from(&email);
        }
        if login.is_empty() {
            return Err(AccountsError::Input("a user needs a login or an address of mail".into()));
        }
        if login.contains(':') {
            return Err(AccountsError::Input("a login must not have a colon".into()));
        }
        if same(&email, ADMINISTRATOR) && !same(&login, ADMINISTRATOR) {
            return Err(AccountsError::Input(format!(
                "{ADMINISTRATOR} is the login of the first administrator, and no address of mail"
            )));
        }
        let others = || self.users.iter().filter(|user| but != Some(&*user.uid));
        let is_taken = |text: &str| {
            !text.is_empty() && others().any(|user| same(&user.login, text) || same(&user.email, text))
        };
        if is_taken(&login) || is_taken(&email) {
            return Err(AccountsError::Conflict(format!(
                "user with login '{login}' or email '{email}' already exists"
            )));
        }
        Ok(Profile { login, email, name: checked(&profile.name, "a name")?.to_string() })
    }

    /// Changes what is said of a user; what is empty stays.
    pub fn set_profile(&mut self, named: &str, profile: &Profile, now_ms: i64) -> Result<(), AccountsError> {
        let before = self.user(named)?;
        let or = |new: &str, old: &str| if new.trim().is_empty() { old.to_string() } else { new.to_string() };
        let wanted = Profile {
            login: or(&profile.login, &before.login),
            email: or(&profile.email, &before.email),
            name: or(&profile.name, &before.name),
        };
        let profile = self.profile(&wanted, Some(&before.uid.clone()))?;
        let user = self.user_mut(named)?;
        (user.login, user.email, user.name) = (profile.login, profile.email, profile.name);
        user.updated_ms = now_ms;
        Ok(())
    }

    /// Gives a user another role.
    pub fn set_role(&mut self, named: &str, role: Role, now_ms: i64) -> Result<(), AccountsError> {
        self.keeping_an_administrator(|directory| {
            let user = directory.user_mut(named)?;
            (user.role, user.updated_ms) = (role, now_ms);
            Ok(())
        })
    }

    /// Gives a user the role that somebody else says they have. The last administrator stays one, whatever is said.
    pub fn set_role_unless_last(
        &mut self,
        named: &str,
        role: Role,
        now_ms: i64,
    ) -> Result<(), AccountsError> {
        let user = self.user(named)?;
        if user.role == role {
            return Ok(());
        }
        let before = user.clone();
        match self.set_role(named, role, now_ms) {
            Err(error @ AccountsError::LastAdministrator) => {
                tracing::warn!(%error, login = %before.login, "the role stays");
                *self.user_mut(named)? = before;
                Ok(())
            }
            other => other,
        }
    }

    /// Shuts a user out, which ends all sessions, or lets one in again.
    pub fn set_disabled(&mut self, named: &str, is_disabled: bool, now_ms: i64) -> Result<(), AccountsError> {
        self.keeping_an_administrator(|directory| {
            let user = directory.user_mut(named)?;
            (user.is_disabled, user.updated_ms) = (is_disabled, now_ms);
            user.epoch += u64::from(is_disabled);
            Ok(())
        })
    }

    /// Gives a user another password, which ends all sessions.
    pub fn set_password(&mut self, named: &str, hash: String, now_ms: i64) -> Result<(), AccountsError> {
        let user = self.user_mut(named)?;
        user.password_hash = Some(hash);
        user.epoch += 1;
        user.updated_ms = now_ms;
        Ok(())
    }

    /// Ends all sessions of a user.
    pub fn log_out(&mut self, named: &str) -> Result<(), AccountsError> {
        self.user_mut(named)?.epoch += 1;
        Ok(())
    }

    /// Removes a user, also from all teams.
    pub fn remove_user(&mut self, named: &str) -> Result<(), AccountsError> {
        self.keeping_an_administrator(|directory| {
            let uid = directory.user(named)?.uid.clone();
            directory.users.retain(|user| user.uid != uid);
            for team in &mut directory.teams {
                team.members.retain(|member| *member != uid);
                team.synced.retain(|member| *member != uid);
            }
            Ok(())
        })
    }

    /// Whether there is somebody who may change accounts.
    pub fn has_administrator(&self) -> bool {
        self.users.iter().any(|user| user.role == Role::Admin && !user.is_disabled)
    }

    /// Makes a change that must leave somebody who may change accounts, where there was somebody. One that failed must
    /// not be kept.
    fn keeping_an_administrator(
        &mut self,
        change: impl FnOnce(&mut Directory) -> Result<(), AccountsError>,
    ) -> Result<(), AccountsError> {
        let had_one = self.has_administrator();
        change(self)?;
        if had_one && !self.has_administrator() { Err(AccountsError::LastAdministrator) } else { Ok(()) }
    }

    /// The teams a user is in.
    pub fn teams_of<'a>(&'a self, uid: &'a str) -> impl Iterator<Item = &'a Team> {
        self.teams.iter().filter(move |team| team.has(uid))
    }

    /// A team by number or identifier.
    pub fn team(&self, named: &str) -> Result<&Team, AccountsError> {
        self.teams.iter().find(|team| is(team.id, &team.uid, named)).ok_or(AccountsError::NotFound("team"))
    }

    /// The same, to be changed.
    pub fn team_mut(&mut self, named: &str) -> Result<&mut Team, AccountsError> {
        let found = self.teams.iter_mut().find(|team| is(team.id, &team.uid, named));
        found.ok_or(AccountsError::NotFound("team"))
    }

    /// Makes a team.
    pub fn add_team(&mut self, name: &str, email: &str, now_ms: i64) -> Result<&mut Team, AccountsError> {
        if self.teams.len() >= TEAMS_MAX {
            return Err(AccountsError::Conflict(format!(
                "there are {TEAMS_MAX} teams, no more can be added"
            )));
        }
        let name = self.team_name(name, None)?;
        let email = checked(email, "an address of mail")?.to_string();
        let id = self.next_id();
        self.teams.push(Team {
            id,
            uid: secret::uid()?,
            name,
            email,
            members: Vec::new(),
            synced: Vec::new(),
            created_ms: now_ms,
            updated_ms: now_ms,
        });
        self.teams.last_mut().ok_or(AccountsError::NotFound("team"))
    }

    fn team_name(&self, name: &str, but: Option<&str>) -> Result<String, AccountsError> {
        let name = checked(name, "a name")?;
        if name.is_empty() {
            return Err(AccountsError::Input("a team needs a name".into()));
        }
        if self.teams.iter().any(|team| team.name == name && but != Some(&*team.uid)) {
            return Err(AccountsError::Conflict("team name is taken".into()));
        }
        Ok(name.to_string())
    }

    /// Renames a team; what is empty stays.
    pub fn set_team(
        &mut self,
        named: &str,
        name: &str,
        email: &str,
        now_ms: i64,
    ) -> Result<(), AccountsError> {
        let before = self.team(named)?;
        let name = if name.trim().is_empty() { before.name.clone() } else { name.to_string() };
        let name = self.team_name(&name, Some(&before.uid.clone()))?;
        let email = checked(email, "an address of mail")?.to_string();
        let team = self.team_mut(named)?;
        (team.name, team.email, team.updated_ms) = (name, email, now_ms);
        Ok(())
    }

    /// Puts a user into the teams of these names, which are made if need be, and takes them out of all others that
    /// their identity provider had put them in.
    pub fn sync_teams(&mut self, uid: &str, names: &[String], now_ms: i64) -> Result<(), AccountsError> {
        for team in &mut self.teams {
            let is_in = names.contains(&team.name);
            let was_in = team.synced.iter().any(|member| member == uid);
            match (was_in, is_in) {
                (false, true) => team.synced.push(uid.to_string()),
                (true, false) => team.synced.retain(|member| member != uid),
                _ => {}
            }
        }
        for name in names {
            if !self.teams.iter().any(|team| team.name == *name) {
                self.add_team(name, "", now_ms)?.synced.push(uid.to_string());
            }
        }
        Ok(())
    }

    /// A service account by number or identifier.
    pub fn service_account(&self, named: &str) -> Result<&ServiceAccount, AccountsError> {
        let found = self.service_accounts.iter().find(|account| is(account.id, &account.uid, named));
        found.ok_or(AccountsError::NotFound("service account"))
    }

    /// The same, to be changed.
    pub fn service_account_mut(&mut self, named: &str) -> Result<&mut ServiceAccount, AccountsError> {
        let found = self.service_accounts.iter_mut().find(|account| is(account.id, &account.uid, named));
        found.ok_or(AccountsError::NotFound("service account"))
    }

    /// Makes a service account.
    pub fn add_service_account(
        &mut self,
        name: &str,
        role: Role,
        now_ms: i64,
    ) -> Result<&mut ServiceAccount, AccountsError> {
        if self.service_accounts.len() >= SERVICE_ACCOUNTS_MAX {
            return Err(AccountsError::Conflict(format!(
                "there are {SERVICE_ACCOUNTS_MAX} service accounts"
            )));
        }
        let name = self.service_account_name(name, None)?;
        let id = self.next_id();
        self.service_accounts.push(ServiceAccount {
            id,
            uid: secret::uid()?,
            name,
            role,
            is_disabled: false,
            tokens: Vec::new(),
            created_ms: now_ms,
            updated_ms: now_ms,
        });
        self.service_accounts.last_mut().ok_or(AccountsError::NotFound("service account"))
    }

    /// Checks a service account's name.
    pub fn service_account_name(&self, name: &str, but: Option<&str>) -> Result<String, AccountsError> {
        let name = checked(name, "a name")?;
        if name.is_empty() {
            return Err(AccountsError::Input("a service account needs a name".into()));
        }
        if self.service_accounts.iter().any(|other| other.name == name && but != Some(&*other.uid)) {
            return Err(AccountsError::Conflict("service account already exists".into()));
        }
        Ok(name.to_string())
    }

    /// Makes a token of a service account, and gives its number.
    pub fn add_token(
        &mut self,
        named: &str,
        name: &str,
        digest: String,
        now_ms: i64,
        lifetime_s: Option<i64>,
    ) -> Result<u64, AccountsError> {
        let name = checked(name, "a name")?.to_string();
        if name.is_empty() {
            return Err(AccountsError::Input("a token needs a name".into()));
        }
        let id = self.last_id + 1;
        let account = self.service_account_mut(named)?;
        if account.tokens.len() >= TOKENS_MAX {
            return Err(AccountsError::Conflict(format!("the service account has {TOKENS_MAX} tokens")));
        }
        if account.tokens.iter().any(|token| token.name == name) {
            return Err(AccountsError::Conflict("a token of this name already exists".into()));
        }
        let lifetime_ms = lifetime_s.map(|seconds| seconds.saturating_mul(1_000));
        let expires_at_ms = lifetime_ms.map(|lifetime_ms| now_ms.saturating_add(lifetime_ms));
        account.tokens.push(Token { id, name, digest, created_ms: now_ms, expires_at_ms });
        self.last_id = id;
        Ok(id)
    }

    /// How services see a user.
    pub fn caller(&self, user: &User) -> Caller {
        let mut teams: Vec<Arc<str>> = self.teams_of(&user.uid).map(|team| (*team.uid).into()).collect();
        teams.sort();
        Caller {
            uid: (*user.uid).into(),
            login: (*user.login).into(),
            kind: CallerKind::User,
            role: user.role,
            teams: teams.into(),
        }
    }
}

impl ServiceAccount {
    /// How services see it.
    pub fn caller(&self) -> Caller {
        Caller {
            uid: (*self.uid).into(),
            login: self.login().into(),
            kind: CallerKind::ServiceAccount,
            role: self.role,
            teams: Arc::new([]),
        }
    }
}

/// Roles in documents, as people write them.
mod role {
    use model::Role;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(role: &Role, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(role.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Role, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(login: &str) -> Profile {
        Profile { login: login.into(), ..Profile::default() }
    }

    #[test]
    fn logins_are_unique_whatever_their_case() {
        let mut directory = Directory::default();
        directory.add_user(&profile("Ada"), Role::Admin, 1).unwrap();
        assert!(matches!(
            directory.add_user(&profile("ada"), Role::Viewer, 1),
            Err(AccountsError::Conflict(_))
        ));
        let by_mail = Profile { email: "ADA".into(), login: "x".into(), ..Profile::default() };
        assert!(directory.add_user(&by_mail, Role::Viewer, 1).is_err());
        for wrong in ["", "a:b", "a\nb", &"x".repeat(NAME_SIZE_MAX_BYTES + 1)] {
            assert!(matches!(
                directory.add_user(&profile(wrong), Role::Viewer, 1),
                Err(AccountsError::Input(_))
            ));
        }
        assert_eq!(directory.by_login("ADA").map(|user| user.id), Some(1));
    }

    #[test]
    fn an_administrator_is_always_left() {
        let mut directory = Directory::default();
        directory.add_user(&profile("a"), Role::Admin, 1).unwrap();
        directory.add_user(&profile("b"), Role::Admin, 1).unwrap();
        directory.set_disabled("1", true, 2).unwrap();
        for change in [
            |d: &mut Directory| d.set_role("2", Role::Editor, 3),
            |d: &mut Directory| d.set_disabled("2", true, 3),
            |d: &mut Directory| d.remove_user("2"),
        ] {
            assert_eq!(change(&mut directory.clone()), Err(AccountsError::LastAdministrator));
        }
        directory.remove_user("1").unwrap();
    }

    #[test]
    fn teams_of_a_provider_come_and_go_and_those_made_here_stay() {
        let mut directory = Directory::default();
        let uid = directory.add_user(&profile("a"), Role::Admin, 1).unwrap().uid.clone();
        directory.add_team("own", "", 1).unwrap().members.push(uid.clone());
        directory.sync_teams(&uid, &["ops".into(), "own".into()], 2).unwrap();
        assert_eq!(directory.teams_of(&uid).count(), 2);
        directory.sync_teams(&uid, &[], 3).unwrap();
        assert_eq!(directory.teams_of(&uid).map(|team| &*team.name).collect::<Vec<_>>(), ["own"]);
        directory.add_user(&profile("b"), Role::Admin, 1).unwrap();
        directory.remove_user(&uid).unwrap();
        assert_eq!(directory.teams_of(&uid).count(), 0);
    }

    #[test]
    fn it_is_read_as_it_is_written() {
        let mut directory = Directory::default();
        directory.add_user(&profile("a"), Role::Editor, 1).unwrap();
        directory.add_service_account("Deploy Bot", Role::Viewer, 1).unwrap();
        let id = directory.add_token("2", "t", "d".into(), 5, Some(60)).unwrap();
        assert_eq!((id, directory.service_accounts[0].login()), (3, "sa-2-deploy-bot".into()));
        assert_eq!(directory.service_accounts[0].tokens[0].expires_at_ms, Some(60_005));
        let text = serde_json::to_string(&directory).unwrap();
        assert_eq!(serde_json::from_str::<Directory>(&text).unwrap(), directory);
    }
}
