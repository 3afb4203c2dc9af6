//! DNS: messages (RFC 1035, EDNS of RFC 6891), what their records say as text and as values, questions over
//! UDP and streams, and a resolver that follows `/etc/hosts` and `/etc/resolv.conf`.

mod exchange;
#[cfg(test)]
mod fuzz;
pub mod message;
pub mod names;
mod record;
mod resolver;

pub use exchange::{exchange_stream, exchange_udp, random_u16};
pub use message::{Message, MessageError, Record};
pub use record::Value;
pub use resolver::{LookupError, Resolver};

/// A family of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IpFamily {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}
