//! Rows of measurements: ratios to the best peer with their spread, goals, as text and as Markdown.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::peers::Kind;

/// When a row is reached. All values are "less is better".
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Goal {
    /// At most this share of the best peer.
    OfBest(f64),
    /// At most this much, whatever the peers do.
    AtMost(f64),
    /// At most this share of each peer that took part.
    OfEach(&'static [(Kind, f64)]),
    /// No goal: said for information.
    Open,
}

/// What one round measured on each server.
pub(crate) type Round = BTreeMap<Kind, f64>;

#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// The name that `--only` takes.
    pub(crate) id: &'static str,
    pub(crate) what: String,
    pub(crate) unit: &'static str,
    pub(crate) goal: Goal,
    pub(crate) rounds: Vec<Round>,
}

/// Middle, least and most of several values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

/// `None` of no values.
pub(crate) fn spread(mut values: Vec<f64>) -> Option<Spread> {
    values.sort_by(f64::total_cmp);
    let (min, max) = (*values.first()?, *values.last()?);
    let middle = values.len() / 2;
    let median = if values.len() % 2 == 1 {
        values[middle]
    } else {
        f64::midpoint(values[middle - 1], values[middle])
    };
    Some(Spread { median, min, max })
}

/// The geometric mean; `None` of no values or if one is not above zero.
pub(crate) fn geometric_mean(values: &[f64]) -> Option<f64> {
    if values.is_empty() || values.iter().any(|value| value.is_nan() || *value <= 0.0) {
        return None;
    }
    Some((values.iter().map(|value| value.ln()).sum::<f64>() / values.len() as f64).exp())
}

impl Row {
    /// A server's values over the rounds.
    pub(crate) fn of(&self, kind: Kind) -> Option<Spread> {
        spread(self.rounds.iter().filter_map(|round| round.get(&kind).copied()).collect())
    }

    /// The peer with the least median.
    pub(crate) fn best_peer(&self) -> Option<(Kind, f64)> {
        let peers = Kind::ALL.into_iter().filter(|kind| *kind != Kind::Promontory);
        let medians = peers.filter_map(|kind| Some((kind, self.of(kind)?.median)));
        medians.min_by(|a, b| a.1.total_cmp(&b.1))
    }

    /// Ours as a share of a peer's, round by round: what disturbed both in a round disturbs the ratio
    /// less than either. A peer measured in one round only is compared by its median.
    pub(crate) fn ratio_to(&self, peer: Kind) -> Option<Spread> {
        let paired = |round: &Round| Some(round.get(&Kind::Promontory)? / round.get(&peer)?);
        let pairs: Vec<f64> = self.rounds.iter().filter_map(paired).collect();
        let ours = self.rounds.iter().filter(|round| round.contains_key(&Kind::Promontory)).count();
        if pairs.len() == ours {
            return spread(pairs);
        }
        let theirs = self.of(peer)?.median;
        spread(self.rounds.iter().filter_map(|round| Some(round.get(&Kind::Promontory)? / theirs)).collect())
    }

    /// Whether the goal is reached; `None` if there is no goal or nothing to hold against it.
    pub(crate) fn reached(&self) -> Option<bool> {
        match self.goal {
            Goal::OfBest(share) => Some(self.ratio_to(self.best_peer()?.0)?.median <= share),
            Goal::AtMost(bound) => Some(self.of(Kind::Promontory)?.median <= bound),
            Goal::OfEach(shares) => {
                let held: Vec<bool> = shares
                    .iter()
                    .filter_map(|(kind, share)| Some(self.ratio_to(*kind)?.median <= *share))
                    .collect();
                (!held.is_empty()).then(|| held.into_iter().all(|one| one))
            }
            Goal::Open => None,
        }
    }

    fn goal_text(&self) -> String {
        match self.goal {
            Goal::OfBest(share) if share >= 1.0 => "no more than the best".to_string(),
            Goal::OfBest(share) => format!("{} of the best", fraction(share)),
            Goal::AtMost(bound) => format!("≤ {} {}", figure(bound), self.unit),
            Goal::OfEach(shares) => {
                let one = |(kind, share): &(Kind, f64)| {
                    if *share >= 1.0 {
                        format!("no more than {}", kind.name())
                    } else {
                        format!("{} of {}", fraction(*share), kind.name())
                    }
                };
                shares.iter().map(one).collect::<Vec<String>>().join(", ")
            }
            Goal::Open => "–".to_string(),
        }
    }

