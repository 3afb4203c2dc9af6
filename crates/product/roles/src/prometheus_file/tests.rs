use super::*;

const GOOD: &str = "\
global:
  scrape_interval: 15s
  external_labels:
    site: a
rule_files:
  - rules.yml
alerting:
  alertmanagers:
    - static_configs:
        - targets: ['localhost:9093']
scrape_configs:
  - job_name: node
    scrape_timeout: 5s
    basic_auth:
      username: u
      password: hunter2
    static_configs:
      - targets: ['localhost:9100']
    relabel_configs:
      - source_labels: [__address__]
        regex: '(.*):9100'
        target_label: host
        action: replace
  - job_name: other
storage:
  tsdb:
    retention:
      time: 30d
      size: 10GB
";

const RULES: &str = "\
groups:
  - name: g
    rules:
      - alert: Down
        expr: up == 0
        for: 5m
        annotations:
          summary: '{{ $labels.instance }} is down'
";

/// Writes both files, loads the first and returns its errors without the folder's name.
fn load(config: &str, rules: Option<&str>) -> std::result::Result<PrometheusFile, Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.yml");
    std::fs::write(&path, config).unwrap();
    if let Some(rules) = rules {
        std::fs::write(folder.path().join("rules.yml"), rules).unwrap();
    }
    let prefix = format!("{}/", folder.path().display());
    PrometheusFile::load(&path, &Features::default())
        .map_err(|errors| errors.iter().map(|error| error.to_string().replace(&prefix, "")).collect())
}

#[test]
fn a_good_file_yields_what_it_says() {
    let file = load(GOOD, Some(RULES)).unwrap();
    assert_eq!(file.global.scrape_interval_ms, 15_000);
    let jobs: Vec<(&str, i64, usize)> = file
        .jobs
        .iter()
        .map(|job| (job.config.job_name.as_str(), job.config.timeout_ms, job.discovery.sections.len()))
        .collect();
    assert_eq!(jobs, [("node", 5_000, 1), ("other", 10_000, 0)]);
    assert_eq!((file.rules.len(), file.rules[0].interval_ms), (1, 60_000));
    assert_eq!(file.alerting.alertmanagers[0].timeout_ms, 10_000);
    assert_eq!(file.storage.retention.time_ms, 30 * 86_400_000);
    assert_eq!(file.storage.retention.size_bytes, 10 << 30);
    assert!(file.not_acted_on.is_empty() && file.missing_rule_files.is_empty());
}

#[test]
fn every_way_to_break_it_is_told_with_its_place() {
    for (from, to, place, expected) in [
        (
            "scrape_timeout: 5s",
            "scrape_timout: 5s",
            "p.yml:13:5",
            "field scrape_timout not found in type config.ScrapeConfig; did you mean scrape_timeout?",
        ),
        ("scrape_interval: 15s", "scrape_interval: 15", "p.yml:2:20", "not a valid duration string: \"15\""),
        ("scrape_interval: 15s", "scrape_interval: [15s]", "p.yml:2:20", "expected a text, found a list"),
        ("'(.*):9100'", "'(.*:9100'", "p.yml:21:16", "error parsing regexp: missing closing ): `(.*:9100`"),
        (
            "action: replace",
            "action: rename",
            "p.yml:23:17",
            "unknown relabel action \"rename\"; allowed are replace, keep, drop",
        ),
        (
            "job_name: other",
            "job_name: node",
            "p.yml:24:5",
            "found multiple scrape configs with job name \"node\"",
        ),
        (
            "scrape_timeout: 5s",
            "scrape_timeout: 20s",
            "p.yml:12:5",
            "scrape timeout greater than scrape interval for scrape config with job name \"node\"",
        ),
        ("  external_labels:", "\texternal_labels:", "p.yml:3:1", "not valid YAML: a tab in the indentation"),
        ("time: 30d", "time: -30d", "p.yml:28:13", "not a valid duration string: \"-30d\""),
        ("size: 10GB", "size: 10", "p.yml:29:13", "units: unknown unit  in 10"),
        (
            "alertmanagers:",
            "alertmanager:",
            "p.yml:8:3",
            "field alertmanager not found in type config.plain; did you mean alertmanagers?",
        ),
        ("'localhost:9093'", "'http://localhost:9093'", "p.yml:10:21", "is not a valid hostname"),
        (
            "static_configs:\n      -",
            "static_sd_configs:\n      -",
            "p.yml:17:5",
            "field static_sd_configs not found",
        ),
        ("- rules.yml", "- '*/x*/r.yml'", "p.yml:6:5", "invalid rule file path \"*/x*/r.yml\""),
        ("storage:", "global:", "p.yml:25:1", "field global already set in type config.plain"),
        ("password: hunter2", "password: hunter2\n      password_file: x", "p.yml:15:7", "at most one of"),
        ("- job_name: other", "-", "p.yml:24:4", "empty or null scrape config section"),
    ] {
        let broken = GOOD.replacen(from, to, 1);
        assert_ne!(broken, GOOD, "{from}");
        let errors = load(&broken, Some(RULES)).expect_err(to);
        let text = errors.join("\n");
        assert!(
            text.starts_with(place) && text.contains(expected),
            "{to}: {text}\n  expected {place}: {expected}"
        );
        assert!(text.contains("parsing YAML file p.yml: "), "{text}");
    }
}

