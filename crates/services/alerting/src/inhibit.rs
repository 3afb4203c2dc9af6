//! Inhibition: an alert that fires keeps others from being notified.
//!
//! For each rule the alerts that match its source side are kept by the values of the rule's
//! `equal` labels, all of them, so that no source can hide another.

use std::collections::{BTreeSet, HashMap};

use config::{Node, Result};
use model::{Labels, Matcher};

use crate::matchers::{MatcherMode, all_match};
use crate::route::{match_pairs, match_regexes, matcher_list};

/// A rule as configured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InhibitRule {
    /// A name for people.
    pub name: String,
    /// What the alert that inhibits must meet.
    pub source: Vec<Matcher>,
    /// What the alert that is inhibited must meet.
    pub target: Vec<Matcher>,
    /// Labels that both must have with the same value; a missing one counts as empty.
    pub equal: Vec<String>,
}

impl InhibitRule {
    /// Decodes a rule. An empty one matches everything on both sides and so inhibits nothing.
    pub fn decode(
        node: &Node,
        mode: MatcherMode,
        warn: &mut dyn FnMut(config::Error),
    ) -> Result<InhibitRule> {
        let mut fields = node.fields("common.plain")?;
        let name = fields.or("name", String::new(), Node::string)?;
        let mut source = match_pairs(fields.take("source_match"))?;
        source.extend(match_regexes(fields.take("source_match_re"))?);
        source.extend(matcher_list(fields.take("source_matchers"), mode, warn)?);
        let mut target = match_pairs(fields.take("target_match"))?;
        target.extend(match_regexes(fields.take("target_match_re"))?);
        target.extend(matcher_list(fields.take("target_matchers"), mode, warn)?);
        let equal = fields.or("equal", Vec::new(), |node| {
            let names = node.strings()?;
            match names.iter().find(|name| !mode.is_valid_label_name(name)) {
                Some(name) => Err(node.error(format!("invalid label name {name:?} in equal list"))),
                None => Ok(names),
            }
        })?;
        fields.finish()?;
        Ok(InhibitRule { name, source, target, equal })
    }
}

/// The alerts that can inhibit, by rule.
#[derive(Clone, Debug, Default)]
pub struct Inhibitor {
    rules: Vec<Indexed>,
}

#[derive(Clone, Debug)]
struct Indexed {
    rule: InhibitRule,
    sources: HashMap<Vec<String>, BTreeSet<Source>>,
}

/// Sources that match the target side too stand apart: they never inhibit an alert that also
/// matches both sides.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Source {
    is_two_sided: bool,
    labels: Labels,
}

impl Indexed {
    fn slot(&self, labels: &Labels) -> Vec<String> {
        self.rule.equal.iter().map(|name| labels.value(name).to_string()).collect()
    }
}

impl Inhibitor {
    /// An inhibitor without alerts.
    pub fn new(rules: &[InhibitRule]) -> Self {
        let rules =
            rules.iter().map(|rule| Indexed { rule: rule.clone(), sources: HashMap::new() }).collect();
        Inhibitor { rules }
    }

    /// Whether there are rules at all.
    pub fn has_rules(&self) -> bool {
        !self.rules.is_empty()
    }

    /// Makes an alert known. Whether it fires is asked later, each time.
    pub fn insert(&mut self, labels: &Labels) {
        for indexed in &mut self.rules {
            if all_match(&indexed.rule.source, labels) {
                let is_two_sided = all_match(&indexed.rule.target, labels);
                let slot = indexed.slot(labels);
                indexed.sources.entry(slot).or_default().insert(Source { is_two_sided, labels: labels.clone() });
            }
        }
    }

    /// Forgets an alert.
    pub fn remove(&mut self, labels: &Labels) {
        for indexed in &mut self.rules {
            if !all_match(&indexed.rule.source, labels) {
                continue;
            }
            let is_two_sided = all_match(&indexed.rule.target, labels);
            let slot = indexed.slot(labels);
            if let Some(sources) = indexed.sources.get_mut(&slot) {
                sources.remove(&Source { is_two_sided, labels: labels.clone() });
                if sources.is_empty() {
                    indexed.sources.remove(&slot);
                }
            }
        }
    }

    /// Up to `at_most` alerts that inhibit this one now; `fires` says which alerts fire.
    pub fn inhibited_by(&self, labels: &Labels, at_most: usize, fires: impl Fn(&Labels) -> bool) -> Vec<Labels> {
        let mut found = Vec::new();
        for indexed in &self.rules {
            if found.len() >= at_most {
                break;
            }
            if !all_match(&indexed.rule.target, labels) {
                continue;
            }
            let Some(sources) = indexed.sources.get(&indexed.slot(labels)) else { continue };
            let is_two_sided = all_match(&indexed.rule.source, labels);
            for source in sources {
                if is_two_sided && source.is_two_sided {
                    // One-sided sources sort first, so none is left.
                    break;
                }
                if fires(&source.labels) && !found.contains(&source.labels) {
                    found.push(source.labels.clone());
                    if found.len() >= at_most {
                        break;
                    }
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        Labels::from_pairs(pairs.iter().copied())
    }

    fn inhibitor(yaml: &str) -> Inhibitor {
        let rule = InhibitRule::decode(&Node::parse(yaml).unwrap(), MatcherMode::Fallback, &mut |_| {});
        Inhibitor::new(&[rule.unwrap()])
    }

    #[test]
    fn a_two_sided_source_does_not_hide_a_plain_one() {
        let mut inhibitor = inhibitor("{source_matchers: [s=1], target_matchers: [t=1], equal: [e]}");
        let both = labels(&[("e", "1"), ("s", "1"), ("t", "1")]);
        let plain = labels(&[("e", "1"), ("s", "1")]);
        inhibitor.insert(&both);
        assert!(inhibitor.inhibited_by(&both, 1, |_| true).is_empty(), "nothing inhibits itself");
        inhibitor.insert(&plain);
        assert_eq!(inhibitor.inhibited_by(&both, 9, |_| true), std::slice::from_ref(&plain));
        inhibitor.remove(&plain);
        assert!(inhibitor.inhibited_by(&both, 9, |_| true).is_empty());
    }

    #[test]
    fn only_sources_that_fire_count() {
        let mut inhibitor = inhibitor("{source_matchers: [s=~\"1|2\"], target_matchers: [t=1]}");
        let (one, two) = (labels(&[("s", "1")]), labels(&[("s", "2")]));
        inhibitor.insert(&one);
        inhibitor.insert(&two);
        let target = labels(&[("t", "1")]);
        assert_eq!(inhibitor.inhibited_by(&target, 9, |source| *source == two), [two.clone()]);
        assert!(inhibitor.inhibited_by(&target, 9, |_| false).is_empty());
    }

    #[test]
    fn an_empty_rule_inhibits_nothing() {
        let mut inhibitor = inhibitor("");
        inhibitor.insert(&labels(&[("a", "1")]));
        assert!(inhibitor.inhibited_by(&labels(&[("b", "1")]), 9, |_| true).is_empty());
    }
}
