//! Regular expressions as Go has them: RE2 syntax read by our own parser, run by `regex-automata`.
//!
//! Matching takes time linear in the text. The compiled size is bounded. A [`Regex`] is cheap to
//! clone and to share.

mod class;
mod fast;
mod parse;

use crate::error::Error;
use fast::Matcher;
use regex_automata::util::primitives::NonMaxUsize;
use regex_automata::{Input, meta};
use regex_syntax::hir::{Hir, Look};
use std::fmt;
use std::sync::{Arc, OnceLock};

/// What a compiled pattern may take, in bytes.
pub const COMPILED_SIZE_MAX_BYTES: usize = 10 << 20;

/// A compiled pattern.
#[derive(Clone)]
pub struct Regex(Arc<Inner>);

struct Inner {
    pattern: Box<str>,
    is_anchored: bool,
    hir: Hir,
    group_names: Box<[Option<Box<str>>]>,
    prefix: Option<Box<str>>,
    /// The answer to most questions without the engine.
    matcher: Option<Matcher>,
    /// Built at once, except where `matcher` answers and only captures would need it.
    engine: OnceLock<Option<meta::Regex>>,
}

impl Regex {
    /// Compiles `pattern`, which may match anywhere in a text.
    pub fn new(pattern: &str) -> Result<Self, Error> {
        let parsed = parse::parse(pattern, false)?;
        Self::build(pattern, false, parsed.hir, parsed.group_names)
    }

    /// Compiles `pattern` to match whole texts only, with `.` matching line breaks too: Prometheus's
    /// `^(?s:pattern)$`. Errors cite the pattern as given.
    pub fn anchored(pattern: &str) -> Result<Self, Error> {
        let parsed = parse::parse(pattern, true)?;
        let hir = Hir::concat(vec![Hir::look(Look::Start), parsed.hir, Hir::look(Look::End)]);
        Self::build(pattern, true, hir, parsed.group_names)
    }

    fn build(
        pattern: &str,
        is_anchored: bool,
        hir: Hir,
        group_names: Vec<Option<Box<str>>>,
    ) -> Result<Self, Error> {
        let matcher = Matcher::new(&hir, pattern.len());
        let engine = OnceLock::new();
        if matcher.is_none() {
            let compiled = compile(&hir, Some(COMPILED_SIZE_MAX_BYTES))
                .ok_or(Error::RegexTooLarge { limit_bytes: COMPILED_SIZE_MAX_BYTES })?;
            let _ = engine.set(Some(compiled));
        }
        Ok(Regex(Arc::new(Inner {
            pattern: pattern.into(),
            is_anchored,
            prefix: fast::literal_prefix(&hir),
            hir,
            group_names: group_names.into(),
            matcher,
            engine,
        })))
    }

    /// The pattern as it was given.
    pub fn as_str(&self) -> &str {
        &self.0.pattern
    }

    /// Whether `text` matches. Does not allocate where the pattern is a list of literals or literals
    /// with `.*` and `.+` between.
    pub fn is_match(&self, text: &str) -> bool {
        match &self.0.matcher {
            Some(matcher) => matcher.is_match(text),
            None => self.0.engine().is_some_and(|engine| engine.is_match(text)),
        }
    }

    /// If the pattern matches a short list of whole strings and nothing else, this list, sorted and
    /// without duplicates.
    pub fn set_matches(&self) -> Option<&[Box<str>]> {
        match &self.0.matcher {
            Some(Matcher::Set(set)) => Some(set),
            _ => None,
        }
    }

    /// A literal that every matching text starts with, if one is known.
    pub fn prefix(&self) -> Option<&str> {
        self.0.prefix.as_deref()
    }

    /// The names of the groups; the whole match is the first and has none.
    pub fn group_names(&self) -> impl ExactSizeIterator<Item = Option<&str>> {
        self.0.group_names.iter().map(|name| name.as_deref())
    }

    /// The leftmost match in `text` and what its groups hold.
    pub fn captures<'a>(&'a self, text: &'a str) -> Option<Captures<'a>> {
        if let Some(matcher) = &self.0.matcher {
            if !matcher.is_match(text) {
                return None;
            }
            // Such a pattern matches the whole text, so the engine has nothing to add.
            if self.0.group_names.len() == 1 {
                let slots = vec![NonMaxUsize::new(0), NonMaxUsize::new(text.len())];
                return Some(Captures { regex: &self.0, text, slots });
            }
        }
        let mut captures = Captures { regex: &self.0, text, slots: self.0.empty_slots() };
        captures.find_from(0).then_some(captures)
    }