#[test]
fn every_way_to_break_the_rules_is_told_with_its_place() {
    for (from, to, place, expected) in [
        ("up == 0", "up = 0", "rules.yml:5:15", "could not parse expression: 1:"),
        ("up == 0", "sum(up", "rules.yml:5:15", "unclosed left parenthesis"),
        (
            "for: 5m",
            "for: 5 minutes",
            "rules.yml:6:14",
            "unknown unit \" minutes\" in duration \"5 minutes\"",
        ),
        ("$labels.instance", "$label.instance", "rules.yml:8:20", "undefined variable \"$label\""),
        (
            "expr: up == 0",
            "exp: up == 0",
            "rules.yml:5:9",
            "field exp not found in type rulefmt.Rule; did you mean expr?",
        ),
        (
            "alert: Down",
            "alert: Down\n        record: down",
            "rules.yml:4:9",
            "only one of 'record' and 'alert' must be set",
        ),
    ] {
        let broken = RULES.replacen(from, to, 1);
        let errors = load(GOOD, Some(&broken)).expect_err(to);
        assert!(
            errors[0].starts_with(place) && errors[0].contains(expected),
            "{to}: {errors:?}\n  expected {place}: {expected}"
        );
    }
}

#[test]
fn mistakes_in_several_sections_are_all_told() {
    let broken = GOOD.replace("15s", "x").replace("time: 30d", "time: y").replace("replace", "z");
    let errors = load(&broken, Some("groups: [{}]")).unwrap_err();
    let places: Vec<&str> = errors.iter().map(|error| error.split(": ").next().unwrap()).collect();
    assert_eq!(places, ["p.yml:2:20", "p.yml:23:17", "p.yml:28:13", "rules.yml:1:10"], "{errors:?}");
}

#[test]
fn a_rule_file_that_is_not_there_is_noted_where_it_is_named() {
    let file = load(GOOD, None).unwrap();
    assert_eq!(file.missing_rule_files.len(), 1);
    let text = file.missing_rule_files[0].to_string();
    assert!(text.contains("p.yml:6:5: \"") && text.ends_with("does not point to an existing file"), "{text}");
}

#[test]
fn files_that_cannot_be_read_are_told_by_name() {
    let errors = PrometheusFile::load(Path::new("/no/such/file.yml"), &Features::default()).unwrap_err();
    assert!(errors[0].to_string().starts_with("/no/such/file.yml: cannot be read: "), "{errors:?}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.yml");
    std::fs::write(&path, b"global:\n  a: \xff\n").unwrap();
    let errors = PrometheusFile::load(&path, &Features::default()).unwrap_err();
    assert!(errors[0].to_string().contains("p.yml:2:6: not valid YAML: invalid UTF-8"), "{errors:?}");
}

