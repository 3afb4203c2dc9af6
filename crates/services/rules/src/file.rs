//! Rule files: groups of rules as YAML, checked down to every expression and template.

use config::Fields;
use config::yaml::{Error, Node};
use model::Labels;
use model::labels::{Quoted, is_plain_label_name, is_plain_metric_name};
use promql::{Expr, Features};

use crate::template;

/// A group of rules that are evaluated one after the other at one time.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupSpec {
    /// Its name, unique in its file.
    pub name: String,
    /// The file it comes from.
    pub file: String,
    /// Milliseconds between evaluations.
    pub interval_ms: i64,
    /// Series or alerts that a rule may yield; 0 is no limit.
    pub limit: usize,
    /// How far in the past expressions are evaluated, so that late samples have arrived.
    pub query_offset_ms: i64,
    /// Labels for every rule that does not set them.
    pub labels: Labels,
    /// The rules in order.
    pub rules: Vec<RuleSpec>,
}

/// A rule.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleSpec {
    /// What it does.
    pub kind: RuleKind,
    /// The expression.
    pub expr: Expr,
    /// The expression as it was written.
    pub expr_text: String,
    /// Labels it adds, the group's included.
    pub labels: Labels,
}

/// What a rule does.
#[derive(Clone, Debug, PartialEq)]
pub enum RuleKind {
    /// Records the result under a name.
    Record(String),
    /// Raises alerts.
    Alert {
        /// Their name.
        name: String,
        /// How long the expression must hold.
        hold_ms: i64,
        /// How long they go on after it holds no more.
        keep_firing_ms: i64,
        /// What explains them: templates.
        annotations: Labels,
    },
}

impl RuleSpec {
    /// The name of what it records or raises.
    pub fn name(&self) -> &str {
        match &self.kind {
            RuleKind::Record(name) | RuleKind::Alert { name, .. } => name,
        }
    }

    /// Whether it is the same rule, perhaps with another expression or other texts.
    pub(crate) fn is_same_rule(&self, other: &RuleSpec) -> bool {
        std::mem::discriminant(&self.kind) == std::mem::discriminant(&other.kind)
            && self.name() == other.name()
            && self.labels == other.labels
    }
}

/// Defaults that a file's groups fall back on.
#[derive(Clone, Copy, Debug)]
pub struct Defaults {
    /// `evaluation_interval`.
    pub interval_ms: i64,
    /// `rule_query_offset`.
    pub query_offset_ms: i64,
    /// Whether names of metrics, labels and annotations must be plain: letters, digits, underscores.
    pub legacy_names: bool,
    /// Whether fields of groups and rules that nobody knows are left alone.
    pub ignore_unknown: bool,
}

impl Default for Defaults {
    fn default() -> Self {
        Defaults { interval_ms: 60_000, query_offset_ms: 0, legacy_names: false, ignore_unknown: false }
    }
}

/// Reads a rule file. All errors are returned, each with its place.
pub fn parse_file(
    file: &str,
    text: &str,
    defaults: Defaults,
    features: &Features,
) -> Result<Vec<GroupSpec>, Vec<Error>> {
    let mut reader = Reader { file, defaults, features, errors: Vec::new() };
    let mut groups: Vec<GroupSpec> = Vec::new();
    // Documents after the first are left alone.
    match Node::parse_documents(text).map(|documents| documents.into_iter().next()) {
        Ok(None) => {}
        Ok(Some(root)) => {
            if let Err(error) = reader.root(&root, &mut groups) {
                reader.errors.push(error);
            }
        }
        Err(error) => reader.errors.push(error),
    }
    if reader.errors.is_empty() {
        return Ok(groups);
    }
    Err(reader.errors.into_iter().map(|error| error.in_file(file)).collect())
}

struct Reader<'a> {
    file: &'a str,
    defaults: Defaults,
    features: &'a Features,
    errors: Vec<Error>,
}

