//! `mixins/rule-tests`: the kubernetes-mixin's own tests of its rules, a case each test.
//!
//! The tests name two files of rules that only a rendering of the mixin makes. Whoever has one points
//! [`RENDERED_RULES`] at its folder (`prometheus_alerts.yaml`, `prometheus_rules.yaml`), and all tests can pass.
//! Otherwise the rules are those that kube-prometheus rendered from the same mixin for itself. It chose other
//! settings than the tests were written for; [`SETTINGS`] gives those back that are a matter of names, and
//! [`cannot_pass`] names the tests that need one that is not.

use std::path::{Path, PathBuf};

use config::Node;
use config::yaml::Value;
use rules::unit_test;

use super::{SuiteResult, file_name, files};

/// The environment variable that names a folder of rendered rules.
pub const RENDERED_RULES: &str = "PROMONTORY_RENDERED_RULES";

/// The kubernetes-mixin among the rules of kube-prometheus.
const KUBE_PROMETHEUS: &str = "mixins/rules/kube-prometheus/kubernetesControlPlane-prometheusRule.rules.yaml";

/// What kube-prometheus set, and what the tests expect: selectors of jobs, the address of the runbook, and
/// whether descriptions tell the cluster.
const SETTINGS: [(&str, &str); 6] = [
    (r#"job="kubelet", metrics_path="/metrics/cadvisor""#, r#"job="cadvisor""#),
    (r#"job="kubelet", metrics_path="/metrics""#, r#"job="kubelet""#),
    (r#"job="apiserver""#, r#"job="kube-apiserver""#),
    (
        "https://runbooks.prometheus-operator.dev/runbooks/kubernetes/",
        "https://github.com/kubernetes-monitoring/kubernetes-mixin/tree/master/runbook.md#alert-name-",
    ),
    (" on cluster {{ $labels.cluster }}", ""),
    (" on {{ $labels.cluster }}", ""),
];

/// Why a test fails with kube-prometheus's rules whatever evaluates them.
fn cannot_pass(failure: &str) -> Option<&'static str> {
    [
        ("alertname: KubeProxy", "kube-prometheus does not watch kube-proxy"),
        ("Overcommit, ", "kube-prometheus's rules count for each cluster, not over all"),
        ("alertname: KubePdbNotEnoughHealthyPods", "kube-prometheus's description begins with the cluster"),
    ]
    .into_iter()
    .find_map(|(text, why)| failure.contains(text).then_some(why))
}

/// Runs the tests.
pub fn rule_tests(dir: &Path) -> SuiteResult {
    let mut result = SuiteResult::default();
    let rendered = std::env::var_os(RENDERED_RULES).map(PathBuf::from);
    let folder = match &rendered {
        Some(folder) => folder.clone(),
        None => match translated(&dir.join(KUBE_PROMETHEUS)) {
            Ok(folder) => folder,
            Err(error) => {
                result.add(Err(format!("{KUBE_PROMETHEUS}: {error}")));
                return result;
            }
        },
    };
    let options = unit_test::Options { rules_folder: Some(folder.clone()), ..unit_test::Options::default() };
    for path in files(&dir.join("mixins/rule-tests"), "yaml") {
        let name = file_name(&path);
        let report = unit_test::run_file(&path, &options, None);
        if let Some(error) = report.aborted.as_ref().or(report.warnings.first()) {
            result.add(Err(format!("{name}: {error}")));
        }
        for case in report.cases {
            let failures = case.failures.join("\n");
            let why = cannot_pass(&failures).filter(|_| rendered.is_none());
            result.add(match (failures.is_empty(), why) {
                (true, _) => Ok(()),
                (false, Some(why)) => Err(format!("{name}: {}: cannot pass: {why}", case.name)),
                (false, None) => Err(format!("{name}: {}: {failures}", case.name)),
            });
        }
    }
    if rendered.is_none() {
        let _ = std::fs::remove_dir_all(&folder);
    }
    result
}

/// A folder with the two files that the tests name: groups that alert, and groups that record.
fn translated(path: &Path) -> Result<PathBuf, String> {
    let text = crate::prometheus_file::read_text(path).map_err(|error| error.to_string())?;
    let mut root = Node::parse(&text).map_err(|error| error.to_string())?;
    translate(&mut root);
    let folder = std::env::temp_dir().join(format!("promontory-mixin-{}", std::process::id()));
    std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    for (name, alerts) in [("prometheus_alerts.yaml", true), ("prometheus_rules.yaml", false)] {
        let mut part = root.clone();
        let Value::Mapping(entries) = &mut part.value else { return Err("no groups".into()) };
        for (_, groups) in entries {
            if let Value::Sequence(groups) = &mut groups.value {
                groups.retain(|group| has_alerts(group) == alerts);
            }
        }
        std::fs::write(folder.join(name), config::render::render(&part))
            .map_err(|error| error.to_string())?;
    }
    Ok(folder)
}

fn has_alerts(group: &Node) -> bool {
    let Some(Value::Sequence(rules)) = group.get("rules").map(|rules| &rules.value) else { return false };
    rules.iter().any(|rule| rule.get("alert").is_some())
}

fn translate(node: &mut Node) {
    match &mut node.value {
        Value::Scalar { text, .. } => {
            for (set, expected) in SETTINGS {
                *text = text.replace(set, expected);
            }
        }
        Value::Sequence(items) => items.iter_mut().for_each(translate),
        Value::Mapping(entries) => entries.iter_mut().for_each(|(_, value)| translate(value)),
        Value::Null | Value::Binary(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_of_the_kubernetes_mixin() {
        let Some(dir) = testkit::conformance("") else { return };
        let result = rule_tests(&dir);
        let unexplained: Vec<&String> =
            result.failures.iter().filter(|failure| !failure.contains(": cannot pass: ")).collect();
        assert!(unexplained.is_empty(), "{unexplained:#?}");
        assert!(result.passed >= 102, "only {} of {} cases", result.passed, result.total);
    }
}
