//! Upstream's configuration files, good and bad, and the names and labels of its metrics.

use std::path::{Path, PathBuf};

use testkit::SuiteResult;

use crate::config::Modules;
use crate::report::METRICS;

/// What upstream says of its bad files.
const TEXTS: [(&str, &str); 23] = [
    ("blackbox-bad.yml", "field invalid_extra_field not found in type config.plain"),
    ("blackbox-bad2.yml", "at most one of bearer_token & bearer_token_file must be configured"),
    ("invalid-dns-class.yml", "query class 'X' is not valid"),
    ("invalid-dns-module.yml", "query name must be set for DNS module"),
    ("invalid-dns-type.yml", "query type 'X' is not valid"),
    ("invalid-http-body-config.yml", "setting body and body_file both are not allowed"),
    ("invalid-http-body-match-regexp.yml", "\"Could not compile regular expression\" regexp=\":[\""),
    ("invalid-http-body-not-match-regexp.yml", "\"Could not compile regular expression\" regexp=\":[\""),
    (
        "invalid-http-compression-mismatch-special-case.yml",
        "invalid configuration \"accEpt-enCoding: deflate\", \"compression: gzip\"",
    ),
    (
        "invalid-http-compression-mismatch.yml",
        "invalid configuration \"Accept-Encoding: deflate\", \"compression: gzip\"",
    ),
    ("invalid-http-header-match-regexp.yml", "\"Could not compile regular expression\" regexp=\":[\""),
    ("invalid-http-header-match.yml", "regexp must be set for HTTP header matchers"),
    ("invalid-http-http3-http2-enabled.yml", "when enable_http3 is true, enable_http2 must be set to false"),
    ("invalid-http-http3-http2-version.yml", "only HTTP/3.0 is allowed when enable_http3 is true"),
    ("invalid-http-http3-http2.yml", "only HTTP/3.0 is allowed when enable_http3 is true"),
    (
        "invalid-http-request-compression-reject-all-encodings.yml",
        "invalid configuration \"Accept-Encoding: *;q=0.0\", \"compression: gzip\"",
    ),
    ("invalid-icmp-ttl-overflow.yml", "\"ttl\" cannot exceed 255"),
    ("invalid-icmp-ttl.yml", "\"ttl\" cannot be negative"),
    ("invalid-no-versions-http3-enabled.yml", "when enable_http3 is true, enable_http2 must be set to false"),
    ("invalid-prober.yml", "prober 'invalid' is not valid"),
    ("invalid-tcp-query-response-regexp.yml", "\"Could not compile regular expression\" regexp=\":[\""),
    ("invalid-unix-query-response-regexp.yml", "\"Could not compile regular expression\" regexp=\":[\""),
    ("invalid-websocket-query-response-regexp.yml", "\"Could not compile regular expression\" regexp=\":[\""),
];

/// `blackbox`: the files load or are refused with upstream's text and a place, and all metrics are known.
pub fn run(dir: &Path) -> SuiteResult {
    let mut result = SuiteResult::default();
    for name in ["blackbox.yml", "example.yml"] {
        result.add(file(&dir.join(name)));
    }
    let entries = std::fs::read_dir(dir.join("config-testdata")).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths.iter().for_each(|path| result.add(file(path)));
    let text = std::fs::read_to_string(dir.join("metrics.json")).unwrap_or_default();
    let metrics: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    for name in metrics.as_object().into_iter().flat_map(|metrics| metrics.keys()) {
        let known = METRICS
            .iter()
            .any(|(own, _)| own == name || own.strip_prefix("blackbox_exporter_") == Some(name));
        result.add(if known { Ok(()) } else { Err(format!("no metric {name}")) });
    }
    result
}

fn file(path: &Path) -> Result<(), String> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let text = TEXTS.iter().find(|(file, _)| *file == name).map(|(_, text)| *text);
    let is_bad = text.is_some() || name.starts_with("invalid-") || name.contains("-bad");
    match (is_bad, Modules::load(path)) {
        (false, Ok(_)) => Ok(()),
        (false, Err(error)) => Err(format!("{name}: refused: {error}")),
        (true, Ok(_)) => Err(format!("{name}: loads; expected: {}", text.unwrap_or("a refusal"))),
        (true, Err(error)) if error.position.is_none() => Err(format!("{name}: no place: {error}")),
        (true, Err(error)) => match error.message.contains(text.unwrap_or("")) {
            true => Ok(()),
            false => Err(format!("{name}: {error}; expected: {}", text.unwrap_or(""))),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upstream_s_files_and_names() {
        let Some(dir) = testkit::conformance("blackbox") else { return };
        let result = run(&dir);
        assert!(result.failures.is_empty(), "{}", result.failures.join("\n"));
        assert!(result.total >= 60, "only {} cases", result.total);
    }
}
