//! No others.

use super::*;

/// A replica without others: it may always tell, and nobody has to hear what.
#[derive(Clone, Copy, Debug, Default)]
pub struct Alone;

impl Replicas for Alone {
    fn claim<'a>(&'a self, _key: &'a str, _lease_ms: i64) -> Answer<'a, Claim> {
        Box::pin(std::future::ready(Claim::Granted { token: Token(0), told: None }))
    }

    fn release<'a>(&'a self, _key: &'a str, _token: Token, _told: Option<Entry>) -> Answer<'a, ()> {
        Box::pin(std::future::ready(()))
    }

    fn share(&self, _entries: Vec<Entry>) -> Answer<'_, Result<(), ReplicaError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// A channel that is closed: nothing ever comes.
    fn subscribe(&self) -> mpsc::Receiver<Vec<Entry>> {
        mpsc::channel(1).1
    }

    fn settled(&self) -> Answer<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    fn turn_ms(&self) -> i64 {
        0
    }

    fn members(&self) -> Members {
        Members::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_is_alone_may_always_tell_and_hears_of_nobody() {
        let alone = Alone;
        for _ in 0..2 {
            assert_eq!(
                alone.claim("a", 1_000).await,
                Claim::Granted { token: Token(0), told: None },
                "even what it holds already"
            );
        }
        assert_eq!(alone.subscribe().recv().await, None);
        assert_eq!(alone.members().status, MembersStatus::Disabled);
    }
}
