//! Growing delays after failed sign-ins: for an account from an address, for an address, and, mildly, for an account
//! from wherever. Nobody can be locked out for good: delays have an end, and who signs in from this machine or from
//! where they signed in before does not wait for what others fail at.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv6Addr};

/// Accounts and addresses with failures that are remembered.
const ENTRIES_MAX: usize = 10_000;
/// Pairs of account and address that signed in well and are remembered.
const TRUSTED_MAX: usize = 10_000;
/// A failure is forgotten after this time without another.
const FORGOTTEN_AFTER_MS: i64 = 3_600_000;

/// What failures are counted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Subject {
    Pair(u64, IpAddr),
    Address(IpAddr),
    Account(u64),
}

impl Subject {
    /// Failures that cost nothing, and the longest delay.
    fn bounds(self) -> (u32, i64) {
        match self {
            Subject::Pair(..) => (5, 300_000),
            Subject::Address(_) => (20, 300_000),
            Subject::Account(_) => (20, 30_000),
        }
    }
}

struct Failures {
    count: u32,
    last_ms: i64,
    until_ms: i64,
}

/// Who has to wait before the next attempt to sign in.
pub(crate) struct Throttle {
    entries: HashMap<Subject, Failures>,
    trusted: VecDeque<(u64, IpAddr)>,
    hasher: RandomState,
}

impl Throttle {
    pub(crate) fn new() -> Throttle {
        Throttle { entries: HashMap::new(), trusted: VecDeque::new(), hasher: RandomState::new() }
    }

    fn account(&self, login: &str) -> u64 {
        self.hasher.hash_one(login.to_lowercase())
    }

    /// What an attempt is counted for.
    fn subjects(&self, login: &str, address: IpAddr) -> Vec<Subject> {
        let (account, network) = (self.account(login), network(address));
        let mut subjects = vec![Subject::Pair(account, network)];
        if !address.is_loopback() && !self.trusted.contains(&(account, network)) {
            subjects.extend([Subject::Address(network), Subject::Account(account)]);
        }
        subjects
    }

    /// Says for how many milliseconds there is no attempt to be had, if so.
    pub(crate) fn admit(&self, login: &str, address: IpAddr, now_ms: i64) -> Result<(), i64> {
        let subjects = self.subjects(login, address);
        let waits = subjects.iter().filter_map(|subject| Some(self.entries.get(subject)?.until_ms - now_ms));
        match waits.max() {
            Some(wait_ms) if wait_ms > 0 => Err(wait_ms),
            _ => Ok(()),
        }
    }

    /// Takes an attempt, which counts as failed until [`Throttle::succeeded`] says otherwise; or says for how many
    /// milliseconds there is none to be had.
    pub(crate) fn attempt(&mut self, login: &str, address: IpAddr, now_ms: i64) -> Result<(), i64> {
        self.admit(login, address, now_ms)?;
        for subject in self.subjects(login, address) {
            self.count(subject, now_ms);
        }
        Ok(())
    }

    fn count(&mut self, subject: Subject, now_ms: i64) {
        if !self.entries.contains_key(&subject) && self.entries.len() >= ENTRIES_MAX {
            self.make_room(now_ms);
        }
        let entry =
            self.entries.entry(subject).or_insert(Failures { count: 0, last_ms: now_ms, until_ms: 0 });
        if now_ms - entry.last_ms > FORGOTTEN_AFTER_MS {
            entry.count = 0;
        }
        entry.count = entry.count.saturating_add(1);
        entry.last_ms = now_ms;
        let (free, delay_max_ms) = subject.bounds();
        if entry.count >= free {
            let doubled = (entry.count - free).min(20);
            entry.until_ms = now_ms + (1_000_i64 << doubled).min(delay_max_ms);
        }
    }

    /// Forgets what is old, or else the half that was seen longest ago.
    fn make_room(&mut self, now_ms: i64) {
        self.entries.retain(|_, entry| now_ms - entry.last_ms <= FORGOTTEN_AFTER_MS);
        if self.entries.len() >= ENTRIES_MAX {
            let mut times: Vec<i64> = self.entries.values().map(|entry| entry.last_ms).collect();
            let (_, middle, _) = times.select_nth_unstable(ENTRIES_MAX / 2);
            let middle = *middle;
            self.entries.retain(|_, entry| entry.last_ms > middle);
        }
    }

    /// The attempt was good.
    pub(crate) fn succeeded(&mut self, login: &str, address: IpAddr) {
        let (account, network) = (self.account(login), network(address));
        self.entries.remove(&Subject::Pair(account, network));
        self.entries.remove(&Subject::Account(account));
        // The address gets back this attempt, not what it failed at with other accounts.
        if let Some(entry) = self.entries.get_mut(&Subject::Address(network)) {
            entry.count = entry.count.saturating_sub(1);
            if entry.count < Subject::Address(network).bounds().0 {
                entry.until_ms = 0;
            }
        }
        self.trust(login, address);
    }

    /// Remembers that an account was here: what others fail at does not slow it down at this address.
    pub(crate) fn trust(&mut self, login: &str, address: IpAddr) {
        let pair = (self.account(login), network(address));
        if !self.trusted.contains(&pair) {
            if self.trusted.len() >= TRUSTED_MAX {
                self.trusted.pop_front();
            }
            self.trusted.push_back(pair);
        }
    }
}

/// What one attacker has of IPv6: the first half of an address.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => IpAddr::V4(v4),
            None => IpAddr::V6(Ipv6Addr::from(u128::from(v6) >> 64 << 64)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn delays_grow_and_have_an_end() {
        let (mut throttle, from) = (Throttle::new(), address("192.0.2.1"));
        let mut now_ms = 0;
        for _ in 0..5 {
            throttle.attempt("Ada", from, now_ms).unwrap();
        }
        let mut waits = Vec::new();
        for _ in 0..12 {
            let wait_ms = throttle.attempt("ada", from, now_ms).unwrap_err();
            waits.push(wait_ms / 1000);
            now_ms += wait_ms;
            throttle.attempt("ada", from, now_ms).unwrap();
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
        now_ms += 300_000;
        throttle.attempt("ada", from, now_ms).unwrap();
        throttle.succeeded("ada", from);
        throttle.attempt("ada", from, now_ms).unwrap();
    }

    #[test]
    fn an_attack_from_everywhere_does_not_lock_out_who_was_here_before_or_sits_at_this_machine() {
        let mut throttle = Throttle::new();
        let home = address("198.51.100.7");
        throttle.attempt("admin", home, 0).unwrap();
        throttle.succeeded("admin", home);
        for at in 0..200u32 {
            let _ = throttle.attempt("admin", IpAddr::V4(at.into()), 0);
        }
        assert!(throttle.attempt("admin", address("203.0.113.9"), 0).unwrap_err() <= 30_000);
        assert!(throttle.attempt("admin", home, 0).is_ok());
        assert!(throttle.attempt("admin", address("127.0.0.1"), 0).is_ok());
    }

    #[test]
    fn an_address_is_slowed_down_whichever_accounts_it_tries_and_the_table_is_bounded() {
        let mut throttle = Throttle::new();
        let tried =
            (0..1_000).filter(|at| throttle.attempt(&format!("u{at}"), address("2001:db8::1"), 0).is_ok());
        assert_eq!(tried.count(), 20);
        // The same network.
        assert!(throttle.attempt("other", address("2001:db8::2"), 0).is_err());
        for at in 0..50_000u32 {
            let _ = throttle.attempt(&format!("v{at}"), IpAddr::V4(at.into()), i64::from(at));
            assert!(throttle.entries.len() <= ENTRIES_MAX);
        }
    }
}
