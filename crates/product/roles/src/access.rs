//! Who may use which route: one table of all routes of `promontory run`, and the people it is held against.

use std::io::Write;
use std::sync::Arc;

use accounts::access::Row;
use accounts::{Access, Accounts, Guard, Surroundings, Table};
pub use accounts::{Overrides, parse_anonymous_role};
use base::Clock;
use exposition::Registry;
use state::State;

use crate::run::StartError;
use crate::settings::Settings;

/// All routes but those of a Pushgateway, which has a prefix of its own. What is not here is for administrators.
pub const ROUTES: &[Row] = &[
    // The process.
    ("GET", "/-/healthy", Access::Public),
    ("GET", "/-/ready", Access::Public),
    ("POST PUT", "/-/reload", Access::Admin),
    ("POST PUT", "/-/quit", Access::Admin),
    ("GET", "/metrics", Access::Viewer),
    // The page; its addresses are added from where they are listed.
    ("GET", "/assets/{*name}", Access::Public),
    ("GET", "/favicon.svg", Access::Public),
    ("GET", "/graph", Access::SignedIn),
    ("GET", "/user/{*path}", Access::Viewer),
    // Signing in.
    ("POST", "/login", Access::Public),
    ("GET POST", "/logout", Access::Public),
    ("GET", "/login/oidc", Access::Public),
    ("GET", "/login/oidc/callback", Access::Public),
    ("GET", "/api/login/options", Access::Public),
    ("GET", "/api/health", Access::Public),
    // Queries.
    ("GET POST", "/api/v1/query", Access::Ask),
    ("GET POST", "/api/v1/query_range", Access::Ask),
    ("GET POST", "/api/v1/query_exemplars", Access::Ask),
    ("GET POST", "/api/v1/format_query", Access::Ask),
    ("GET POST", "/api/v1/parse_query", Access::Ask),
    ("GET POST", "/api/v1/explain", Access::Ask),
    ("GET POST", "/api/v1/series", Access::Ask),
    ("GET POST", "/api/v1/labels", Access::Ask),
    ("GET", "/api/v1/label/{name}/values", Access::Viewer),
    ("GET POST", "/api/v1/search/metric_names", Access::Ask),
    ("GET POST", "/api/v1/search/label_names", Access::Ask),
    ("GET POST", "/api/v1/search/label_values", Access::Ask),
    ("POST", "/api/v1/read", Access::Ask),
    ("GET", "/federate", Access::Viewer),
    ("POST", "/api/v1/rules/backtest", Access::Ask),
    // What the server knows of itself.
    ("GET", "/api/v1/metadata", Access::Viewer),
    ("GET", "/api/v1/targets", Access::Viewer),
    ("GET", "/api/v1/targets/metadata", Access::Viewer),
    ("GET", "/api/v1/targets/relabel_steps", Access::Viewer),
    ("GET", "/api/v1/scrape_pools", Access::Viewer),
    ("GET", "/api/v1/scrape_pools/config", Access::Viewer),
    ("GET", "/api/v1/monitors", Access::Viewer),
    ("GET", "/api/v1/rules", Access::Viewer),
    ("GET", "/api/v1/alerts", Access::Viewer),
    ("GET", "/api/v1/alerts/trail", Access::Viewer),
    ("GET", "/api/v1/alertmanagers", Access::Viewer),
    ("GET", "/api/v1/status/config", Access::Viewer),
    ("GET", "/api/v1/status/flags", Access::Viewer),
    ("GET", "/api/v1/status/runtimeinfo", Access::Viewer),
    ("GET", "/api/v1/status/buildinfo", Access::Viewer),
    ("GET", "/api/v1/status/tsdb", Access::Viewer),
    ("GET", "/api/v1/status/tsdb/blocks", Access::Viewer),
    ("GET", "/api/v1/status/walreplay", Access::Viewer),
    ("GET", "/api/v1/status/self_metrics", Access::Viewer),
    ("GET", "/api/v1/status/cardinality", Access::Viewer),
    ("GET", "/api/v1/status/queries", Access::Viewer),
    ("DELETE", "/api/v1/status/queries/{id}", Access::Admin),
    ("POST", "/api/v1/status/queries/{id}/kill", Access::Admin),
    ("GET", "/api/v1/features", Access::Viewer),
    ("GET", "/api/v1/notifications", Access::Viewer),
    ("GET", "/api/v1/notifications/live", Access::Viewer),
    ("GET", "/api/v1/openapi.yaml", Access::Viewer),
    ("POST PUT", "/api/v1/admin/tsdb/delete_series", Access::Admin),
    ("POST PUT", "/api/v1/admin/tsdb/clean_tombstones", Access::Admin),
    ("POST PUT", "/api/v1/admin/tsdb/snapshot", Access::Admin),
    // What says that there is nothing.
    ("GET", "/api/v1/{*path}", Access::Viewer),
    // What is pushed.
    ("POST", "/api/v1/write", Access::Push),
    ("POST", "/api/v1/otlp/v1/metrics", Access::Push),
    // Alerts.
    ("GET", "/api/v2/status", Access::Viewer),
    ("GET", "/api/v2/receivers", Access::Viewer),
    ("GET", "/api/v2/alerts", Access::Viewer),
    ("POST", "/api/v2/alerts", Access::Push),
    ("GET", "/api/v2/alerts/groups", Access::Viewer),
    ("GET", "/api/v2/silences", Access::Viewer),
    ("POST", "/api/v2/silences", Access::Editor),
    ("GET", "/api/v2/silence/{id}", Access::Viewer),
    ("DELETE", "/api/v2/silence/{id}", Access::Editor),
    ("GET", "/api/v1/alerting/routes", Access::Viewer),
    ("GET", "/api/v1/alerting/route-test", Access::Viewer),
    ("GET", "/api/v1/alerting/receivers", Access::Viewer),
    ("POST", "/api/v1/alerting/receivers/{name}/test", Access::Editor),
    ("POST", "/api/v1/alerting/templates/preview", Access::Ask),
    ("GET", "/api/v1/alerting/acknowledgements", Access::Viewer),
    ("POST", "/api/v1/alerting/acknowledgements", Access::Editor),
    ("DELETE", "/api/v1/alerting/acknowledgements/{fingerprint}", Access::Editor),
    // One's own account.
    ("GET PUT", "/api/user", Access::SignedIn),
    ("PUT", "/api/user/password", Access::SignedIn),
    ("GET", "/api/user/orgs", Access::SignedIn),
    ("GET", "/api/user/teams", Access::SignedIn),
    ("GET", "/api/user/auth-tokens", Access::SignedIn),
    ("POST", "/api/user/revoke-auth-token", Access::SignedIn),
    // People.
    ("GET", "/api/users", Access::Admin),
    ("GET", "/api/users/search", Access::Admin),
    ("GET", "/api/users/lookup", Access::Admin),
    ("GET PUT", "/api/users/{id}", Access::Admin),
    ("GET", "/api/users/{id}/teams", Access::Admin),
    ("GET", "/api/users/{id}/orgs", Access::Admin),
    ("POST", "/api/admin/users", Access::Admin),
    ("DELETE", "/api/admin/users/{id}", Access::Admin),
    ("PUT", "/api/admin/users/{id}/password", Access::Admin),
    ("PUT", "/api/admin/users/{id}/permissions", Access::Admin),
    ("POST", "/api/admin/users/{id}/disable", Access::Admin),
    ("POST", "/api/admin/users/{id}/enable", Access::Admin),
    ("POST", "/api/admin/users/{id}/logout", Access::Admin),
    ("GET", "/api/admin/users/{id}/auth-tokens", Access::Admin),
    ("POST", "/api/admin/users/{id}/revoke-auth-token", Access::Admin),
    ("GET", "/api/org", Access::SignedIn),
    ("GET", "/api/orgs", Access::Admin),
    ("GET POST", "/api/org/users", Access::Admin),
    ("GET", "/api/org/users/lookup", Access::Viewer),
    ("GET", "/api/org/users/search", Access::Admin),
    ("PATCH DELETE", "/api/org/users/{id}", Access::Admin),
    ("POST", "/api/teams", Access::Admin),
    ("GET", "/api/teams/search", Access::Viewer),
    ("GET", "/api/teams/{id}", Access::Viewer),
    ("PUT DELETE", "/api/teams/{id}", Access::Admin),
    // With addresses of mail, which anonymous viewers must not collect.
    ("GET POST PUT", "/api/teams/{id}/members", Access::Admin),
    ("DELETE", "/api/teams/{id}/members/{user}", Access::Admin),
    ("POST", "/api/serviceaccounts", Access::Admin),
    ("GET", "/api/serviceaccounts/search", Access::Admin),
    ("GET PATCH DELETE", "/api/serviceaccounts/{id}", Access::Admin),
    ("GET POST", "/api/serviceaccounts/{id}/tokens", Access::Admin),
    ("DELETE", "/api/serviceaccounts/{id}/tokens/{token}", Access::Admin),
    ("GET POST", "/api/auth/keys", Access::Admin),
    ("DELETE", "/api/auth/keys/{id}", Access::Admin),
    ("GET", "/api/v1/audit", Access::Admin),
    // Dashboards and folders: what somebody may do with one of them is said by its permissions, which `dashboards`
    // looks at.
    ("GET", "/api/search", Access::SignedIn),
    ("GET", "/api/search/sorting", Access::SignedIn),
    ("POST", "/api/dashboards/db", Access::SignedIn),
    ("GET", "/api/dashboards/home", Access::SignedIn),
    ("GET", "/api/dashboards/tags", Access::SignedIn),
    ("GET DELETE", "/api/dashboards/uid/{uid}", Access::SignedIn),
    ("PATCH DELETE", "/api/dashboards/uid/{uid}/trash", Access::SignedIn),
    ("DELETE", "/api/dashboards/id/{id}", Access::SignedIn),
    ("GET", "/api/dashboards/uid/{uid}/versions", Access::SignedIn),
    ("GET", "/api/dashboards/uid/{uid}/versions/{version}", Access::SignedIn),
    ("POST", "/api/dashboards/uid/{uid}/restore", Access::SignedIn),
    ("POST", "/api/dashboards/calculate-diff", Access::SignedIn),
    ("GET POST", "/api/dashboards/uid/{uid}/permissions", Access::SignedIn),
    ("GET POST", "/api/folders", Access::SignedIn),
    ("GET PUT DELETE", "/api/folders/{uid}", Access::SignedIn),
    ("POST", "/api/folders/{uid}/move", Access::SignedIn),
    ("GET", "/api/folders/{uid}/counts", Access::SignedIn),
    ("GET", "/api/folders/id/{id}", Access::SignedIn),
    ("GET POST", "/api/folders/{uid}/permissions", Access::SignedIn),
    ("GET", "/dashboard/db/{slug}", Access::SignedIn),
    ("GET", "/dashboard-solo/db/{slug}", Access::SignedIn),
    ("GET", "/api/user/stars", Access::SignedIn),
    ("POST DELETE", "/api/user/stars/dashboard/uid/{uid}", Access::SignedIn),
    ("GET PUT PATCH", "/api/user/preferences", Access::SignedIn),
    ("GET", "/api/org/preferences", Access::SignedIn),
    ("PUT PATCH", "/api/org/preferences", Access::Admin),
    ("GET", "/api/teams/{team}/preferences", Access::SignedIn),
    ("PUT", "/api/teams/{team}/preferences", Access::Admin),
    ("POST", "/api/admin/provisioning/dashboards/reload", Access::Admin),
    ("POST", "/api/admin/provisioning/datasources/reload", Access::Admin),
    ("POST", "/api/admin/provisioning/{what}/reload", Access::Admin),
    ("GET", "/api/v1/dashboards/provisioning", Access::Editor),
    ("POST", "/api/dashboards/import", Access::SignedIn),
    ("GET POST", "/api/library-elements", Access::SignedIn),
    ("GET PATCH DELETE", "/api/library-elements/{uid}", Access::SignedIn),
    ("GET", "/api/library-elements/{uid}/connections", Access::SignedIn),
    ("GET", "/api/library-elements/name/{name}", Access::SignedIn),
    ("GET POST", "/api/playlists", Access::Viewer),
    ("GET PUT DELETE", "/api/playlists/{uid}", Access::Viewer),
    ("GET", "/api/playlists/{uid}/items", Access::Viewer),
    ("GET POST", "/api/annotations", Access::SignedIn),
    ("POST", "/api/annotations/graphite", Access::SignedIn),
    ("POST", "/api/annotations/mass-delete", Access::SignedIn),
    ("GET", "/api/annotations/tags", Access::SignedIn),
    ("GET PUT PATCH DELETE", "/api/annotations/{id}", Access::SignedIn),
    ("GET", "/api/dashboards/public-dashboards", Access::SignedIn),
    ("GET POST", "/api/dashboards/uid/{uid}/public-dashboards", Access::SignedIn),
    ("PATCH DELETE", "/api/dashboards/uid/{uid}/public-dashboards/{public}", Access::SignedIn),
    // Whoever has the token may see it.
    ("GET", "/api/public/dashboards/{token}", Access::Public),
    ("GET", "/api/public/dashboards/{token}/annotations", Access::Public),
    ("POST", "/api/public/dashboards/{token}/panels/{panel}/query", Access::Public),
    ("POST", "/api/snapshots", Access::SignedIn),
    ("GET DELETE", "/api/snapshots/{key}", Access::SignedIn),
    ("GET", "/api/snapshots-delete/{key}", Access::SignedIn),
    ("GET", "/api/dashboard/snapshots", Access::SignedIn),
    ("GET", "/api/snapshot/shared-options", Access::SignedIn),
    ("GET", "/api/frontend/settings", Access::SignedIn),
    ("GET POST", "/apis/dashboard.grafana.app/{version}/namespaces/{namespace}/dashboards", Access::SignedIn),
    (
        "GET PUT DELETE",
        "/apis/dashboard.grafana.app/{version}/namespaces/{namespace}/dashboards/{name}",
        Access::SignedIn,
    ),
    (
        "GET",
        "/apis/dashboard.grafana.app/{version}/namespaces/{namespace}/dashboards/{name}/dto",
        Access::SignedIn,
    ),
    ("GET POST", "/apis/folder.grafana.app/{version}/namespaces/{namespace}/folders", Access::SignedIn),
    (
        "GET PUT DELETE",
        "/apis/folder.grafana.app/{version}/namespaces/{namespace}/folders/{name}",
        Access::SignedIn,
    ),
    // Data sources: who may send what on is said by the type of each, which `dashboards` looks at.
    ("GET", "/api/datasources", Access::Viewer),
    ("POST", "/api/datasources", Access::Admin),
    ("GET", "/api/datasources/correlations", Access::Viewer),
    ("GET", "/api/datasources/{id}", Access::Viewer),
    ("PUT DELETE", "/api/datasources/{id}", Access::Admin),
    ("GET", "/api/datasources/uid/{uid}", Access::Viewer),
    ("PUT DELETE", "/api/datasources/uid/{uid}", Access::Admin),
    ("GET", "/api/datasources/uid/{uid}/correlations", Access::Viewer),
    ("GET", "/api/datasources/name/{name}", Access::Viewer),
    ("DELETE", "/api/datasources/name/{name}", Access::Admin),
    ("GET", "/api/datasources/id/{name}", Access::Viewer),
    ("GET", "/api/datasources/uid/{uid}/health", Access::Viewer),
    ("GET", "/api/datasources/{id}/health", Access::Viewer),
    ("POST", "/api/ds/query", Access::Ask),
    ("GET POST", "/api/datasources/proxy/uid/{uid}", Access::Ask),
    ("GET POST", "/api/datasources/proxy/uid/{uid}/", Access::Ask),
    ("GET POST", "/api/datasources/proxy/uid/{uid}/{*path}", Access::Ask),
    ("PUT PATCH DELETE", "/api/datasources/proxy/uid/{uid}/{*path}", Access::Editor),
    ("GET", "/api/datasources/proxy/uid/{uid}/api/v2/silences", Access::Viewer),
    ("POST", "/api/datasources/proxy/uid/{uid}/api/v2/silences", Access::Editor),
    ("GET POST", "/api/datasources/proxy/{id}", Access::Ask),
    ("GET POST", "/api/datasources/proxy/{id}/", Access::Ask),
    ("GET POST", "/api/datasources/proxy/{id}/{*path}", Access::Ask),
    ("PUT PATCH DELETE", "/api/datasources/proxy/{id}/{*path}", Access::Editor),
    ("GET POST", "/api/datasources/uid/{uid}/resources/{*path}", Access::Ask),
    ("GET POST", "/api/datasources/{id}/resources/{*path}", Access::Ask),
];

