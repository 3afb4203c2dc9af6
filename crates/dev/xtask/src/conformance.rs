//! The scoreboard: runs the suites of upstream's test data and holds them to the recorded levels.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use testkit::SuiteResult;

/// A suite: its name, after folder and file of the data, and how it runs.
struct Suite {
    name: &'static str,
    run: Run,
}

enum Run {
    /// Nothing runs it yet.
    Later,
    /// One suite.
    One(fn(&Path) -> SuiteResult),
    /// A folder of suites, each with its whole name; `None` for a file that nothing runs yet.
    Many(fn(&Path) -> Vec<(String, Option<SuiteResult>)>),
}

const fn later(name: &'static str) -> Suite {
    Suite { name, run: Run::Later }
}

const fn suite(name: &'static str, run: fn(&Path) -> SuiteResult) -> Suite {
    Suite { name, run: Run::One(run) }
}

/// One suite for each file of `alertmanager/cases`.
fn alertmanager_cases(dir: &Path) -> Vec<(String, Option<SuiteResult>)> {
    let mut results = alerting::conformance::run(dir);
    let files = fs::read_dir(dir.join("alertmanager/cases")).into_iter().flatten().flatten();
    let mut names: Vec<String> = files
        .filter_map(|file| Some(format!("alertmanager/cases/{}", file.path().file_stem()?.to_str()?)))
        .collect();
    names.sort();
    names
        .into_iter()
        .map(|name| {
            let result = results.remove(&name);
            (name, result)
        })
        .collect()
}

/// The queries of the compliance suite, held against an installed Prometheus by a test of the program, which
/// says how many there are. Where none is installed, none hold.
fn compliance(dir: &Path) -> SuiteResult {
    let output = std::process::Command::new(env!("CARGO"))
        .args([
            "test",
            "--quiet",
            "--package",
            "promontory",
            "--test",
            "it",
            "--",
            "--nocapture",
            "compliance_suite",
        ])
        .env("PROMONTORY_CONFORMANCE", dir)
        .current_dir(crate::root())
        .output();
    let (said, succeeded) = match output {
        Ok(output) => {
            let said = [output.stdout, output.stderr].concat();
            (String::from_utf8_lossy(&said).into_owned(), output.status.success())
        }
        Err(error) => (error.to_string(), false),
    };
    let count = said.lines().find_map(|line| {
        line.strip_suffix(" queries of the compliance suite")?.rsplit(' ').next()?.parse::<usize>().ok()
    });
    match (succeeded, count) {
        (true, Some(count)) => SuiteResult { passed: count, total: count, failures: Vec::new() },
        _ => SuiteResult::broken(said),
    }
}

/// The panels of the dashboards, asked by the page's own code of the program that scrapes a made-up cluster. Without the
/// page's tools (Node.js, `npm ci` in `ui/`) nothing runs it.
fn dashboards(dir: &Path) -> Vec<(String, Option<SuiteResult>)> {
    const NAME: &str = "mixins/dashboards";
    let page = crate::root().join("ui");
    if !page.join("node_modules/vite").is_dir() {
        return vec![(NAME.to_string(), None)];
    }
    let said = |mut command: std::process::Command| match command.output() {
        Ok(output) => (
            String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned(),
            output.status.success(),
        ),
        Err(error) => (error.to_string(), false),
    };
    let mut build = std::process::Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--package", "promontory"]).current_dir(crate::root());
    let (built, succeeded) = said(build);
    if !succeeded {
        return vec![(NAME.to_string(), Some(SuiteResult::broken(built)))];
    }
    let mut node = std::process::Command::new("node");
    node.arg("e2e/mixins-data.mjs").env("PROMONTORY_CONFORMANCE", dir).current_dir(page);
    let (said, succeeded) = said(node);
    // `243 of 243 panels have data, 0 failed`
    let counts = said.lines().find_map(|line| {
        let (counts, _) = line.split_once(" panels have data, ")?;
        let (with_data, all) = counts.split_once(" of ")?;
        Some((with_data.parse::<usize>().ok()?, all.parse::<usize>().ok()?))
    });
    let result = match counts.filter(|_| succeeded) {
        Some((passed, total)) => {
            let failures = said.lines().filter(|line| line.starts_with("      "));
            SuiteResult { passed, total, failures: failures.map(|line| line.trim().to_string()).collect() }
        }
        None => SuiteResult::broken(said),
    };
    vec![(NAME.to_string(), Some(result))]
}

