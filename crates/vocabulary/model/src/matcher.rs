//! Label matchers: what a selector, a route or a silence asks of a label.

use std::fmt;

use gocompat::re2;

use crate::labels::{Labels, Quoted, is_plain_label_name};

/// How a matcher compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MatchOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`
    Regex,
    /// `!~`
    NotRegex,
}

impl MatchOp {
    /// The operator as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            MatchOp::Equal => "=",
            MatchOp::NotEqual => "!=",
            MatchOp::Regex => "=~",
            MatchOp::NotRegex => "!~",
        }
    }

    /// Whether it is `!=` or `!~`.
    pub const fn is_negative(self) -> bool {
        matches!(self, MatchOp::NotEqual | MatchOp::NotRegex)
    }
}

/// One condition on one label. An absent label counts as empty. Regular expressions match the
/// whole value.
#[derive(Clone, Debug)]
pub struct Matcher {
    /// The label's name.
    pub name: String,
    /// How to compare.
    pub op: MatchOp,
    /// The text or pattern to compare with.
    pub value: String,
    regex: Option<re2::Regex>,
}

impl Matcher {
    /// A matcher; fails if it is a regular expression that does not compile.
    pub fn new(
        op: MatchOp,
        name: impl Into<String>,
        value: impl Into<String>,
    ) -> Result<Self, gocompat::Error> {
        let (name, value) = (name.into(), value.into());
        let regex = match op {
            MatchOp::Equal | MatchOp::NotEqual => None,
            MatchOp::Regex | MatchOp::NotRegex => Some(re2::Regex::anchored(&value)?),
        };
        Ok(Matcher { name, op, value, regex })
    }

    /// A matcher for equality.
    pub fn equal(name: impl Into<String>, value: impl Into<String>) -> Self {
        Matcher { name: name.into(), op: MatchOp::Equal, value: value.into(), regex: None }
    }

    /// Whether a value meets the condition.
    pub fn matches(&self, value: &str) -> bool {
        match self.op {
            MatchOp::Equal => self.value == value,
            MatchOp::NotEqual => self.value != value,
            MatchOp::Regex => self.regex.as_ref().is_some_and(|regex| regex.is_match(value)),
            MatchOp::NotRegex => self.regex.as_ref().is_none_or(|regex| !regex.is_match(value)),
        }
    }

    /// Whether a set of labels meets the condition.
    pub fn matches_labels(&self, labels: &Labels) -> bool {
        self.matches(labels.value(&self.name))
    }

    /// Whether an absent label meets the condition.
    pub fn matches_empty(&self) -> bool {
        self.matches("")
    }

    /// The compiled expression of `=~` and `!~`.
    pub fn regex(&self) -> Option<&re2::Regex> {
        self.regex.as_ref()
    }
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        self.op == other.op && self.name == other.name && self.value == other.value
    }
}

impl Eq for Matcher {}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_plain_label_name(&self.name) {
            f.write_str(&self.name)?;
        } else {
            write!(f, "{}", Quoted(&self.name))?;
        }
        write!(f, "{}{}", self.op.as_str(), Quoted(&self.value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_label_counts_as_empty() {
        let labels = Labels::from_pairs([("job", "node")]);
        let matches =
            |op, value| Matcher::new(op, "zone", value).expect("a valid matcher").matches_labels(&labels);
        assert!(matches(MatchOp::Equal, ""));
        assert!(matches(MatchOp::NotEqual, "a"));
        assert!(matches(MatchOp::Regex, "a?"));
        assert!(!matches(MatchOp::NotRegex, ".*"));
    }

    #[test]
    fn a_regex_matches_the_whole_value() {
        let matcher = Matcher::new(MatchOp::Regex, "job", "no|de").expect("a valid matcher");
        assert!(matcher.matches("no") && matcher.matches("de") && !matcher.matches("node"));
    }
}
