//! Tests of the language of unit tests, by files in a folder.

use std::path::PathBuf;

use super::*;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Folder {
        let folder = Folder(tempfile::tempdir().unwrap());
        for (name, text) in files {
            std::fs::write(folder.path(name), text).unwrap();
        }
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn errors(&self, options: &Options) -> Vec<String> {
        let report = run_file(&self.path("test.yml"), options, None);
        let folder = format!("{}/", self.0.path().display());
        report.errors().map(|error| error.replace(&folder, "")).collect()
    }
}

const RULES: &str = "\
groups:
- name: second
  rules:
  - record: doubled
    expr: base * 2
- name: first
  rules:
  - record: base
    expr: raw + 1
  - alert: High
    expr: base > 5
    for: 2m
    labels: {severity: page}
    annotations: {summary: 'value {{ $value }} in {{ $externalLabels.region }}'}
";

#[test]
fn rules_are_evaluated_by_the_clock_of_the_test() {
    let folder = Folder::new(&[
        ("rules.yml", RULES),
        (
            "test.yml",
            r#"
rule_files: [rules.yml]
group_eval_order: [first, second]
tests:
- interval: 1m
  external_labels: {region: eu}
  input_series:
  - {series: 'raw{job="a"}', values: '0 1 _ 5+1x5'}
  alert_rule_test:
  - {eval_time: 4m, alertname: High}
  - eval_time: 5m
    alertname: High
    exp_alerts:
    - exp_labels: {severity: page, job: a}
      exp_annotations: {summary: value 8 in eu}
  promql_expr_test:
  - expr: doubled
    eval_time: 3m
    exp_samples: [{labels: 'doubled{job="a"}', value: 12}]
  - expr: ALERTS{alertstate="pending"}
    eval_time: 4m
    exp_samples:
    - {labels: 'ALERTS{alertname="High", alertstate="pending", job="a", severity="page"}', value: 1}
"#,
        ),
    ]);
    assert_eq!(folder.errors(&Options::default()), Vec::<String>::new());
}

#[test]
fn a_difference_shows_what_was_expected_and_what_came() {
    let test = |text: &str| {
        format!(
            "rule_files: [rules.yml]\ntests:\n- interval: 1m\n  input_series: [{{series: raw, values: 9x9}}]\n{text}"
        )
    };
    let alerts = test("  name: t\n  alert_rule_test: [{eval_time: 3m, alertname: High}]\n");
    let folder = Folder::new(&[("rules.yml", RULES), ("test.yml", &alerts)]);
    let expected = "    name: t,\n    alertname: High, time: 3m, \n        exp:[], \n        got:[\n            0:\n              \
                    Labels:{alertname=\"High\", severity=\"page\"}\n              Annotations:{summary=\"value 10 in \"}\n            ]";
    assert_eq!(folder.errors(&Options::default()), [expected]);
    let diff = folder.errors(&Options { diff: true, ..Options::default() });
    assert!(diff[0].contains("\x1b[0;32m\"severity\": \"page\"\x1b[0m"), "{diff:?}");
    let exprs = test(
        "  promql_expr_test: [{expr: base, eval_time: 1m, exp_samples: [{labels: base, value: 1e300}]}, {expr: 'sum(', eval_time: 0}]\n",
    );
    std::fs::write(folder.path("test.yml"), exprs).unwrap();
    let errors = folder.errors(&Options::default());
    assert_eq!(
        errors[0],
        "    expr: \"base\", time: 1m,\n        exp: {__name__=\"base\"} 1E+300\n        got: {__name__=\"base\"} 1E+01"
    );
    assert!(errors[1].starts_with("    expr: \"sum(\", time: 0s, err: 1:5: parse error:"), "{errors:?}");
}

#[test]
fn mistakes_in_tests_and_rules_are_told_with_their_places() {
    let good = "groups: [{name: g, rules: [{record: a, expr: up}]}]\n";
    for (rules, test, expected) in [
        (good, "tests:\n- intervall: 1m\n", "test.yml:2:3: field intervall not found in type main.testGroup"),
        (good, "tests: [{input_series: [{series: 'up{', values: '1'}]}]", "test.yml:1:34: 1:5: parse error"),
        (good, "group_eval_order: [a, a]", "group name repeated in evaluation order: a"),
        (
            good,
            "tests: [{name: t, alert_rule_test: [{eval_time: 5m}]}]",
            "an item under alert_rule_test misses required attribute alertname at eval_time 5m (in TestGroup t)",
        ),
        (
            "groups: [{name: g, rules: [{record: a, expr: 'up('}]}]",
            "tests: [{}]",
            "rules.yml: 1:46: group \"g\"",
        ),
        ("groups: [{name: g, owner: me, rules: []}]", "tests: [{}]", "field owner not found"),
    ] {
        let test = format!("{test}\nrule_files: [rules.yml]\n");
        let folder = Folder::new(&[("rules.yml", rules), ("test.yml", &test)]);
        let errors = folder.errors(&Options::default());
        assert!(errors.len() == 1 && errors[0].contains(expected), "{expected}: {errors:?}");
        if rules.contains("owner") {
            let ignoring = Options { ignore_unknown: true, ..Options::default() };
            assert_eq!(folder.errors(&ignoring), Vec::<String>::new());
        }
    }
}

#[test]
fn only_chosen_tests_run_and_a_report_of_them_can_be_read_by_build_servers() {
    let test = "tests:\n- {name: good, promql_expr_test: [{expr: '1', exp_samples: [{labels: '{}', value: 1}]}]}\n\
                - {name: 'bad & <ugly>', promql_expr_test: [{expr: '1', exp_samples: []}]}\n";
    let folder = Folder::new(&[("test.yml", test)]);
    let only = Options { run: vec![Regex::new("^go").unwrap()], ..Options::default() };
    assert_eq!(folder.errors(&only), Vec::<String>::new());
    let report = run_file(&folder.path("test.yml"), &Options::default(), None);
    let xml = write_junit(&[FileReport { name: "test.yml".into(), started: "then".into(), ..report }]);
    assert_eq!(
        xml,
        "<testsuites><testsuite name=\"test.yml\" tests=\"2\" failures=\"1\" errors=\"0\" skipped=\"0\" timestamp=\"then\">\
         <testcase name=\"good\"></testcase><testcase name=\"bad &amp; &lt;ugly&gt;\"><failure>    expr: &#34;1&#34;, time: \
         0s,&#xA;        exp: nil&#xA;        got: {} 1E+00</failure></testcase></testsuite></testsuites>"
    );
}

#[test]
fn floats_may_differ_in_the_last_bit_if_a_file_says_so() {
    for (fuzzy, passes) in [("true", true), ("false", false)] {
        let test = format!(
            "fuzzy_compare: {fuzzy}\ntests:\n- input_series: [{{series: a, values: 2.9999999999999996}}]\n  promql_expr_test: \
             [{{expr: a, exp_samples: [{{labels: a, value: 3}}]}}]\n"
        );
        let folder = Folder::new(&[("test.yml", &test)]);
        assert_eq!(folder.errors(&Options::default()).is_empty(), passes, "{fuzzy}");
    }
}