/// All suites of the data, in the order of its README.
const SUITES: &[Suite] = &[
    suite("promql/scripts", |dir| promql::conformance::scripts(&dir.join("promql/scripts"))),
    suite("promql/parse-cases", |dir| promql::conformance::parse_cases(&dir.join("promql"))),
    suite("promql/compliance-queries", compliance),
    suite("prometheus/config", |dir| roles::conformance::config(&dir.join("prometheus"))),
    suite("prometheus/rulefmt", |dir| roles::conformance::rulefmt(&dir.join("prometheus"))),
    suite("prometheus/rules", |dir| roles::conformance::rules(&dir.join("prometheus"))),
    suite("prometheus/alert-generator", |dir| roles::conformance::alert_generator(&dir.join("prometheus"))),
    suite("prometheus/promtool", |dir| roles::conformance::promtool(&dir.join("prometheus"))),
    suite("prometheus/textparse", |dir| {
        exposition::conformance::textparse(&dir.join("prometheus/textparse"))
    }),
    suite("prometheus/tsdb", |dir| roles::conformance::tsdb(&dir.join("prometheus"))),
    suite("prometheus/api", |dir| roles::conformance::api(&dir.join("prometheus/api"))),
    suite("prometheus/discovery", |dir| discovery::conformance::run(&dir.join("prometheus/discovery"))),
    Suite { name: "alertmanager/cases", run: Run::Many(alertmanager_cases) },
    later("alertmanager/acceptance"),
    suite("blackbox", |dir| probe::conformance::run(&dir.join("blackbox"))),
    later("operator/cases"),
    later("kube-state-metrics/cases"),
    suite("node-exporter", |dir| node::conformance::e2e(&dir.join("node-exporter"))),
    suite("mixins/promql", |dir| promql::conformance::mixins(&dir.join(""))),
    Suite { name: "mixins/dashboards", run: Run::Many(dashboards) },
    suite("mixins/rule-tests", |dir| roles::conformance::rule_tests(&dir.join(""))),
    later("thanos"),
    later("logql/scripts"),
    later("logql/expressions"),
    later("logql/tables"),
];

/// Runs the suites that the arguments choose. `Ok(false)` if one is below its level.
pub fn run(args: &[String]) -> Result<bool, String> {
    let mut dir = std::env::var_os("PROMONTORY_CONFORMANCE").map(PathBuf::from);
    let (mut list_failures, mut record, mut list) = (false, false, false);
    let mut prefixes: Vec<&str> = Vec::new();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        match arg.as_str() {
            "--dir" => dir = Some(PathBuf::from(rest.next().ok_or("--dir needs a folder")?)),
            "--list-failures" => list_failures = true,
            "--record" => record = true,
            "--list" => list = true,
            flag if flag.starts_with('-') => return Err(format!("unknown flag {flag}")),
            prefix => prefixes.push(prefix),
        }
    }
    let is_chosen =
        |name: &str| prefixes.is_empty() || prefixes.iter().any(|prefix| name.starts_with(prefix));
    // A folder is looked into if a name in it could be meant.
    let chosen: Vec<&Suite> = SUITES
        .iter()
        .filter(|suite| {
            is_chosen(suite.name)
                || matches!(suite.run, Run::Many(_))
                    && prefixes.iter().any(|prefix| prefix.starts_with(suite.name))
        })
        .collect();
    if chosen.is_empty() {
        return Err(format!("no suite begins with {}; --list shows their names", prefixes.join(" or ")));
    }
    if list {
        for suite in chosen {
            println!("{}", suite.name);
        }
        return Ok(true);
    }
    let dir = dir.unwrap_or_else(|| crate::root().join("../shared/conformance"));
    if !dir.is_dir() {
        if std::env::var_os("CI").is_some() {
            return Err(format!("there is no test data at {}", dir.display()));
        }
        println!(
            "conformance: no test data at {}; nothing to run (set PROMONTORY_CONFORMANCE or --dir)",
            dir.display()
        );
        return Ok(true);
    }
    let levels_file = crate::root().join("conformance.toml");
    let mut levels = read_levels(&levels_file)?;
    let mut held = true;
    for suite in chosen {
        let outcomes = match suite.run {
            Run::Later => vec![(suite.name.to_string(), None)],
            Run::One(run) => vec![(suite.name.to_string(), Some(run(&dir)))],
            Run::Many(run) => run(&dir),
        };
        for (name, outcome) in outcomes.into_iter().filter(|(name, _)| is_chosen(name)) {
            let Some(outcome) = outcome else {
                println!("{name}: no runner yet");
                continue;
            };
            let level = levels.get(&name).copied().unwrap_or(0);
            let is_below = outcome.passed < level;
            let below =
                if is_below { format!(" (below the recorded level of {level})") } else { String::new() };
            println!("{name}: passed {} of {}{below}", outcome.passed, outcome.total);
            if list_failures {
                for failure in &outcome.failures {
                    println!("    {}", failure.replace('\n', "\n      "));
                }
            }
            held &= !is_below;
            if record && outcome.passed > level {
                levels.insert(name, outcome.passed);
            }
        }
    }
    if record {
        write_levels(&levels_file, &levels)?;
    }
    Ok(held)
}

/// Lines of the form `"suite" = number`.
fn read_levels(file: &Path) -> Result<BTreeMap<String, usize>, String> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let mut levels = BTreeMap::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or("").trim();
        if line.is_empty() {
            continue;
        }
        let entry = line.split_once('=').and_then(|(name, level)| {
            Some((name.trim().strip_prefix('"')?.strip_suffix('"')?.to_string(), level.trim().parse().ok()?))
        });
        let (name, level) =
            entry.ok_or_else(|| format!("{}:{}: expected \"suite\" = number", file.display(), at + 1))?;
        levels.insert(name, level);
    }
    Ok(levels)
}

fn write_levels(file: &Path, levels: &BTreeMap<String, usize>) -> Result<(), String> {
    let mut text = String::from(
        "# How many cases of each suite pass. These numbers only rise: `cargo xtask conformance --record`\n# raises them, and a run that falls below one fails.\n",
    );
    for (name, level) in levels {
        text.push_str(&format!("{name:?} = {level}\n"));
    }
    fs::write(file, text).map_err(|error| format!("cannot write {}: {error}", file.display()))
}
