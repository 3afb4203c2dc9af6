//! Owns dashboards as people and files make them: documents with versions, folders, provisioning, library panels,
//! playlists, annotations; data sources and the way to them; Grafana's HTTP API over all of it.
//!
//! Must not know how a dashboard is drawn (that is `ui/`), who people are (`accounts` tells by `model::Caller`).

mod access;
mod api;
mod built_in;
mod card;
mod catalog;
mod documents;
mod error;
pub mod provisioning;
mod public;
mod reading;
mod saving;
mod service;
mod sources;
mod store;

pub use access::{Grant, Permission, Subject, permission};
pub use built_in::built_in;
pub use documents::*;
pub use error::Error;
pub use public::visitors::{
    PUBLIC_ANSWERS_A_MINUTE, PUBLIC_ANSWERS_AT_ONCE, PUBLIC_ANSWERS_RUNNING, Visitor,
};
pub use reading::{DASHBOARD_SIZE_MAX_BYTES, Reading, read, read_text};
pub use service::{Dashboards, Deps, FIRST_SCAN_TIMEOUT, Named, Options, People};
pub use sources::{
    ANSWER_SIZE_MAX_BYTES, BODY_SIZE_MAX_BYTES, DATA_SOURCE_SIZE_MAX_BYTES, DATA_SOURCES_MAX, GivenSource,
    REQUESTS_MAX, SOURCE_REQUESTS_MAX, SourceOptions,
};
