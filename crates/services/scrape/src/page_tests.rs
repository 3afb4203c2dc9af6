use config::Node;
use config::http_client::PathBase;

use super::*;
use crate::config::GlobalConfig;
use crate::testing::{MemoryStore, Value};

/// One target with its store; every page is a scrape, ten seconds after the one before.
pub(crate) struct Rig {
    store: MemoryStore,
    config: Config,
    target: Target,
    series: TargetSeries,
    scratch: Scratch,
    families: Families,
    clock: base::Clock,
    at_ms: i64,
    features: Features,
}

impl Rig {
    pub(crate) fn new(yaml: &str) -> Self {
        let config = decode(yaml);
        let labels = Labels::from_pairs([("job", "web"), ("instance", "h:1")]);
        let target = Target {
            discovered: labels.clone(),
            labels,
            url: "http://h:1/metrics".into(),
            unix_socket: None,
            interval_ms: 10_000,
            timeout_ms: 10_000,
            scrape_native_histograms: config.scrape_native_histograms,
            always_scrape_classic_histograms: config.always_scrape_classic_histograms,
            convert_classic_histograms: config.convert_classic_histograms_to_nhcb,
        };
        Rig {
            store: MemoryStore::default(),
            config,
            target,
            series: TargetSeries::default(),
            scratch: Scratch::default(),
            families: Families::default(),
            clock: base::Clock::manual(0),
            at_ms: 0,
            features: Features { start_timestamps: true, ..Features::default() },
        }
    }

    fn scrape_as(&mut self, page: Result<&[u8], ScrapeError>, content_type: &str) -> Outcome {
        self.take(page.map(|body| Page {
            body: bytes::Bytes::copy_from_slice(body),
            content_type: content_type.to_string(),
        }))
    }

    /// Takes a page as that of the next scrape.
    pub(crate) fn take(&mut self, page: Result<Page, ScrapeError>) -> Outcome {
        self.at_ms += 10_000;
        let context = PageContext {
            config: &self.config,
            target: &self.target,
            writer: &self.store,
            families: &self.families,
            seed: 7,
            features: self.features,
            at_ms: self.at_ms,
            began: self.clock.mark(),
        };
        self.series.ingest(&context, &mut self.scratch, &page)
    }

    fn scrape(&mut self, page: &str) -> Outcome {
        self.scrape_as(Ok(page.as_bytes()), "text/plain")
    }

    fn fail(&mut self) -> Outcome {
        self.scrape_as(Err(ScrapeError::Page("connection refused".into())), "")
    }

