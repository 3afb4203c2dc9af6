//! Labels that are joined onto alerts after evaluation: who owns a workload, a namespace, a machine.
//! The query of a rule stays as it is.
//!
//! The labels come from a metric such as `kube_namespace_labels`, asked for at most once per round
//! and shared by all rules, or from a static inventory. An alert keeps what it was first sent with
//! until it ends, because its labels are what identifies it to receivers. Where nothing was known of
//! its owners then, and something is later, it ends as it was and goes on under its whole name.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use config::http_client::PathBase;
use config::{Error, Node, Result};
use model::{Labels, Matcher};
use parking_lot::Mutex;

use crate::evaluate::Evaluate;

/// Rows of one source at most; further ones are left out and reported.
const ROWS_MAX: usize = 200_000;
/// How long an answer is used again: rules of one round share it.
const FRESH_MS: i64 = 15_000;
/// How long an answer stands in for one that cannot be had.
const STALE_MAX_MS: i64 = 3_600_000;

/// What `alert_labels` says. Clones share what was looked up.
#[derive(Clone, Debug, Default)]
pub struct AlertLabels(Arc<Vec<Join>>);

#[derive(Debug)]
struct Join {
    matchers: Vec<Matcher>,
    on: Vec<String>,
    /// Label of the source, label of the alert.
    take: Vec<(String, String)>,
    overrides: bool,
    source: Source,
}

#[derive(Debug)]
enum Source {
    Metric { text: String, known: Mutex<Asked> },
    Inventory(Table),
}

/// What asking for a metric has given so far.
#[derive(Debug, Default)]
struct Asked {
    known: Option<Known>,
    /// When it failed the last time, and why; none once it has answered again.
    failed: Option<(i64, String)>,
}

#[derive(Clone, Debug)]
struct Known {
    at_ms: i64,
    table: Arc<Table>,
}

/// An alert's labels with those of its owners.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Joined {
    /// The labels.
    pub(crate) labels: Labels,
    /// Whether something was known of each owner that was looked for.
    pub(crate) is_whole: bool,
    /// What could not be looked up.
    pub(crate) problem: Option<String>,
}

/// Labels of a source by the values of the labels it is joined on.
#[derive(Clone, Debug, Default)]
struct Table {
    rows: HashMap<Vec<String>, Labels>,
    problem: Option<String>,
}

impl Table {
    fn insert(&mut self, on: &[String], take: &[(String, String)], labels: &Labels) {
        let key: Vec<String> = on.iter().map(|name| labels.value(name).to_string()).collect();
        let taken = Labels::from_pairs(
            take.iter().map(|(from, to)| (to, labels.value(from))).filter(|(_, value)| !value.is_empty()),
        );
        let is_full = self.rows.len() >= ROWS_MAX;
        match self.rows.entry(key) {
            Entry::Occupied(entry) if *entry.get() == taken => {}
            Entry::Occupied(mut entry) => {
                self.problem = Some(format!("several owners of {:?}", entry.key().join(", ")));
                // What they agree on is true of both.
                let same = entry.get().filter(|name| entry.get().get(name) == taken.get(name));
                entry.insert(same);
            }
            Entry::Vacant(_) if is_full => {
                self.problem = Some(format!("more than {ROWS_MAX} series or entries"));
            }
            Entry::Vacant(entry) => {
                entry.insert(taken);
            }
        }
    }
}

impl AlertLabels {
    /// Decodes the section `alert_labels`. Inventories are read here, their paths seen from `base`.
    pub fn decode(node: &Node, base: &PathBase) -> Result<AlertLabels> {
        Ok(AlertLabels(Arc::new(node.list(|node| decode_join(node, base))?)))
    }

    /// The files that were read, to be watched.
    pub fn inventories(node: &Node, base: &PathBase) -> Vec<std::path::PathBuf> {
        let Ok(list) = node.list(Ok) else { return Vec::new() };
        let paths = list.into_iter().filter_map(|node| node.get("from")?.get("inventory")?.string().ok());
        paths.map(|path| base.join(&path)).collect()
    }

