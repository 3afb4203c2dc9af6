//! Owns dashboards as people and files make them: documents with versions, folders, provisioning, library panels,
//! playlists, annotations; data sources and the way to them; Grafana's HTTP API over all of it.
//!
//! Must not know how a dashboard is drawn (that is `ui/`), who people are (`accounts` tells by `model::Caller`).