/// The routes of a Pushgateway, under its prefix.
pub const PUSHGATEWAY_ROUTES: &[Row] = &[
    ("GET", "/", Access::Viewer),
    ("GET", "/metrics", Access::Viewer),
    ("POST PUT DELETE", "/metrics/{*group}", Access::Push),
    ("GET", "/api/v1/metrics", Access::Viewer),
    ("GET", "/api/v1/status", Access::Viewer),
    ("PUT", "/api/v1/admin/wipe", Access::Admin),
];

/// The addresses of the page that nobody has to be known for.
const PUBLIC_PAGES: [&str; 2] = ["/login", "/public-dashboards/{token}"];

/// The table of all routes; those of a Pushgateway are under `pushgateway`.
pub fn table(pushgateway: Option<&str>) -> Table {
    let pages: Vec<Row> = page::PAGES
        .iter()
        .map(|path| {
            let access = if PUBLIC_PAGES.contains(path) { Access::Public } else { Access::SignedIn };
            ("GET", *path, access)
        })
        .collect();
    let table = Table::new(ROUTES).with("", &pages);
    match pushgateway {
        Some(prefix) => table.with(prefix, PUSHGATEWAY_ROUTES),
        None => table,
    }
}

/// The people of this server, as the settings and the state have them.
pub(crate) async fn open(
    settings: &Settings,
    state: State,
    external_url: String,
    is_encrypted: bool,
    registry: &Registry,
    clock: &Clock,
) -> Result<Accounts, StartError> {
    let listens_here_only = std::iter::once(&settings.listen)
        .chain(&settings.web.listen_too)
        .all(|address| address.ip().to_canonical().is_loopback());
    let surroundings = Surroundings {
        is_local: listens_here_only && settings.external_url.is_none(),
        allow_unauthenticated: settings.allow_unauthenticated,
        external_path: settings.external_path(),
        is_encrypted: is_encrypted || external_url.starts_with("https://"),
        external_url,
        version: env!("CARGO_PKG_VERSION"),
    };
    if surroundings.allow_unauthenticated && !listens_here_only {
        tracing::warn!("whoever reaches {} is an administrator: --allow-unauthenticated", settings.listen);
    }
    let deps = accounts::Deps {
        state,
        clock: clock.clone(),
        registry: registry.clone(),
        surroundings,
        announce: Arc::new(announce),
    };
    Accounts::open(settings.auth.clone(), deps).await.map_err(|error| StartError::Other(error.to_string()))
}

/// Tells the first password, once, to who sits at the terminal. It goes past the log, which others read.
fn announce(login: &str, password: &str) {
    let text = format!(
        "\n  The first administrator was made. The password is shown this once and kept nowhere:\n\n      login     {login}\n      password  {password}\n\n"
    );
    // Without a terminal it ends up where this output is kept; --admin-password-file is for that.
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// The guard in front of all routes.
pub(crate) fn guard(settings: &Settings, accounts: Accounts) -> Guard {
    Guard::new(accounts, table(settings.pushgateway.as_ref().map(|own| own.prefix())))
}