#[test]
fn an_empty_file_has_the_defaults() {
    let file = load("", None).unwrap();
    assert_eq!((file.global.scrape_interval_ms, file.jobs.len()), (60_000, 0));
    assert_eq!(file.otlp, ingest::OtlpSettings::default());
    assert!(file.render().starts_with("global:\n  scrape_interval: 1m\n"), "{}", file.render());
}

#[test]
fn everything_nothing_acts_on_is_named_with_its_place() {
    let file = load(
        "global: {}\n\
         runtime: {gogc: 50}\n\
         remote_write: [{url: 'http://a', round_robin_dns: true}]\n\
         remote_read: [{url: 'http://a'}]\n\
         tracing: {endpoint: 'a:1'}\n\
         otlp: {promote_scope_metadata: true}\n\
         storage: {tsdb: {out_of_order_time_window: 1h, chunk_encoding: {floats: xor2}}, exemplars: {max_exemplars: 1}}\n\
         alerting: {alertmanagers: [{sigv4: {region: a}, oci_sd_configs: [{region: a, auth: instance_principal}]}]}\n\
         scrape_configs: [{job_name: a, scrape_failure_log_file: f, oci_sd_configs: [{region: a, auth: instance_principal}]}]\n",
        None,
    )
    .unwrap();
    let named: Vec<(usize, String)> = file
        .not_acted_on
        .iter()
        .map(|note| {
            (note.position.unwrap().line, note.message.replace(": accepted, but nothing acts on it yet", ""))
        })
        .collect();
    let expected = [
        (2, "runtime.gogc"),
        (8, "alerting.alertmanagers.sigv4"),
        (8, "alertmanagers: oci_sd: auth instance_principal is not available yet; use api_key"),
        (9, "job \"a\": oci_sd: auth instance_principal is not available yet; use api_key"),
    ];
    assert_eq!(named, expected.map(|(line, name)| (line, name.to_string())));
}

/// What becomes of a setting.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    /// Something acts on it.
    Acted,
    /// It is named as not acted on.
    Named,
}
use Fate::{Acted, Named};

