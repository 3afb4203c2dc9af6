//! What a process knows of failed sign-ins.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};

use ring::digest::{SHA256, digest};

use crate::secret::hex;

/// Accounts and addresses with failures that are remembered.
const ENTRIES_MAX: usize = 10_000;
/// Pairs of account and address that signed in well and are remembered.
const TRUSTED_MAX: usize = 10_000;
/// A failure is forgotten after this time without another.
pub(super) const FORGOTTEN_AFTER_MS: i64 = 3_600_000;

/// A digest of a login, as what is typed there may be a password.
type Account = [u8; 16];

/// What failures are counted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Subject {
    Pair(Account, IpAddr),
    Address(IpAddr),
    Account(Account),
}

impl Subject {
    /// Failures that cost nothing, and the longest delay.
    fn bounds(&self) -> (u32, i64) {
        match self {
            Subject::Pair(..) => (5, 300_000),
            Subject::Address(_) => (20, 300_000),
            Subject::Account(_) => (20, 30_000),
        }
    }

    /// What it is called in the state.
    pub(super) fn name(&self) -> String {
        match self {
            Subject::Pair(account, address) => format!("{} {address}", hex(account)),
            Subject::Address(address) => address.to_string(),
            Subject::Account(account) => hex(account),
        }
    }

    /// A number that is the same for all that one sign-in counts for an account.
    pub(super) fn spread(&self) -> u8 {
        match self {
            Subject::Pair(account, _) | Subject::Account(account) => account[0],
            Subject::Address(address) => digest_of(&address.to_string())[0],
        }
    }
}

/// Failures that were counted, and when the last one was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) count: u32,
    pub(super) last_ms: i64,
}

impl Counted {
    /// One more.
    pub(super) fn one_more(self, now_ms: i64) -> Counted {
        let count = if self.is_old(now_ms) { 0 } else { self.count };
        Counted { count: count.saturating_add(1), last_ms: now_ms }
    }

    pub(super) fn is_old(self, now_ms: i64) -> bool {
        now_ms - self.last_ms > FORGOTTEN_AFTER_MS
    }
}

#[derive(Default)]
struct Failures {
    /// What all replicas know.
    shared: u32,
    /// What only this one does: attempts under way, and what could not be written down.
    own: u32,
    last_ms: i64,
}

impl Failures {
    fn counted(&self) -> Counted {
        Counted { count: self.shared.saturating_add(self.own), last_ms: self.last_ms }
    }

    /// How long there is no attempt to be had.
    fn wait_ms(&self, subject: &Subject, now_ms: i64) -> i64 {
        let (free, delay_max_ms) = subject.bounds();
        let counted = self.counted();
        if counted.count < free || counted.is_old(now_ms) {
            return 0;
        }
        let delay_ms = (1_000_i64 << (counted.count - free).min(20)).min(delay_max_ms);
        // The clock of who counted last may be ahead of ours.
        (counted.last_ms.saturating_add(delay_ms) - now_ms).min(delay_ms)
    }
}

/// Failures, and who signed in well from where.
#[derive(Default)]
pub(super) struct Table {
    entries: HashMap<Subject, Failures>,
    trusted: VecDeque<(Account, IpAddr)>,
}

impl Table {
    /// What an attempt is counted for.
    pub(super) fn subjects(&self, login: &str, address: IpAddr) -> Vec<Subject> {
        let (account, network) = (account(login), network(address));
        let mut subjects = vec![Subject::Pair(account, network)];
        if !address.is_loopback() && !self.is_trusted(login, address) {
            subjects.extend([Subject::Address(network), Subject::Account(account)]);
        }
        subjects
    }

    /// Says for how many milliseconds there is no attempt to be had, if so.
    pub(super) fn admit(&self, login: &str, address: IpAddr, now_ms: i64) -> Result<(), i64> {
        let subjects = self.subjects(login, address);
        let waits =
            subjects.iter().filter_map(|subject| Some(self.entries.get(subject)?.wait_ms(subject, now_ms)));
        match waits.max() {
            Some(wait_ms) if wait_ms > 0 => Err(wait_ms),
            _ => Ok(()),
        }
    }