    /// Ours as a share of what the goal speaks of: each of some peers, else the best.
    fn ratio_text(&self) -> Option<String> {
        let Goal::OfEach(shares) = self.goal else {
            return Some(with_spread(self.ratio_to(self.best_peer()?.0)?));
        };
        let one = |(kind, _): &(Kind, f64)| {
            Some(format!("{} of {}", with_spread(self.ratio_to(*kind)?), kind.name()))
        };
        let each: Vec<String> = shares.iter().filter_map(one).collect();
        (!each.is_empty()).then(|| each.join(", "))
    }

    fn cells(&self, kinds: &[Kind]) -> Vec<String> {
        let mut cells = vec![self.what.clone(), self.unit.to_string()];
        for kind in kinds {
            cells.push(self.of(*kind).map_or("–".to_string(), with_spread));
        }
        cells.push(self.ratio_text().unwrap_or_else(|| "–".to_string()));
        cells.push(self.goal_text());
        cells.push(match self.reached() {
            Some(true) => "yes".to_string(),
            Some(false) => "no".to_string(),
            None => "–".to_string(),
        });
        cells
    }
}

/// A share as people say it: 1/4, else with decimals.
fn fraction(share: f64) -> String {
    let parts = 1.0 / share;
    if (parts - parts.round()).abs() < 1e-9 { format!("1/{}", parts.round()) } else { figure(share) }
}

/// Three digits that count.
pub(crate) fn figure(value: f64) -> String {
    let size = value.abs();
    if size >= 100.0 || value == 0.0 {
        format!("{value:.0}")
    } else if size >= 10.0 {
        format!("{value:.1}")
    } else if size >= 1.0 {
        format!("{value:.2}")
    } else {
        format!("{value:.3}")
    }
}

fn with_spread(of: Spread) -> String {
    if of.min == of.max {
        figure(of.median)
    } else {
        format!("{} ({}..{})", figure(of.median), figure(of.min), figure(of.max))
    }
}

/// The table's head and its rows as cells of text.
fn grid(rows: &[Row], titles: &[(Kind, String)]) -> Vec<Vec<String>> {
    let kinds: Vec<Kind> = titles.iter().map(|(kind, _)| *kind).collect();
    let mut head = vec!["work".to_string(), "unit".to_string()];
    head.extend(titles.iter().map(|(_, title)| title.clone()));
    head.extend(["share of the best peer", "goal", "reached"].map(String::from));
    let mut grid = vec![head];
    grid.extend(rows.iter().map(|row| row.cells(&kinds)));
    grid
}

