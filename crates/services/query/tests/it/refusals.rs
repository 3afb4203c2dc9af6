//! What is refused, and in which words.

use query::conformance::fixture;
use query::{Config, Deps, router};
use std::sync::Arc;

use axum::body::Body;
use axum::http::Request;
use model::storage::{MetricReader, Select, Selection, StorageError, TimeRange};
use model::{LabelTable, Matcher};

use crate::ask::{get, send};

#[tokio::test]
async fn wrong_parameters_are_named() {
    let parameter = |name: &str, message: &str| format!("invalid parameter \"{name}\": {message}");
    let not_whole = "strconv.Atoi: parsing \"x\": invalid syntax";
    let too_large = "strconv.Atoi: parsing \"99999999999999999999\": value out of range";
    let no_time = "cannot parse \"x\" to a valid timestamp";
    let no_duration = "cannot parse \"x\" to a valid duration";
    let empty_selector = "match[] must contain at least one non-empty matcher";
    for (path, message) in [
        // Queries.
        ("query", parameter("query", "unknown position: parse error: no expression found in input")),
        ("query?query=up{", parameter("query", "1:4: parse error: unexpected end of input inside braces")),
        ("query?query=1&time=x", parameter("time", &format!("invalid time value for 'time': {no_time}"))),
        ("query?query=1&limit=x", parameter("limit", not_whole)),
        ("query?query=1&limit=99999999999999999999", parameter("limit", too_large)),
        ("query?query=1&limit=-1", parameter("limit", "limit must be non-negative")),
        ("query?query=1&timeout=x", parameter("timeout", no_duration)),
        ("query?query=1&lookback_delta=x", format!("error parsing lookback delta duration: {no_duration}")),
        // The first mistake counts.
        ("query?query=(&time=x&limit=x", parameter("limit", not_whole)),
        ("query_range?query=1", parameter("start", "cannot parse \"\" to a valid timestamp")),
        ("query_range?query=1&start=0&end=x&step=1", parameter("end", no_time)),
        (
            "query_range?query=1&start=2&end=1&step=1",
            parameter("end", "end timestamp must not be before start time"),
        ),
        ("query_range?query=1&start=0&end=1", parameter("step", "cannot parse \"\" to a valid duration")),
        (
            "query_range?query=1&start=0&end=1&step=1e300",
            parameter("step", "cannot parse \"1e300\" to a valid duration. It overflows int64"),
        ),
        (
            "query_range?query=1&start=0&end=1&step=0",
            parameter(
                "step",
                "zero or negative query resolution step widths are not accepted. Try a positive integer",
            ),
        ),
        (
            "query_range?query=1&start=0&end=11001&step=1",
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution \
             (?step=XX)"
                .into(),
        ),
        (
            "query_range?query=up[5m]&start=0&end=1&step=1",
            parameter(
                "query",
                "invalid expression type \"range vector\" for range query, must be Scalar or instant Vector",
            ),
        ),
        ("format_query?query=(", parameter("query", "1:2: parse error: unclosed left parenthesis")),
        ("parse_query?query=(", parameter("query", "1:2: parse error: unclosed left parenthesis")),
        ("query_exemplars?query=(", "1:2: parse error: unclosed left parenthesis".into()),
        (
            "query_exemplars?query=up&start=2&end=1",
            "end timestamp must not be before start timestamp".into(),
        ),
        // Series and labels.
        ("series", "no match[] parameter provided".into()),
        ("series?match[]=%7B%7D", parameter("match[]", empty_selector)),
        ("series?match[]=up&start=x", parameter("start", &format!("invalid time value for 'start': {no_time}"))),
        ("labels?match[]=%7Ba=%22%22%7D", empty_selector.into()),
        ("labels?limit=-1", parameter("limit", "limit must be non-negative")),
        ("label/job/values?match[]=%7B%7D", empty_selector.into()),
        ("label/job/values?end=x", parameter("end", &format!("invalid time value for 'end': {no_time}"))),
        ("label//values", "invalid label name: \"\"".into()),
        ("label/%ff/values", "invalid label name: \"%ff\"".into()),
        // Metadata and targets.
        ("metadata?limit=x", "limit must be a number".into()),
        ("metadata?limit_per_metric=x", "limit_per_metric must be a number".into()),
        ("targets/metadata?limit=x", "limit must be a number".into()),
        ("scrape_pools/config", "no scrapePool parameter provided".into()),
        ("scrape_pools/config?scrapePool=x", "error retrieving scrape config: scrape pool \"x\" not found".into()),
        ("targets/relabel_steps?labels={}", "no scrapePool parameter provided".into()),
        ("targets/relabel_steps?scrapePool=prometheus", "no labels parameter provided".into()),
        // Rules.
        ("rules?type=x", parameter("type", "not supported value \"x\"")),
        (
            "rules?exclude_alerts=x",
            parameter(
                "exclude_alerts",
                "error converting exclude_alerts: strconv.ParseBool: parsing \"x\": invalid syntax",
            ),
        ),
        (
            "rules?group_limit=x",
            parameter(
                "group_limit",
                "group_limit needs to be a valid number: strconv.ParseInt: parsing \"x\": invalid syntax",
            ),
        ),
        ("rules?group_limit=0", parameter("group_limit", "group_limit needs to be greater than 0")),
        (
            "rules?group_next_token=x",
            parameter(
                "group_next_token",
                "group_limit needs to be present in order to paginate over the groups",
            ),
        ),
        (
            "rules?group_next_token=x&group_limit=1",
            parameter("group_next_token", "invalid group_next_token 'x'. were rule groups changed?"),
        ),
        ("rules?match[]=%7B%7D", empty_selector.into()),
        // Status.
        ("status/tsdb?limit=0", "limit must be a positive number".into()),
        ("status/tsdb?limit=x", "limit must be a positive number".into()),
        ("status/tsdb?limit=10001", "limit must not exceed 10000".into()),
    ] {
        let answer = get(&path.replace('{', "%7B").replace('}', "%7D")).await;
        assert_eq!((answer.status, answer.error()), (400, format!("bad_data: {message}")), "{path}");
    }
}

