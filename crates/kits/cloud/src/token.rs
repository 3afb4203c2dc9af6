//! Tokens that are good for a while.

use std::future::Future;
use std::time::Duration;

use base::Clock;
use base::clock::Mark;
use tokio::sync::Mutex;

use crate::Error;

/// A token is replaced so long before it ends.
const MARGIN: Duration = Duration::from_secs(300);

/// A token and how long it is good for.
#[derive(Clone)]
pub(crate) struct Fresh<T> {
    pub(crate) token: T,
    pub(crate) lifetime: Duration,
}

/// The token in use.
pub(crate) struct Kept<T> {
    clock: Clock,
    kept: Mutex<Option<(T, Mark, Duration)>>,
}

impl<T: Clone> Kept<T> {
    pub(crate) fn new() -> Self {
        Kept { clock: Clock::system(), kept: Mutex::new(None) }
    }

    /// The token in use, or a new one from `obtain`.
    pub(crate) async fn get(
        &self,
        obtain: impl Future<Output = Result<Fresh<T>, Error>>,
    ) -> Result<T, Error> {
        let mut kept = self.kept.lock().await;
        if let Some((token, since, lifetime)) = &*kept
            && since.elapsed() < *lifetime
        {
            return Ok(token.clone());
        }
        let fresh = obtain.await?;
        // Of a short life half is used.
        let lifetime = fresh.lifetime.saturating_sub(MARGIN).max(fresh.lifetime / 2);
        *kept = Some((fresh.token.clone(), self.clock.mark(), lifetime));
        Ok(fresh.token)
    }

    /// Forgets the token, for example because it was refused.
    pub(crate) async fn forget(&self) {
        *self.kept.lock().await = None;
    }
}
