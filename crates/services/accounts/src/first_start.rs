//! The first administrator: made where there are no accounts, with a password that was told or that is told once.

use std::sync::Arc;

use config::http_client::SecretSource;
use model::Role;
use parking_lot::Mutex;

use crate::directory::{ADMINISTRATOR, Profile, Source};
use crate::{AccountsError, accounts::Inner, password, secret};

/// What was done with the password that is told.
#[derive(Default)]
pub(crate) struct Told {
    /// The digest of what is in force already.
    applied: Mutex<Option<String>>,
    /// What was wrong the last time, to say it once.
    problem: Mutex<Option<String>>,
}

/// Reads the password that is told, if one is.
pub(crate) async fn told_password(source: Option<&SecretSource>) -> Result<Option<String>, AccountsError> {
    let Some(source) = source.cloned() else { return Ok(None) };
    let read = tokio::task::spawn_blocking(move || net::client::read_secret(&source));
    let text = read.await.map_err(|error| AccountsError::Internal(error.to_string()))?;
    let text =
        text.map_err(|error| AccountsError::Settings(format!("the administrator's password: {error}")))?;
    password::check(&text)
        .map_err(|error| AccountsError::Settings(format!("the administrator's password: {error}")))?;
    Ok(Some(text))
}

/// Makes the first administrator if there is none, and sees to it that the password that is told is theirs. Of
/// several replicas exactly one makes the account, and says so.
pub(crate) async fn ensure(inner: &Arc<Inner>) -> Result<(), AccountsError> {
    let snapshot = inner.store.refresh().await?;
    let told = match told_password(inner.in_force().settings.admin_password.as_ref()).await {
        Ok(told) => {
            *inner.told.problem.lock() = None;
            told
        }
        Err(error) => {
            let text = error.to_string();
            if inner.told.problem.lock().replace(text.clone()).as_ref() != Some(&text) {
                tracing::warn!("{text}; the password before stays in force");
            }
            // Nobody is made with a password that nobody told.
            return Ok(());
        }
    };
    if !snapshot.directory.has_administrator() && snapshot.directory.by_own_login(ADMINISTRATOR).is_none() {
        return make(inner, told).await;
    }
    let Some(told) = told else { return Ok(()) };
    let digest = secret::digest_hex(&told);
    if inner.told.applied.lock().as_ref() == Some(&digest) {
        return Ok(());
    }
    let known = snapshot.directory.by_own_login(ADMINISTRATOR);
    let hash = known.and_then(|user| user.password_hash.clone());
    let is_in_force = match &hash {
        Some(hash) => inner.passwords.is_right(Some(hash), &told).await?,
        None => false,
    };
    let may_act = known.is_some_and(|user| user.role == Role::Admin && !user.is_disabled);
    if !is_in_force || !may_act {
        let hash = inner.passwords.hash(&told).await?;
        let now_ms = inner.clock.now_ms();
        inner
            .store
            .change(|directory| {
                let named = match directory.by_own_login(ADMINISTRATOR) {
                    Some(user) => user.uid.clone(),
                    None => directory.add_user(&administrator(), Role::Admin, now_ms)?.uid.clone(),
                };
                directory.set_password(&named, hash.clone(), now_ms)?;
                let user = directory.user_mut(&named)?;
                (user.role, user.is_disabled, user.source) = (Role::Admin, false, Source::Local);
                Ok(())
            })
            .await?;
        tracing::info!("the password of {ADMINISTRATOR} is the one that was told");
    }
    *inner.told.applied.lock() = Some(digest);
    Ok(())
}

fn administrator() -> Profile {
    Profile { login: ADMINISTRATOR.into(), ..Profile::default() }
}

async fn make(inner: &Arc<Inner>, told: Option<String>) -> Result<(), AccountsError> {
    let (password, is_told) = match told {
        Some(told) => (told, true),
        None => (secret::password()?, false),
    };
    let hash = inner.passwords.hash(&password).await?;
    let now_ms = inner.clock.now_ms();
    let made = inner
        .store
        .change(|directory| {
            if directory.has_administrator() || directory.by_own_login(ADMINISTRATOR).is_some() {
                return Ok(false);
            }
            directory.add_user(&administrator(), Role::Admin, now_ms)?.password_hash = Some(hash.clone());
            Ok(true)
        })
        .await?;
    if made && is_told {
        tracing::info!("made the first administrator, {ADMINISTRATOR}, with the password that was told");
        *inner.told.applied.lock() = Some(secret::digest_hex(&password));
    } else if made {
        (inner.announce)(ADMINISTRATOR, &password);
    }
    Ok(())
}
