//! Growing delays after failed sign-ins: for an account from an address, for an address, and, mildly, for an account
//! from wherever. Nobody can be locked out for good: delays have an end, and who signs in from this machine or from
//! where they signed in before does not wait for what others fail at.
//!
//! Replicas count together, in the state: what failed is written there, and read before a password is compared. While
//! the database is away each counts for itself, and what it counted then is added to what the others know.

mod shared;
mod table;

use std::net::IpAddr;

use base::Clock;
use parking_lot::Mutex;
use state::State;

use shared::Shared;
use table::{Subject, Table};

/// An attempt under way. It counts as failed, here, until it is told what became of it.
pub(crate) struct Attempt {
    login: String,
    address: IpAddr,
    /// What it is counted for, with the time of the failure before.
    subjects: Vec<(Subject, i64)>,
}

/// Who has to wait before the next attempt to sign in.
pub(crate) struct Throttle {
    table: Mutex<Table>,
    shared: Shared,
    clock: Clock,
}

impl Throttle {
    pub(crate) fn new(state: State, clock: Clock) -> Throttle {
        Throttle { table: Mutex::default(), shared: Shared::new(state, clock.clone()), clock }
    }

    /// Says for how many milliseconds there is no attempt to be had, if so, as far as it is known here.
    pub(crate) fn admit(&self, login: &str, address: IpAddr) -> Result<(), i64> {
        self.table.lock().admit(login, address, self.clock.now_ms())
    }

    /// The same as far as all replicas know it, for a password that is remembered to be right: while there is none to
    /// be had, that must not be told by any of them. Where the account was before, what is known here is enough.
    pub(crate) async fn admit_known(&self, login: &str, address: IpAddr) -> Result<(), i64> {
        if !self.table.lock().is_trusted(login, address) {
            self.look(login, address).await?;
            self.table.lock().trust(login, address);
        }
        Ok(())
    }

    /// Takes an attempt, or says for how many milliseconds there is none to be had.
    pub(crate) async fn attempt(&self, login: &str, address: IpAddr) -> Result<Attempt, i64> {
        self.look(login, address).await?;
        let subjects = self.table.lock().attempt(login, address, self.clock.now_ms())?;
        Ok(Attempt { login: login.into(), address, subjects })
    }

    async fn look(&self, login: &str, address: IpAddr) -> Result<(), i64> {
        // Who has to wait as it is costs the database nothing.
        self.admit(login, address)?;
        let subjects = self.table.lock().subjects(login, address);
        for (subject, counted) in self.shared.read(&subjects).await {
            self.table.lock().learn(subject, counted);
        }
        self.admit(login, address)
    }

    /// It was wrong. Other replicas know when this returns.
    pub(crate) async fn failed(&self, attempt: Attempt) {
        let subjects: Vec<Subject> = attempt.subjects.into_iter().map(|(subject, _)| subject).collect();
        for (subject, counted) in self.shared.count(&subjects).await {
            let mut table = self.table.lock();
            table.hand_over(&subject);
            table.learn(subject, counted);
        }
    }

    /// It was right.
    pub(crate) async fn succeeded(&self, attempt: Attempt) {
        let forgotten = self.table.lock().succeeded(&attempt.login, attempt.address, &attempt.subjects);
        if !forgotten.is_empty() {
            self.shared.forget(&forgotten).await;
        }
    }

    /// Nothing was compared.
    pub(crate) fn give_back(&self, attempt: &Attempt) {
        self.table.lock().give_back(&attempt.subjects);
    }
}
