//! Regular expressions in RE2 syntax.

use regex_automata::meta;

/// A pattern that does not compile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("error parsing regexp: {0}")]
pub struct Error(String);

/// A compiled expression. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Regex {
    regex: meta::Regex,
    pattern: String,
}

impl Regex {
    /// Compiles a pattern that must match a whole text; the dot matches newlines too.
    pub fn anchored(pattern: &str) -> Result<Self, Error> {
        let regex =
            meta::Regex::new(&format!("^(?s:{pattern})$")).map_err(|error| Error(error.to_string()))?;
        Ok(Regex { regex, pattern: pattern.to_string() })
    }

    /// Whether the text matches.
    pub fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// The pattern as it was given.
    pub fn as_str(&self) -> &str {
        &self.pattern
    }
}
