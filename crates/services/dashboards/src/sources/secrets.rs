//! Secrets at rest: AES-256-GCM under a key that is not in the state.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use config::Secret;
use config::http_client::SecretSource;
use parking_lot::Mutex;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};

use crate::error::Error;

/// The shortest text that a key may be made from: 32 characters of base64 are 192 bits.
const KEY_LENGTH_MIN: usize = 32;

/// The key, as the settings say where it is. It is read when it is needed first; one of our own is made then.
pub(crate) struct Keys {
    given: Option<SecretSource>,
    /// Where our own is, if none is given.
    own: PathBuf,
    /// Whether others read the same state, who cannot know a key of our own.
    is_shared: bool,
    key: Mutex<Option<Arc<Key>>>,
}

struct Key {
    key: LessSafeKey,
    /// Which key it is, for telling keys apart without telling them.
    id: String,
}

impl Keys {
    pub(crate) fn new(given: Option<SecretSource>, own: PathBuf, is_shared: bool) -> Keys {
        Keys { given, own, is_shared, key: Mutex::new(None) }
    }

    /// Encrypts a secret of a data source. It can be read only as this secret of this source.
    pub(crate) fn seal(&self, uid: &str, name: &str, secret: &Secret) -> Result<String, Error> {
        if self.is_shared && self.given.is_none() {
            return Err(Error::Secrets(
                "secrets of data sources cannot be kept yet: servers that share a database need the same key, see \
                 data_sources.secrets_key_file"
                    .into(),
            ));
        }
        let key = self.key(true)?;
        let failed = |_| Error::Secrets("a secret could not be encrypted".into());
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).map_err(failed)?;
        let mut bytes = secret.expose().as_bytes().to_vec();
        let place = Aad::from(place(uid, name));
        key.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), place, &mut bytes)
            .map_err(failed)?;
        Ok(format!("1.{}.{}", key.id, net::client::base64(&[&nonce[..], &bytes].concat())))
    }

    /// Decrypts what [`Keys::seal`] made.
    pub(crate) fn open(&self, uid: &str, name: &str, sealed: &str) -> Result<Secret, Error> {
        let damaged = || Error::Secrets(format!("the secret {name} of the data source {uid} is damaged"));
        let mut parts = sealed.splitn(3, '.');
        let (Some("1"), Some(id), Some(text)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(damaged());
        };
        let mut key = self.key(false)?;
        if key.id != id {
            // It may have been put right meanwhile.
            *self.key.lock() = None;
            key = self.key(false)?;
        }
        if key.id != id {
            return Err(Error::Secrets(format!(
                "the secret {name} of the data source {uid} was encrypted with the key {id}, but {} is the key {}: \
                 servers that share a database need the same key, see data_sources.secrets_key_file; or enter the \
                 secret anew",
                self.shown(),
                key.id
            )));
        }
        let mut bytes = net::client::base64_decoded(text).ok_or_else(damaged)?;
        let (nonce, rest) = bytes.split_at_mut_checked(NONCE_LEN).ok_or_else(damaged)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| damaged())?;
        let plain = key.key.open_in_place(nonce, Aad::from(place(uid, name)), rest).map_err(|_| damaged())?;
        String::from_utf8(plain.to_vec()).map(Secret::new).map_err(|_| damaged())
    }

    fn shown(&self) -> String {
        match &self.given {
            Some(SecretSource::File(path)) => path.display().to_string(),
            Some(SecretSource::Inline(_)) => "PROMONTORY_SECRETS_KEY".into(),
            None => self.own.display().to_string(),
        }
    }

    fn key(&self, may_make: bool) -> Result<Arc<Key>, Error> {
        let mut known = self.key.lock();
        if let Some(key) = known.as_ref() {
            return Ok(key.clone());
        }
        let cannot = |error: std::io::Error| {
            Error::Secrets(format!(
                "the key of data sources' secrets cannot be read: {}: {error}",
                self.shown()
            ))
        };
        let text = match &self.given {
            Some(SecretSource::Inline(secret)) => secret.clone(),
            Some(SecretSource::File(path)) => Secret::new(std::fs::read_to_string(path).map_err(cannot)?),
            None => match std::fs::read_to_string(&self.own) {
                Ok(text) => Secret::new(text),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound && may_make => {
                    make(&self.own).map_err(cannot)?
                }
                Err(error) => return Err(cannot(error)),
            },
        };
        let text = text.expose().trim();
        if text.len() < KEY_LENGTH_MIN {
            return Err(Error::Secrets(format!(
                "the key of data sources' secrets is too short: {} must have {KEY_LENGTH_MIN} characters at least, \
                 such as openssl rand -base64 32 makes",
                self.shown()
            )));
        }
        let bytes = digest(&SHA256, text.as_bytes());
        let key = UnboundKey::new(&AES_256_GCM, bytes.as_ref())
            .map_err(|_| Error::Secrets("the key of data sources' secrets cannot be used".into()))?;
        let id = digest(&SHA256, bytes.as_ref())
            .as_ref()
            .iter()
            .take(4)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let key = Arc::new(Key { key: LessSafeKey::new(key), id });
        *known = Some(key.clone());
        Ok(key)
    }
}

