//! Who may ask a data source what. Each type has questions that only look, also by POST.

use http::Method;
use model::Role;

use super::definition::{Family, Origin, Source};

/// Questions to Prometheus that come by POST.
const PROMETHEUS: [&str; 7] = [
    "api/v1/query",
    "api/v1/query_range",
    "api/v1/query_exemplars",
    "api/v1/series",
    "api/v1/labels",
    "api/v1/format_query",
    "api/v1/parse_query",
];
/// Further ones that we answer.
const OWN: [&str; 4] = [
    "api/v1/explain",
    "api/v1/search/metric_names",
    "api/v1/search/label_names",
    "api/v1/search/label_values",
];
/// Questions to Loki that come by POST.
const LOKI: [&str; 11] = [
    "loki/api/v1/query",
    "loki/api/v1/query_range",
    "loki/api/v1/labels",
    "loki/api/v1/series",
    "loki/api/v1/index/stats",
    "loki/api/v1/index/volume",
    "loki/api/v1/index/volume_range",
    "loki/api/v1/patterns",
    "loki/api/v1/detected_labels",
    "loki/api/v1/detected_fields",
    "loki/api/v1/format_query",
];

/// Whether a request only looks.
pub(crate) fn is_question(source: &Source, method: &Method, path: &str) -> bool {
    if matches!(*method, Method::GET | Method::HEAD) {
        return true;
    }
    let is_own = source.origin == Origin::Own;
    *method == Method::POST
        && match source.family() {
            Family::Prometheus => PROMETHEUS.contains(&path) || is_own && OWN.contains(&path),
            Family::Loki => LOKI.contains(&path),
            Family::Elasticsearch => {
                path.rsplit('/').next().is_some_and(|last| matches!(last, "_search" | "_msearch"))
            }
            Family::Alertmanager | Family::Traces | Family::Other => false,
        }
}

/// Refuses what the caller may not ask of a data source. `path` is as it was sent, without a slash at its beginning.
pub(crate) fn check(source: &Source, method: &Method, path: &str, role: Role) -> Result<(), String> {
    if role < Role::Viewer {
        return Err("only those who may look at data may ask data sources".into());
    }
    let family = source.family();
    if source.origin == Origin::Own {
        // What else this server does has its own routes, which say who may use them.
        let prefix = if family == Family::Alertmanager { "api/v2/" } else { "api/v1/" };
        if !path.starts_with(prefix) {
            return Err(format!("of this server itself only /{prefix} can be asked as a data source"));
        }
    }
    if is_question(source, method, path) {
        return Ok(());
    }
    if family == Family::Prometheus {
        return Err(format!("non allow-listed {method}s not allowed on proxied Prometheus datasource"));
    }
    if role < Role::Editor {
        return Err(format!("only editors may send {method} to this data source"));
    }
    Ok(())
}

/// Refuses a path that could lead out of where the data source's URL points.
pub(crate) fn check_path(path: &str) -> Result<(), String> {
    let wrong = || Err("this path cannot be sent on: it leads elsewhere".to_string());
    let mut text = path.as_bytes().to_vec();
    // Servers behind proxies decode more than once.
    for _ in 0..4 {
        if text.iter().any(|byte| byte.is_ascii_control()) {
            return wrong();
        }
        let mut parts = text.split(|byte| matches!(byte, b'/' | b'\\'));
        let is_dots = |part: &[u8]| {
            let name = part.split(|byte| *byte == b';').next().unwrap_or(part);
            matches!(name, b"." | b"..")
        };
        if parts.any(is_dots) || text.contains(&b'\\') {
            return wrong();
        }
        let Ok(readable) = std::str::from_utf8(&text) else { return Ok(()) };
        let decoded = net::client::percent_decoded(readable);
        if decoded == text {
            return Ok(());
        }
        text = decoded;
    }
    wrong()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::definition::{Credentials, Definition};
    use super::*;

    fn source(kind: &str, origin: Origin) -> Source {
        Source {
            uid: "s".into(),
            definition: Definition { kind: kind.into(), ..Definition::default() }.into(),
            credentials: Credentials::Open(BTreeMap::new()),
            origin,
            revision: 0,
        }
    }

    #[test]
    fn who_may_ask_what() {
        use Role::{Admin, Editor, None, Viewer};
        let (own, far) = (Origin::Own, Origin::Saved);
        for (kind, origin, method, path, needed) in [
            ("prometheus", far, "GET", "api/v1/query", Some(Viewer)),
            ("prometheus", far, "POST", "api/v1/query_range", Some(Viewer)),
            ("thanos", far, "POST", "api/v1/series", Some(Viewer)),
            ("prometheus", far, "GET", "federate", Some(Viewer)),
            ("prometheus", far, "POST", "api/v1/admin/tsdb/delete_series", Option::None),
            ("prometheus", far, "POST", "api/v1/%71uery", Option::None),
            ("prometheus", far, "PUT", "api/v1/query", Option::None),
            ("prometheus", far, "DELETE", "api/v1/query", Option::None),
            ("prometheus", own, "POST", "api/v1/explain", Some(Viewer)),
            ("prometheus", far, "POST", "api/v1/explain", Option::None),
            ("prometheus", own, "GET", "metrics", Option::None),
            ("prometheus", own, "POST", "api/v1/write", Option::None),
            ("alertmanager", own, "GET", "api/v2/alerts", Some(Viewer)),
            ("alertmanager", own, "POST", "api/v2/silences", Some(Editor)),
            ("alertmanager", own, "POST", "api/v1/admin/tsdb/snapshot", Option::None),
            ("alertmanager", far, "DELETE", "api/v2/silence/1", Some(Editor)),
            ("loki", far, "POST", "loki/api/v1/query_range", Some(Viewer)),
            ("loki", far, "POST", "loki/api/v1/push", Some(Editor)),
            ("elasticsearch", far, "POST", "logs-*/_msearch", Some(Viewer)),
            ("tempo", far, "GET", "api/traces/1", Some(Viewer)),
            ("mine", far, "POST", "x", Some(Editor)),
        ] {
            let source = source(kind, origin);
            for role in [None, Viewer, Editor, Admin] {
                let may = check(&source, &method.parse().unwrap(), path, role).is_ok();
                assert_eq!(
                    may,
                    needed.is_some_and(|needed| role >= needed),
                    "{kind} {method} {path} as {role}"
                );
            }
        }
    }

    #[test]
    fn no_path_leads_out_of_the_url() {
        for path in [
            "..",
            "../x",
            "a/../x",
            "a/./x",
            "a/..",
            "%2e%2e/x",
            "%2E./x",
            "a/%252e%252e/x",
            "..%2fx",
            "a%5c..%5cx",
            "a\\x",
            "..;x/y",
            "a%00",
            "%25252525252e",
        ] {
            assert!(check_path(path).is_err(), "{path}");
        }
        for path in
            ["api/v1/query", "a..b/c", "api/v1/label/a%2Fb/values", "api/v1/label/%C3%A4/values", "...", ""]
        {
            assert!(check_path(path).is_ok(), "{path}");
        }
    }
}
