//! What PromQL's functions calculate.

pub(super) mod extended;
pub(super) mod histogram;
pub(super) mod info;
pub(super) mod labels;
pub(super) mod math;
pub(super) mod over_time;
pub(super) mod quantile;
pub(super) mod rate;
pub(super) mod regression;
pub(super) mod time;