    /// Appends to `out` the template with `$1`, `${1}`, `$name` and `${name}` replaced by what the
    /// groups hold, and `$$` by a dollar. A group that is unknown or took no part gives nothing; a
    /// dollar that starts none of these stays.
    pub fn expand(&self, template: &str, captures: &Captures<'_>, out: &mut String) {
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('$') {
            out.push_str(before);
            if let Some(after) = after.strip_prefix('$') {
                out.push('$');
                rest = after;
            } else if let Some((group, after)) = split_reference(after) {
                let held = match group_number(group) {
                    Some(number) => captures.get(number),
                    None => captures.name(group),
                };
                out.push_str(held.unwrap_or(""));
                rest = after;
            } else {
                out.push('$');
                rest = after;
            }
        }
        out.push_str(rest);
    }

    /// `text` with every match replaced by the expanded template; see [`Regex::expand`].
    pub fn replace_all(&self, text: &str, template: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut captures = Captures { regex: &self.0, text, slots: self.0.empty_slots() };
        let mut last_end = 0;
        let mut from = 0;
        while from <= text.len() && captures.find_from(from) {
            let Some((start, end)) = captures.span(0) else { break };
            out.push_str(&text[last_end..start]);
            // Nothing is put for an empty match right behind another match.
            if end > last_end || start == 0 {
                self.expand(template, &captures, &mut out);
            }
            last_end = end;
            let width = text[from..].chars().next().map_or(1, char::len_utf8);
            from = end.max(from + width);
        }
        out.push_str(&text[last_end.min(text.len())..]);
        out
    }
}

impl Inner {
    fn engine(&self) -> Option<&meta::Regex> {
        // Where a matcher exists, the compiled size is in proportion to the pattern: no limit needed.
        self.engine.get_or_init(|| compile(&self.hir, None)).as_ref()
    }

    fn empty_slots(&self) -> Vec<Option<NonMaxUsize>> {
        vec![None; self.group_names.len() * 2]
    }
}

fn compile(hir: &Hir, size_max_bytes: Option<usize>) -> Option<meta::Regex> {
    meta::Builder::new()
        .configure(meta::Config::new().nfa_size_limit(size_max_bytes))
        .build_from_hir(hir)
        .ok()
}

impl fmt::Debug for Regex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.0.is_anchored { "Regex::anchored" } else { "Regex" };
        f.debug_tuple(name).field(&self.0.pattern).finish()
    }
}

impl fmt::Display for Regex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.pattern)
    }
}

impl PartialEq for Regex {
    fn eq(&self, other: &Self) -> bool {
        self.0.is_anchored == other.0.is_anchored && self.0.pattern == other.0.pattern
    }
}

impl Eq for Regex {}

/// A match and what its groups hold.
pub struct Captures<'a> {
    regex: &'a Inner,
    text: &'a str,
    slots: Vec<Option<NonMaxUsize>>,
}

impl<'a> Captures<'a> {
    /// Looks for the next match at or behind `from`.
    fn find_from(&mut self, from: usize) -> bool {
        let Some(engine) = self.regex.engine() else { return false };
        let input = Input::new(self.text).span(from..self.text.len());
        engine.search_slots(&input, &mut self.slots).is_some()
    }

    /// Where group `number` starts and ends, in bytes; group 0 is the whole match.
    pub fn span(&self, number: usize) -> Option<(usize, usize)> {
        let start = (*self.slots.get(number.checked_mul(2)?)?)?;
        let end = (*self.slots.get(number * 2 + 1)?)?;
        Some((start.get(), end.get()))
    }

    /// What group `number` holds, if it took part; group 0 is the whole match.
    pub fn get(&self, number: usize) -> Option<&'a str> {
        let (start, end) = self.span(number)?;
        self.text.get(start..end)
    }

    /// What the first group of this name that took part holds.
    pub fn name(&self, name: &str) -> Option<&'a str> {
        let names = self.regex.group_names.iter().enumerate();
        names.filter(|(_, known)| known.as_deref() == Some(name)).find_map(|(number, _)| self.get(number))
    }
}

impl fmt::Debug for Captures<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries((0..self.slots.len() / 2).map(|number| self.get(number))).finish()
    }
}

/// Splits the name of a group off what follows a dollar.
fn split_reference(text: &str) -> Option<(&str, &str)> {
    let (braced, text) = match text.strip_prefix('{') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let end = text.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let rest = if braced { rest.strip_prefix('}')? } else { rest };
    (!name.is_empty()).then_some((name, rest))
}

/// The number that a reference is, unless it is a name. A leading zero makes it a name.
fn group_number(reference: &str) -> Option<usize> {
    let is_number = reference.bytes().all(|b| b.is_ascii_digit())
        && (reference.len() == 1 || !reference.starts_with('0'));
    reference.parse().ok().filter(|_| is_number && reference.len() <= 9)
}

/// `text` as a pattern that matches just this text.
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if r"\.+*?()|[]{}^$".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