    /// What a user sees of the last scrape: metric and value, labels of the target left out.
    pub(crate) fn seen(&self) -> Vec<String> {
        let lines = self.store.at(self.at_ms).into_iter();
        lines
            .map(|line| line.replace(r#", instance="h:1", job="web""#, "").replace(r#"__name__="#, ""))
            .collect()
    }

    pub(crate) fn report(&self, metric: &str) -> f64 {
        match self.store.report(metric, self.at_ms) {
            Some(Value::Float(value)) => value,
            other => panic!("{metric}: {other:?}"),
        }
    }
}

fn decode(yaml: &str) -> Config {
    let base = PathBase::new(std::path::Path::new(""));
    Config::decode(&Node::parse(yaml).unwrap(), &GlobalConfig::default(), &base).unwrap()
}

#[test]
fn samples_arrive_with_the_targets_labels_and_the_scheduled_time() {
    let mut rig = Rig::new("job_name: web");
    rig.scrape("# TYPE a counter\na{x=\"1\"} 5\nb 7\n");
    assert_eq!(
        rig.store.of(r#"{__name__="a", instance="h:1", job="web", x="1"}"#),
        [(10_000, Value::Float(5.0))]
    );
    assert_eq!(rig.store.of(r#"{__name__="up", instance="h:1", job="web"}"#), [(10_000, Value::Float(1.0))]);
    assert_eq!(rig.report("scrape_samples_scraped"), 2.0);
    assert_eq!(rig.report("scrape_series_added"), 2.0);
    assert_eq!(rig.store.report("scrape_timeout_seconds", 10_000), None);
}

#[test]
fn a_known_page_is_not_resolved_again() {
    let mut rig = Rig::new("job_name: web");
    let page: String = (0..100).map(|i| format!("m{{i=\"{i}\"}} {i}\n")).collect();
    rig.scrape(&page);
    let resolved = rig.store.resolved();
    rig.scrape(&page);
    assert_eq!(rig.store.resolved(), resolved);
    assert_eq!(rig.seen().len(), 100);
    assert_eq!(rig.report("scrape_series_added"), 0.0);
}

#[test]
fn a_series_that_vanishes_from_the_page_ends() {
    let mut rig = Rig::new("job_name: web");
    for (page, expected) in [
        ("a 1\nb 2\nc 3\n", vec!["{\"a\"} 1", "{\"b\"} 2", "{\"c\"} 3"]),
        // From the end, from the middle, with another order.
        ("a 1\nb 2\n", vec!["{\"a\"} 1", "{\"b\"} 2", "{\"c\"} stale"]),
        ("b 2\n", vec!["{\"a\"} stale", "{\"b\"} 2"]),
        ("c 3\nb 2\na 1\n", vec!["{\"a\"} 1", "{\"b\"} 2", "{\"c\"} 3"]),
        ("a 1\nd 4\nc 3\n", vec!["{\"a\"} 1", "{\"b\"} stale", "{\"c\"} 3", "{\"d\"} 4"]),
        ("", vec!["{\"a\"} stale", "{\"c\"} stale", "{\"d\"} stale"]),
        ("", vec![]),
    ] {
        rig.scrape(page);
        assert_eq!(rig.seen(), expected, "{page:?}");
    }
}

#[test]
fn a_failed_scrape_ends_all_series_once_and_sets_up_to_0() {
    let mut rig = Rig::new("job_name: web");
    rig.scrape("a 1\nb 2\n");
    let resolved = rig.store.resolved();
    let outcome = rig.fail();
    assert_eq!(outcome.error.unwrap().to_string(), "connection refused");
    assert_eq!(rig.seen(), ["{\"a\"} stale", "{\"b\"} stale"]);
    assert_eq!((rig.report("up"), rig.report("scrape_samples_scraped")), (0.0, 0.0));
    rig.fail();
    assert_eq!(rig.seen(), [""; 0]);
    rig.scrape("a 1\nb 2\n");
    assert_eq!(rig.seen(), ["{\"a\"} 1", "{\"b\"} 2"]);
    assert_eq!((rig.report("up"), rig.store.resolved()), (1.0, resolved), "known as before");
    rig.fail();
    assert_eq!(rig.seen(), ["{\"a\"} stale", "{\"b\"} stale"]);
}

#[test]
fn a_page_that_breaks_off_counts_as_none() {
    let mut rig = Rig::new("job_name: web");
    rig.scrape("a 1\nb 2\n");
    let outcome = rig.scrape("a 3\nb{ 4\n");
    assert!(outcome.error.is_some());
    assert_eq!(rig.seen(), ["{\"a\"} stale", "{\"b\"} stale"]);
    assert_eq!(rig.report("up"), 0.0);
}

#[test]
fn a_vanished_target_ends_its_series_and_those_about_it() {
    let mut rig = Rig::new("job_name: web");
    rig.scrape("a 1\n");
    rig.series.end(&rig.store, &mut rig.scratch, 12_345).unwrap();
    assert_eq!(rig.store.at(12_345).len(), 1);
    assert_eq!(rig.store.report("up", 12_345), Some(Value::Stale));
    assert_eq!(rig.store.report("scrape_series_added", 12_345), Some(Value::Stale));
}

#[test]
fn series_with_timestamps_of_their_own_end_only_if_tracked() {
    for (yaml, marked) in
        [("job_name: web", false), ("{job_name: web, track_timestamps_staleness: true}", true)]
    {
        let mut rig = Rig::new(yaml);
        rig.scrape("a 1 9000\nb 2\n");
        assert_eq!(
            rig.store.of(r#"{__name__="a", instance="h:1", job="web"}"#),
            [(9_000, Value::Float(1.0))],
            "{yaml}"
        );
        rig.scrape("b 2\n");
        assert_eq!(rig.seen().contains(&"{\"a\"} stale".to_string()), marked, "{yaml}");
    }
    let mut rig = Rig::new("{job_name: web, honor_timestamps: false}");
    rig.scrape("a 1 9000\n");
    assert_eq!(rig.seen(), ["{\"a\"} 1"], "the scheduled time counts");
    rig.scrape("");
    assert_eq!(rig.seen(), ["{\"a\"} stale"]);
}

#[test]
fn labels_of_the_page_are_renamed_or_honoured() {
    let page = "a{job=\"x\",exported_job=\"y\",instance=\"\"} 1\n";
    let mut rig = Rig::new("job_name: web");
    rig.scrape(page);
    assert_eq!(
        rig.store.at(10_000),
        [r#"{__name__="a", exported_exported_job="x", exported_job="y", instance="h:1", job="web"} 1"#]
    );
    let mut rig = Rig::new("{job_name: web, honor_labels: true}");
    rig.scrape(page);
    assert_eq!(rig.store.at(10_000), [r#"{__name__="a", exported_job="y", job="x"} 1"#]);
}

#[test]
fn metric_relabelling_drops_and_renames() {
    let mut rig = Rig::new(
        "job_name: web\nmetric_relabel_configs:\n- {source_labels: [__name__], regex: 'go_.*', action: drop}\n\
         - {source_labels: [x], target_label: y}\n- {regex: x, action: labeldrop}\n",
    );
    for _ in 0..3 {
        let outcome = rig.scrape("go_threads 5\na{x=\"1\"} 1\ngo_other 3\n");
        assert_eq!(rig.seen(), [r#"{"a", y="1"} 1"#]);
        assert_eq!((outcome.scraped, outcome.after_relabelling), (3, 1));
    }
    assert_eq!(rig.report("scrape_samples_post_metric_relabeling"), 1.0);
}

#[test]
fn a_series_twice_in_a_page_counts_once_with_its_first_value() {
    let mut rig = Rig::new("job_name: web");
    for _ in 0..2 {
        let outcome = rig.scrape("a 1\nb 2\na 3\n");
        assert_eq!(rig.seen(), ["{\"a\"} 1", "{\"b\"} 2"]);
        assert_eq!((outcome.repeated, outcome.appended.duplicate), (1, 0));
    }
    // Without its double it is the same series still.
    rig.scrape("b 2\na 3\n");
    assert_eq!(rig.seen(), ["{\"a\"} 3", "{\"b\"} 2"]);
    rig.scrape("b 2\n");
    assert_eq!(rig.seen(), ["{\"a\"} stale", "{\"b\"} 2"]);
}

#[test]
fn several_samples_of_a_series_with_timestamps_all_count() {
    let mut rig = Rig::new("job_name: web");
    for add in [0, 5_000] {
        rig.scrape(&format!("a 1 {}\na 2 {}\n", 1_000 + add, 2_000 + add));
    }
    let samples = rig.store.of(r#"{__name__="a", instance="h:1", job="web"}"#);
    assert_eq!(samples.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [1_000, 2_000, 6_000, 7_000]);
}

#[test]
fn two_texts_that_relabelling_makes_one_series_do_not_end_each_other() {
    let mut rig = Rig::new("{job_name: web, metric_relabel_configs: [{regex: x, action: labeldrop}]}");
    rig.scrape("a{x=\"1\"} 5\na{x=\"2\"} 5\n");
    let outcome = rig.scrape("a{x=\"2\"} 6\n");
    assert_eq!((rig.seen(), outcome.appended.duplicate), (vec!["{\"a\"} 6".to_string()], 0));
    rig.scrape("");
    assert_eq!(rig.seen(), ["{\"a\"} stale"]);
}

#[test]
fn limits_fail_the_scrape_with_the_known_texts() {
    for (yaml, expected) in [
        ("{job_name: web, sample_limit: 1}", "sample limit exceeded"),
        (
            "{job_name: web, label_limit: 3}",
            "label_limit exceeded (metric: b, number of labels: 4, limit: 3)",
        ),
        (
            "{job_name: web, label_name_length_limit: 9}",
            "label_name_length_limit exceeded (metric: b, label name: long_label, length: 10, limit: 9)",
        ),
        (
            "{job_name: web, label_value_length_limit: 8}",
            "label_value_length_limit exceeded (metric: b, label name: long_label, value: \"long value\", length: 10, limit: 8)",
        ),
    ] {
        let mut rig = Rig::new(yaml);
        rig.scrape("a 1\n");
        assert_eq!(rig.report("up"), 1.0);
        let outcome = rig.scrape("a 1\nb{long_label=\"long value\"} 2\n");
        assert_eq!(outcome.error.unwrap().to_string(), expected);
        assert_eq!(rig.report("up"), 0.0);
        assert_eq!(rig.seen(), ["{\"a\"} stale"], "{yaml}");
    }
}

#[test]
fn the_sample_limit_counts_what_relabelling_leaves() {
    let mut rig = Rig::new(
        "{job_name: web, sample_limit: 2, metric_relabel_configs: [{source_labels: [__name__], regex: 'x.*', action: drop}]}",
    );
    assert!(rig.scrape("x1 1\nx2 1\na 1\nb 1\n").error.is_none());
    let outcome = rig.scrape("x1 1\nx2 1\na 1\nb 1\nc 1\n");
    assert_eq!(outcome.error, Some(ScrapeError::SampleLimit));
    assert_eq!((rig.report("scrape_samples_scraped"), rig.report("scrape_series_added")), (5.0, 0.0));
    assert_eq!(rig.report("scrape_samples_post_metric_relabeling"), 3.0);
}

#[test]
fn further_series_about_the_scrape_come_on_request() {
    let mut rig = Rig::new("{job_name: web, extra_scrape_metrics: true, sample_limit: 9}");
    rig.scrape("a 1\n");
    assert_eq!(rig.report("scrape_timeout_seconds"), 10.0);
    assert_eq!((rig.report("scrape_sample_limit"), rig.report("scrape_body_size_bytes")), (9.0, 4.0));
    rig.scrape_as(Err(ScrapeError::Fetch(FetchError::TooLarge)), "");
    assert_eq!(rig.report("scrape_body_size_bytes"), -1.0);
}

#[test]
fn a_page_without_a_known_format_is_refused_unless_there_is_a_fallback() {
    let mut rig = Rig::new("job_name: web");
    let outcome = rig.scrape_as(Ok(b"a 1\n"), "application/json");
    assert_eq!(
        outcome.error.unwrap().to_string(),
        "received unsupported Content-Type \"application/json\" and no fallback_scrape_protocol specified for target"
    );
    let mut rig = Rig::new("{job_name: web, fallback_scrape_protocol: PrometheusText0.0.4}");
    assert!(rig.scrape_as(Ok(b"a 1\n"), "application/json").error.is_none());
    assert_eq!(rig.seen(), ["{\"a\"} 1"]);
}

#[test]
fn series_that_the_store_has_dropped_are_made_again_in_the_same_scrape() {
    let mut rig = Rig::new("job_name: web");
    rig.scrape("a 1\nb 2\n");
    rig.store.forget_all();
    let outcome = rig.scrape("a 3\nb 4\n");
    assert!(outcome.storage_error.is_none());
    assert_eq!(rig.seen(), ["{\"a\"} 3", "{\"b\"} 4"]);
    assert_eq!(rig.report("up"), 1.0);
    assert_eq!(rig.report("scrape_series_added"), 0.0);
}

#[test]
fn refused_series_are_counted_and_asked_for_again_later() {
    let mut rig = Rig::new("job_name: web");
    rig.store.refuse(&["b"]);
    for _ in 0..3 {
        let outcome = rig.scrape("a 1\nb 2\nc 3\n");
        assert_eq!((outcome.series_refused, rig.seen().len()), (1, 2));
    }
    let resolved = rig.store.resolved();
    rig.store.refuse(&[]);
    for _ in 0..10 {
        rig.scrape("a 1\nb 2\nc 3\n");
    }
    assert_eq!(rig.seen().len(), 3);
    assert_eq!(rig.store.resolved(), resolved + 1);
}

#[test]
fn a_page_of_more_new_series_than_are_held_at_once_arrives_whole() {
    let mut rig = Rig::new("job_name: web");
    let series = |n: usize| format!("a{{n=\"{n}\"}} {n}\n");
    let page: String = (0..100).map(series).collect();
    let outcome = rig.scrape(&page);
    assert_eq!((outcome.series_added, rig.seen().len()), (100, 100));
    let resolved = rig.store.resolved();
    let outcome = rig.scrape(&page);
    assert_eq!((outcome.series_added, rig.seen().len(), rig.store.resolved()), (0, 100, resolved));
    // A series that comes again after the store was asked about it.
    let times = |n: usize| format!("b{{n=\"{n}\"}} 1 {}\n", 30_000 + n);
    let page = (0..40).map(times).collect::<String>() + "b{n=\"0\"} 2 31000\n";
    rig.scrape(&page);
    assert_eq!(rig.store.of(r#"{__name__="b", instance="h:1", job="web", n="0"}"#).len(), 2);
}

#[test]
fn a_page_that_explodes_is_refused_while_it_is_read_and_known_series_go_on() {
    let mut rig = Rig::new("job_name: web");
    rig.scrape("a 1\nz 1\n");
    rig.store.refuse(&["b"]);
    for round in 0..3 {
        let exploded: String = (0..10_000).map(|n| format!("b{{n=\"{round}-{n}\"}} 1\n")).collect();
        let before = rig.store.resolved();
        let outcome = rig.scrape(&format!("a {round}\n{exploded}z {round}\n"));
        assert!(outcome.error.is_none());
        assert_eq!((outcome.scraped, outcome.series_refused, outcome.series_added), (10_002, 10_000, 0));
        assert!(rig.store.resolved() - before < 100, "the store is not asked about each");
        assert_eq!(rig.seen(), [format!("{{\"a\"}} {round}"), format!("{{\"z\"}} {round}")]);
    }
    rig.store.refuse(&[]);
    for _ in 0..10 {
        rig.scrape("a 1\nb 1\nz 1\n");
    }
    assert_eq!(rig.seen().len(), 3, "what has room again is taken");
}

#[test]
fn a_store_that_takes_nothing_is_reported_and_later_all_goes_on() {
    let mut rig = Rig::new("job_name: web");
    rig.scrape("a 1\n");
    rig.store.set_unavailable(true);
    let outcome = rig.scrape("a 1\nb 2\n");
    assert_eq!(outcome.storage_error.unwrap().to_string(), "disk full");
    assert!(outcome.error.is_none(), "the target is up");
    rig.store.set_unavailable(false);
    rig.scrape("a 1\nb 2\n");
    assert_eq!(rig.seen(), ["{\"a\"} 1", "{\"b\"} 2"]);
    rig.scrape("b 2\n");
    assert_eq!(rig.seen(), ["{\"a\"} stale", "{\"b\"} 2"]);
}

#[test]
fn other_relabelling_ends_only_the_series_that_do_not_come_again() {
    let mut rig = Rig::new("job_name: web");
    rig.scrape("a 1\nb 2\n");
    rig.config = decode(
        "{job_name: web, metric_relabel_configs: [{source_labels: [__name__], regex: b, action: drop}]}",
    );
    rig.series.invalidate();
    rig.scrape("a 1\nb 2\n");
    assert_eq!(rig.seen(), ["{\"a\"} 1", "{\"b\"} stale"]);
    rig.scrape("a 1\nb 2\n");
    assert_eq!(rig.seen(), ["{\"a\"} 1"]);
}

#[test]
fn metadata_follows_the_page() {
    let mut rig = Rig::new("job_name: web");
    rig.scrape("# HELP a What it is.\n# TYPE a counter\na 1\n# TYPE b gauge\nb 2\n");
    let shown = |rig: &Rig| -> Vec<String> {
        let families = rig.series.metadata().families();
        families
            .iter()
            .map(|family| {
                format!("{} {} {}", family.metric, family.metadata.metric_type, family.metadata.help)
            })
            .collect()
    };
    assert_eq!(shown(&rig), ["a counter What it is.", "b gauge "]);
    let before = rig.series.metadata().families().clone();
    rig.scrape("# HELP a What it is.\n# TYPE a counter\na 5\n# TYPE b gauge\nb 6\n");
    assert!(std::sync::Arc::ptr_eq(&before, rig.series.metadata().families()));
    rig.scrape("# TYPE a gauge\na 1\n");
    assert_eq!(shown(&rig), ["a gauge "]);
}

#[test]
fn openmetrics_pages_must_end_with_eof() {
    let mut rig = Rig::new("job_name: web");
    let kind = "application/openmetrics-text; version=1.0.0";
    assert!(rig.scrape_as(Ok(b"# TYPE a counter\na_total 1\n# EOF\n"), kind).error.is_none());
    assert_eq!(rig.seen(), ["{\"a_total\"} 1"]);
    assert!(rig.scrape_as(Ok(b"# TYPE a counter\na_total 1\n"), kind).error.is_some());
    assert_eq!(rig.seen(), ["{\"a_total\"} stale"]);
}

#[test]
fn a_series_without_a_valid_name_fails_the_page() {
    let mut rig = Rig::new("{job_name: web, metric_relabel_configs: [{regex: __name__, action: labeldrop}]}");
    let error = rig.scrape("a 1\n").error.unwrap().to_string();
    assert_eq!(error, "missing metric name (__name__ label)");
    let mut rig = Rig::new("{job_name: web, metric_name_validation_scheme: legacy}");
    let error = rig.scrape("{\"a.b\"} 1\n").error.unwrap().to_string();
    assert_eq!(error, r#"invalid metric name or label names: {__name__="a.b", instance="h:1", job="web"}"#);
}

/// A protobuf field: key, length, bytes.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2, bytes.len() as u8];
    out.extend_from_slice(bytes);
    out
}

#[test]
fn native_histograms_are_taken_if_wanted() {
    // One bucket at schema 0, three observations.
    let span = [0x08, 0x02, 0x10, 0x01];
    let mut histogram = vec![0x08, 0x03, 0x11];
    histogram.extend_from_slice(&6.0f64.to_le_bytes());
    histogram.extend_from_slice(&[0x28, 0x00, 0x31]);
    histogram.extend_from_slice(&0.001f64.to_le_bytes());
    histogram.extend_from_slice(&[0x38, 0x00]);
    histogram.extend_from_slice(&field(12, &span));
    histogram.extend_from_slice(&[0x6a, 0x01, 0x06]);
    let mut family = field(1, b"h");
    family.extend_from_slice(&[0x18, 0x04]);
    family.extend_from_slice(&field(4, &field(7, &histogram)));
    let mut page = vec![family.len() as u8];
    page.extend_from_slice(&family);

    let kind = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";
    let mut rig = Rig::new("{job_name: web, scrape_native_histograms: true}");
    for _ in 0..2 {
        let outcome = rig.scrape_as(Ok(&page), kind);
        assert_eq!(outcome.error, None);
        assert_eq!(rig.seen(), ["{\"h\"} histogram of 3"]);
    }
    rig.scrape("");
    assert_eq!(rig.seen(), ["{\"h\"} stale"]);
    let mut rig = Rig::new("job_name: web");
    rig.scrape_as(Ok(&page), kind);
    let seen = rig.seen();
    assert!(seen.contains(&"{\"h_count\"} 3".to_string()), "{seen:?}");
}

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0";

#[test]
fn exemplars_go_with_their_series_and_without_a_time_have_the_samples() {
    let mut rig = Rig::new("job_name: web");
    let page = concat!(
        "# TYPE a counter\n",
        "a_total{n=\"1\"} 1 # {trace_id=\"x\"} 0.5\n",
        "a_total{n=\"2\"} 1 # {trace_id=\"y\"} 0.7 9.5\n",
        "# EOF\n"
    );
    for scrape in 1..3 {
        assert_eq!(rig.scrape_as(Ok(page.as_bytes()), OPEN_METRICS).error, None);
        let exemplars = rig.store.take_exemplars();
        let shown: Vec<_> = exemplars
            .iter()
            .map(|(labels, e)| (labels.value("n"), e.value, e.timestamp_ms, e.timestamp_given))
            .collect();
        assert_eq!(shown, [("1", 0.5, scrape * 10_000, false), ("2", 0.7, 9_500, true)]);
    }
    // A refused series takes its exemplars with it.
    let mut rig = Rig::new("job_name: web");
    rig.store.refuse(&["a_total"]);
    rig.scrape_as(Ok(page.as_bytes()), OPEN_METRICS);
    assert!(rig.store.take_exemplars().is_empty());
}

#[test]
fn starts_of_counters_go_with_their_samples() {
    let mut rig = Rig::new("job_name: web");
    let page = concat!(
        "# TYPE refused counter\n",
        "refused_total 1\n",
        "refused_created 1\n",
        "# TYPE a counter\n",
        "a_total 1\n",
        "a_created 3.5\n",
        "# TYPE g gauge\n",
        "g 1\n",
        "# EOF\n"
    );
    rig.store.refuse(&["refused_total"]);
    for _ in 0..2 {
        assert_eq!(rig.scrape_as(Ok(page.as_bytes()), OPEN_METRICS).error, None);
        assert_eq!(rig.seen(), ["{\"a_total\"} 1", "{\"g\"} 1"], "no series of their own");
        assert_eq!(rig.store.take_starts(), [("a_total".to_string(), 3_500)]);
    }
}

#[test]
fn what_is_said_of_metrics_is_stored_when_it_is_new() {
    let mut rig = Rig::new("job_name: web");
    rig.scrape("# HELP a one\n# TYPE a gauge\na 1\n# HELP b two\nb 1\n");
    assert_eq!(rig.store.take_metadata(), ["a gauge one", "b unknown two"]);
    rig.scrape("# HELP a one\n# TYPE a gauge\na 2\n# HELP b two\nb 2\n");
    assert!(rig.store.take_metadata().is_empty());
    rig.scrape("# HELP a one\n# TYPE a gauge\na 2\n# HELP b three\nb 2\n");
    assert_eq!(rig.store.take_metadata(), ["b unknown three"]);
}

#[test]
fn samples_from_the_far_future_are_left_out() {
    let mut rig = Rig::new("job_name: web");
    let outcome = rig.scrape("a 1 600000\nb 1 700000\n");
    assert_eq!((outcome.too_new, outcome.appended.accepted), (1, 6));
}

/// A store that takes everything and keeps nothing.
struct Sink;

impl MetricWriter for Sink {
    fn resolve(&self, series: &[Labels], refs: &mut Vec<SeriesRef>) -> Result<(), StorageError> {
        let start = refs.len() as u64 + 1;
        refs.extend((start..start + series.len() as u64).map(SeriesRef));
        Ok(())
    }

    fn append(&self, batch: &WriteBatch) -> Result<Appended, StorageError> {
        Ok(Appended { accepted: batch.len() as u64, ..Appended::default() })
    }

    fn wait_durable(&self, _: model::storage::Ticket) -> Result<(), StorageError> {
        Ok(())
    }
}

fn exporter_page(series: usize) -> String {
    let mut page = String::new();
    for i in 0..series {
        if i % 10 == 0 {
            page.push_str(&format!("# HELP http_requests_{i}_total Requests that were answered, by path.\n"));
            page.push_str(&format!("# TYPE http_requests_{i}_total counter\n"));
        }
        let family = i - i % 10;
        page.push_str(&format!(
            "http_requests_{family}_total{{method=\"GET\",path=\"/api/v1/items/{i}\",code=\"200\",pod=\"web-7d9c8b6f5-{i:05}\"}} {}\n",
            i * 37
        ));
    }
    page
}

/// Scrapes the same page again and again; gives the allocations of one scrape.
fn allocations_of_a_known_page(series: usize, rounds: u32) -> usize {
    let rig = Rig::new("job_name: web");
    let mut known = TargetSeries::default();
    let (mut scratch, page) = (Scratch::default(), exporter_page(series));
    let page = Page { body: page.into_bytes().into(), content_type: "text/plain; version=0.0.4".into() };
    let mut scrape = |at_ms: i64| {
        let context = PageContext {
            config: &rig.config,
            target: &rig.target,
            writer: &Sink,
            families: &rig.families,
            seed: 7,
            features: Features::default(),
            at_ms,
            began: rig.clock.mark(),
        };
        let outcome = known.ingest(&context, &mut scratch, &Ok(page.clone()));
        assert_eq!((outcome.error, outcome.scraped), (None, series as u64));
    };
    (1..3).for_each(|round| scrape(round * 10_000));
    let before = crate::testing::allocations();
    (3..3 + i64::from(rounds)).for_each(|round| scrape(round * 10_000));
    (crate::testing::allocations() - before) / rounds as usize
}

#[test]
fn a_known_page_costs_no_allocation_per_series() {
    let small = allocations_of_a_known_page(10, 5);
    let large = allocations_of_a_known_page(2_000, 5);
    assert_eq!(small, large);
    assert!(large < 20, "{large}");
}

#[test]
fn any_sequence_of_pages_leaves_what_a_plain_comparison_of_pages_would() {
    let mut seed = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % below as u64) as usize
    };
    for _ in 0..60 {
        let mut rig = Rig::new("{job_name: web, metric_relabel_configs: [{regex: x, action: labeldrop}]}");
        let mut live: std::collections::BTreeSet<String> = std::collections::BTreeSet::new();
        let mut order: Vec<usize> = (0..12).collect();
        for round in 0..40 {
            match random(6) {
                // Mostly the page stays; then its order changes, or series come and go.
                0 => (0..4).for_each(|_| order.swap(random(12), random(12))),
                1 => order.rotate_left(random(12)),
                _ => {}
            }
            let present = if random(3) == 0 { random(13) } else { 12 };
            // Series 10 and 11 are the series 0 and 1 after relabelling.
            let lines =
                order.iter().take(present).map(|i| (i % 10, format!("m{}{{x=\"{i}\"}} {round}\n", i % 10)));
            let lines: Vec<(usize, String)> = lines.collect();
            let names: std::collections::BTreeSet<String> =
                lines.iter().map(|(i, _)| format!("{{\"m{i}\"}}")).collect();
            let mut page: String = lines.into_iter().map(|(_, line)| line).collect();
            if random(4) == 0 {
                page.push_str(&page.clone());
            }
            let fails = random(8) == 0;
            if random(15) == 0 {
                rig.series.invalidate();
            }
            if fails {
                page.push_str("broken{\n");
            }
            let outcome = rig.scrape(&page);
            assert_eq!(outcome.appended.duplicate, 0, "a sample and a marker at the same time");
            let now = if fails { std::collections::BTreeSet::new() } else { names };
            let mut expected: Vec<String> =
                live.difference(&now).map(|name| format!("{name} stale")).collect();
            expected.extend(now.iter().map(|name| format!("{name} {round}")));
            expected.sort();
            let mut seen = rig.seen();
            seen.sort();
            assert_eq!(seen, expected, "round {round}");
            live = now;
        }
    }
}

#[test]
fn native_histograms_are_made_coarser_to_keep_to_their_limits() {
    let histogram = |buckets: usize| {
        Arc::new(FloatHistogram {
            schema: 3,
            count: buckets as f64,
            positive_spans: vec![model::histogram::Span { offset: 0, length: buckets as u32 }],
            positive_buckets: vec![1.0; buckets],
            ..FloatHistogram::default()
        })
    };
    let kept = |yaml: &str, buckets: usize| {
        let config = decode(yaml);
        within_limits(histogram(buckets), &config).ok().map(|h| (h.schema, h.positive_buckets.len(), h.count))
    };
    assert_eq!(kept("job_name: a", 16), Some((3, 16, 16.0)));
    assert_eq!(kept("{job_name: a, native_histogram_min_bucket_factor: 2}", 16), Some((0, 3, 16.0)));
    let (schema, buckets, count) = kept("{job_name: a, native_histogram_bucket_limit: 5}", 16).unwrap();
    assert!(schema < 3 && buckets <= 5 && count == 16.0);
    assert_eq!(kept("{job_name: a, native_histogram_bucket_limit: 1}", 2000), None);
}

#[test]
fn type_and_unit_become_labels_where_the_feature_is_on() {
    let mut rig = Rig::new("job_name: web");
    rig.features.type_and_unit_labels = true;
    let page = |metric_type: &str| {
        format!(
            "# TYPE a_seconds {metric_type}\n# UNIT a_seconds seconds\na_seconds{{__type__=\"mine\"}} 1\n\
             # TYPE h histogram\nh_count 2\nb 3\n# EOF\n"
        )
    };
    let openmetrics = "application/openmetrics-text; version=1.0.0";
    rig.scrape_as(Ok(page("gauge").as_bytes()), openmetrics);
    let seen = rig.seen();
    let expected = [
        r#"{"a_seconds", __type__="gauge", __unit__="seconds"} 1"#,
        r#"{"b"} 3"#,
        r#"{"h_count", __type__="histogram"} 2"#,
    ];
    assert_eq!(seen, expected);
    // The same text under another type is another series.
    rig.scrape_as(Ok(page("unknown").as_bytes()), openmetrics);
    let seen = rig.seen();
    assert!(
        seen.contains(&r#"{"a_seconds", __type__="gauge", __unit__="seconds"} stale"#.to_string()),
        "{seen:?}"
    );
    assert!(
        seen.contains(&r#"{"a_seconds", __type__="mine", __unit__="seconds"} 1"#.to_string()),
        "{seen:?}"
    );
}

#[test]
fn counters_count_from_the_first_scrape_where_the_feature_is_on() {
    let mut rig = Rig::new("job_name: web");
    rig.features.synthesized_starts = true;
    let page = |value: u32| format!("# TYPE c_total counter\nc_total {value}\n# TYPE g gauge\ng {value}\n");
    rig.scrape(&page(100));
    assert_eq!(rig.seen(), [r#"{"g"} 100"#]);
    rig.scrape(&page(107));
    assert_eq!(rig.seen(), [r#"{"c_total"} 7"#, r#"{"g"} 107"#]);
    assert_eq!(rig.store.take_starts(), [("c_total".to_string(), 10_000)]);
    rig.scrape(&page(5));
    assert_eq!(rig.seen(), [r#"{"c_total"} 5"#, r#"{"g"} 5"#]);
    assert_eq!(rig.store.take_starts(), [("c_total".to_string(), 29_999)]);
    rig.fail();
    rig.scrape(&page(9));
    assert_eq!(rig.seen(), [r#"{"g"} 9"#], "after a failure the first sample is only remembered again");
}

#[test]
fn classic_histograms_are_stored_as_native_ones_if_wanted() {
    let page = "# TYPE h histogram\nh_bucket{le=\"1\"} 3\nh_bucket{le=\"+Inf\"} 4\nh_sum 5\nh_count 4\n# TYPE g gauge\ng 1\n";
    let mut rig = Rig::new("{job_name: web, convert_classic_histograms_to_nhcb: true}");
    let outcome = rig.scrape(page);
    assert_eq!(rig.seen(), [r#"{"g"} 1"#, r#"{"h"} histogram of 4"#]);
    assert_eq!((outcome.scraped, outcome.series_added), (2, 2));
    rig.scrape(page);
    assert_eq!(rig.seen(), [r#"{"g"} 1"#, r#"{"h"} histogram of 4"#]);
    rig.scrape("g 1\n");
    assert_eq!(rig.seen(), [r#"{"g"} 1"#, r#"{"h"} stale"#]);

    let yaml =
        "{job_name: web, convert_classic_histograms_to_nhcb: true, always_scrape_classic_histograms: true}";
    let mut rig = Rig::new(yaml);
    assert_eq!(rig.scrape(page).scraped, 6);
}
