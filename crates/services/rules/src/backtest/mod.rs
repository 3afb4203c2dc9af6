//! When would these rules have fired? Rules are evaluated over stored history, one range query after
//! the other instead of one instant query a round, and what they find goes through the same state
//! machine as live: `for`, `keep_firing_for`, limits, templates of labels. Nothing is written or sent.
//!
//! What rules record is kept in memory for the rules that use it ([`overlay`]), so that a file of new
//! rules can be tried before any of it was ever recorded.

mod overlay;
mod replay;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use base::Clock;
use base::clock::Mark;
use model::Labels;
use model::storage::MetricReader;
use promql::ast::{DurationExpr, VectorSelector};
use promql::{Cancel, Engine, Expr, Features};

use crate::dependencies::{selectors_of, uses};
use crate::file::{GroupSpec, RuleKind, RuleSpec};
use overlay::Overlay;
use replay::Replay;

/// Evaluations of one rule at most.
pub const STEPS_MAX: i64 = 1_000_000;
/// The longest step that may be asked for, so that no time computed with it overflows.
const STEP_MAX_MS: i64 = 366 * 86_400_000;
/// Evaluations that fail one after the other until a rule is given up.
const FAILURES_IN_A_ROW_MAX: u64 = 1_000;
/// History before the first time asked for that is looked at at most, so that what was pending or
/// firing then is known.
const WARM_UP_MAX_MS: i64 = 7 * 86_400_000;

/// What is to be tried.
#[derive(Clone, Debug)]
pub struct Request {
    /// The groups.
    pub groups: Vec<GroupSpec>,
    /// Only these alerting rules, by name; all if empty.
    pub only: Vec<String>,
    /// From when on, milliseconds since the epoch.
    pub from_ms: i64,
    /// Until when.
    pub to_ms: i64,
    /// The distance of evaluations instead of each group's interval.
    pub step_ms: Option<i64>,
    /// Whether what the groups record is computed anew; if not, it is taken from the store.
    pub computes_records: bool,
    /// Labels of the server.
    pub external_labels: Labels,
    /// What it may take.
    pub limits: Limits,
}

/// What a backtest may take.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Samples that are read in all.
    pub samples_max: u64,
    /// Samples of recorded rules that are kept.
    pub recorded_samples_max: u64,
    /// Episodes that are listed; further ones are only counted.
    pub episodes_max: usize,
    /// How long it may take.
    pub timeout: Duration,
    /// Ends it.
    pub cancel: Cancel,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            samples_max: 2_000_000_000,
            recorded_samples_max: 20_000_000,
            episodes_max: 10_000,
            timeout: Duration::from_secs(120),
            cancel: Cancel::default(),
        }
    }
}

/// What history is asked with.
#[derive(Clone)]
pub struct History {
    /// Evaluates.
    pub engine: Arc<Engine>,
    /// The series.
    pub reader: Arc<dyn MetricReader>,
    /// Which features of the language are on.
    pub features: Features,
    /// Measures how long it takes.
    pub clock: Clock,
}

/// How far a backtest is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress<'a> {
    /// The rule that is evaluated.
    pub rule: &'a str,
    /// Rules done.
    pub done: usize,
    /// Rules in all.
    pub total: usize,
    /// The share of the rule's time that is done, 0 to 1.
    pub share: f64,
}

/// What would have happened.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// From when on, milliseconds since the epoch.
    pub from_ms: i64,
    /// Until when.
    pub to_ms: i64,
    /// The alerting rules that were tried, in order.
    pub rules: Vec<RuleReport>,
    /// Samples that were read.
    pub samples_read: u64,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Why it ended before everything was tried, if it did.
    pub stopped: Option<String>,
}

/// What would have happened with one rule.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RuleReport {
    /// Its file.
    pub file: String,
    /// Its group.
    pub group: String,
    /// Its name.
    pub name: String,
    /// The expression.
    pub expr: String,
    /// `for`.
    pub hold_ms: i64,
    /// `keep_firing_for`.
    pub keep_firing_ms: i64,
    /// The distance of evaluations.
    pub interval_ms: i64,
    /// Times it was evaluated, within the times asked for.
    pub evaluations: u64,
    /// Evaluations that would have failed.
    pub failures: u64,
    /// Why and when, the first time.
    pub error: Option<String>,
    /// Whether all of the time was evaluated.
    pub is_complete: bool,
    /// Times that some alert fired.
    pub fired: u64,
    /// Times that some alert was pending and ended before it fired.
    pub nearly_fired: u64,
    /// How long alerts fired, added up.
    pub firing_ms: i64,
    /// Each time, in the order of the beginnings.
    pub episodes: Vec<Episode>,
}