    /// Whether there is nothing to join.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The labels of an alert with what is known of its owners.
    pub(crate) fn join(&self, labels: &Labels, at_ms: i64, evaluate: &dyn Evaluate) -> Joined {
        let mut joined = Joined { labels: labels.clone(), is_whole: true, problem: None };
        for join in self.0.iter() {
            // Earlier joins may give what later ones look for.
            if join.matchers.iter().all(|matcher| matcher.matches_labels(&joined.labels)) {
                join.apply(&mut joined, at_ms, evaluate);
            }
        }
        joined
    }
}

impl Join {
    fn apply(&self, joined: &mut Joined, at_ms: i64, evaluate: &dyn Evaluate) {
        let key: Vec<String> = self.on.iter().map(|name| joined.labels.value(name).to_string()).collect();
        if key.iter().all(String::is_empty) {
            return;
        }
        match &self.source {
            Source::Inventory(table) => {
                self.put(table, &key, joined);
                joined.problem = table.problem.clone().or(joined.problem.take());
            }
            Source::Metric { text, known } => {
                let (table, error) = self.look_up(text, known, at_ms, evaluate);
                match &table {
                    Some(table) => self.put(table, &key, joined),
                    None => joined.is_whole = false,
                }
                let problem = error.or(table.and_then(|table| table.problem.clone()));
                let problem = problem.map(|problem| format!("{text}: {problem}"));
                joined.problem = problem.or(joined.problem.take());
            }
        }
    }

    fn put(&self, table: &Table, key: &[String], joined: &mut Joined) {
        let Some(row) = table.rows.get(key) else {
            joined.is_whole = false;
            return;
        };
        let mut builder = joined.labels.to_builder();
        for (name, value) in row {
            if self.overrides || builder.get(name).is_empty() {
                builder.set(name, value);
            }
        }
        joined.labels = builder.build();
    }

    /// The rows of a metric; if it cannot be asked, the last ones for a while. A failure holds as long as an
    /// answer does, so that many alerts do not wait for the same timeout one after the other.
    fn look_up(
        &self,
        text: &str,
        asked: &Mutex<Asked>,
        at_ms: i64,
        evaluate: &dyn Evaluate,
    ) -> (Option<Arc<Table>>, Option<String>) {
        // Locked while it is asked, so that it is asked once.
        let mut asked = asked.lock();
        let Asked { known, failed } = &mut *asked;
        let age_ms = |since_ms: i64| (at_ms - since_ms).abs();
        if let Some(known) = known.as_ref().filter(|known| age_ms(known.at_ms) < FRESH_MS) {
            return (Some(known.table.clone()), None);
        }
        let usable = known.as_ref().filter(|known| age_ms(known.at_ms) < STALE_MAX_MS);
        let usable = usable.map(|known| known.table.clone());
        if let Some((_, error)) = failed.as_ref().filter(|(since_ms, _)| age_ms(*since_ms) < FRESH_MS) {
            return (usable, Some(error.clone()));
        }
        match evaluate.query(text, at_ms) {
            Ok(samples) => {
                let mut table = Table::default();
                for sample in &samples {
                    table.insert(&self.on, &self.take, &sample.labels);
                }
                let table = Arc::new(table);
                *known = Some(Known { at_ms, table: table.clone() });
                *failed = None;
                (Some(table), None)
            }
            Err(error) => {
                *failed = Some((at_ms, error.clone()));
                (usable, Some(error))
            }
        }
    }
}

