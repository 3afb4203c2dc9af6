//! The examples in the documents work.
#![allow(clippy::expect_used)]

use std::path::{Path, PathBuf};
use std::process::Command;

fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let mut found = vec![root.join("README.md")];
    for entry in std::fs::read_dir(root.join("docs")).expect("docs").flatten() {
        if entry.path().extension().is_some_and(|extension| extension == "md") {
            found.push(entry.path());
        }
    }
    found.sort();
    found
}

/// The code blocks of a document that are marked with a language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut current: Option<String> = None;
    for line in text.lines() {
        match (&mut current, line.strip_prefix("```")) {
            (None, Some(mark)) if mark == language => current = Some(String::new()),
            (Some(_), Some(_)) => found.extend(current.take()),
            (Some(block), None) => {
                block.push_str(line);
                block.push('\n');
            }
            _ => {}
        }
    }
    found
}

fn promontory(args: &[&str], dir: &Path) -> (bool, String) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_promontory")).args(args).current_dir(dir).output().expect("it runs");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn every_file_in_the_documents_passes_the_check() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut checked = 0;
    for document in documents() {
        let text = std::fs::read_to_string(&document).expect("a document");
        for block in blocks(&text, "yaml") {
            std::fs::write(dir.path().join("example.yml"), &block).expect("written");
            let (passed, out) = promontory(&["check", "example.yml"], dir.path());
            assert!(passed && out.contains("SUCCESS"), "{}:\n{block}\n{out}", document.display());
            checked += 1;
        }
    }
    assert!(checked >= 2, "only {checked} examples were found");
}

/// Files (`file:NAME`) and sessions (`console`) of a document, in its order.
fn sessions(text: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut is_open = false;
    for line in text.lines() {
        match line.strip_prefix("```") {
            Some(mark) => {
                is_open = !is_open;
                if is_open {
                    found.push((mark.to_string(), String::new()));
                }
            }
            None => {
                if let Some((_, block)) = found.last_mut().filter(|_| is_open) {
                    block.push_str(line);
                    block.push('\n');
                }
            }
        }
    }
    found.retain(|(mark, _)| mark == "console" || mark.starts_with("file:"));
    found
}

#[test]
fn every_session_in_the_documents_runs_as_it_is_shown() {
    let mut ran = 0;
    for document in documents() {
        let dir = tempfile::tempdir().expect("a folder");
        let text = std::fs::read_to_string(&document).expect("a document");
        for (mark, block) in sessions(&text) {
            if let Some(name) = mark.strip_prefix("file:") {
                std::fs::write(dir.path().join(name), &block).expect("written");
                continue;
            }
            for shown in block.split("$ promontory ").skip(1) {
                let (command, expected) = shown.split_once('\n').expect("a line");
                let args: Vec<&str> = command.split(' ').collect();
                let (passed, said) = promontory(&args, dir.path());
                assert!(passed, "{}: {command}\n{said}", document.display());
                // What differs from run to run is left out at the end of a line.
                let is_shown = said.lines().count() == expected.lines().count()
                    && said.lines().zip(expected.lines()).all(|(said, shown)| {
                        match shown.strip_suffix("...") {
                            Some(begin) => said.starts_with(begin),
                            None => said == shown,
                        }
                    });
                assert!(is_shown, "{}: {command}\n{said}\nis shown as\n{expected}", document.display());
                ran += 1;
            }
        }
    }
    assert!(ran >= 6, "only {ran} commands were found");
}

#[test]
fn every_flag_in_the_documents_exists() {
    let dir = tempfile::tempdir().expect("a folder");
    let known: String = [
        &["run", "--help"][..],
        &["prometheus", "--help"],
        &["check", "--help"],
        &["export", "--help"],
        &["import", "--help"],
        &["import", "grafana", "--help"],
        &["export", "dashboards", "--help"],
        &["promtool", "test", "--help"],
        &["rules", "backtest", "--help"],
        &["alerts", "trail", "--help"],
        &["node-exporter", "--help"],
        &["blackbox-exporter", "--help"],
        &["pushgateway", "--help"],
        &["alertmanager", "--help"],
        &["amtool", "--help"],
        &["amtool", "silence", "add", "--help"],
        &["amtool", "alert", "query", "--help"],
        &["amtool", "config", "routes", "test", "--help"],
        &["alerts", "preview", "--help"],
        &["alerts", "trail", "--help"],
        &["rules", "backtest", "--help"],
        &["promtool", "check", "config", "--help"],
        &["promtool", "check", "metrics", "--help"],
        &["promtool", "check", "service-discovery", "--help"],
        &["promtool", "query", "instant", "--help"],
        &["promtool", "test", "rules", "--help"],
        &["promtool", "tsdb", "dump", "--help"],
        &["promtool", "push", "metrics", "--help"],
        &["users", "add", "--help"],
        &["users", "token", "--help"],
        &["promtool", "tsdb", "create-blocks-from", "openmetrics", "--help"],
        &["promtool", "tsdb", "create-blocks-from", "rules", "--help"],
    ]
    .iter()
    .map(|args| promontory(args, dir.path()).1)
    .collect();
    // Those that are taken without acting, and of another program.
    let ignored = include_str!("../src/ignored_flags.rs");
    let hidden = ["--collector.NAME", "--data-urlencode", "--data-binary"];
    // Those of the measuring program.
    let bench = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../benches/src");
    let sources = std::fs::read_dir(bench).expect("the measuring program").flatten();
    let sources = sources.filter_map(|file| std::fs::read_to_string(file.path()).ok());
    let bench = sources.collect::<String>() + " release ";
    for document in documents() {
        let text = std::fs::read_to_string(&document).expect("a document");
        let is_of_bench = document.ends_with("performance.md");
        for word in text.split(|c: char| !(c.is_alphanumeric() || "-._".contains(c))) {
            let flag = word.trim_end_matches(['.', '-']);
            // Switches are turned off so.
            let flag = &flag.replacen("--no-", "--", 1);
            if flag.len() > 3
                && flag.starts_with("--")
                && !hidden.contains(&flag.as_str())
                && flag != "--FLAG"
            {
                let exists = ignored.contains(&format!("{:?}", flag.trim_start_matches('-')))
                    || is_of_bench && bench.contains(flag.trim_start_matches('-'))
                    || known.split(|c: char| c.is_whitespace() || ",=[".contains(c)).any(|name| name == flag);
                assert!(exists, "{}: there is no flag {flag}", document.display());
            }
        }
    }
}

#[test]
fn the_default_alerts_in_the_documents_are_those_of_the_mixin() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let document = std::fs::read_to_string(root.join("docs/alerts.md")).expect("docs/alerts.md");
    let mixin = ["mixins/machine.yml", "mixins/monitors.yml"]
        .map(|file| std::fs::read_to_string(root.join(file)).expect("a mixin"))
        .concat();
    let rules: Vec<&str> = mixin.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    let listed: Vec<&str> = document
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(listed, rules);
}
