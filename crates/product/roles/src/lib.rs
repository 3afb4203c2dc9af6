//! Owns the wiring: which services run, what they are given and in which order they start and stop.
//! One file a role: [`store`], [`collect`], [`ask`], [`alert`], [`push`], [`serve`]; [`run`] puts them together.
//!
//! Must not know how any service does its work, nor what the command line looks like.

pub mod access;
mod agent;
mod alert;
pub mod alert_settings;
pub mod alertmanager;
mod ask;
pub mod backtest;
pub mod blackbox_exporter;
pub mod check;
mod collect;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod dashboards;
pub mod data_sources;
pub mod directory;
mod elsewhere;
mod forward;
pub mod grafana;
pub mod import;
mod listeners;
mod memory;
pub mod monitors;
mod monitors_api;
pub mod node_exporter;
pub mod prometheus_file;
mod prometheus_names;
mod push;
pub mod pushgateway;
pub mod replicas;
mod run;
mod send_on;
mod serve;
pub mod settings;
pub mod start_only;
mod started;
mod store;
mod store_metrics;
pub mod store_settings;
mod threads;
mod trail;
mod user_assets;
pub mod users;
mod watched_files;
pub mod web_settings;

pub use ingest::{Deltas, GatewayConfig, WriteMessage};
pub use prometheus_file::PrometheusFile;
pub use push::PushSettings;
pub use run::{StartError, run};
pub use settings::{Mode, Settings};
