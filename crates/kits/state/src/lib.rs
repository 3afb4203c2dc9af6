//! Owns small durable state: documents with revisions that others can follow, and claims that
//! exactly one holder has at a time. It is kept in one SQLite file, or in PostgreSQL where several
//! replicas share it. This is the only crate that knows SQL.
//!
//! Must not know what a document or a claim is about: alerts, users, dashboards.

mod document;
mod error;
mod metrics;
mod postgres;
mod settings;
mod sqlite;
mod store;

pub use document::{
    Ask, BODY_SIZE_MAX_BYTES, Change, Changes, Claimed, Document, KEY_SIZE_MAX_BYTES, KIND_SIZE_MAX_BYTES,
    Release, Released, Token, When, Write, Written,
};
pub use error::StateError;
pub use settings::{Place, Settings};
pub use store::State;
