//! How much one address may have computed: whoever has a token is a stranger.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

use base::Clock;
use base::clock::Mark;
use net::shared::Shared;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::error::Error;

/// Answers that are computed for one address a minute; those that others asked for already do not count.
pub const PUBLIC_ANSWERS_A_MINUTE: u32 = 600;
/// How many of them may come at once.
pub const PUBLIC_ANSWERS_AT_ONCE: u32 = 300;
/// Answers that are computed for strangers at the same time; others wait.
pub const PUBLIC_ANSWERS_RUNNING: usize = 8;
/// Addresses that are remembered.
const ADDRESSES_MAX: usize = 10_000;

/// Where a request comes from, as whoever guards the routes found it: put it into the request's extensions. Without
/// it all requests count as one visitor's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visitor(pub IpAddr);

impl Default for Visitor {
    fn default() -> Visitor {
        Visitor(Ipv6Addr::UNSPECIFIED.into())
    }
}

/// What strangers share: answers, and what they may have at all.
pub(crate) struct Strangers {
    pub(crate) visitors: Visitors,
    pub(crate) shared: Shared,
    pub(crate) permits: Semaphore,
}

impl Strangers {
    pub(crate) fn new(clock: &Clock) -> Strangers {
        Strangers {
            visitors: Visitors::new(clock.clone()),
            shared: Shared::new(clock.clone()),
            permits: Semaphore::new(PUBLIC_ANSWERS_RUNNING),
        }
    }
}

pub(crate) struct Visitors {
    clock: Clock,
    left: Mutex<HashMap<IpAddr, (f64, Mark)>>,
}

impl Visitors {
    pub(crate) fn new(clock: Clock) -> Visitors {
        Visitors { clock, left: Mutex::default() }
    }

    /// Counts one more answer, unless there were too many.
    pub(crate) fn count(&self, visitor: Visitor) -> Result<(), Error> {
        let most = f64::from(PUBLIC_ANSWERS_AT_ONCE);
        let rate = f64::from(PUBLIC_ANSWERS_A_MINUTE) / 60.0;
        let now_left = |(left, since): &(f64, Mark)| (left + since.elapsed_seconds() * rate).min(most);
        let mut all = self.left.lock();
        let key = network(visitor.0);
        if all.len() >= ADDRESSES_MAX && !all.contains_key(&key) {
            all.retain(|_, known| now_left(known) < most);
            if all.len() >= ADDRESSES_MAX {
                return Err(Error::TooFast { retry_seconds: 10 });
            }
        }
        let left = all.get(&key).map_or(most, now_left);
        if left < 1.0 {
            return Err(Error::TooFast { retry_seconds: 1 });
        }
        all.insert(key, (left - 1.0, self.clock.mark()));
        Ok(())
    }
}

/// One home has as many addresses as it likes under one of these.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_address_that_asks_too_fast_waits_and_others_do_not() {
        let clock = Clock::manual(0);
        let visitors = Visitors::new(clock.clone());
        let at = |text: &str| Visitor(text.parse().unwrap());
        for _ in 0..PUBLIC_ANSWERS_AT_ONCE {
            visitors.count(at("2001:db8::1")).unwrap();
        }
        assert!(visitors.count(at("2001:db8::2")).is_err(), "the same network");
        visitors.count(at("10.0.0.1")).unwrap();
        clock.advance(Duration::from_secs(1));
        for _ in 0..PUBLIC_ANSWERS_A_MINUTE / 60 {
            visitors.count(at("2001:db8::1")).unwrap();
        }
        assert!(visitors.count(at("2001:db8::1")).is_err());
    }
}
