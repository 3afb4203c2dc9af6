//! Passwords: slow hashes, a few at a time, and a memory of those that were right.

use std::collections::VecDeque;
use std::sync::Arc;

use net::web_config::PasswordHash;
use parking_lot::Mutex;
use ring::hmac;
use tokio::sync::Semaphore;

use crate::AccountsError;
use crate::secret;

/// The shortest password that may be set.
pub(crate) const SIZE_MIN_BYTES: usize = 4;
/// bcrypt reads 72 bytes, the zero at the end included; a longer password would be right by its beginning.
pub(crate) const SIZE_MAX_BYTES: usize = 71;
/// Hashes computed at once. They take long by intent.
const HASHING_MAX: usize = 2;
/// Passwords that wait to be hashed.
const WAITING_MAX: usize = 64;
/// Right passwords that are remembered, for clients that show theirs with every request.
const KNOWN_MAX: usize = 1_000;
/// Who shows the same password at the same time waits for one comparison.
const SHARDS: usize = 64;

/// What is remembered of a right password: a keyed digest of it with the hash it is right for.
type Known = [u8; 32];

pub(crate) struct Passwords {
    cost: u32,
    running: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    key: hmac::Key,
    known: Mutex<VecDeque<Known>>,
    shards: Vec<tokio::sync::Mutex<()>>,
    /// Compared with where there is no account, so that it takes as long.
    nobody: String,
}

/// Checks that a password can be set.
pub(crate) fn check(password: &str) -> Result<(), AccountsError> {
    if (SIZE_MIN_BYTES..=SIZE_MAX_BYTES).contains(&password.len()) && !password.contains('\0') {
        return Ok(());
    }
    Err(AccountsError::Input(format!("a password must have {SIZE_MIN_BYTES} to {SIZE_MAX_BYTES} bytes")))
}

impl Passwords {
    pub(crate) fn new(cost: u32) -> Result<Passwords, AccountsError> {
        // No password has this hash, it only costs as much to compare with.
        let salt = net::client::base64(&secret::random::<32>()?).replace(['+', '='], ".");
        let nobody = format!("$2y${cost:02}${}", salt.repeat(2).get(..53).unwrap_or(""));
        Ok(Passwords {
            cost,
            running: Arc::new(Semaphore::new(HASHING_MAX)),
            waiting: Arc::new(Semaphore::new(WAITING_MAX)),
            key: hmac::Key::new(hmac::HMAC_SHA256, &secret::random::<32>()?),
            known: Mutex::default(),
            shards: (0..SHARDS).map(|_| tokio::sync::Mutex::default()).collect(),
            nobody,
        })
    }

    /// The hash of a new password.
    pub(crate) async fn hash(&self, password: &str) -> Result<String, AccountsError> {
        check(password)?;
        let (password, cost, salt) = (password.to_string(), self.cost, secret::random::<16>()?);
        self.slowly(move || PasswordHash::new(&password, cost, salt).to_string()).await
    }

    /// Whether a password was right for this hash lately.
    pub(crate) fn is_known(&self, hash: &str, password: &str) -> bool {
        let digest = self.digest(hash, password);
        self.known.lock().contains(&digest)
    }

    /// Waits while somebody else compares the same password with the same hash.
    pub(crate) async fn turn(&self, login: &str, password: &str) -> tokio::sync::MutexGuard<'_, ()> {
        let shard = usize::from(self.digest(login, password)[0]) % SHARDS;
        self.shards[shard].lock().await
    }

    /// Whether a password is right; no hash is that of nobody.
    pub(crate) async fn is_right(&self, hash: Option<&str>, password: &str) -> Result<bool, AccountsError> {
        let exists = hash.is_some();
        let (hash, shown) = (hash.unwrap_or(&self.nobody).to_string(), password.to_string());
        let compared = hash.clone();
        let is_right = exists
            & self
                .slowly(move || PasswordHash::parse(&compared).is_some_and(|hash| hash.is_of(&shown)))
                .await?;
        if is_right {
            let digest = self.digest(&hash, password);
            let mut known = self.known.lock();
            if known.len() >= KNOWN_MAX {
                known.pop_front();
            }
            known.push_back(digest);
        }
        Ok(is_right)
    }

    /// A digest that says nothing without the key, which is this process's own. Comparing it gives nothing away.
    fn digest(&self, hash: &str, password: &str) -> Known {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(&(hash.len() as u64).to_le_bytes());
        context.update(hash.as_bytes());
        context.update(password.as_bytes());
        let mut digest = [0; 32];
        digest.copy_from_slice(context.sign().as_ref());
        digest
    }

    async fn slowly<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, AccountsError> {
        let _place = self.waiting.try_acquire().map_err(|_| AccountsError::Busy)?;
        let permit = self.running.clone().acquire_owned().await.map_err(|_| AccountsError::Busy)?;
        let done = tokio::task::spawn_blocking(move || {
            let result = work();
            // Held until the work is done, also if who asked has gone.
            drop(permit);
            result
        });
        done.await.map_err(|_| AccountsError::Internal("a password could not be hashed".into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_right_for_its_hash_only_and_remembered_for_it_only() {
        let passwords = Passwords::new(4).unwrap();
        let hash = passwords.hash("correct horse").await.unwrap();
        assert!(!passwords.is_known(&hash, "correct horse"));
        assert!(!passwords.is_right(Some(&hash), "battery").await.unwrap());
        assert!(passwords.is_right(Some(&hash), "correct horse").await.unwrap());
        assert!(passwords.is_known(&hash, "correct horse") && !passwords.is_known(&hash, "battery"));
        let again = passwords.hash("correct horse").await.unwrap();
        assert!(again != hash && !passwords.is_known(&again, "correct horse"));
        assert!(!passwords.is_right(None, "correct horse").await.unwrap());
        for wrong in ["", "abc", &"x".repeat(72), "a\0bcd"] {
            assert!(matches!(passwords.hash(wrong).await, Err(AccountsError::Input(_))), "{wrong:?}");
        }
    }

    #[test]
    fn what_nobody_is_compared_with_is_a_hash_of_the_same_cost() {
        for _ in 0..100 {
            let passwords = Passwords::new(7).unwrap();
            assert!(PasswordHash::parse(&passwords.nobody).is_some(), "{}", passwords.nobody);
        }
    }
}
