use std::path::Path;

use super::*;

/// A whole file: the global section and all jobs.
fn load(path: &Path) -> Result<(GlobalConfig, Vec<Job>)> {
    let name = path.display().to_string();
    let decode = || {
        let node = Node::parse(&std::fs::read_to_string(path).unwrap())?;
        let mut fields = node.fields("config.plain")?;
        let base = PathBase::of_file(path);
        let global = match fields.take("global") {
            Some(node) => GlobalConfig::decode(node, &base)?,
            None => GlobalConfig::default(),
        };
        let jobs = Job::decode_all(&mut fields, &global, &base)?;
        Ok((global, jobs))
    };
    decode()
        .map_err(|error: Error| error.map(|text| format!("parsing YAML file {name}: {text}")).in_file(&name))
}

fn job(global: &str, job: &str) -> Result<Config> {
    let base = PathBase::new(Path::new("/etc/p"));
    let global = GlobalConfig::decode(&Node::parse(global)?, &base)?;
    Config::decode(&Node::parse(job)?, &global, &base)
}

/// Files whose errors stand in other sections or inside a discovery's own settings.
const OTHERS: [&str; 27] = [
    "rules",
    "remote_",
    "tracing_",
    "tsdb_",
    "empty_rw",
    "empty_rr",
    "empty_alert",
    "azure_",
    "ec2_",
    "lightsail_",
    "kubernetes_",
    "marathon_",
    "openstack_",
    "puppetdb_",
    "eureka_",
    "scaleway_",
    "outscale_",
    "http_",
    "uyuni_",
    "ionos_",
    "ovhcloud_",
    "stackit_",
    "static_config",
    "section_key",
    "empty_static",
    "agent_mode",
    "otlp_",
];

#[test]
fn bad_files_are_refused_with_the_known_texts() {
    let Some(folder) = testkit::conformance("prometheus/config") else { return };
    let text = std::fs::read_to_string(folder.join("expected-errors.json")).unwrap();
    // JSON is read as YAML here: its strings use no escapes that differ.
    let cases = Node::parse(&text).unwrap();
    let (mut checked, mut failed) = (0, Vec::new());
    cases
        .list(|case| {
            let (file, expected) =
                (case.get("file").unwrap().string()?, case.get("error_contains").unwrap().string()?);
            if OTHERS.iter().any(|prefix| file.starts_with(prefix)) || file.starts_with("unknown_attr") {
                return Ok(());
            }
            checked += 1;
            let expected = expected.replace("testdata/", &format!("{}/", folder.join("testdata").display()));
            match load(&folder.join("testdata").join(&file)) {
                Ok(_) => failed.push(format!("{file}: no error")),
                Err(error) if error.to_string().contains(&expected) => {}
                Err(error) => failed.push(format!("{file}: {error}\n  expected: {expected}")),
            }
            Ok(())
        })
        .unwrap();
    assert!(checked > 30, "{checked}");
    assert!(failed.is_empty(), "{} of {checked}:\n{}", failed.len(), failed.join("\n"));
}

