//! Mistakes that people make in a `prometheus.yml`, and what they are told.

/// A file with a mistake.
pub(crate) struct Broken {
    pub(crate) yaml: &'static str,
    /// Line and column of the mistake.
    pub(crate) place: &'static str,
    /// What the message says: what is wrong, and what is allowed.
    pub(crate) says: &'static [&'static str],
}

pub(crate) const BROKEN: [Broken; 12] = [
    Broken {
        yaml: "scrape_configs:\n  - job_name: a\n    scrape_intervall: 5s\n",
        place: "3:5",
        says: &["field scrape_intervall not found", "did you mean scrape_interval?"],
    },
    Broken {
        yaml: "scrape_configs:\n  - job_nam: a\n",
        place: "2:5",
        says: &["field job_nam not found", "did you mean job_name?"],
    },
    Broken {
        yaml: "global: {scrape_interval: 5 minutes}\n",
        place: "1:27",
        says: &["unknown unit \" minutes\" in duration \"5 minutes\""],
    },
    Broken {
        yaml: "scrape_configs:\n  - job_name: a\n  - job_name: a\n",
        place: "3:5",
        says: &["found multiple scrape configs with job name \"a\""],
    },
    Broken {
        yaml: "scrape_configs:\n  - job_name: a\n    scrape_interval: 1m\n    scrape_timeout: 2m\n",
        place: "2:5",
        says: &["scrape timeout greater than scrape interval", "\"a\""],
    },
    Broken {
        yaml: "scrape_configs:\n  - job_name: a\n    relabel_configs: [{action: replce}]\n",
        place: "3:32",
        says: &["unknown relabel action \"replce\"", "allowed are replace, keep, drop,"],
    },
    Broken {
        yaml: "scrape_configs:\n  - job_name: a\n    relabel_configs: [{source_labels: [x], regex: \"(\"}]\n",
        place: "3:51",
        says: &["missing closing )"],
    },
    Broken {
        yaml: "global:\n\tscrape_interval: 5s\n",
        place: "2:1",
        says: &["a tab", "only spaces are allowed"],
    },
    Broken {
        yaml: "scrape_configs:\n  - job_name: a\n    static_configs: 5\n",
        place: "3:21",
        says: &["expected a list, found a single value"],
    },
    Broken {
        yaml: "scrape_configs:\n  - job_name: a\n    static_configs: [{targets: [x:1]\n",
        place: "4:1",
        says: &["not valid YAML"],
    },
    Broken {
        yaml: "global:\n  scrape_interval: 5s\n  scrape_interval: 6s\n",
        place: "3:3",
        says: &["field scrape_interval already set"],
    },
    Broken {
        yaml: "rule_files: [broken-rules.yml]\n",
        place: "4:24",
        says: &["broken-rules.yml", "\"Ill\"", "unclosed left parenthesis"],
    },
];

/// The rule file that the last of them names.
pub(crate) const BROKEN_RULES: (&str, &str) =
    ("broken-rules.yml", "groups:\n- name: g\n  rules:\n  - {alert: Ill, expr: sum(up}\n");