impl Reader<'_> {
    fn root(&mut self, root: &Node, groups: &mut Vec<GroupSpec>) -> config::Result<()> {
        let mut fields = root.fields("rulefmt.ruleGroups")?;
        let list = fields.or("groups", Vec::new(), |node| node.list(Ok))?;
        self.finish(fields)?;
        for node in list {
            match self.group(node) {
                Ok(group) => {
                    if groups.iter().any(|known| known.name == group.name) {
                        self.errors.push(
                            node.error(format!("groupname: \"{}\" is repeated in the same file", group.name)),
                        );
                    }
                    groups.push(group);
                }
                Err(error) => self.errors.push(error),
            }
        }
        Ok(())
    }

    fn group(&mut self, node: &Node) -> config::Result<GroupSpec> {
        let mut fields = node.fields("rulefmt.RuleGroup")?;
        let name = fields.or("name", String::new(), Node::string)?;
        let interval_ms = fields.or("interval", 0, Node::duration_ms)?;
        let query_offset_ms = fields.optional("query_offset", Node::duration_ms)?;
        let limit = fields.or("limit", 0, Node::integer)?;
        let labels = fields.or("labels", Labels::empty(), Node::labels)?;
        let rules = fields.or("rules", Vec::new(), |node| node.list(Ok))?;
        self.finish(fields)?;
        if name.is_empty() {
            return Err(node.error("Groupname must not be empty"));
        }
        for (label, _) in &labels {
            if let Err(message) = self.check_label(label) {
                self.errors.push(node.error(message));
            }
        }
        let mut group = GroupSpec {
            name,
            file: self.file.to_string(),
            interval_ms: if interval_ms > 0 { interval_ms } else { self.defaults.interval_ms },
            limit: usize::try_from(limit).unwrap_or(0),
            query_offset_ms: query_offset_ms.unwrap_or(self.defaults.query_offset_ms),
            labels,
            rules: Vec::new(),
        };
        for (at, node) in rules.into_iter().enumerate() {
            match self.rule(node, &group.labels) {
                Ok(rule) => group.rules.push(rule),
                Err((name, error)) => {
                    let place = format!("group \"{}\", rule {}, \"{name}\": ", group.name, at + 1);
                    self.errors.push(error.map(|message| place + &message));
                }
            }
        }
        Ok(group)
    }

    fn rule(&mut self, node: &Node, group_labels: &Labels) -> Result<RuleSpec, (String, Error)> {
        let name_of = |key: &str| node.get(key).and_then(|node| node.string().ok()).unwrap_or_default();
        let shown_name = [name_of("record"), name_of("alert")].concat();
        self.decode_rule(node, group_labels).map_err(|error| (shown_name, error))
    }

    fn decode_rule(&mut self, node: &Node, group_labels: &Labels) -> config::Result<RuleSpec> {
        let mut fields = node.fields("rulefmt.Rule")?;
        let record_node = fields.take("record");
        let alert_node = fields.take("alert");
        let expr_node = fields.take("expr");
        let hold = fields.optional("for", Node::duration_ms)?;
        let keep_firing = fields.optional("keep_firing_for", Node::duration_ms)?;
        let labels_node = fields.take("labels");
        let labels = labels_node.map(Node::labels).transpose()?.unwrap_or_default();
        let annotations_node = fields.take("annotations");
        let annotations = annotations_node.map(Node::labels).transpose()?.unwrap_or_default();
        self.finish(fields)?;

        let record = record_node.map(Node::string).transpose()?.unwrap_or_default();
        let alert = alert_node.map(Node::string).transpose()?.unwrap_or_default();
        if !record.is_empty() && !alert.is_empty() {
            return Err(node.error("only one of 'record' and 'alert' must be set"));
        }
        if record.is_empty() && alert.is_empty() {
            return Err(node.error("one of 'record' or 'alert' must be set"));
        }
        let expr_text = expr_node.map(Node::string).transpose()?.unwrap_or_default();
        let Some(expr_node) = expr_node.filter(|_| !expr_text.is_empty()) else {
            return Err(node.error("field 'expr' must be set in rule"));
        };
        let expr = promql::parse(&expr_text, self.features)
            .map_err(|error| expr_node.error(format!("could not parse expression: {error}")))?;
        for (label, _) in &labels {
            self.check_label(label).map_err(|message| labels_node.unwrap_or(node).error(message))?;
        }
        let kind = if record.is_empty() {
            for (label, _) in &annotations {
                if !self.is_label_name(label) {
                    let at = annotations_node.unwrap_or(node);
                    return Err(at.error(format!("invalid annotation name: {label}")));
                }
            }
            for (part, texts, at) in
                [("label", &labels, labels_node), ("annotation", &annotations, annotations_node)]
            {
                for (name, text) in texts {
                    template::check(&alert, text).map_err(|error| {
                        let place = at.and_then(|node| node.get(name)).unwrap_or(node);
                        place.error(format!("{part} {}: {error}", Quoted(name)))
                    })?;
                }
            }
            RuleKind::Alert {
                name: alert,
                hold_ms: hold.unwrap_or(0),
                keep_firing_ms: keep_firing.unwrap_or(0),
                annotations,
            }
        } else {
            let at = record_node.unwrap_or(node);
            if !annotations.is_empty() {
                return Err(node.error("invalid field 'annotations' in recording rule"));
            }
            if hold.is_some_and(|hold_ms| hold_ms != 0) {
                return Err(node.error("invalid field 'for' in recording rule"));
            }
            if keep_firing.is_some_and(|keep_ms| keep_ms != 0) {
                return Err(node.error("invalid field 'keep_firing_for' in recording rule"));
            }
            if self.defaults.legacy_names && !is_plain_metric_name(&record) {
                return Err(at.error(format!("invalid recording rule name: {record}")));
            }
            if record.contains(['{', '}']) && !is_plain_metric_name(&record) {
                return Err(at.error(format!(
                    "braces present in the recording rule name; should it be in expr?: {record}"
                )));
            }
            RuleKind::Record(record)
        };
        let mut merged = group_labels.to_builder();
        for (name, value) in &labels {
            merged.set(name, value);
        }
        Ok(RuleSpec { kind, expr, expr_text, labels: merged.build() })
    }

    /// Fields that nobody knows are mistakes, unless they are to be left alone.
    fn finish(&self, fields: Fields<'_>) -> config::Result<()> {
        if self.defaults.ignore_unknown { Ok(()) } else { fields.finish() }
    }

    fn check_label(&self, name: &str) -> Result<(), String> {
        if !self.is_label_name(name) || name == model::METRIC_NAME {
            return Err(format!("invalid label name: {name}"));
        }
        Ok(())
    }

    fn is_label_name(&self, name: &str) -> bool {
        if self.defaults.legacy_names { is_plain_label_name(name) } else { !name.is_empty() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Vec<GroupSpec>, Vec<String>> {
        parse_file("r.yml", text, Defaults::default(), &Features::default())
            .map_err(|errors| errors.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_group_gives_its_labels_to_rules_that_do_not_set_them() {
        let groups = parse(
            "groups:\n- name: g\n  interval: 30s\n  labels: {team: a, tier: x}\n  rules:\n  - record: a:b\n    expr: sum(up)\n    labels: {team: b}\n",
        )
        .unwrap();
        assert_eq!((groups[0].interval_ms, groups[0].rules[0].name()), (30_000, "a:b"));
        assert_eq!(groups[0].rules[0].labels.to_string(), r#"{team="b", tier="x"}"#);
    }

    #[test]
    fn every_mistake_names_its_place() {
        let head = "groups:\n- name: g\n  rules:\n  - ";
        for (rule, place, expected) in [
            (
                "record: a\n    alert: b\n    expr: up",
                "r.yml:4:5",
                "only one of 'record' and 'alert' must be set",
            ),
            ("expr: up", "r.yml:4:5", "one of 'record' or 'alert' must be set"),
            ("alert: A", "r.yml:4:5", "field 'expr' must be set in rule"),
            ("alert: A\n    expr: 'rate(up'", "r.yml:5:11", "could not parse expression: 1:"),
            (
                "alert: A\n    expr: up\n    fro: 5m",
                "r.yml:6:5",
                "field fro not found in type rulefmt.Rule; did you mean for?",
            ),
            ("alert: A\n    expr: up\n    for: 5x", "r.yml:6:10", "unknown unit \"x\" in duration \"5x\""),
            ("record: a\n    expr: up\n    for: 5m", "r.yml:4:5", "invalid field 'for' in recording rule"),
            (
                "record: a\n    expr: up\n    annotations: {a: b}",
                "r.yml:4:5",
                "invalid field 'annotations' in recording rule",
            ),
            ("alert: A\n    expr: up\n    annotations: {a: '{{ .x'}", "r.yml:6:22", "annotation \"a\": "),
        ] {
            let errors = parse(&format!("{head}{rule}\n")).unwrap_err();
            assert!(
                errors[0].starts_with(&format!("{place}:")) && errors[0].contains(expected),
                "{rule}: {errors:?}"
            );
        }
        let errors = parse("groups:\n- name: g\n- name: g\n- name: ''\n").unwrap_err();
        assert!(errors[0].contains("groupname: \"g\" is repeated in the same file"), "{errors:?}");
        assert!(errors[1].contains("Groupname must not be empty"), "{errors:?}");
    }
}
