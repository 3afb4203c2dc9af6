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
        "global: {query_log_file: q}\n\
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
        (1, "global.query_log_file"),
        (2, "runtime.gogc"),
        (3, "remote_write.round_robin_dns"),
        (5, "tracing"),
        (8, "alerting.alertmanagers.sigv4"),
        (8, "alertmanagers: oci_sd: auth instance_principal is not available yet; use api_key"),
        (9, "job \"a\": oci_sd: auth instance_principal is not available yet; use api_key"),
    ];
    assert_eq!(named, expected.map(|(line, name)| (line, name.to_string())));
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