fn decode_join(node: &Node, base: &PathBase) -> Result<Join> {
    let mut fields = node.fields("alert_labels")?;
    let matchers = match fields.take("match") {
        None => Vec::new(),
        Some(node) => promql::parse_selector(&node.string()?)
            .map_err(|error| node.error(format!("expected a selector: {error}")))?,
    };
    let overrides = fields.or("override", false, Node::boolean)?;
    let from = fields.take("from").ok_or_else(|| node.error("missing from"))?;
    fields.finish()?;
    let mut fields = from.fields("alert_labels.from")?;
    let metric = fields.take("metric");
    let inventory = fields.take("inventory");
    let on_node = fields.take("on");
    let take_node = fields.take("take");
    fields.finish()?;
    let on = on_node.map(Node::strings).transpose()?.unwrap_or_default();
    if on.is_empty() {
        return Err(on_node
            .unwrap_or(from)
            .error("expected the labels that tell whom an alert is about, such as on: [namespace]"));
    }
    let take = match take_node {
        Some(node) => decode_take(node)?,
        None => Vec::new(),
    };
    if take.is_empty() {
        return Err(take_node
            .unwrap_or(from)
            .error("expected the labels to join, such as take: [team] or take: {label_team: team}"));
    }
    for (_, name) in &take {
        if name == "alertname" || name == model::METRIC_NAME {
            return Err(take_node.unwrap_or(from).error(format!("{name} cannot be joined onto an alert")));
        }
    }
    let source = match (metric, inventory) {
        (Some(node), None) => {
            let text = node.string()?;
            promql::parse(&text, &promql::Features::default())
                .map_err(|error| node.error(format!("could not parse expression: {error}")))?;
            Source::Metric { text, known: Mutex::default() }
        }
        (None, Some(node)) => Source::Inventory(read_inventory(node, base, &on, &take)?),
        _ => return Err(from.error("expected either metric or inventory")),
    };
    Ok(Join { matchers, on, take, overrides, source })
}

/// `[a, b]`, or `{name_there: name_here}`.
fn decode_take(node: &Node) -> Result<Vec<(String, String)>> {
    if let config::yaml::Value::Sequence(_) = &node.value {
        return Ok(node.strings()?.into_iter().map(|name| (name.clone(), name)).collect());
    }
    Ok(node.labels()?.iter().map(|(from, to)| (from.to_string(), to.to_string())).collect())
}

