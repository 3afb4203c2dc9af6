//! Finds which of many sets of matchers, those of silences or of rules, may match an alert.
//!
//! Most sets name a value: `instance="a:1"`, or a few: `instance=~"a:1|b:1"`. Each set of
//! matchers is kept under the values of one such matcher, the one with the fewest sets beside it.
//! An alert then asks once for each of its labels. Sets that name no value are tried for each alert.

use std::collections::HashMap;

use model::{Labels, MatchOp, Matcher};

/// An expression with more alternatives is not taken apart.
const ALTERNATIVES_MAX: usize = 64;

/// See the module. Each set has a number, several may have the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct MatcherIndex {
    /// Numbers by packed label.
    by_label: HashMap<Box<str>, Vec<u32>>,
    /// Those that name no value.
    rest: Vec<u32>,
}

impl MatcherIndex {
    pub(crate) fn insert(&mut self, number: u32, sets: &[Vec<Matcher>]) {
        for set in sets {
            let crowd = |keys: &Vec<Box<str>>| {
                let crowds = keys.iter().map(|key| self.by_label.get(key).map_or(0, Vec::len));
                crowds.max().unwrap_or(0) + keys.len()
            };
            match set.iter().filter_map(keys_of).min_by_key(crowd) {
                Some(keys) => {
                    for key in keys {
                        self.by_label.entry(key).or_default().push(number);
                    }
                }
                None => self.rest.push(number),
            }
        }
    }

    pub(crate) fn remove(&mut self, number: u32, sets: &[Vec<Matcher>]) {
        for key in sets.iter().flatten().filter_map(keys_of).flatten() {
            if let Some(numbers) = self.by_label.get_mut(&key) {
                numbers.retain(|other| *other != number);
                if numbers.is_empty() {
                    self.by_label.remove(&key);
                }
            }
        }
        self.rest.retain(|other| *other != number);
    }

    /// Those that may match, some perhaps twice.
    pub(crate) fn candidates<'a>(&'a self, labels: &'a Labels) -> impl Iterator<Item = u32> + 'a {
        let mut key = String::new();
        let keyed = labels.iter().filter_map(move |(name, value)| {
            if self.by_label.is_empty() {
                return None;
            }
            key.clear();
            Labels::pack([(name, value)], &mut key);
            self.by_label.get(key.as_str())
        });
        keyed.flatten().chain(&self.rest).copied()
    }
}

/// The labels one of which an alert must have to match, if the matcher names them.
fn keys_of(matcher: &Matcher) -> Option<Vec<Box<str>>> {
    let values = match matcher.op {
        MatchOp::Equal => vec![matcher.value.clone()],
        MatchOp::Regex => alternatives(&matcher.value)?,
        MatchOp::NotEqual | MatchOp::NotRegex => return None,
    };
    if values.iter().any(String::is_empty) {
        return None; // An absent label matches as well.
    }
    let pack = |value: &String| {
        let mut key = String::new();
        Labels::pack([(matcher.name.as_str(), value.as_str())], &mut key);
        key.into_boxed_str()
    };
    Some(values.iter().map(pack).collect())
}

/// The texts an expression matches, if it is no more than a few of them side by side.
fn alternatives(pattern: &str) -> Option<Vec<String>> {
    let mut inner = pattern;
    inner = inner.strip_prefix('^').unwrap_or(inner);
    inner = match inner.strip_suffix('$') {
        Some(before) if !before.ends_with('\\') => before,
        _ => inner,
    };
    if let Some(after) = inner.strip_prefix("(?:").or_else(|| inner.strip_prefix('(')) {
        inner = after.strip_suffix(')').filter(|before| !before.ends_with('\\'))?;
    } else if inner.len() != pattern.len() && inner.contains('|') {
        return None; // The anchors belong to the first and the last alternative only.
    }
    let mut values = vec![String::new()];
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        if c == '|' {
            if values.len() >= ALTERNATIVES_MAX {
                return None;
            }
            values.push(String::new());
            continue;
        }
        let value = values.last_mut()?;
        match c {
            '\\' => match chars.next()? {
                c if c.is_ascii_punctuation() => value.push(c),
                _ => return None,
            },
            '.' | '+' | '*' | '?' | '(' | ')' | '[' | ']' | '{' | '}' | '^' | '$' => return None,
            c => value.push(c),
        }
    }
    Some(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_that_are_lists_of_words_are_taken_apart() {
        let of = |pattern| alternatives(pattern).map(|values| values.join(" "));
        assert_eq!(of("a|b-1:9090").as_deref(), Some("a b-1:9090"));
        assert_eq!(of("^(?:a|b)$").as_deref(), Some("a b"));
        assert_eq!(of(r"(10\.0\.0\.1|x)").as_deref(), Some("10.0.0.1 x"));
        for other in ["a.*", "a|b+", "(a)(b)", "[ab]", r"\d", "(?i)a", "^a|b$", "(a|b", r"a\"] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