/// One alert from its beginning to its end.
#[derive(Clone, Debug, PartialEq)]
pub struct Episode {
    /// The labels it would have been sent with, but for those of owners.
    pub labels: Labels,
    /// Since when the expression held.
    pub active_at_ms: i64,
    /// Since when it fired.
    pub fired_at_ms: i64,
    /// When it ended; `None` if it still fired at the end.
    pub ended_at_ms: Option<i64>,
    /// Whether the expression already held at the first evaluation, so that it began earlier.
    pub began_before: bool,
    /// The expression's value when it fired.
    pub value: f64,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum BacktestError {
    /// What was asked makes no sense.
    #[error("{0}")]
    Invalid(String),
}

impl base::Classify for BacktestError {
    fn class(&self) -> base::ErrorClass {
        base::ErrorClass::BadInput
    }
}

/// Tries rules. Blocks. `progress` is told now and then.
pub fn run(
    request: &Request,
    history: &History,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Report, BacktestError> {
    let invalid = |text: String| Err(BacktestError::Invalid(text));
    if request.to_ms <= request.from_ms {
        return invalid("the end has to be after the beginning".into());
    }
    if request.step_ms.is_some_and(|step_ms| step_ms < 1) {
        return invalid("the step has to be above 0".into());
    }
    if request.step_ms.is_some_and(|step_ms| step_ms > STEP_MAX_MS) {
        return invalid("the step has to be at most 366 days".into());
    }
    let all: Vec<(&GroupSpec, &RuleSpec)> =
        request.groups.iter().flat_map(|group| group.rules.iter().map(move |rule| (group, rule))).collect();
    for name in &request.only {
        if !all.iter().any(|(_, rule)| is_alert(rule) && rule.name() == name) {
            return invalid(format!("there is no alerting rule {name:?}"));
        }
    }
    for (group, _) in &all {
        let step_ms = request.step_ms.unwrap_or(group.interval_ms).max(1);
        let steps = request.to_ms.saturating_sub(request.from_ms) / step_ms;
        if steps > STEPS_MAX {
            return invalid(format!(
                "group {:?} would be evaluated {steps} times, which is more than {STEPS_MAX}; a longer step or a shorter time makes it less",
                group.name
            ));
        }
    }
    let (wanted, order) = wanted(request, &all);
    let warm_up_ms = warm_up_ms(&all, &order, &history.engine);
    let overlay = Arc::new(Overlay::new(history.reader.clone(), request, &all, &order));
    let mark = history.clock.mark();
    let mut spent = Spent { samples_read: 0, mark: mark.clone(), limits: &request.limits };
    let mut report = Report { from_ms: request.from_ms, to_ms: request.to_ms, ..Report::default() };
    let mut episodes_left = request.limits.episodes_max;
    for (done, at) in order.iter().enumerate() {
        let Some((group, rule)) = all.get(*at).copied() else { continue };
        let total = order.len();
        let mut tell = |share: f64| progress(Progress { rule: rule.name(), done, total, share });
        tell(0.0);
        let is_wanted = wanted.contains(at);
        let is_used =
            order.iter().filter_map(|other| all.get(*other)).any(|(_, other)| uses_rule(other, rule));
        let mut replay = Replay {
            request,
            group,
            rule,
            history,
            overlay: &overlay,
            spent: &mut spent,
            is_used,
            warm_up_ms,
            episodes_left: &mut episodes_left,
        };
        let tried = replay.run(&mut tell);
        if is_wanted {
            report.rules.push(tried.report);
        }
        if let Some(why) = tried.stopped {
            report.stopped = Some(why);
            break;
        }
    }
    report.samples_read = spent.samples_read;
    report.seconds = mark.elapsed_seconds();
    Ok(report)
}

/// What was spent of the limits.
struct Spent<'a> {
    samples_read: u64,
    mark: Mark,
    limits: &'a Limits,
}

impl Spent<'_> {
    /// Why it has to end now, if it has to.
    fn stop(&self) -> Option<String> {
        if self.limits.cancel.is_canceled() {
            return Some("it was canceled".into());
        }
        if self.mark.elapsed() >= self.limits.timeout {
            return Some(format!("it took longer than {} s", self.limits.timeout.as_secs()));
        }
        (self.samples_read >= self.limits.samples_max)
            .then(|| format!("it read more than {} samples", self.limits.samples_max))
    }

