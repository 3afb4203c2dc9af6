//! `query_log_file`: one line of JSON for each query that ended, with the names that Prometheus gives its parts.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use parking_lot::RwLock;
use promql::QueryStats;
use serde_json::{Value, json};

use crate::running::{Asked, Client};

/// The file, if queries are logged.
#[derive(Debug, Default)]
pub(crate) struct QueryLog(RwLock<Option<Arc<File>>>);

/// A query that ended.
pub(crate) struct Ended<'a> {
    /// When, milliseconds since the epoch.
    pub(crate) at_ms: i64,
    /// The whole expression.
    pub(crate) query: &'a str,
    pub(crate) asked: &'a Asked,
    pub(crate) client: &'a Client,
    /// Why it failed, if it did.
    pub(crate) error: Option<&'a str>,
    /// How long it waited for its turn.
    pub(crate) queue_seconds: f64,
    pub(crate) stats: &'a QueryStats,
}

impl QueryLog {
    /// Opens the file anew, or closes what is open. If it cannot be opened, the one before stays.
    pub(crate) fn open(&self, path: Option<&Path>) -> io::Result<()> {
        let file = match path {
            Some(path) => Some(Arc::new(OpenOptions::new().append(true).create(true).open(path)?)),
            None => None,
        };
        *self.0.write() = file;
        Ok(())
    }

    pub(crate) fn is_open(&self) -> bool {
        self.0.read().is_some()
    }

    /// Adds a line. Blocks for as long as the system takes to accept it.
    pub(crate) fn write(&self, ended: &Ended<'_>) {
        let Some(file) = self.0.read().clone() else { return };
        // One write, so that lines of several queries do not mix.
        if let Err(error) = (&*file).write_all(format!("{}\n", line(ended)).as_bytes()) {
            tracing::warn!(%error, "a query could not be logged");
        }
    }
}

fn line(ended: &Ended<'_>) -> Value {
    let Ended { asked, stats, .. } = ended;
    let time = |seconds: f64| {
        gocompat::layout::format_ms("2006-01-02T15:04:05.000Z07:00", (seconds * 1000.0).round() as i64)
    };
    let mut line = json!({
        "time": gocompat::layout::format_rfc3339_ms(ended.at_ms),
        "level": "INFO",
        "msg": "promql query logged",
        "params": {
            "query": ended.query,
            "start": time(asked.start),
            "end": time(asked.end),
            // Whole seconds, as readers of this format expect.
            "step": asked.step as i64,
        },
        "stats": {
            "timings": {
                "evalTotalTime": stats.eval_seconds,
                "resultSortTime": stats.sort_seconds,
                "queryPreparationTime": 0.0,
                "innerEvalTime": stats.eval_seconds,
                "execQueueTime": ended.queue_seconds,
                "execTotalTime": stats.total_seconds,
            },
            "samples": {
                "totalQueryableSamples": stats.total_samples,
                "peakSamples": stats.peak_samples,
            },
        },
        // No query is traced.
        "spanID": "0000000000000000",
        "traceID": "00000000000000000000000000000000",
    });
    let Some(fields) = line.as_object_mut() else { return line };
    if let Some(error) = ended.error {
        fields.insert("error".into(), error.into());
    }
    match &asked.rule {
        Some(rule) => {
            fields.insert("ruleGroup".into(), json!({ "file": rule.file, "name": rule.group }));
        }
        None => {
            let Client { address, method, path, .. } = ended.client;
            let ip = address.rsplit_once(':').map_or("", |(ip, _)| ip.trim_matches(['[', ']']));
            fields.insert("httpRequest".into(), json!({ "clientIP": ip, "method": method, "path": path }));
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::running::{Queries, RuleAsks};

    fn lines(path: &Path) -> Vec<Value> {
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_query_is_logged_when_it_ends_and_a_moved_file_is_made_again() {
        let dir = tempfile::tempdir().unwrap();
        let (path, old) = (dir.path().join("q.log"), dir.path().join("old"));
        let clock = base::Clock::manual(1_700_000_000_123);
        let queries = Queries::new(10, clock);
        let rule = || RuleAsks { name: "r".into(), group: "g".into(), file: "r.yml".into() };
        let run = |outcome| {
            let limits = promql::QueryLimits::default();
            let mut place = queries
                .enter_rule(rule(), "up == 0", 60_000, limits.cancel.clone(), limits.progress.clone())
                .unwrap();
            place.end(outcome);
        };
        run("success");
        assert!(!path.exists());
        queries.log_to(Some(&path)).unwrap();
        run("success");
        std::fs::rename(&path, &old).unwrap();
        queries.log_to(Some(&path)).unwrap();
        run("timeout");
        // What cannot be opened leaves what is.
        assert!(queries.log_to(Some(&dir.path().join("no/such"))).is_err());
        run("success");
        queries.log_to(None).unwrap();
        run("success");
        let [first] = &lines(&old)[..] else { panic!("not one line") };
        assert_eq!(first["time"], "2023-11-14T22:13:20.123Z");
        assert_eq!(first["params"]["query"], "up == 0");
        assert_eq!(first["params"]["start"], "1970-01-01T00:01:00.000Z");
        assert_eq!(first["params"]["step"], 0);
        assert_eq!(first["ruleGroup"], json!({ "file": "r.yml", "name": "g" }));
        assert_eq!(first.get("error"), None);
        let [failed, _] = &lines(&path)[..] else { panic!("not two lines") };
        assert_eq!(failed["error"], "timeout");
    }
}
