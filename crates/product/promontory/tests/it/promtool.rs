//! promtool's commands, by the program itself.

use std::io::Write;
use std::process::Stdio;

use crate::harness::{file, promontory, run};

/// Runs a command with a text on standard input.
fn run_with(args: &[&str], input: &str) -> (Option<i32>, String, String) {
    let dir = tempfile::tempdir().unwrap();
    let mut child = promontory(dir.path(), args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn tests_of_rules_pass_or_tell_what_differs() {
    let dir = tempfile::tempdir().unwrap();
    file(dir.path(), "rules.yml", "groups: [{name: g, rules: [{record: twice, expr: a * 2}]}]\n");
    let test = |value: u32| {
        format!(
            "rule_files: [rules.yml]\ntests:\n- input_series: [{{series: a, values: 1x5}}]\n  promql_expr_test: \
             [{{expr: twice, eval_time: 1m, exp_samples: [{{labels: twice, value: {value}}}]}}]\n"
        )
    };
    file(dir.path(), "good.yml", &test(2));
    file(dir.path(), "bad.yml", &test(3));
    let good = run(dir.path(), &["promtool", "test", "rules", "good.yml"]);
    assert_eq!((good.code, good.stdout.as_str(), good.stderr.as_str()), (Some(0), "  SUCCESS\n\n", ""));
    let bad = run(dir.path(), &["promtool", "test", "--junit", "out.xml", "rules", "good.yml", "bad.yml"]);
    assert_eq!((bad.code, bad.stdout.as_str()), (Some(1), "  SUCCESS\n\n\n\n"));
    assert_eq!(
        bad.stderr,
        "  FAILED:\n    expr: \"twice\", time: 1m,\n        exp: {__name__=\"twice\"} 3E+00\n        got: {__name__=\"twice\"} \
         2E+00\n"
    );
    let report = std::fs::read_to_string(dir.path().join("out.xml")).unwrap();
    assert!(report.contains("tests=\"1\" failures=\"1\" errors=\"0\""), "{report}");
    let missing = run(dir.path(), &["promtool", "test", "rules", "none.yml"]);
    assert_eq!(missing.code, Some(1));
    assert_eq!(missing.stderr, "promtool: error: path 'none.yml' does not exist, try --help\n");
}

#[test]
fn what_could_be_better_counts_only_if_it_shall() {
    let rules = "groups: [{name: g, rules: [{record: a, expr: b}, {record: a, expr: c}]}]\n";
    let lint = "  FAILED:\nlint error 1 duplicate rule(s) found.\nMetric: a\nLabel(s):\nMight cause inconsistency while \
                recording expressions\n";
    for (args, code, stderr) in [
        (&["promtool", "check", "rules"][..], 0, lint),
        (&["promtool", "check", "rules", "--lint-fatal"], 3, lint),
        (&["promtool", "check", "rules", "--lint=none", "--lint-fatal"], 0, ""),
    ] {
        let (found, _, said) = run_with(args, rules);
        assert_eq!((found, said.as_str()), (Some(code), stderr), "{args:?}");
    }
    let (code, out, said) =
        run_with(&["promtool", "check", "rules"], "groups: [{name: g, rules: [{expr: a(}]}]");
    assert_eq!((code, out.as_str()), (Some(1), "Checking standard input\n"));
    assert!(said.starts_with("  FAILED:\nstandard input: 1:"), "{said}");
}

#[test]
fn metrics_are_held_against_the_conventions() {
    let page = "# HELP requests Some.\n# TYPE requests counter\nrequests{le=\"1\"} 1\nrequests{le=\"2\"} 1\n\
                # HELP wait_milliseconds Some.\n# TYPE wait_milliseconds gauge\nwait_milliseconds 1\n";
    let (code, _, said) = run_with(&["promtool", "check", "metrics"], page);
    assert_eq!(code, Some(3));
    assert_eq!(
        said,
        "requests counter metrics should have \"_total\" suffix\n\
         requests non-histogram metrics should not have \"le\" label\n\
         requests non-histogram metrics should not have \"le\" label\n\
         wait_milliseconds use base unit \"seconds\" instead of \"milliseconds\"\n"
    );
    let (code, out, _) = run_with(&["promtool", "check", "metrics", "--extended", "--lint=none"], page);
    assert_eq!(code, Some(0));
    assert!(out.contains("requests             2              66.67%"), "{out}");
    let (code, _, _) = run_with(&["promtool", "check", "metrics", "--lint=none"], page);
    assert_eq!(code, Some(1));
}

#[test]
fn expressions_are_formatted_and_edited() {
    let dir = tempfile::tempdir().unwrap();
    let edit = |args: &[&str]| run(dir.path(), &[&["promtool", "--experimental", "promql"], args].concat());
    let set = edit(&["label-matchers", "set", "-t", "=~", "sum(rate(a{b=\"c\"}[5m])) / d", "b", "x.*"]);
    assert_eq!(set.stdout, "sum(rate(a{b=~\"x.*\"}[5m])) / d{b=~\"x.*\"}\n");
    assert_eq!(edit(&["label-matchers", "delete", "a{b=\"c\"}", "b"]).stdout, "a\n");
    assert_eq!(edit(&["format", "sum(a)by(b)"]).stdout, "sum by (b) (a)\n");
    let without = run(dir.path(), &["promtool", "promql", "format", "a"]);
    assert_eq!(without.code, Some(1));
}

#[test]
fn targets_are_discovered_and_relabelled() {
    let dir = tempfile::tempdir().unwrap();
    file(
        dir.path(),
        "p.yml",
        "scrape_configs:\n- job_name: j\n  static_configs: [{targets: ['h:1', 'drop:1']}]\n  relabel_configs:\n  \
         - {source_labels: [__address__], regex: drop.*, action: drop}\n  - {target_label: env, replacement: test}\n",
    );
    let found = run(dir.path(), &["promtool", "check", "service-discovery", "p.yml", "j"]);
    let targets: serde_json::Value = serde_json::from_str(&found.stdout).unwrap();
    assert_eq!(targets[0]["discoveredLabels"]["__address__"], "h:1");
    assert_eq!(targets[0]["labels"]["env"], "test");
    assert_eq!(targets[0]["labels"]["instance"], "h:1");
    assert_eq!(targets[1]["labels"], serde_json::json!({}));
    let unknown = run(dir.path(), &["promtool", "check", "service-discovery", "p.yml", "k"]);
    assert_eq!((unknown.code, unknown.stderr.as_str()), (Some(1), "Job k not found. Select one of:\n\tj\n"));
}

#[test]
fn flags_without_a_meaning_are_named_and_wrong_ones_refused() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |args: &[&str]| {
        let ended = run(dir.path(), &[&["prometheus"], args].concat());
        (ended.code, ended.stderr)
    };
    // What keeps it from starting is the missing file alone.
    let (code, said) =
        refused(&["--no-auto-gomaxprocs", "--storage.tsdb.wal-compression", "--no-web.enable-lifecycle"]);
    assert!(code == Some(1) && said.contains("prometheus.yml: cannot be read"), "{said}");
    let (code, said) = refused(&["--storage.agent.path=x"]);
    assert!(
        code == Some(1) && said.contains("can only be used in agent mode: [\"storage.agent.path\"]"),
        "{said}"
    );
    let (code, said) = refused(&["--agent", "--query.timeout=1m"]);
    assert!(code == Some(1) && said.contains("can not be used in agent mode: [\"query.timeout\"]"), "{said}");
    let (code, said) = refused(&["--web.cors.origin=("]);
    assert!(code == Some(1) && said.contains("--web.cors.origin: "), "{said}");
    assert_eq!(refused(&["--no-such-flag"]).0, Some(2));
}