    fn time_left(&self) -> Duration {
        self.limits.timeout.saturating_sub(self.mark.elapsed())
    }
}

fn is_alert(rule: &RuleSpec) -> bool {
    matches!(rule.kind, RuleKind::Alert { .. })
}

fn uses_rule(rule: &RuleSpec, other: &RuleSpec) -> bool {
    let mut selectors: Vec<&VectorSelector> = Vec::new();
    selectors_of(&rule.expr, &mut selectors);
    selectors.iter().any(|selector| uses(selector, other))
}

/// The alerting rules that are asked for, and all rules to evaluate: those, and before each what it uses.
fn wanted(request: &Request, all: &[(&GroupSpec, &RuleSpec)]) -> (Vec<usize>, Vec<usize>) {
    let is_asked = |rule: &RuleSpec| request.only.is_empty() || request.only.iter().any(|n| n == rule.name());
    let wanted: Vec<usize> = (0..all.len())
        .filter(|at| all.get(*at).is_some_and(|(_, rule)| is_alert(rule) && is_asked(rule)))
        .collect();
    let mut order = Vec::new();
    let mut entered = vec![false; all.len()];
    for at in &wanted {
        enter(*at, request, all, &mut entered, &mut order);
    }
    (wanted, order)
}

/// Enters a rule after those it uses. Where rules use each other, one of them comes first.
fn enter(
    at: usize,
    request: &Request,
    all: &[(&GroupSpec, &RuleSpec)],
    entered: &mut [bool],
    order: &mut Vec<usize>,
) {
    // A stack of its own: files may chain any number of rules.
    let mut stack = vec![(at, 0)];
    if std::mem::replace(&mut entered[at], true) {
        return;
    }
    while let Some((rule, next)) = stack.pop() {
        let Some((_, spec)) = all.get(rule) else { continue };
        let used = (next..all.len()).find(|other| {
            !entered[*other]
                && all.get(*other).is_some_and(|(_, other)| {
                    // What is not computed is in the store already.
                    (is_alert(other) || request.computes_records) && uses_rule(spec, other)
                })
        });
        match used {
            Some(other) => {
                entered[other] = true;
                stack.push((rule, other + 1));
                stack.push((other, 0));
            }
            None => order.push(rule),
        }
    }
}

/// How much history is needed before the times asked for: what `for` and `keep_firing_for` remember, and as
/// far as rules look back on what others record.
fn warm_up_ms(all: &[(&GroupSpec, &RuleSpec)], order: &[usize], engine: &Engine) -> i64 {
    let rules = || order.iter().filter_map(|at| all.get(*at)).map(|(_, rule)| *rule);
    let held = rules().map(|rule| match rule.kind {
        RuleKind::Alert { hold_ms, keep_firing_ms, .. } => hold_ms.saturating_add(keep_firing_ms),
        RuleKind::Record(_) => 0,
    });
    let uses_others = rules().any(|rule| rules().any(|other| uses_rule(rule, other)));
    let back_ms = match uses_others {
        true => rules().map(|rule| reach_ms(&rule.expr)).max().unwrap_or(0) + engine.options().lookback_ms,
        false => 0,
    };
    held.max().unwrap_or(0).saturating_add(back_ms).min(WARM_UP_MAX_MS)
}

/// How far an expression looks back by its ranges and offsets, where they are written as numbers.
fn reach_ms(expr: &Expr) -> i64 {
    let constant = |duration: &DurationExpr| match duration {
        DurationExpr::Constant { duration_ms, .. } => *duration_ms,
        _ => 0,
    };
    let offset = |offset: &Option<DurationExpr>| offset.as_ref().map_or(0, constant).max(0);
    match expr {
        Expr::Number(_) | Expr::String(_) => 0,
        Expr::Selector(selector) => offset(&selector.offset),
        Expr::Range(range) => constant(&range.range) + offset(&range.selector.offset),
        Expr::Subquery(subquery) => {
            constant(&subquery.range) + offset(&subquery.offset) + reach_ms(&subquery.expr)
        }
        Expr::Call(call) => call.args.iter().map(reach_ms).max().unwrap_or(0),
        Expr::Aggregate(aggregate) => reach_ms(&aggregate.expr),
        Expr::Binary(binary) => reach_ms(&binary.left).max(reach_ms(&binary.right)),
        Expr::Unary(unary) => reach_ms(&unary.expr),
        Expr::Paren(paren) => reach_ms(&paren.expr),
    }
}
