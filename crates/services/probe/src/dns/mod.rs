//! DNS: names of types and codes, messages, records as text, and the probe.

pub(crate) mod names;
