//! Accounts without a server: looked at and changed where they are kept, also while a server uses them.

use base::Clock;
use model::Role;
use state::State;

use crate::directory::{Profile, Source, User};
use crate::password::Passwords;
use crate::store::Store;
use crate::{AccountsError, Settings, secret};

/// The accounts of a state.
pub struct Administration {
    store: Store,
    passwords: Passwords,
    clock: Clock,
}

impl Administration {
    /// The accounts that a state keeps.
    pub fn new(state: State, clock: Clock) -> Result<Administration, AccountsError> {
        let passwords = Passwords::new(Settings::default().hash_cost)?;
        Ok(Administration { store: Store::new(state), passwords, clock })
    }

    /// All users.
    pub async fn users(&self) -> Result<Vec<User>, AccountsError> {
        Ok(self.store.refresh().await?.directory.users.clone())
    }

    /// Makes a user, and gives the password: the one that is told, or one that is made.
    pub async fn add(
        &self,
        profile: &Profile,
        role: Role,
        password: Option<String>,
    ) -> Result<String, AccountsError> {
        let (password, hash) = self.password(password).await?;
        let now_ms = self.clock.now_ms();
        self.store
            .change(|directory| {
                directory.add_user(profile, role, now_ms)?.password_hash = Some(hash.clone());
                Ok(())
            })
            .await?;
        Ok(password)
    }

    /// Gives a user another role.
    pub async fn set_role(&self, login: &str, role: Role) -> Result<(), AccountsError> {
        let now_ms = self.clock.now_ms();
        self.store
            .change(|directory| {
                let user = directory.by_login(login).ok_or(AccountsError::NotFound("user"))?;
                let uid = user.uid.clone();
                directory.set_role(&uid, role, now_ms)
            })
            .await
    }

    /// Gives a user another password, told or made, and lets them in again if they were disabled. All sessions end.
    pub async fn set_password(&self, login: &str, password: Option<String>) -> Result<String, AccountsError> {
        let (password, hash) = self.password(password).await?;
        let now_ms = self.clock.now_ms();
        self.store
            .change(|directory| {
                let user = directory.by_login(login).ok_or(AccountsError::NotFound("user"))?;
                if user.source != Source::Local {
                    let text = format!("{login} signs in elsewhere, and has no password here");
                    return Err(AccountsError::Input(text));
                }
                let uid = user.uid.clone();
                directory.set_password(&uid, hash.clone(), now_ms)?;
                directory.user_mut(&uid)?.is_disabled = false;
                Ok(())
            })
            .await?;
        Ok(password)
    }

    /// Makes a service account with one token, and gives the token.
    pub async fn add_token(
        &self,
        name: &str,
        role: Role,
        lifetime_s: Option<i64>,
    ) -> Result<String, AccountsError> {
        let token = secret::token()?;
        let (digest, now_ms) = (secret::digest_hex(&token), self.clock.now_ms());
        self.store
            .change(|directory| {
                let uid = directory.add_service_account(name, role, now_ms)?.uid.clone();
                directory.add_token(&uid, name, digest.clone(), now_ms, lifetime_s)
            })
            .await?;
        Ok(token)
    }

    async fn password(&self, told: Option<String>) -> Result<(String, String), AccountsError> {
        let password = match told {
            Some(told) => told,
            None => secret::password()?,
        };
        let hash = self.passwords.hash(&password).await?;
        Ok((password, hash))
    }
}