/// Sections of `prometheus.yml`: how a setting stands in the file (`@`), and every key of Prometheus 3.14 with a
/// value and what becomes of it. Whether something acts on one is for the tests of who does; here is kept that
/// no key is forgotten, and that what is named is named.
const SETTINGS: &[(&str, &[(&str, Fate)])] = &[
    (
        "@",
        &[
            ("global: {scrape_interval: 1s}", Acted),
            ("runtime: {gogc: 50}", Named),
            ("alerting: {alert_relabel_configs: [{action: drop, source_labels: [a]}]}", Acted),
            ("rule_files: ['*.none']", Acted),
            ("scrape_config_files: ['*.none']", Acted),
            ("scrape_configs: [{job_name: b}]", Acted),
            ("storage: {exemplars: {max_exemplars: 5}}", Acted),
            ("tracing: {endpoint: 'a:1'}", Acted),
            ("remote_write: [{url: 'http://a'}]", Acted),
            ("remote_read: [{url: 'http://a'}]", Acted),
            ("otlp: {promote_scope_metadata: true}", Acted),
        ],
    ),
    (
        "global: {@}",
        &[
            ("scrape_interval: 2s, scrape_timeout: 1s", Acted),
            ("scrape_protocols: [PrometheusProto]", Acted),
            ("evaluation_interval: 2s", Acted),
            ("rule_query_offset: 2s", Acted),
            ("query_log_file: q", Acted),
            ("scrape_failure_log_file: f", Acted),
            ("external_labels: {a: b}", Acted),
            ("body_size_limit: 1MB", Acted),
            ("sample_limit: 1", Acted),
            ("target_limit: 1", Acted),
            ("label_limit: 1", Acted),
            ("label_name_length_limit: 1", Acted),
            ("label_value_length_limit: 1", Acted),
            ("keep_dropped_targets: 1", Acted),
            ("metric_name_validation_scheme: legacy", Acted),
            ("metric_name_escaping_scheme: dots", Acted),
            ("scrape_native_histograms: true", Acted),
            ("convert_classic_histograms_to_nhcb: true", Acted),
            ("always_scrape_classic_histograms: true", Acted),
            ("extra_scrape_metrics: true", Acted),
        ],
    ),
    (
        "scrape_configs: [{job_name: a, @}]",
        &[
            ("honor_labels: true", Acted),
            ("honor_timestamps: false", Acted),
            ("track_timestamps_staleness: true", Acted),
            ("params: {a: [b]}", Acted),
            ("scrape_interval: 2s, scrape_timeout: 1s", Acted),
            ("scrape_protocols: [PrometheusProto]", Acted),
            ("fallback_scrape_protocol: PrometheusText0.0.4", Acted),
            ("scrape_native_histograms: true", Acted),
            ("always_scrape_classic_histograms: true", Acted),
            ("convert_classic_histograms_to_nhcb: true", Acted),
            ("scrape_failure_log_file: f", Acted),
            ("metrics_path: /m", Acted),
            ("scheme: https", Acted),
            ("enable_compression: false", Acted),
            ("body_size_limit: 1MB", Acted),
            ("sample_limit: 1", Acted),
            ("target_limit: 1", Acted),
            ("label_limit: 1", Acted),
            ("label_name_length_limit: 1", Acted),
            ("label_value_length_limit: 1", Acted),
            ("native_histogram_bucket_limit: 1", Acted),
            ("native_histogram_min_bucket_factor: 1.1", Acted),
            ("keep_dropped_targets: 1", Acted),
            ("metric_name_validation_scheme: legacy", Acted),
            ("metric_name_escaping_scheme: dots", Acted),
            ("extra_scrape_metrics: true", Acted),
            ("relabel_configs: [{action: drop, source_labels: [a]}]", Acted),
            ("metric_relabel_configs: [{action: drop, source_labels: [a]}]", Acted),
            ("basic_auth: {username: a, password: b}", Acted),
            ("basic_auth: {username_ref: a}", Named),
            ("basic_auth: {username: a, password_ref: b}", Named),
            ("authorization: {type: Bearer, credentials: a}", Acted),
            ("authorization: {credentials_file: a}", Acted),
            ("authorization: {credentials_ref: a}", Named),
            ("bearer_token: a", Acted),
            ("bearer_token_file: a", Acted),
            ("oauth2: {client_id: a, client_secret: b, token_url: 'http://a', scopes: [a]}", Acted),
            ("oauth2: {client_id: a, client_secret_ref: b, token_url: 'http://a'}", Named),
            ("tls_config: {ca_file: a, server_name: a, insecure_skip_verify: true}", Acted),
            ("tls_config: {ca_ref: a}", Named),
            ("tls_config: {cert: a, key: b, cert_ref: a}", Named),
            ("tls_config: {cert: a, key: b, key_ref: a}", Named),
            ("follow_redirects: false", Acted),
            ("enable_http2: false", Acted),
            ("proxy_url: 'http://a'", Acted),
            ("proxy_url: 'http://a', no_proxy: a", Acted),
            ("proxy_from_environment: true", Acted),
            ("proxy_url: 'http://a', proxy_connect_header: {a: [b]}", Acted),
            ("http_headers: {a: {values: [b]}}", Acted),
            ("oci_sd_configs: [{region: a, auth: instance_principal}]", Named),
            ("stackit_sd_configs: [{project: a, credentials_file_path: b}]", Named),
        ],
    ),
    (
        "storage: {tsdb: {@}}",
        &[
            ("retention: {time: 1d}", Acted),
            ("retention: {size: 1GB}", Acted),
            ("retention: {percentage: 10}", Acted),
            ("out_of_order_time_window: 1h", Acted),
            ("stale_series_compaction_threshold: 0.5", Named),
            ("chunk_encoding: {floats: xor2}", Acted),
        ],
    ),
    (
        "alerting: {alertmanagers: [{@}]}",
        &[
            ("static_configs: [{targets: ['a:1']}]", Acted),
            ("scheme: https", Acted),
            ("path_prefix: /a", Acted),
            ("timeout: 1s", Acted),
            ("api_version: v2", Acted),
            ("relabel_configs: [{action: drop, source_labels: [a]}]", Acted),
            ("alert_relabel_configs: [{action: drop, source_labels: [a]}]", Acted),
            ("basic_auth: {username: a, password_ref: b}", Named),
            ("sigv4: {region: a}", Named),
        ],
    ),
    (
        "remote_write: [{url: 'http://a', @}]",
        &[
            ("remote_timeout: 1s", Acted),
            ("headers: {a: b}", Acted),
            ("write_relabel_configs: [{action: drop, source_labels: [a]}]", Acted),
            ("name: a", Acted),
            ("send_exemplars: true", Acted),
            ("send_native_histograms: true", Acted),
            ("round_robin_dns: true", Acted),
            ("protobuf_message: io.prometheus.write.v2.Request", Acted),
            ("failed_request_logging: true", Acted),
            ("queue_config: {capacity: 1, max_shards: 9, min_shards: 2, max_samples_per_send: 1}", Acted),
            ("queue_config: {batch_send_deadline: 1s, min_backoff: 1s, max_backoff: 2s}", Acted),
            ("queue_config: {retry_on_http_429: true, sample_age_limit: 1h}", Acted),
            ("metadata_config: {send: false, send_interval: 1s, max_samples_per_send: 1}", Acted),
            ("sigv4: {region: a}", Acted),
            ("azuread: {managed_identity: {client_id: 00000000-0000-0000-0000-000000000000}}", Acted),
            ("google_iam: {credentials_file: a}", Acted),
            ("tls_config: {ca_ref: a}", Named),
        ],
    ),
    (
        "otlp: {@}",
        &[
            ("promote_all_resource_attributes: true, ignore_resource_attributes: [a]", Acted),
            ("promote_resource_attributes: [a]", Acted),
            ("translation_strategy: NoTranslation", Acted),
            ("keep_identifying_resource_attributes: true", Acted),
            ("convert_histograms_to_nhcb: true", Acted),
            ("promote_scope_metadata: true", Acted),
            ("label_name_underscore_sanitization: false", Acted),
            ("label_name_preserve_multiple_underscores: false", Acted),
        ],
    ),
];

