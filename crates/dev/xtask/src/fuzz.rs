//! Runs a fuzz target for longer than its test does. The targets are ordinary tests (see
//! `testkit::fuzz`); this knows in which crate each of them is.

use std::process::Command;

/// Target, package, arguments of `cargo test` that choose the test program, the test's name.
const TARGETS: [(&str, &str, &[&str], &str); 16] = [
    ("log", "promontory-tsdb", &["--lib"], "fuzz::fuzz_log"),
    ("index", "promontory-tsdb", &["--lib"], "fuzz::fuzz_index"),
    ("chunks", "promontory-tsdb", &["--lib"], "fuzz::fuzz_chunks"),
    ("tombstones", "promontory-tsdb", &["--lib"], "fuzz::fuzz_tombstones"),
    ("meta", "promontory-tsdb", &["--lib"], "fuzz::fuzz_meta"),
    ("block", "promontory-tsdb", &["--lib"], "fuzz::fuzz_block"),
    ("prometheus", "promontory-tsdb", &["--lib"], "foreign::fuzz::fuzz_prometheus"),
    ("text", "promontory-exposition", &["--test", "fuzz"], "fuzz_text"),
    ("open_metrics", "promontory-exposition", &["--test", "fuzz"], "fuzz_open_metrics"),
    ("protobuf", "promontory-exposition", &["--test", "fuzz"], "fuzz_protobuf"),
    ("promql", "promontory-promql", &["--test", "it"], "fuzz::fuzz_promql"),
    ("otlp", "promontory-ingest", &["--lib"], "fuzz::fuzz_otlp"),
    ("remote_write", "promontory-ingest", &["--lib"], "fuzz::fuzz_remote_write"),
    ("dns", "promontory-net", &["--lib"], "dns::fuzz::fuzz_dns"),
    ("mail", "promontory-alerting", &["--lib"], "receivers::email::tests::fuzz_mail"),
    ("cel", "promontory-probe", &["--lib"], "fuzz::fuzz_cel"),
];

/// Runs `fuzz TARGET [--seconds N] [--seed N]`; `all` for one after the other. Says whether nothing was found.
pub fn run(args: &[String]) -> Result<bool, String> {
    let (mut wanted, mut seconds, mut seed) = (None, 60u64, None);
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut number = || -> Result<u64, String> {
            let text = args.next().ok_or_else(|| format!("{arg} needs a number"))?;
            text.parse().map_err(|_| format!("{text} is not a number"))
        };
        match arg.as_str() {
            "--seconds" => seconds = number()?,
            "--seed" => seed = Some(number()?),
            name if wanted.is_none() && !name.starts_with('-') => wanted = Some(name),
            other => return Err(format!("{other} is not understood")),
        }
    }
    let names = || TARGETS.map(|(name, ..)| name).join(", ");
    let wanted = wanted.ok_or_else(|| format!("which target? all, or one of: {}", names()))?;
    let chosen: Vec<_> = TARGETS.iter().filter(|(name, ..)| wanted == "all" || *name == wanted).collect();
    if chosen.is_empty() {
        return Err(format!("there is no target {wanted}; there are: {}", names()));
    }
    let mut nothing_found = true;
    for (_, package, program, test) in chosen {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        // Debug builds check what release builds leave out, and are optimised enough.
        command.args(["test", "--quiet", "--package", package]).args(*program);
        command
            .args(["--", "--exact", test, "--nocapture"])
            .env("PROMONTORY_FUZZ_SECONDS", seconds.to_string());
        if let Some(seed) = seed {
            command.env("PROMONTORY_FUZZ_SEED", seed.to_string());
        }
        let status = command.status().map_err(|error| format!("cargo cannot be started: {error}"))?;
        nothing_found &= status.success();
    }
    Ok(nothing_found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_is_a_test_that_is_there() {
        let sources = [
            "engines/tsdb/src/fuzz.rs",
            "engines/tsdb/src/foreign/fuzz.rs",
            "kits/exposition/tests/fuzz.rs",
            "kits/net/src/dns/fuzz.rs",
            "engines/promql/tests/it/fuzz.rs",
            "services/alerting/src/receivers/email/tests.rs",
            "services/ingest/src/fuzz.rs",
            "services/probe/src/fuzz.rs",
        ];
        let all: String = sources
            .iter()
            .map(|path| std::fs::read_to_string(crate::root().join("crates").join(path)).unwrap())
            .collect();
        for (name, _, _, test) in TARGETS {
            let function = test.rsplit("::").next().unwrap();
            assert!(all.contains(&format!("fn {function}()")), "{name}: there is no test {test}");
        }
        assert_eq!(all.matches("fn fuzz_").count(), TARGETS.len(), "a target is missing here");
    }

    #[test]
    fn arguments_that_are_not_understood_are_refused() {
        let run = |args: &[&str]| run(&args.iter().map(|arg| arg.to_string()).collect::<Vec<_>>());
        assert!(run(&[]).unwrap_err().contains("which target"));
        assert!(run(&["nothing"]).unwrap_err().contains("there is no target"));
        assert!(run(&["log", "--seconds", "x"]).unwrap_err().contains("not a number"));
    }
}