/// A store that fails.
struct Failing(fn() -> StorageError);

impl MetricReader for Failing {
    fn select(&self, _: &Select<'_>, _: &mut LabelTable) -> Result<Selection, StorageError> {
        Err(self.0())
    }

    fn label_names(&self, _: TimeRange, _: &[Matcher]) -> Result<Vec<String>, StorageError> {
        Err(self.0())
    }

    fn label_values(&self, _: &str, _: TimeRange, _: &[Matcher]) -> Result<Vec<String>, StorageError> {
        Err(self.0())
    }
}

#[tokio::test]
async fn a_store_that_fails_decides_the_status() {
    let corrupt = || StorageError::Corrupt("block 1 is damaged".into());
    let closing = || StorageError::Unavailable("closing".into());
    let paths = ["query?query=up", "series?match[]=up", "labels", "label/job/values", "search/label_names"];
    for (fails, status, error) in [
        (corrupt as fn() -> StorageError, 500, "internal: block 1 is damaged"),
        (closing, 503, "unavailable: closing"),
    ] {
        for path in paths {
            let failing = Arc::new(Failing(fails));
            let deps = Deps { reader: failing.clone(), local: failing, ..fixture::deps() };
            let request = Request::get(format!("/api/v1/{path}")).body(Body::empty()).unwrap();
            let answer = send(router(Config::default(), deps), request).await;
            assert_eq!(answer.status, status, "{path}");
            assert_eq!(answer.error().replace("expanding series: ", ""), error, "{path}");
        }
    }
}

#[tokio::test]
async fn an_evaluation_that_fails_is_no_mistake_of_the_request() {
    let answer = get("query?query=up%20%2B%20on(job)%20up").await;
    assert_eq!(answer.status, 422);
    assert!(
        answer.error().starts_with("execution: found duplicate series for the match group"),
        "{}",
        answer.text
    );
}
