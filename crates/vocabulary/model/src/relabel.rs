//! Relabelling: rules that rewrite, keep or drop a set of labels.

use gocompat::re2::Regex;
use md5::{Digest, Md5};

use crate::labels::LabelsBuilder;

/// Stands between the values of several source labels.
pub const DEFAULT_SEPARATOR: &str = ";";
/// Matches everything.
pub const DEFAULT_REGEX: &str = "(.*)";
/// The first group of the expression.
pub const DEFAULT_REPLACEMENT: &str = "$1";

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Action {
    Replace,
    Keep,
    Drop,
    KeepEqual,
    DropEqual,
    HashMod,
    LabelMap,
    LabelDrop,
    LabelKeep,
    Lowercase,
    Uppercase,
}

impl Action {
    /// All names, as they are written.
    pub const NAMES: [&'static str; 11] = [
        "replace",
        "keep",
        "drop",
        "keepequal",
        "dropequal",
        "hashmod",
        "labelmap",
        "labeldrop",
        "labelkeep",
        "lowercase",
        "uppercase",
    ];
    const ALL: [Action; 11] = [
        Action::Replace,
        Action::Keep,
        Action::Drop,
        Action::KeepEqual,
        Action::DropEqual,
        Action::HashMod,
        Action::LabelMap,
        Action::LabelDrop,
        Action::LabelKeep,
        Action::Lowercase,
        Action::Uppercase,
    ];

    /// The action of this name, in any case.
    pub fn from_name(name: &str) -> Option<Action> {
        let at = Action::NAMES.iter().position(|known| known.eq_ignore_ascii_case(name))?;
        Some(Action::ALL[at])
    }

    /// The name as it is written.
    pub fn as_str(self) -> &'static str {
        Action::NAMES[self as usize]
    }
}

/// One rule.
#[derive(Clone, Debug, PartialEq)]
pub struct RelabelRule {
    /// Labels whose values, joined by the separator, are looked at.
    pub source_labels: Vec<String>,
    /// Stands between the values.
    pub separator: String,
    /// Must match the whole of the joined values (or a label's name).
    pub regex: Regex,
    /// For `hashmod`.
    pub modulus: u64,
    /// The label that is set; may use groups of the expression.
    pub target_label: String,
    /// The new value; may use groups of the expression.
    pub replacement: String,
    /// What to do.
    pub action: Action,
}

/// Applies rules in order. `false` means that the set is dropped.
#[must_use]
pub fn apply(rules: &[RelabelRule], labels: &mut LabelsBuilder) -> bool {
    rules.iter().all(|rule| rule.apply(labels))
}

impl RelabelRule {
    fn apply(&self, labels: &mut LabelsBuilder) -> bool {
        let mut joined = String::new();
        for (at, name) in self.source_labels.iter().enumerate() {
            if at > 0 {
                joined.push_str(&self.separator);
            }
            joined.push_str(labels.get(name));
        }
        match self.action {
            Action::Drop => return !self.regex.is_match(&joined),
            Action::Keep => return self.regex.is_match(&joined),
            Action::DropEqual => return labels.get(&self.target_label) != joined,
            Action::KeepEqual => return labels.get(&self.target_label) == joined,
            Action::Replace => {
                if let Some(captures) = self.regex.captures(&joined) {
                    let (mut target, mut value) = (String::new(), String::new());
                    self.regex.expand(&self.target_label, &captures, &mut target);
                    self.regex.expand(&self.replacement, &captures, &mut value);
                    if !target.is_empty() {
                        labels.set(&target, &value);
                    }
                }
            }
            Action::Lowercase => {
                labels.set(&self.target_label, &joined.to_lowercase());
            }
            Action::Uppercase => {
                labels.set(&self.target_label, &joined.to_uppercase());
            }
            Action::HashMod => {
                let digest: [u8; 16] = Md5::digest(joined.as_bytes()).into();
                let [_, _, _, _, _, _, _, _, last @ ..] = digest;
                let number = u64::from_be_bytes(last) % self.modulus.max(1);
                labels.set(&self.target_label, &number.to_string());
            }
            Action::LabelMap => {
                let mapped: Vec<(String, String)> = labels
                    .iter()
                    .filter(|(name, _)| self.regex.is_match(name))
                    .map(|(name, value)| (self.regex.replace_all(name, &self.replacement), value.to_string()))
                    .collect();
                for (name, value) in mapped {
                    labels.set(&name, &value);
                }
            }
            Action::LabelDrop => labels.retain(|name, _| !self.regex.is_match(name)),
            Action::LabelKeep => labels.retain(|name, _| self.regex.is_match(name)),
        }
        true
    }
}
