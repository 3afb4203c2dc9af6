//! A page that stands alone: the machine, this process, and how often the page was asked for.

use std::sync::atomic::{AtomicU64, Ordering};

use base::Clock;
use exposition::TextWriter;

use crate::collectors::{COLLECTORS, process};
use crate::page::Page;
use crate::{Error, Node, NodeConfig, Run, Scratch};

/// Everything a stand-alone exporter shows.
pub struct Exporter {
    node: Node,
    /// Whether it shows its own process and requests.
    shows_itself: bool,
    /// The program's version.
    version: &'static str,
    requests: Requests,
}

#[derive(Default)]
struct Requests {
    in_flight: AtomicU64,
    answered: AtomicU64,
    failed: AtomicU64,
    refused: AtomicU64,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It got its page.
    Answered,
    /// Something broke.
    Failed,
    /// There were too many at once.
    Refused,
}

/// Which collectors a request wants.
#[derive(Clone, Debug)]
pub struct Selection(Option<Vec<&'static str>>);

/// A request under way.
pub struct Asked<'e>(&'e Exporter);

impl Exporter {
    /// Prepares the collectors; an error names the option at fault.
    pub fn new(
        config: NodeConfig,
        clock: Clock,
        version: &'static str,
        shows_itself: bool,
    ) -> Result<Self, Error> {
        let node = Node::new(config, clock)?;
        Ok(Exporter { node, shows_itself, version, requests: Requests::default() })
    }

    /// The names of the collectors that run, sorted.
    pub fn active(&self) -> impl Iterator<Item = &'static str> {
        self.node.active.iter().map(|collector| collector.name)
    }

    /// What `collect[]` and `exclude[]` ask for; the error is for whoever asked.
    pub fn select(&self, collect: &[String], exclude: &[String]) -> Result<Selection, String> {
        if !collect.is_empty() && !exclude.is_empty() {
            return Err("Combined collect and exclude queries are not allowed.".to_string());
        }
        if !exclude.is_empty() {
            let rest = self.active().filter(|name| !exclude.iter().any(|excluded| excluded == name));
            return Ok(Selection(Some(rest.collect())));
        }
        let mut wanted = Vec::new();
        for name in collect {
            let problem = match COLLECTORS.iter().find(|collector| collector.name == name) {
                None => "missing",
                Some(known) if !self.active().any(|active| active == known.name) => "disabled",
                Some(known) => {
                    wanted.push(known.name);
                    continue;
                }
            };
            return Err(format!(
                "Couldn't create filtered metrics handler: couldn't create collector: {problem} collector: {name}"
            ));
        }
        Ok(Selection((!wanted.is_empty()).then_some(wanted)))
    }

    /// Begins a request; `None` if there are `limit` under way (0 is no limit).
    pub fn ask(&self, limit: u64) -> Option<Asked<'_>> {
        let before = self.requests.in_flight.fetch_add(1, Ordering::Relaxed);
        let asked = Asked(self);
        if limit > 0 && before >= limit {
            asked.end(Outcome::Refused);
            return None;
        }
        Some(asked)
    }

    fn itself(&self, run: &mut Run<'_>, page: &mut Page) {
        let labels = [
            ("branch", ""),
            ("goarch", std::env::consts::ARCH),
            ("goos", std::env::consts::OS),
            ("goversion", ""),
            ("revision", ""),
            ("tags", ""),
            ("version", self.version),
        ];
        page.gauge("node_exporter_build_info", "Which program this is.", &labels, 1.0);
        if !self.shows_itself {
            return;
        }
        // Without /proc there is nothing to say.
        let _ = process(run, page);
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed) as f64;
        let help = "Pages that are being made.";
        page.gauge("promhttp_metric_handler_requests_in_flight", help, &[], count(&self.requests.in_flight));
        for (code, counter) in [
            ("200", &self.requests.answered),
            ("500", &self.requests.failed),
            ("503", &self.requests.refused),
        ] {
            let help = "Pages asked for, by how it went.";
            page.counter("promhttp_metric_handler_requests_total", help, &[("code", code)], count(counter));
        }
        for cause in ["encoding", "gathering"] {
            let help = "Mistakes while making pages.";
            page.counter("promhttp_metric_handler_errors_total", help, &[("cause", cause)], 0.0);
        }
    }
}

impl Asked<'_> {
    /// Writes the page.
    pub fn write(&self, selection: &Selection, out: &mut TextWriter<'_>) {
        let Exporter { node, .. } = self.0;
        let mut scratch = node.scratch.lock();
        let Scratch { files, page, state } = &mut *scratch;
        page.start(out);
        let wanted = |name: &str| selection.0.as_ref().is_none_or(|wanted| wanted.contains(&name));
        node.run(&wanted, files, page, state);
        self.0.itself(&mut node.run_with(files, state), page);
        page.write(out);
    }

    /// Ends the request.
    pub fn end(self, outcome: Outcome) {
        let requests = &self.0.requests;
        let counter = match outcome {
            Outcome::Answered => &requests.answered,
            Outcome::Failed => &requests.failed,
            Outcome::Refused => &requests.refused,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.0.requests.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
