//! The scoreboard: runs the suites of upstream's test data and holds them to the recorded levels.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What a suite yields.
pub struct Outcome {
    /// Cases that pass.
    pub passed: usize,
    /// All cases.
    pub total: usize,
    /// A line for each case that fails.
    pub failures: Vec<String>,
}

/// A suite: its name, after folder and file of the data, and its runner if there is one yet.
struct Suite {
    name: &'static str,
    run: Option<fn(&Path) -> Outcome>,
}

const fn later(name: &'static str) -> Suite {
    Suite { name, run: None }
}

const fn suite(name: &'static str, run: fn(&Path) -> Outcome) -> Suite {
    Suite { name, run: Some(run) }
}

/// Turns a crate's result into an [`Outcome`]: all have the same fields.
macro_rules! outcome {
    ($folder:literal, $run:path) => {
        |dir: &Path| {
            let result = $run(&dir.join($folder));
            Outcome { passed: result.passed, total: result.total, failures: result.failures }
        }
    };
}

/// All suites of the data, in the order of its README.
const SUITES: &[Suite] = &[
    suite("promql/parse-cases", outcome!("promql", promql::conformance::parse_cases)),
    later("promql/compliance-queries"),
    later("prometheus/promtool"),
    later("prometheus/tsdb"),
    later("prometheus/alert-generator"),
    later("prometheus/discovery"),
    later("alertmanager/acceptance"),
    later("alertmanager/cases/receivers"),
    later("alertmanager/cases/templates"),
    later("blackbox"),
    later("operator/cases"),
    later("kube-state-metrics/cases"),
    later("mixins/dashboards"),
    later("mixins/rule-tests"),
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
    let chosen: Vec<&Suite> = SUITES
        .iter()
        .filter(|suite| prefixes.is_empty() || prefixes.iter().any(|prefix| suite.name.starts_with(prefix)))
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
        let Some(runner) = suite.run else {
            println!("{}: no runner yet", suite.name);
            continue;
        };
        let outcome = runner(&dir);
        let level = levels.get(suite.name).copied().unwrap_or(0);
        let below = if outcome.passed < level {
            format!(" (below the recorded level of {level})")
        } else {
            String::new()
        };
        println!("{}: passed {} of {}{below}", suite.name, outcome.passed, outcome.total);
        if list_failures {
            for failure in &outcome.failures {
                println!("    {}", failure.replace('\n', "\n      "));
            }
        }
        held &= outcome.passed >= level;
        if record && outcome.passed > level {
            levels.insert(suite.name.to_string(), outcome.passed);
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