fn place(uid: &str, name: &str) -> Vec<u8> {
    format!("data source\0{uid}\0{name}").into_bytes()
}

/// Makes a key that only the owner of the process can read. If another process was faster, its key is taken.
fn make(path: &Path) -> std::io::Result<Secret> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| std::io::Error::other("no random numbers"))?;
    let text = net::client::base64(&bytes);
    // Under another name first: a reader finds all of it or nothing.
    let unfinished = path.with_extension(format!("{}.new", std::process::id()));
    let written = (|| {
        let _ = std::fs::remove_file(&unfinished);
        let mut file =
            std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::hard_link(&unfinished, path)
    })();
    let _ = std::fs::remove_file(&unfinished);
    match written {
        Ok(()) => Ok(Secret::new(text)),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            std::fs::read_to_string(path).map(Secret::new)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text.into())
    }

    #[test]
    fn a_secret_is_read_only_where_it_belongs_and_with_its_key() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let keys = Keys::new(None, path.clone(), false);
        let sealed = keys.seal("a", "password", &secret("hunter2")).unwrap();
        assert!(!sealed.contains("hunter2"));
        assert_ne!(sealed, keys.seal("a", "password", &secret("hunter2")).unwrap());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        // After a restart too.
        let again = Keys::new(None, path.clone(), false);
        assert_eq!(again.open("a", "password", &sealed).unwrap().expose(), "hunter2");
        for (uid, name) in [("b", "password"), ("a", "token")] {
            assert!(again.open(uid, name, &sealed).unwrap_err().to_string().contains("damaged"));
        }
        let other = Keys::new(Some(SecretSource::Inline(secret(&"x".repeat(40)))), path, true);
        let error = other.open("a", "password", &sealed).unwrap_err().to_string();
        assert!(error.contains("need the same key") && error.contains("PROMONTORY_SECRETS_KEY"), "{error}");
    }

    #[test]
    fn a_key_that_is_missing_or_too_short_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("none");
        let keys = Keys::new(Some(SecretSource::File(path.clone())), dir.path().join("own"), true);
        let without = Keys::new(None, dir.path().join("own"), true);
        let error = without.seal("a", "n", &secret("s")).unwrap_err().to_string();
        assert!(error.contains("secrets_key_file"), "{error}");
        let error = keys.seal("a", "n", &secret("s")).unwrap_err().to_string();
        assert!(error.contains("cannot be read") && error.contains("/none"), "{error}");
        std::fs::write(&path, "short").unwrap();
        let error = keys.seal("a", "n", &secret("s")).unwrap_err().to_string();
        assert!(error.contains("too short") && !error.contains("short\""), "{error}");
        std::fs::write(&path, "k".repeat(44)).unwrap();
        assert!(keys.seal("a", "n", &secret("s")).is_ok());
    }
}