    /// Takes an attempt, which counts as failed; or says for how many milliseconds there is none to be had. Gives what
    /// it is counted for, with the time of the failure before.
    pub(super) fn attempt(
        &mut self,
        login: &str,
        address: IpAddr,
        now_ms: i64,
    ) -> Result<Vec<(Subject, i64)>, i64> {
        self.admit(login, address, now_ms)?;
        let subjects = self.subjects(login, address);
        Ok(subjects.into_iter().map(|subject| (subject, self.count(subject, now_ms))).collect())
    }

    fn count(&mut self, subject: Subject, now_ms: i64) -> i64 {
        if !self.entries.contains_key(&subject) && self.entries.len() >= ENTRIES_MAX {
            self.make_room(now_ms);
        }
        let entry = self.entries.entry(subject).or_default();
        if entry.counted().is_old(now_ms) {
            (entry.shared, entry.own) = (0, 0);
        }
        entry.own = entry.own.saturating_add(1);
        std::mem::replace(&mut entry.last_ms, now_ms)
    }

    /// Forgets what is old, or else the half that was seen longest ago.
    fn make_room(&mut self, now_ms: i64) {
        self.entries.retain(|_, entry| !entry.counted().is_old(now_ms));
        if self.entries.len() >= ENTRIES_MAX {
            let mut times: Vec<i64> = self.entries.values().map(|entry| entry.last_ms).collect();
            let (_, middle, _) = times.select_nth_unstable(ENTRIES_MAX / 2);
            let middle = *middle;
            self.entries.retain(|_, entry| entry.last_ms > middle);
        }
    }

    /// Takes over what all replicas know.
    pub(super) fn learn(&mut self, subject: Subject, counted: Counted) {
        let Some(entry) = self.entries.get_mut(&subject) else {
            if counted.count > 0 {
                if self.entries.len() >= ENTRIES_MAX {
                    self.make_room(counted.last_ms);
                }
                let entry = Failures { shared: counted.count, own: 0, last_ms: counted.last_ms };
                self.entries.insert(subject, entry);
            }
            return;
        };
        entry.shared = counted.count;
        entry.last_ms = if entry.own == 0 { counted.last_ms } else { entry.last_ms.max(counted.last_ms) };
        if entry.counted().count == 0 {
            self.entries.remove(&subject);
        }
    }

    /// A failure that was counted here was written down, and comes back by [`Table::learn`].
    pub(super) fn hand_over(&mut self, subject: &Subject) {
        if let Some(entry) = self.entries.get_mut(subject) {
            entry.own = entry.own.saturating_sub(1);
        }
    }

    /// An attempt was none.
    pub(super) fn give_back(&mut self, subjects: &[(Subject, i64)]) {
        for (subject, before_ms) in subjects {
            let Some(entry) = self.entries.get_mut(subject) else { continue };
            (entry.own, entry.last_ms) = (entry.own.saturating_sub(1), *before_ms);
            if entry.counted().count == 0 {
                self.entries.remove(subject);
            }
        }
    }

    /// An attempt was good. Gives what all replicas shall forget.
    pub(super) fn succeeded(
        &mut self,
        login: &str,
        address: IpAddr,
        subjects: &[(Subject, i64)],
    ) -> Vec<Subject> {
        // The address gets back this attempt, not what it failed at with other accounts.
        self.give_back(subjects);
        self.trust(login, address);
        let account = account(login);
        let own = [Subject::Pair(account, network(address)), Subject::Account(account)];
        let is_shared = |entry: Failures| entry.shared > 0;
        own.into_iter().filter(|subject| self.entries.remove(subject).is_some_and(is_shared)).collect()
    }

    /// Whether an account was here.
    pub(super) fn is_trusted(&self, login: &str, address: IpAddr) -> bool {
        self.trusted.contains(&(account(login), network(address)))
    }