fn read_inventory(node: &Node, base: &PathBase, on: &[String], take: &[(String, String)]) -> Result<Table> {
    let path = base.join(&node.string()?);
    let shown = path.display().to_string();
    let text = std::fs::read_to_string(&path)
        .map_err(|error| node.error(format!("{shown}: cannot be read: {error}")))?;
    let within = |error: Error| node.error(error.in_file(&shown).to_string());
    let root = Node::parse(&text).map_err(within)?;
    let mut table = Table::default();
    for labels in root.list(Node::labels).map_err(within)? {
        table.insert(on, take, &labels);
    }
    match &table.problem {
        Some(problem) => Err(node.error(format!("{shown}: {problem}"))),
        None => Ok(table),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::evaluate::{Asker, Sampled};
    use promql::{Expr, SampleValue};

    struct Namespaces {
        asked: AtomicUsize,
        fails: bool,
    }

    impl Evaluate for Namespaces {
        fn instant(
            &self,
            _: &Expr,
            _: &str,
            _: i64,
            _: Asker<'_>,
        ) -> std::result::Result<Vec<Sampled>, String> {
            Ok(Vec::new())
        }

        fn query(&self, text: &str, _: i64) -> std::result::Result<Vec<Sampled>, String> {
            assert_eq!(text, "kube_namespace_labels");
            self.asked.fetch_add(1, Ordering::SeqCst);
            if self.fails {
                return Err("away".into());
            }
            let row = |namespace: &str, team: &str, pod: &str| Sampled {
                labels: Labels::from_pairs([("namespace", namespace), ("label_team", team), ("pod", pod)]),
                value: SampleValue::Float(1.0),
            };
            Ok(vec![
                row("shop", "web", "a"),
                row("shop", "web", "b"),
                row("db", "dba", "a"),
                row("db", "ops", "b"),
            ])
        }
    }

    fn namespaces(fails: bool) -> Namespaces {
        Namespaces { asked: AtomicUsize::new(0), fails }
    }

    fn decode(text: &str) -> Result<AlertLabels> {
        AlertLabels::decode(&Node::parse(text).unwrap(), &PathBase::new(std::path::Path::new("/nowhere")))
    }

    const JOIN: &str = "[{match: '{namespace!=\"\"}', from: {metric: kube_namespace_labels, on: [namespace], take: {label_team: team}}}]";

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        Labels::from_pairs(pairs.iter().copied())
    }

    #[test]
    fn an_alert_gets_the_labels_of_its_namespace_and_keeps_its_own() {
        let (joins, asked) = (decode(JOIN).unwrap(), namespaces(false));
        for (alert, expected) in [
            (labels(&[("namespace", "shop")]), labels(&[("namespace", "shop"), ("team", "web")])),
            (
                labels(&[("namespace", "shop"), ("team", "x")]),
                labels(&[("namespace", "shop"), ("team", "x")]),
            ),
            (labels(&[("namespace", "none")]), labels(&[("namespace", "none")])),
            (labels(&[("instance", "a")]), labels(&[("instance", "a")])),
        ] {
            assert_eq!(joins.join(&alert, 1_000, &asked).labels, expected);
        }
        assert_eq!(asked.asked.load(Ordering::SeqCst), 1, "one question for all alerts of a round");
        let joined = joins.join(&labels(&[("namespace", "db")]), 1_000, &asked);
        assert_eq!(joined.labels, labels(&[("namespace", "db")]));
        assert!(joined.problem.unwrap().contains("several owners of \"db\""));
    }

    #[test]
    fn what_cannot_be_asked_is_answered_from_before_and_holds_nothing_back() {
        let (joins, alert) = (decode(JOIN).unwrap(), labels(&[("namespace", "shop")]));
        let joined = joins.join(&alert, 0, &namespaces(true));
        assert_eq!(joined.problem.as_deref(), Some("kube_namespace_labels: away"));
        assert!(joined.labels == alert && !joined.is_whole);
        joins.join(&alert, FRESH_MS, &namespaces(false));
        let joined = joins.join(&alert, 60_000, &namespaces(true));
        assert_eq!((joined.labels.value("team"), joined.is_whole), ("web", true));
        assert!(joined.problem.is_some());
        assert_eq!(joins.join(&alert, 2 * STALE_MAX_MS, &namespaces(true)).labels, alert);
    }

    #[test]
    fn many_alerts_of_a_round_wait_for_one_failure_only() {
        let (joins, away) = (decode(JOIN).unwrap(), namespaces(true));
        for at_ms in [0, 0, 1_000, FRESH_MS - 1] {
            let joined = joins.join(&labels(&[("namespace", "shop")]), at_ms, &away);
            assert_eq!(joined.problem.as_deref(), Some("kube_namespace_labels: away"));
        }
        assert_eq!(away.asked.load(Ordering::SeqCst), 1);
        joins.join(&labels(&[("namespace", "shop")]), FRESH_MS, &away);
        assert_eq!(away.asked.load(Ordering::SeqCst), 2, "the next round asks again");
    }

    #[test]
    fn an_inventory_is_joined_and_overrides_if_told_so() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("owners.yml"), "- {instance: a, owner: kim}\n- {instance: b}\n")
            .unwrap();
        let text = "[{override: true, from: {inventory: owners.yml, on: [instance], take: [owner]}}]";
        let joins = AlertLabels::decode(&Node::parse(text).unwrap(), &PathBase::new(dir.path())).unwrap();
        let joined = |pairs: &[(&str, &str)]| joins.join(&labels(pairs), 0, &namespaces(true)).labels;
        assert_eq!(joined(&[("instance", "a"), ("owner", "lee")]).value("owner"), "kim");
        assert_eq!(joined(&[("instance", "b"), ("owner", "lee")]).value("owner"), "lee");
    }

    #[test]
    fn every_mistake_names_its_place() {
        for (text, expected) in [
            ("[{from: {metric: m, on: [a]}}]", "expected the labels to join"),
            ("[{from: {metric: m, take: [a]}}]", "expected the labels that tell whom"),
            (
                "[{from: {metric: m, inventory: x, on: [a], take: [b]}}]",
                "expected either metric or inventory",
            ),
            ("[{from: {metric: 'm(', on: [a], take: [b]}}]", "could not parse expression"),
            ("[{from: {inventory: x, on: [a], take: [b]}}]", "x: cannot be read"),
            ("[{from: {metric: m, on: [a], take: {x: alertname}}}]", "alertname cannot be joined"),
            ("[{match: '{', from: {metric: m, on: [a], take: [b]}}]", "expected a selector"),
            ("[{on: [a]}]", "missing from"),
        ] {
            let error = decode(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
