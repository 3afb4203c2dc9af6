//! Inhibition: an alert that fires keeps others from being notified.
//!
//! For each rule the alerts that match its source side are kept by the values of the rule's
//! `equal` labels, all of them, so that no source can hide another. Which rules an alert may fall
//! under is looked up, and whether any source of a slot fires is found out once for all its targets.

use std::cell::Cell;
use std::collections::{BTreeSet, HashMap};

use config::{Node, Result};
use model::{Labels, Matcher};

use crate::matcher_index::MatcherIndex;
use crate::matchers::{MatcherMode, all_match, key_of};
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
    /// Its name, or its matchers if it has none.
    pub fn shown(&self) -> String {
        match self.name.as_str() {
            "" => format!("{} inhibits {}", key_of(&self.source), key_of(&self.target)),
            name => name.to_string(),
        }
    }

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

/// The alerts that can inhibit, by rule. Alerts are known by numbers that the caller gives them.
#[derive(Debug, Default)]
pub struct Inhibitor {
    rules: Vec<Rule>,
    /// Rules by their target side.
    targets: MatcherIndex,
    /// Rules by their source side.
    sources: MatcherIndex,
}

#[derive(Debug)]
struct Rule {
    rule: InhibitRule,
    /// Sources by the values of the `equal` labels.
    slots: HashMap<String, Slot>,
}

/// Sources that inhibit the same alerts. Those that match the target side too stand apart: they
/// never inhibit an alert that also matches both sides.
#[derive(Debug, Default)]
struct Slot {
    one_sided: BTreeSet<u32>,
    two_sided: BTreeSet<u32>,
    memo: Cell<Memo>,
}

/// Whether any source of a slot fires, as it was found at a moment.
#[derive(Clone, Copy, Debug, Default)]
struct Memo {
    at: Option<Moment>,
    one_sided: bool,
    any: bool,
}

/// Tells states of the world apart: between two equal moments no alert began or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Counts changes.
    pub epoch: u64,
    /// The time.
    pub now_ms: i64,
}

impl Rule {
    fn slot_key(&self, labels: &Labels, key: &mut String) {
        key.clear();
        Labels::pack(self.rule.equal.iter().map(|name| ("", labels.value(name))), key);
    }
}

impl Slot {
    fn fires(&self, is_two_sided: bool, moment: Moment, fires: &impl Fn(u32) -> bool) -> bool {
        let mut memo = self.memo.get();
        if memo.at != Some(moment) {
            let one_sided = self.one_sided.iter().any(|source| fires(*source));
            let any = one_sided || self.two_sided.iter().any(|source| fires(*source));
            memo = Memo { at: Some(moment), one_sided, any };
            self.memo.set(memo);
        }
        if is_two_sided { memo.one_sided } else { memo.any }
    }
}

impl Inhibitor {
    /// An inhibitor without alerts.
    pub fn new(rules: &[InhibitRule]) -> Self {
        let mut inhibitor = Inhibitor::default();
        for (number, rule) in rules.iter().enumerate() {
            inhibitor.targets.insert(number as u32, std::slice::from_ref(&rule.target));
            inhibitor.sources.insert(number as u32, std::slice::from_ref(&rule.source));
            inhibitor.rules.push(Rule { rule: rule.clone(), slots: HashMap::new() });
        }
        inhibitor
    }

    /// Whether there are rules at all.
    pub fn has_rules(&self) -> bool {
        !self.rules.is_empty()
    }

    /// Makes an alert known. Whether it fires is asked later, each time.
    pub fn insert(&mut self, alert: u32, labels: &Labels) {
        let mut key = String::new();
        for number in self.sources.candidates(labels) {
            let Some(rule) = self.rules.get_mut(number as usize) else { continue };
            if !all_match(&rule.rule.source, labels) {
                continue;
            }
            rule.slot_key(labels, &mut key);
            if !rule.slots.contains_key(&key) {
                rule.slots.insert(key.clone(), Slot::default());
            }
            if let Some(slot) = rule.slots.get_mut(&key) {
                let is_two_sided = all_match(&rule.rule.target, labels);
                let side = if is_two_sided { &mut slot.two_sided } else { &mut slot.one_sided };
                side.insert(alert);
                slot.memo.take();
            }
        }
    }