#[test]
fn good_files_are_accepted() {
    let Some(folder) = testkit::conformance("prometheus/config") else { return };
    let mut failed = Vec::new();
    for entry in std::fs::read_dir(folder.join("testdata")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let good = name.ends_with(".good.yml") || name.starts_with("scrape_config_local");
        if good && let Err(error) = load(&path) {
            failed.push(format!("{name}: {error}"));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn jobs_take_over_what_they_do_not_set() {
    let global = "{scrape_interval: 15s, sample_limit: 100, label_limit: 30, keep_dropped_targets: 5, \
                  extra_scrape_metrics: true, body_size_limit: 1MB}";
    let config = job(global, "{job_name: a, label_limit: 7, extra_scrape_metrics: false}").unwrap();
    assert_eq!((config.interval_ms, config.timeout_ms), (15_000, 10_000));
    assert_eq!((config.limits.samples_max, config.limits.labels_max), (100, 7));
    assert_eq!((config.limits.body_size_max_bytes, config.keep_dropped_targets), (1 << 20, 5));
    assert!(
        config.extra_scrape_metrics == Some(false) && config.honor_timestamps && config.enable_compression
    );
    assert_eq!((config.metrics_path.as_str(), config.scheme.as_str()), ("/metrics", "http"));
    assert_eq!(job("{}", "{job_name: a, scrape_interval: 5s}").unwrap().timeout_ms, 5_000);
}

#[test]
fn native_histograms_ask_for_protobuf_first_unless_protocols_are_set() {
    let first = |global: &str, own: &str| job(global, own).unwrap().protocols(Features::default())[0];
    assert_eq!(first("{}", "job_name: a"), ScrapeProtocol::OpenMetricsText1_0_0);
    assert_eq!(first("scrape_native_histograms: true", "job_name: a"), ScrapeProtocol::PrometheusProto);
    assert_eq!(
        first("scrape_native_histograms: true", "{job_name: a, scrape_native_histograms: false}"),
        ScrapeProtocol::OpenMetricsText1_0_0
    );
    assert_eq!(
        first("{scrape_protocols: [PrometheusText0.0.4]}", "{job_name: a, scrape_native_histograms: true}"),
        ScrapeProtocol::PrometheusText0_0_4
    );
}

#[test]
fn legacy_names_imply_escaping_with_underscores() {
    let escaping = |global: &str, own: &str| job(global, own).unwrap().name_escaping;
    assert_eq!(escaping("{}", "job_name: a"), EscapingScheme::AllowUtf8);
    assert_eq!(
        escaping("{}", "{job_name: a, metric_name_validation_scheme: legacy}"),
        EscapingScheme::Underscores
    );
    assert_eq!(escaping("metric_name_validation_scheme: legacy", "job_name: a"), EscapingScheme::Underscores);
    assert_eq!(escaping("metric_name_escaping_scheme: dots", "job_name: a"), EscapingScheme::Dots);
}

#[test]
fn failures_are_logged_where_the_job_or_else_the_global_section_says() {
    let file = |global: &str, own: &str| job(global, own).unwrap().failure_log_file;
    assert_eq!(file("{}", "job_name: a"), None);
    assert_eq!(file("scrape_failure_log_file: x", "job_name: a"), Some("/etc/p/x".into()));
    let own = "{job_name: a, scrape_failure_log_file: y}";
    assert_eq!(file("scrape_failure_log_file: x", own), Some("/etc/p/y".into()));
}

#[test]
fn errors_name_the_field_and_its_place() {
    for (yaml, expected) in [
        (
            "job_name: a\nscrape_intervall: 5s\n",
            "line 2, column 1: field scrape_intervall not found in type config.ScrapeConfig; did you mean scrape_interval?",
        ),
        ("{}", "job_name is empty"),
        (
            "{job_name: a, scrape_timeout: 2m}",
            "scrape timeout greater than scrape interval for scrape config with job name \"a\"",
        ),
        ("{job_name: a, static_configs: [{targets: ['http://x']}]}", "\"http://x\" is not a valid hostname"),
        (
            "{job_name: a, scrape_protocols: []}",
            "scrape_protocols cannot be empty for scrape config with job name \"a\"",
        ),
        ("{job_name: a, sample_limit: -1}", "expected a number of at least 0, found -1"),
    ] {
        let error = job("{}", yaml).unwrap_err().to_string();
        assert!(error.contains(expected), "{yaml}: {error}");
    }
    let global = GlobalConfig::decode(
        &Node::parse("{scrape_interval: 5s, scrape_timeout: 6s}").unwrap(),
        &PathBase::new(Path::new("")),
    );
    assert_eq!(global.unwrap_err().message, "global scrape timeout greater than scrape interval");
}

#[test]
fn external_labels_take_values_from_the_environment() {
    assert_eq!(expand_environment("a$$b${PROMONTORY_NOT_SET}c"), "a$bc");
    assert_eq!(expand_environment("${PATH}"), std::env::var("PATH").unwrap());
    assert_eq!(expand_environment("$PROMONTORY_NOT_SET-x $"), "-x $");
}

#[test]
fn the_least_growth_of_buckets_becomes_a_schema() {
    for (factor, schema) in [(0.0, 8), (1.0, 8), (1.002, 8), (1.1, 2), (2.0, 0), (4.0, -1), (1e9, -4)] {
        assert_eq!(schema_of_factor(factor), schema, "{factor}");
    }
}
