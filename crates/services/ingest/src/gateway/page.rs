//! The page for people: which groups there are, and how their last push went.

use std::fmt::Write;

use gocompat::template::escape::html;

use super::groups::Groups;

/// Groups that the page shows; the API shows all.
const GROUPS_SHOWN_MAX: usize = 1_000;

/// The groups as a page, with times in the form that `time` gives them.
pub(super) fn render(groups: &Groups, time: impl Fn(i64) -> String) -> String {
    let mut rows = String::new();
    for summary in groups.summaries().take(GROUPS_SHOWN_MAX) {
        let labels: Vec<String> =
            summary.key.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
        let at = |at_ms: i64| if at_ms > 0 { time(at_ms) } else { "never".into() };
        let failed = match summary.failed_ms > summary.pushed_ms {
            true => format!("<strong>{}</strong>", html(&at(summary.failed_ms))),
            false => html(&at(summary.failed_ms)),
        };
        // Writing to a text does not fail.
        let _ = writeln!(
            rows,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{failed}</td></tr>",
            html(&labels.join(", ")),
            summary.metrics,
            summary.samples,
            html(&at(summary.pushed_ms)),
        );
    }
    let count = groups.0.len();
    let left_out = match count.saturating_sub(GROUPS_SHOWN_MAX) {
        0 => String::new(),
        more => format!("<p>{more} more are not shown here.</p>\n"),
    };
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Pushgateway</title></head><body>\n\
         <h1>Pushgateway</h1>\n\
         <p><a href=\"metrics\">Metrics</a> <a href=\"api/v1/metrics\">Groups as JSON</a> \
         <a href=\"api/v1/status\">Status</a></p>\n<h2>Groups: {count}</h2>\n\
         <table><tr><th>Group</th><th>Metrics</th><th>Samples</th><th>Last push</th><th>Last failed push</th></tr>\n\
         {rows}</table>\n{left_out}</body></html>\n"
    )
}