    /// Forgets an alert.
    pub fn remove(&mut self, alert: u32, labels: &Labels) {
        let mut key = String::new();
        for number in self.sources.candidates(labels) {
            let Some(rule) = self.rules.get_mut(number as usize) else { continue };
            rule.slot_key(labels, &mut key);
            if let Some(slot) = rule.slots.get_mut(&key) {
                slot.one_sided.remove(&alert);
                slot.two_sided.remove(&alert);
                slot.memo.take();
                if slot.one_sided.is_empty() && slot.two_sided.is_empty() {
                    rule.slots.remove(&key);
                }
            }
        }
    }

    /// The slots that may inhibit an alert, with their rules and whether it matches both sides.
    fn slots_of<'a>(&'a self, labels: &'a Labels) -> impl Iterator<Item = (&'a Rule, &'a Slot, bool)> {
        let mut key = String::new();
        self.targets.candidates(labels).filter_map(move |number| {
            let rule = self.rules.get(number as usize)?;
            if rule.slots.is_empty() || !all_match(&rule.rule.target, labels) {
                return None;
            }
            rule.slot_key(labels, &mut key);
            Some((rule, rule.slots.get(&key)?, all_match(&rule.rule.source, labels)))
        })
    }

    /// Whether an alert inhibits this one at a moment; `fires` says which alerts fire then.
    pub fn is_inhibited(&self, labels: &Labels, moment: Moment, fires: impl Fn(u32) -> bool) -> bool {
        self.has_rules()
            && self.slots_of(labels).any(|(_, slot, two_sided)| slot.fires(two_sided, moment, &fires))
    }

    /// Up to `at_most` alerts that inhibit this one, each with the first rule by which it does;
    /// `fires` says which alerts fire.
    pub fn inhibited_by<'a>(
        &'a self,
        labels: &'a Labels,
        at_most: usize,
        fires: impl Fn(u32) -> bool,
    ) -> Vec<(u32, &'a InhibitRule)> {
        let mut found: Vec<(u32, &InhibitRule)> = Vec::new();
        for (rule, slot, is_two_sided) in self.slots_of(labels) {
            let two_sided = slot.two_sided.iter().filter(|_| !is_two_sided);
            for source in slot.one_sided.iter().chain(two_sided) {
                if found.len() >= at_most {
                    return found;
                }
                if fires(*source) && !found.iter().any(|(known, _)| known == source) {
                    found.push((*source, &rule.rule));
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

    fn rule(yaml: &str) -> InhibitRule {
        InhibitRule::decode(&Node::parse(yaml).unwrap(), MatcherMode::Fallback, &mut |_| {}).unwrap()
    }

    fn by(inhibitor: &Inhibitor, target: &Labels, fires: impl Fn(u32) -> bool) -> Vec<u32> {
        inhibitor.inhibited_by(target, 9, fires).into_iter().map(|(source, _)| source).collect()
    }

    #[test]
    fn a_two_sided_source_does_not_hide_a_plain_one() {
        let mut inhibitor =
            Inhibitor::new(&[rule("{source_matchers: [s=1], target_matchers: [t=1], equal: [e]}")]);
        let both = labels(&[("e", "1"), ("s", "1"), ("t", "1")]);
        let plain = labels(&[("e", "1"), ("s", "1")]);
        inhibitor.insert(1, &both);
        assert!(by(&inhibitor, &both, |_| true).is_empty(), "nothing inhibits itself");
        inhibitor.insert(2, &plain);
        assert_eq!(by(&inhibitor, &both, |_| true), [2]);
        inhibitor.remove(2, &plain);
        assert!(by(&inhibitor, &both, |_| true).is_empty());
    }

    #[test]
    fn only_sources_that_fire_count() {
        let mut inhibitor =
            Inhibitor::new(&[rule("{source_matchers: [s=~\"1|2\"], target_matchers: [t=1]}")]);
        inhibitor.insert(1, &labels(&[("s", "1")]));
        inhibitor.insert(2, &labels(&[("s", "2")]));
        let target = labels(&[("t", "1")]);
        assert_eq!(by(&inhibitor, &target, |source| source == 2), [2]);
        assert!(by(&inhibitor, &target, |_| false).is_empty());
    }

    #[test]
    fn an_empty_rule_inhibits_nothing() {
        let mut inhibitor = Inhibitor::new(&[rule("")]);
        inhibitor.insert(1, &labels(&[("a", "1")]));
        assert!(by(&inhibitor, &labels(&[("b", "1")]), |_| true).is_empty());
    }

    /// The definition, word for word: some alert fires that matches the source side, has equal
    /// values, and does not match both sides like the target.
    fn by_definition(rules: &[InhibitRule], alerts: &[(Labels, bool)], target: &Labels) -> BTreeSet<u32> {
        let mut found = BTreeSet::new();
        for rule in rules.iter().filter(|rule| all_match(&rule.target, target)) {
            for (number, (source, fires)) in alerts.iter().enumerate() {
                let is_equal = rule.equal.iter().all(|name| source.value(name) == target.value(name));
                let both_two_sided = all_match(&rule.target, source) && all_match(&rule.source, target);
                if *fires && is_equal && all_match(&rule.source, source) && !both_two_sided {
                    found.insert(number as u32);
                }
            }
        }
        found
    }

    #[test]
    fn the_index_agrees_with_the_definition() {
        let mut state = 7u64;
        let mut below = |bound: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % bound
        };
        let sides = ["[a=1]", "[a=~\"1|2\"]", "[b!=1]", "[a=1, b=2]", "[c=\"\"]", "[b=~\".+\"]", "[]"];
        let equals = ["[]", "[a]", "[b, c]", "[missing]"];
        let mut inhibited = 0;
        for _ in 0..300 {
            let mut rules = Vec::new();
            for _ in 0..1 + below(3) {
                let (source, target) = (sides[below(7)], sides[below(7)]);
                let equal = equals[below(4)];
                rules.push(rule(&format!(
                    "{{source_matchers: {source}, target_matchers: {target}, equal: {equal}}}"
                )));
            }
            let mut inhibitor = Inhibitor::new(&rules);
            let values = ["", "1", "2"];
            let mut alerts: Vec<(Labels, bool)> = Vec::new();
            for number in 0..8 {
                let set = [("a", values[below(3)]), ("b", values[below(3)]), ("c", values[below(3)])];
                alerts.push((labels(&set), true));
                inhibitor.insert(number, &alerts[number as usize].0);
            }
            for epoch in 0..6 {
                // An alert begins or ends, or is forgotten and comes again.
                let number = below(8);
                alerts[number].1 = !alerts[number].1;
                inhibitor.remove(number as u32, &alerts[number].0);
                inhibitor.insert(number as u32, &alerts[number].0);
                let fires = |number: u32| alerts[number as usize].1;
                for (target, _) in &alerts {
                    let expected = by_definition(&rules, &alerts, target);
                    let found: BTreeSet<u32> = by(&inhibitor, target, fires).into_iter().collect();
                    assert_eq!(found, expected, "{target} by {rules:?}");
                    let moment = Moment { epoch, now_ms: 0 };
                    assert_eq!(inhibitor.is_inhibited(target, moment, fires), !expected.is_empty());
                    inhibited += usize::from(!expected.is_empty());
                }
            }
        }
        assert!(inhibited > 1_000, "the rules must bite: {inhibited}");
    }
}