/// For a terminal: columns aligned with blanks.
pub(crate) fn text(rows: &[Row], titles: &[(Kind, String)]) -> String {
    let grid = grid(rows, titles);
    let columns = grid[0].len();
    let width = |column: usize| grid.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for row in &grid {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            // Writing to a string cannot fail.
            let _ = write!(line, "{cell:<width$}  ");
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// For a document.
pub(crate) fn markdown(rows: &[Row], titles: &[(Kind, String)]) -> String {
    let grid = grid(rows, titles);
    let mut out = String::new();
    for (index, row) in grid.iter().enumerate() {
        let _ = writeln!(out, "| {} |", row.join(" | "));
        if index == 0 {
            out.push('|');
            out.push_str(&"---|".repeat(row.len()));
            out.push('\n');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use Kind::{Prometheus, Promontory, VictoriaMetrics};

    fn row(goal: Goal, rounds: &[&[(Kind, f64)]]) -> Row {
        let rounds = rounds.iter().map(|round| round.iter().copied().collect()).collect();
        Row { id: "x", what: "work".into(), unit: "µs", goal, rounds }
    }

    #[test]
    fn the_ratio_is_taken_round_by_round_against_the_peer_with_the_least_median() {
        // A disturbed second round doubles all; the ratio does not see it.
        let row = row(
            Goal::OfBest(0.25),
            &[
                &[(Promontory, 1.0), (Prometheus, 8.0), (VictoriaMetrics, 4.0)],
                &[(Promontory, 2.0), (Prometheus, 16.0), (VictoriaMetrics, 8.0)],
                &[(Promontory, 1.0), (Prometheus, 3.0), (VictoriaMetrics, 5.0)],
            ],
        );
        assert_eq!(row.best_peer(), Some((VictoriaMetrics, 5.0)));
        assert_eq!(row.ratio_to(VictoriaMetrics), Some(Spread { median: 0.25, min: 0.2, max: 0.25 }));
        assert_eq!(row.reached(), Some(true));
    }

    #[test]
    fn a_goal_is_judged_by_the_median() {
        let of =
            |goal| row(goal, &[&[(Promontory, 3.0), (Prometheus, 10.0), (VictoriaMetrics, 5.0)]]).reached();
        assert_eq!(of(Goal::OfBest(0.6)), Some(true));
        assert_eq!(of(Goal::OfBest(0.5)), Some(false));
        assert_eq!(of(Goal::AtMost(3.0)), Some(true));
        assert_eq!(of(Goal::AtMost(2.9)), Some(false));
        assert_eq!(of(Goal::OfEach(&[(Prometheus, 0.3), (VictoriaMetrics, 0.6)])), Some(true));
        assert_eq!(of(Goal::OfEach(&[(Prometheus, 0.2), (VictoriaMetrics, 0.6)])), Some(false));
        assert_eq!(of(Goal::Open), None);
    }

    #[test]
    fn without_peers_only_absolute_goals_are_judged() {
        let of = |goal| row(goal, &[&[(Promontory, 3.0)]]).reached();
        assert_eq!(of(Goal::OfBest(1.0)), None);
        assert_eq!(of(Goal::OfEach(&[(Prometheus, 0.2)])), None);
        assert_eq!(of(Goal::AtMost(3.0)), Some(true));
    }

    #[test]
    fn a_peer_of_one_round_is_compared_with_every_round_of_ours() {
        let row = row(Goal::OfBest(1.0), &[&[(Promontory, 2.0), (Prometheus, 4.0)], &[(Promontory, 3.0)]]);
        assert_eq!(row.ratio_to(Prometheus), Some(Spread { median: 0.625, min: 0.5, max: 0.75 }));
    }

    #[test]
    fn means_and_middles() {
        assert_eq!(spread(vec![3.0, 1.0, 2.0]), Some(Spread { median: 2.0, min: 1.0, max: 3.0 }));
        assert_eq!(spread(vec![4.0, 1.0]).unwrap().median, 2.5);
        assert_eq!(spread(vec![]), None);
        assert!((geometric_mean(&[1.0, 4.0, 16.0]).unwrap() - 4.0).abs() < 1e-12);
        assert_eq!(geometric_mean(&[1.0, 0.0]), None);
        assert_eq!(geometric_mean(&[]), None);
    }

    #[test]
    fn a_goal_that_names_peers_shows_the_ratio_to_each_of_them() {
        let rounds: &[&[(Kind, f64)]] = &[&[(Promontory, 1.0), (Prometheus, 8.0), (VictoriaMetrics, 4.0)]];
        let ratio = |goal| row(goal, rounds).ratio_text().unwrap();
        assert_eq!(ratio(Goal::OfEach(&[(Prometheus, 0.1)])), "0.125 of prometheus");
        assert_eq!(ratio(Goal::OfBest(0.1)), "0.250");
    }

    #[test]
    fn the_table_names_what_was_not_measured_with_a_dash() {
        let rows = [row(Goal::AtMost(2.0), &[&[(Promontory, 1.0)], &[(Promontory, 1.5)]])];
        let titles = [(Promontory, "Promontory".to_string()), (Prometheus, "Prometheus 2.42".to_string())];
        let expected = "\
| work | unit | Promontory | Prometheus 2.42 | share of the best peer | goal | reached |
|---|---|---|---|---|---|---|
| work | µs | 1.25 (1.00..1.50) | – | – | ≤ 2.00 µs | yes |
";
        assert_eq!(markdown(&rows, &titles), expected);
        assert!(text(&rows, &titles).lines().nth(1).unwrap().starts_with("work  µs    1.25 (1.00..1.50)"));
    }
}