    /// Remembers that an account was here: what others fail at does not slow it down at this address.
    pub(super) fn trust(&mut self, login: &str, address: IpAddr) {
        let pair = (account(login), network(address));
        if !self.trusted.contains(&pair) {
            if self.trusted.len() >= TRUSTED_MAX {
                self.trusted.pop_front();
            }
            self.trusted.push_back(pair);
        }
    }
}

fn digest_of(text: &str) -> Account {
    let mut account = [0; 16];
    account.copy_from_slice(&digest(&SHA256, text.as_bytes()).as_ref()[..16]);
    account
}

fn account(login: &str) -> Account {
    digest_of(&login.to_lowercase())
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
        let (mut table, from) = (Table::default(), address("192.0.2.1"));
        let mut now_ms = 0;
        for _ in 0..5 {
            table.attempt("Ada", from, now_ms).unwrap();
        }
        let mut waits = Vec::new();
        for _ in 0..12 {
            let wait_ms = table.attempt("ada", from, now_ms).unwrap_err();
            waits.push(wait_ms / 1000);
            now_ms += wait_ms;
            table.attempt("ada", from, now_ms).unwrap();
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
        now_ms += 300_000;
        let attempt = table.attempt("ada", from, now_ms).unwrap();
        table.succeeded("ada", from, &attempt);
        table.attempt("ada", from, now_ms).unwrap();
    }

    #[test]
    fn an_attack_from_everywhere_does_not_lock_out_who_was_here_before_or_sits_at_this_machine() {
        let mut table = Table::default();
        let home = address("198.51.100.7");
        let attempt = table.attempt("admin", home, 0).unwrap();
        table.succeeded("admin", home, &attempt);
        for at in 0..200u32 {
            let _ = table.attempt("admin", IpAddr::V4(at.into()), 0);
        }
        assert!(table.attempt("admin", address("203.0.113.9"), 0).unwrap_err() <= 30_000);
        assert!(table.attempt("admin", home, 0).is_ok());
        assert!(table.attempt("admin", address("127.0.0.1"), 0).is_ok());
    }

    #[test]
    fn an_address_is_slowed_down_whichever_accounts_it_tries_and_the_table_is_bounded() {
        let mut table = Table::default();
        let tried =
            (0..1_000).filter(|at| table.attempt(&format!("u{at}"), address("2001:db8::1"), 0).is_ok());
        assert_eq!(tried.count(), 20);
        // The same network.
        assert!(table.attempt("other", address("2001:db8::2"), 0).is_err());
        for at in 0..50_000u32 {
            let _ = table.attempt(&format!("v{at}"), IpAddr::V4(at.into()), i64::from(at));
            assert!(table.entries.len() <= ENTRIES_MAX);
        }
    }

    #[test]
    fn what_was_not_compared_counts_for_nothing() {
        let (mut table, from) = (Table::default(), address("192.0.2.1"));
        for _ in 0..100 {
            let attempt = table.attempt("ada", from, 0).unwrap();
            table.give_back(&attempt);
        }
        assert!(table.entries.is_empty());
    }

    #[test]
    fn what_others_count_is_added_to_what_only_we_do() {
        let (mut table, from) = (Table::default(), address("192.0.2.1"));
        let pair = Subject::Pair(account("ada"), from);
        let others = |count| Counted { count, last_ms: 0 };
        // One that could not be written down, and four of others.
        table.attempt("ada", from, 0).unwrap();
        table.learn(pair, others(3));
        table.attempt("ada", from, 0).unwrap();
        assert_eq!(table.attempt("ada", from, 0), Err(1_000));
        // What is written down is not counted twice.
        table.hand_over(&pair);
        table.learn(pair, others(4));
        assert_eq!(table.attempt("ada", from, 0), Err(1_000));
        // Somebody signed in at another replica.
        table.learn(pair, others(0));
        assert!(table.attempt("ada", from, 0).is_ok());
        // A clock ahead of ours makes nobody wait longer than the delay.
        table.learn(pair, Counted { count: 6, last_ms: 9_000_000 });
        assert_eq!(table.attempt("ada", from, 0), Err(8_000));
    }
}