#[test]
fn every_setting_is_acted_on_or_named_and_an_unknown_one_refused() {
    for (section, settings) in SETTINGS {
        for (setting, fate) in *settings {
            let text = section.replace('@', setting);
            let file = load(&text, None).unwrap_or_else(|errors| panic!("{text}: {errors:?}"));
            let found = if file.not_acted_on.is_empty() { Acted } else { Named };
            assert_eq!(found, *fate, "{text}: {:?}", file.not_acted_on);
        }
        let unknown = section.replace('@', "no_such_key: 1");
        assert!(load(&unknown, None).is_err(), "{unknown}");
    }
}

#[test]
fn remote_write_has_the_defaults_of_the_protocol() {
    let file = load(
        "remote_write:\n- url: http://a/push\n  queue_config: {capacity: 5}\n\
         - {url: 'http://b', enable_http2: true, sigv4: {region: r, access_key: a, secret_key: s}}\n",
        None,
    )
    .unwrap();
    let [a, b] = &file.remote_write[..] else { panic!("{:?}", file.remote_write) };
    assert_eq!((a.timeout_ms, a.message, a.http.enable_http2), (30_000, ingest::WriteMessage::V1, false));
    assert_eq!((a.queue.capacity, a.queue.max_shards, a.metadata.send), (5, 50, true));
    assert!(b.http.enable_http2);
    assert!(matches!(&b.cloud_auth, CloudAuth::SigV4 { region, .. } if region == "r"));
    assert!(a.cloud_auth.signer().unwrap().is_none());
    assert!(matches!(b.cloud_auth.signer(), Ok(Some(cloud::Signer::Aws(_, service))) if service == "aps"));
}

