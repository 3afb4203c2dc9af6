//! DNS: names of types and codes, messages, records as text, and the probe.

pub(crate) mod message;
pub(crate) mod names;
mod probe;
mod record;

pub(crate) use probe::probe;
