//! Servers that know what runs where: registries, name servers, inventories.

use super::{Boolean, Duration, Integer, Kind, Map, PORT, REFRESH, Text, TextOr, Texts, ensure};

pub(super) const KINDS: &[Kind] = &[];