#[test]
fn clouds_say_what_they_miss() {
    for (yaml, expected) in [
        ("sigv4: {access_key: a}", "must provide a AWS SigV4 Access key and Secret Key"),
        ("azuread: {}", "must provide an Azure Managed Identity"),
        ("azuread: {cloud: x, sdk: {}}", "must provide a cloud in the Azure AD config"),
        (
            "azuread: {sdk: {tenant_id: a}, managed_identity: {client_id: a}}",
            "the provided Azure Managed Identity client_id is invalid",
        ),
        (
            "azuread: {oauth: {client_id: a}}",
            "must provide an Azure OAuth client_secret in the Azure AD config",
        ),
        ("azuread: {sdk: {tenant_id: a}, managed_identity: {client_id: ''}}", "client_id is invalid"),
        (
            "basic_auth: {username: a}\n  google_iam: {credentials_file: a}",
            "Currently configured: [basic_auth google_iam]",
        ),
        ("headers: {Authorization: a}", "authorization header must be changed via the basic_auth"),
    ] {
        let errors = load(&format!("remote_write:\n- url: http://a\n  {yaml}\n"), None).expect_err(yaml);
        assert!(errors[0].contains(expected) && errors[0].starts_with("p.yml:"), "{yaml}: {errors:?}");
    }
}

#[test]
fn what_is_shown_has_defaults_and_no_secrets() {
    let file = load(GOOD, Some(RULES)).unwrap();
    let shown = file.render();
    assert!(!shown.contains("hunter2") && shown.contains("password: <secret>"), "{shown}");
    for expected in ["  scrape_timeout: 10s\n", "  metrics_path: /metrics\n", "  scrape_interval: 15s\n"] {
        assert!(shown.contains(expected), "{expected}: {shown}");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shown.yml");
    std::fs::write(&path, &shown).unwrap();
    let again = PrometheusFile::load_without_rules(&path).unwrap();
    assert_eq!((again.render(), again.global), (shown, file.global));
}

#[test]
fn agent_mode_forbids_what_needs_a_store() {
    let file =
        load("alerting: {alertmanagers: [{}]}\nrule_files: [a*]\nremote_read: [{url: 'http://a'}]\n", None)
            .unwrap();
    let errors: Vec<String> = file.agent_mode_errors().iter().map(|error| error.message.clone()).collect();
    let expected = ["alerting", "rule_files", "remote_read"];
    assert_eq!(errors, expected.map(|name| format!("field {name} is not allowed in agent mode")));
    assert!(load("remote_write: [{url: 'http://a'}]\n", None).unwrap().agent_mode_errors().is_empty());
}

#[test]
fn jobs_of_other_files_are_told_by_the_file_they_stand_in() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.yml");
    std::fs::write(&path, "scrape_config_files: ['jobs/*.yml']\n").unwrap();
    std::fs::create_dir(folder.path().join("jobs")).unwrap();
    let jobs = folder.path().join("jobs/a.yml");
    std::fs::write(
        &jobs,
        "scrape_configs:\n- job_name: a\n  oci_sd_configs: [{region: a, auth: instance_principal}]\n",
    )
    .unwrap();
    let file = PrometheusFile::load(&path, &Features::default()).unwrap();
    assert_eq!(file.not_acted_on[0].file.as_deref(), Some(jobs.to_str().unwrap()));
    std::fs::write(&jobs, "scrape_configs:\n- job_name: a\n  dns_sd_configs: [{}]\n").unwrap();
    let errors = PrometheusFile::load(&path, &Features::default()).unwrap_err();
    let expected = format!("{}:3:20: DNS-SD config must contain", jobs.display());
    assert!(errors[0].to_string().starts_with(&expected), "{errors:?}");
}
