//! Owns how the Kubernetes API is reached and followed: where it is and who we are ([`Cluster`]),
//! requests of any kind of object ([`Client`]), and a collection followed over lists and watches
//! ([`Watcher`]).
//!
//! Must not know what the objects mean: a caller decodes the fields it needs into a type of its own.

mod client;
mod cluster;
mod object;
mod watcher;

pub use client::{Client, Error, Page, Patch, Resource, Scope};
pub use cluster::{Cluster, own_namespace};
pub use object::{Metadata, Object, OwnerReference, or_default};
pub use watcher::{Event, Watcher};
